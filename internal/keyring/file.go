package keyring

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// FileName is the keyring's name in the data directory.
const FileName = "keyring.json"

// Open reads keyring.json in dir, or makes it (mode 0600) when there is none and mayCreate
// says so. mayCreate is asked only then; its error is returned as it is.
func Open(dir string, mayCreate func() error) (*Keyring, error) {
	path := filepath.Join(dir, FileName)
	data, err := os.ReadFile(path)
	switch {
	case err == nil:
		k, err := Parse(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return k, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read keyring: %w", err)
	}
	if err := mayCreate(); err != nil {
		return nil, err
	}
	k, err := New(rand.Reader)
	if err != nil {
		return nil, err
	}
	data, err = k.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encode keyring: %w", err)
	}
	if err := writeOnce(path, data); err != nil {
		return nil, fmt.Errorf("write keyring: %w", err)
	}
	return k, nil
}

// writeOnce writes the file whole and durably or not at all, and never over another one:
// a second process that starts at the same moment fails instead of replacing keys.
func writeOnce(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".keyring-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // linked by then, or worthless
	if _, err := tmp.Write(data); err != nil {
		return errors.Join(err, tmp.Close())
	}
	if err := errors.Join(tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Link(tmp.Name(), path)
}
