package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

const storeFile = "gatehouse.db"

func dataDirFlag(flags *pflag.FlagSet) *string {
	return flags.String("data-dir", "gatehouse-data", "directory with the store and the keyring; keep it, and keep it secret")
}

// openStore opens the store in the data directory. With create it makes both, so that a
// mistyped directory is an error for every command but `serve` and `user create`.
func openStore(ctx context.Context, dir string, create bool) (*store.DB, error) {
	path := filepath.Join(dir, storeFile)
	if create {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make data directory: %w; choose another one with --data-dir", err)
		}
	} else if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, noStore(dir)
	}
	db, err := store.OpenSQLite(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	return db, nil
}

func noStore(dir string) error {
	return usageError("%s has no store; give the server's data directory with --data-dir", dir)
}

// openKeyring reads the keyring, or makes one for a store that has never known any: new
// keys under an old store would silently end every session and token.
func openKeyring(ctx context.Context, dir string, db *store.DB) (*keyring.Keyring, error) {
	known, err := db.KnownKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("read known keys: %w", err)
	}
	keys, err := keyring.Open(dir, func() error {
		if len(known) > 0 {
			return fmt.Errorf("%s is missing, but the store beside it was used with keys %v: restore the file from a backup, or start with an empty --data-dir",
				filepath.Join(dir, keyring.FileName), known)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := sameKeys(keys, known, dir); err != nil {
		return nil, err
	}
	if keys, err = keyring.Complete(dir, keys); err != nil {
		return nil, err
	}
	if err := ownKeys(dir); err != nil {
		return nil, err
	}
	if err := db.RememberKey(ctx, keys.Fingerprint()); err != nil {
		return nil, fmt.Errorf("remember keys: %w", err)
	}
	return keys, nil
}

// readKeyring reads the keyring that a server has made.
func readKeyring(ctx context.Context, dir string, db *store.DB) (*keyring.Keyring, error) {
	known, err := db.KnownKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("read known keys: %w", err)
	}
	keys, err := keyring.Open(dir, func() error {
		return fmt.Errorf("%s is missing; `gatehouse serve` makes it at its first start, later only a backup has it", filepath.Join(dir, keyring.FileName))
	})
	if err != nil {
		return nil, err
	}
	return keys, sameKeys(keys, known, dir)
}

func sameKeys(keys *keyring.Keyring, known []string, dir string) error {
	if len(known) == 0 {
		return nil
	}
	for _, fingerprint := range known {
		if fingerprint == keys.Fingerprint() {
			return nil
		}
	}
	return fmt.Errorf("%s holds keys %s, but the store beside it was used with keys %v: restore the matching file from a backup",
		filepath.Join(dir, keyring.FileName), keys.Fingerprint(), known)
}

// ownKeys makes a copy of the keys of a cluster the keys of whoever serves files with it.
func ownKeys(dir string) error {
	if _, of, err := keyring.Read(dir); err != nil || of == "" {
		return err
	}
	return keyring.Change(dir, func(k *keyring.Keyring) (*keyring.Keyring, error) { return k, nil })
}
