package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// partial marks files that are still being written; they are renamed when complete, so that a reader never sees half of one.
const partial = ".partial-"

// directoryStore is Velero's object store on a directory: <fspath>/<bucket>/<key>.
type directoryStore struct {
	root string
	url  string // where a test serves root; a location without publicUrl has no signed URLs
}

func (s *directoryStore) Init(config map[string]string) error {
	s.root, s.url = config["fspath"], config["publicUrl"]
	if s.root == "" {
		return errors.New("the location's config has no fspath: give the directory that holds the buckets")
	}
	return nil
}

func (s *directoryStore) file(bucket, key string) string {
	return filepath.Join(s.root, bucket, filepath.FromSlash(key))
}

func (s *directoryStore) PutObject(bucket, key string, body io.Reader) error {
	target := s.file(bucket, key)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	written, err := os.CreateTemp(filepath.Dir(target), partial+"*")
	if err != nil {
		return err
	}
	_, err = io.Copy(written, body)
	if err = errors.Join(err, written.Close()); err != nil {
		return errors.Join(err, os.Remove(written.Name()))
	}
	return os.Rename(written.Name(), target)
}

func (s *directoryStore) ObjectExists(bucket, key string) (bool, error) {
	_, err := os.Stat(s.file(bucket, key))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (s *directoryStore) GetObject(bucket, key string) (io.ReadCloser, error) {
	return os.Open(s.file(bucket, key))
}

func (s *directoryStore) ListObjects(bucket, prefix string) ([]string, error) {
	base := filepath.Join(s.root, bucket)
	var keys []string
	err := filepath.WalkDir(base, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(entry.Name(), partial) {
			return err
		}
		key, err := filepath.Rel(base, path)
		if err != nil {
			return err
		}
		if key = filepath.ToSlash(key); strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
		return nil
	})
	return keys, err
}

func (s *directoryStore) ListCommonPrefixes(bucket, prefix, delimiter string) ([]string, error) {
	keys, err := s.ListObjects(bucket, prefix)
	if err != nil {
		return nil, err
	}
	var prefixes []string
	for _, key := range keys {
		if head, _, found := strings.Cut(key[len(prefix):], delimiter); found {
			prefixes = append(prefixes, prefix+head+delimiter)
		}
	}
	slices.Sort(prefixes)
	return slices.Compact(prefixes), nil
}

func (s *directoryStore) DeleteObject(bucket, key string) error {
	return os.Remove(s.file(bucket, key))
}

func (s *directoryStore) CreateSignedURL(bucket, key string, _ time.Duration) (string, error) {
	if s.url == "" {
		return "", errors.New("the location's config has no publicUrl: nobody serves its files")
	}
	return s.url + "/" + bucket + "/" + key, nil
}
