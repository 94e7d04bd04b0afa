package login

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// fileVault keeps secrets in files of mode 0600 in a directory. On Windows, where modes say
// nothing, the profile's access list keeps others out.
type fileVault string

func (v fileVault) path(l Login) string { return filepath.Join(string(v), l.name()+".secret") }

func (v fileVault) Get(_ context.Context, l Login) ([]byte, error) { return readPrivate(v.path(l)) }

func (v fileVault) Set(_ context.Context, l Login, secret []byte) error {
	return replace(v.path(l), secret)
}

func (v fileVault) Delete(_ context.Context, l Login) error {
	if err := os.Remove(v.path(l)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// maxKept bounds what is read of a file, in bytes.
const maxKept = 1 << 20

// readPrivate reads a file that nobody else can read, nor replace.
func readPrivate(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := private(path, info, 0o600); err != nil {
		return nil, err
	}
	dir, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	if err := private(filepath.Dir(path), dir, 0o700); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, maxKept))
}

// private refuses what others may read or change: they may have done so already.
func private(path string, info fs.FileInfo, want fs.FileMode) error {
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return fmt.Errorf("%s is open to others (mode %04o), who may have copied the login: run `chmod %04o '%s'`, then `gatehouse logout`, and sign in again",
			path, mode, want, path)
	}
	return nil
}

// privateDir makes the directory of a Book.
func privateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make a directory for logins: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	return private(dir, info, 0o700)
}

// replace writes a file whole and durably or not at all.
func replace(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // has its name by then, or is worthless
	if _, err := tmp.Write(data); err != nil {
		return errors.Join(err, tmp.Close())
	}
	if err := errors.Join(tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil || runtime.GOOS == "windows" {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
