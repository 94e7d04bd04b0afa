package store_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/store/storetest"
)

func TestABackupReplacesNothingAndLeavesNothingBehindWhenItFails(t *testing.T) {
	place := t.TempDir()
	storetest.Person(t, open(t, place))
	dir := t.TempDir()
	to := filepath.Join(dir, "backup.db")
	if err := os.WriteFile(to, []byte("older"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := store.BackupSQLite(t.Context(), path(place), to); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	link := filepath.Join(dir, "link.db")
	if err := os.Symlink(filepath.Join(dir, "nothing"), link); err != nil {
		t.Fatal(err)
	}
	if err := store.BackupSQLite(t.Context(), path(place), link); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a link to nothing: %v", err)
	}
	if err := store.BackupSQLite(t.Context(), path(t.TempDir()), filepath.Join(dir, "none.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of nothing: %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := store.BackupSQLite(ended, path(place), filepath.Join(dir, "ended.db")); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("after the end: %v", err)
	}
	garbage := filepath.Join(t.TempDir(), "gatehouse.db")
	if err := os.WriteFile(garbage, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := store.BackupSQLite(t.Context(), garbage, filepath.Join(dir, "garbage.db")); err == nil {
		t.Error("what is no database was backed up")
	}
	if names := namesIn(t, dir); len(names) != 2 {
		t.Errorf("left behind: %v", names)
	}
	if text, err := os.ReadFile(to); string(text) != "older" || err != nil {
		t.Errorf("the older file holds %q, %v", text, err)
	}
}

func TestABackupUnderLoadHoldsEverythingAcknowledgedBeforeIt(t *testing.T) {
	place := t.TempDir()
	db := open(t, place)
	u := storetest.Person(t, db)
	var mu sync.Mutex
	var acts []string
	said := make(chan struct{}, 1)
	say := func(act string, id []byte) {
		mu.Lock()
		defer mu.Unlock()
		if acts = append(acts, act+" "+hex.EncodeToString(id)); len(acts) == 100 {
			close(said)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for ctx.Err() == nil {
				if err := oneLife(t.Context(), db, u, say); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	<-said
	mu.Lock()
	before := append([]string(nil), acts...)
	mu.Unlock()
	restored := t.TempDir()
	if err := os.Mkdir(filepath.Dir(path(restored)), 0o700); err != nil {
		t.Fatal(err)
	}
	err := store.BackupSQLite(t.Context(), path(place), path(restored))
	stop()
	load.Wait()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path(restored))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if names := namesIn(t, filepath.Dir(path(restored))); len(names) != 1 {
		t.Errorf("beside the backup: %v", names)
	}
	verify(t, open(t, restored), before)
}

func namesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
