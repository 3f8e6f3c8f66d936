package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.uber.org/zap"
)

const (
	// defaultEtcdPrefix is where an API server keeps its objects unless --etcd-prefix says otherwise.
	defaultEtcdPrefix = "/registry"
	// etcdURLFile names the file of the run directory that says where etcd listens.
	etcdURLFile = "etcd.url"
	// snapshotTimeout bounds how long etcd may take to send its data.
	snapshotTimeout = time.Minute
)

const snapshotUsage = `usage: controlplane etcd-snapshot RUN_DIRECTORY FILE

Asks the etcd of the control plane in RUN_DIRECTORY for a snapshot of its data and writes it to FILE, as
etcdctl snapshot save does. The API server need not run.
`

// saveSnapshot is the command etcd-snapshot: it returns the exit status.
func saveSnapshot(args []string) int {
	if len(args) != 2 {
		fmt.Fprint(os.Stderr, snapshotUsage)
		return 2
	}
	url, err := os.ReadFile(runDir(args[0]).path(etcdURLFile))
	if err != nil {
		fmt.Fprintf(os.Stderr, "controlplane etcd-snapshot: %s is not the directory of a control plane that runs: %v\n", args[0], err)
		return 2
	}
	ctx, cancel := context.WithTimeout(context.Background(), snapshotTimeout)
	defer cancel()
	config := clientv3.Config{Endpoints: []string{strings.TrimSpace(string(url))}, Logger: zap.NewNop()}
	if _, err := snapshot.NewV3(zap.NewNop()).Save(ctx, config, args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "controlplane etcd-snapshot: %v\n", err)
		return 1
	}
	return 0
}

// restore makes etcd's data directory from the snapshot `file`, with all objects moved from the default prefix to `prefix`.
func (o options) restore(r runDir, p ports) error {
	file := o.etcdSnapshot
	if o.etcdPrefix != defaultEtcdPrefix {
		file = r.path("moved.snapshot")
		if err := copyFile(o.etcdSnapshot, file); err != nil {
			return err
		}
		defer os.Remove(file)
		if err := moveKeys(file, defaultEtcdPrefix+"/", o.etcdPrefix+"/"); err != nil {
			return fmt.Errorf("cannot move the keys of %s to %s: %w", o.etcdSnapshot, o.etcdPrefix, err)
		}
	}
	peer := fmt.Sprintf("http://127.0.0.1:%d", p.etcdPeer)
	err := snapshot.NewV3(zap.NewNop()).Restore(snapshot.RestoreConfig{
		SnapshotPath:        file,
		Name:                "default",
		OutputDataDir:       r.path("etcd"),
		PeerURLs:            []string{peer},
		InitialCluster:      "default=" + peer,
		InitialClusterToken: "etcd-cluster",
		// Its hash is of the keys as they were.
		SkipHashCheck: true,
	})
	if err != nil {
		return fmt.Errorf("cannot restore %s: %w", o.etcdSnapshot, err)
	}
	return nil
}

// moveKeys moves every key of a snapshot that begins with `from`, in all its revisions, to `to` in its stead.
//
// etcd's database holds a bucket `key` from revision to key and value. The revisions stay: a client that watches from a
// resource version it got before goes on with the same objects.
func moveKeys(file, from, to string) error {
	if err := dropHash(file); err != nil {
		return err
	}
	db, err := bolt.Open(file, 0o600, &bolt.Options{Timeout: time.Second, NoSync: true})
	if err != nil {
		return err
	}
	moved := 0
	err = db.Update(func(tx *bolt.Tx) error {
		bucket := tx.Bucket([]byte("key"))
		if bucket == nil {
			return errors.New("it has no bucket of keys: is it a snapshot of etcd?")
		}
		// A bucket may not be written while it is walked.
		changed := map[string][]byte{}
		err := bucket.ForEach(func(revision, value []byte) error {
			var entry mvccpb.KeyValue
			if err := entry.Unmarshal(value); err != nil {
				return err
			}
			rest, found := bytes.CutPrefix(entry.Key, []byte(from))
			if !found {
				return nil
			}
			entry.Key = append([]byte(to), rest...)
			text, err := entry.Marshal()
			changed[string(revision)] = text
			return err
		})
		if err != nil {
			return err
		}
		for revision, text := range changed {
			if err := bucket.Put([]byte(revision), text); err != nil {
				return err
			}
		}
		moved = len(changed)
		return nil
	})
	if err == nil && moved == 0 {
		err = fmt.Errorf("no key begins with %s", from)
	}
	return errors.Join(err, db.Close())
}

// dropHash cuts off the SHA-256 that a snapshot ends with. A database's size is a multiple of its pages'.
func dropHash(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	const hash, sector = 32, 512
	if info.Size()%sector != hash {
		return nil
	}
	return os.Truncate(file, info.Size()-hash)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// takeCredentials copies keys and tokens of the control plane in `other`, so that whoever knew that one knows this one:
// its clients' tokens, its certificate and the tokens of service accounts stay valid. Kubeconfigs name the API server at `port`.
func (r runDir) takeCredentials(other string, port int) error {
	for _, name := range []string{"apiserver.crt", "apiserver.key", "ca.crt", "service-account.key", "tokens.csv"} {
		if err := copyFile(filepath.Join(other, name), r.path(name)); err != nil {
			return fmt.Errorf("cannot take over the credentials of %s: %w", other, err)
		}
	}
	for _, identity := range identities {
		if err := r.copyKubeconfig(filepath.Join(other, identity.kubeconfig), identity.kubeconfig, port); err != nil {
			return fmt.Errorf("cannot take over the credentials of %s: %w", other, err)
		}
	}
	return nil
}
