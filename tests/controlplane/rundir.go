package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// runDir is the directory that holds everything of one control plane.
type runDir string

// makeRunDir makes the directory `dir`, or a new temporary one if none is given.
func makeRunDir(dir string) (runDir, error) {
	if dir == "" {
		dir, err := os.MkdirTemp("", "controlplane-")
		return runDir(dir), err
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	if len(entries) > 0 {
		return "", fmt.Errorf("%s is not empty: another control plane may live there; name a new directory with --dir", dir)
	}
	return runDir(dir), nil
}

func (r runDir) path(name string) string { return filepath.Join(string(r), name) }

func (r runDir) log(component string) string { return r.path(filepath.Join("logs", component+".log")) }

// prepare makes what the components expect to be there.
func (r runDir) prepare() error {
	return errors.Join(
		os.Mkdir(r.path("logs"), 0o700),
		os.WriteFile(r.path("pid"), []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600),
	)
}

// writeEtcdURL says where etcd listens.
func (r runDir) writeEtcdURL(port int) error {
	return os.WriteFile(r.path(etcdURLFile), fmt.Appendf(nil, "http://127.0.0.1:%d\n", port), 0o600)
}

// clear removes everything but the logs: what is left would be data and credentials of a control plane that is no more.
func (r runDir) clear() error {
	entries, err := os.ReadDir(string(r))
	for _, entry := range entries {
		if entry.Name() != "logs" {
			err = errors.Join(err, os.RemoveAll(r.path(entry.Name())))
		}
	}
	return err
}

// remove removes the whole directory.
func (r runDir) remove() error { return os.RemoveAll(string(r)) }
