package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// BackupSQLite writes a consistent copy of the SQLite database at path to a new file
// (0600). Other processes may be writing: the copy holds everything acknowledged before
// the call, and nothing by halves. It is checked, and appears under its name when it is
// whole and on disk. An existing file is never replaced: fs.ErrExist. The database is not
// migrated, so that it can be backed up before an upgrade.
func BackupSQLite(ctx context.Context, path, to string) error {
	if _, err := os.Stat(path); err != nil {
		return err // the engine would make an empty database there
	}
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, fmt.Errorf("%s: %w", to, fs.ErrExist))
	}
	temp, err := os.CreateTemp(filepath.Dir(to), "."+filepath.Base(to)+".*") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	if err := errors.Join(copyInto(ctx, path, temp.Name()), temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := checkIntegrity(ctx, temp.Name()); err != nil {
		return fmt.Errorf("check the copy: %w", err)
	}
	if err := name(temp.Name(), to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

// name links the file, which unlike a rename replaces nothing whoever else is at work;
// some network file systems have no links.
func name(temp, to string) error {
	err := os.Link(temp, to)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, fs.ErrExist)
	}
	return os.Rename(temp, to)
}

// copyInto fills the empty file. VACUUM INTO reads one snapshot of the database, and
// leaves behind what was deleted from it.
func copyInto(ctx context.Context, path, to string) error {
	db, err := connect(path, 1, pragmas("synchronous(FULL)", 0))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO $1", to)
	return errors.Join(unavailable(err), db.Close())
}

func checkIntegrity(ctx context.Context, path string) error {
	db, err := connect(path, 1, pragmas("query_only(1)", 0))
	if err != nil {
		return err
	}
	var verdict string
	err = db.QueryRowContext(ctx, "PRAGMA integrity_check").Scan(&verdict)
	if err == nil && verdict != "ok" {
		err = errors.New(verdict)
	}
	return errors.Join(err, db.Close())
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
