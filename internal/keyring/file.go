package keyring

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// FileName is the keyring's name in the data directory.
const FileName = "keyring.json"

// Open reads keyring.json in dir, or makes it (mode 0600) when there is none and mayCreate
// says so. mayCreate is asked only then; its error is returned as it is. A file that was
// written before there were signing keys has none: Complete adds them.
func Open(dir string, mayCreate func() error) (*Keyring, error) {
	k, _, err := read(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	if err := mayCreate(); err != nil {
		return nil, err
	}
	if k, err = New(rand.Reader); err != nil {
		return nil, err
	}
	// Never over another one: a second process that starts at the same moment fails
	// instead of replacing keys.
	if err := write(dir, k, "", os.Link); err != nil {
		return nil, fmt.Errorf("write keyring: %w", err)
	}
	return k, nil
}

// Change puts what change makes of the keyring in dir in its place. Of two processes that
// change it at once the second one waits, and is given what the first one made. When change
// fails its error is returned as it is, and nothing is written.
func Change(dir string, change func(*Keyring) (*Keyring, error)) error {
	unlock, err := lock(dir)
	if err != nil {
		return fmt.Errorf("lock keyring: %w", err)
	}
	defer unlock()
	old, _, err := read(dir)
	if err != nil {
		return err
	}
	next, err := change(old)
	if err != nil {
		return err
	}
	if err := write(dir, next, "", replace); err != nil {
		return fmt.Errorf("write keyring: %w", err)
	}
	return nil
}

var errComplete = errors.New("there are keys for each use")

// Complete returns k, which was read in dir. If the file was written before there were
// signing keys it is given some: once, and durably, so that all processes sign with the
// same keys, also after a restart.
func Complete(dir string, k *Keyring) (*Keyring, error) {
	if k.Whole() {
		return k, nil
	}
	err := Change(dir, func(old *Keyring) (*Keyring, error) {
		if old.Whole() {
			return nil, errComplete // another process was faster
		}
		return old.completed(maker{rand.Reader, makeRSA})
	})
	if err != nil && !errors.Is(err, errComplete) {
		return nil, fmt.Errorf("add signing keys to %s: %w; let the server write it once", filepath.Join(dir, FileName), err)
	}
	k, _, err = read(dir)
	return k, err
}

// Follower reads keyring.json again for a process that uses it.
type Follower struct {
	dir  string
	keys *Keyring
	data []byte // what was read last
}

// Follow follows the keyring in dir, which was read as keys.
func Follow(dir string, keys *Keyring) *Follower { return &Follower{dir: dir, keys: keys} }

// Reload returns the keyring if the file is not what it was, else nil. A file that cannot
// be used is an error; what was returned last stays in force.
func (f *Follower) Reload() (*Keyring, error) {
	k, data, err := read(f.dir)
	if err != nil {
		return nil, err
	}
	if bytes.Equal(data, f.data) {
		return nil, nil //nolint:nilnil // nothing new, as documented
	}
	if !k.Same(f.keys) {
		return nil, fmt.Errorf("%s is that of another installation: restore the matching file from a backup", filepath.Join(f.dir, FileName))
	}
	if !k.Whole() { // an older file was put back
		if k, err = Complete(f.dir, k); err != nil {
			return nil, err
		}
		return k, nil // read once more, and then remembered
	}
	f.data = data
	return k, nil
}

// Read reads keyring.json in dir, and of what it is a copy (WriteCopy); empty: of nothing.
// Without such a file the error is an fs.ErrNotExist.
func Read(dir string) (k *Keyring, copyOf string, err error) {
	k, data, err := read(dir)
	if err != nil {
		return nil, "", err
	}
	_, copyOf, err = parse(data)
	return k, copyOf, err
}

// WriteCopy writes k as keyring.json in dir, in the place of what is there, as a copy of the
// keys that live where of says. Who changes keys asks Read before, and goes there.
func WriteCopy(dir string, k *Keyring, of string) error {
	unlock, err := lock(dir)
	if err != nil {
		return fmt.Errorf("lock keyring: %w", err)
	}
	defer unlock()
	if err := write(dir, k, of, replace); err != nil {
		return fmt.Errorf("write keyring: %w", err)
	}
	return nil
}

func read(dir string) (*Keyring, []byte, error) {
	path := filepath.Join(dir, FileName)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read keyring: %w", err)
	}
	k, err := Parse(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return k, data, nil
}

// write writes the file whole and durably or not at all; put gives it its name.
func write(dir string, k *Keyring, copyOf string, put func(from, to string) error) error {
	data, err := k.marshal(copyOf)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, ".keyring-*") // mode 0600
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
	if err := put(tmp.Name(), filepath.Join(dir, FileName)); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// replace renames from over to, if there is one, and leaves the owner as it was: a server must go on reading
// its keys after root has changed them.
func replace(from, to string) error {
	info, err := os.Stat(to)
	if errors.Is(err, fs.ErrNotExist) {
		return os.Rename(from, to)
	}
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Geteuid() {
		if err := os.Chown(from, int(owner.Uid), int(owner.Gid)); err != nil {
			return fmt.Errorf("keep the owner: %w; run this as the owner of the file", err)
		}
	}
	return os.Rename(from, to)
}

// lock keeps other processes from changing the keyring until unlock. It ends with the
// process, however that ends.
func lock(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return func() { _ = d.Close() }, nil
}
