package store_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/store/storetest"
)

func path(place string) string { return filepath.Join(place, "data", "gatehouse.db") }

func open(t testing.TB, place string, opts ...store.Option) *store.DB {
	t.Helper()
	db, err := store.OpenSQLite(t.Context(), path(place), opts...)
	if err != nil {
		t.Error(err)
		panic("no store") // also right outside the test's goroutine
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t testing.TB, place string) *store.DB {
		db := open(t, place)
		t.Cleanup(func() { readsNoWholeTable(t, db) })
		return db
	})
}

// readsNoWholeTable holds the statements that the test used against growth: what answers
// a request must not become slower with every row that others have.
func readsNoWholeTable(t testing.TB, db *store.DB) {
	scans, err := db.Scans(context.WithoutCancel(t.Context()))
	if errors.Is(err, store.ErrUnavailable) {
		return // the test closed it
	}
	if err != nil {
		t.Error(err)
	}
	for text, scan := range scans {
		t.Errorf("%s: %s", scan, text)
	}
}

func TestSQLiteWithOneReadConnection(t *testing.T) {
	storetest.Run(t, func(t testing.TB, place string) *store.DB { return open(t, place, store.ReadConnections(1)) })
}

func TestOnlyTheOwnerMayReadTheFiles(t *testing.T) {
	place := t.TempDir()
	storetest.Person(t, open(t, place))
	err := filepath.WalkDir(filepath.Join(place, "data"), func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %v, want %v", filepath.Base(name), got, want)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAPathMayHoldAnyCharacter(t *testing.T) {
	odd := filepath.Join(t.TempDir(), "what? 100% #1 & more")
	storetest.Person(t, open(t, odd))
	if _, err := os.Stat(path(odd)); err != nil {
		t.Error(err)
	}
}

func TestAFullDiskIsUnavailableAndHarmless(t *testing.T) {
	ctx, place := t.Context(), t.TempDir()
	db := open(t, place, store.MaxPages(100))
	u := storetest.Person(t, db)
	kept := storetest.Granted(t, db, u, storetest.GrantOf(u))

	var mu sync.Mutex
	var acknowledged [][]byte
	var writers sync.WaitGroup
	for range 8 { // full in the middle of shared transactions
		writers.Go(func() {
			for {
				d := storetest.Pending()
				if err := db.CreateDeviceCode(ctx, d); err != nil {
					if !errors.Is(err, store.ErrUnavailable) {
						t.Errorf("on a full disk: %v", err)
					}
					return
				}
				mu.Lock()
				acknowledged = append(acknowledged, d.Hash)
				mu.Unlock()
			}
		})
	}
	writers.Wait()
	for _, hash := range acknowledged {
		if _, err := db.DeviceCode(ctx, hash); err != nil {
			t.Fatalf("an acknowledged code is lost: %v", err)
		}
	}
	if got, err := db.Grant(ctx, kept.ID); err != nil || got.UserID != u.ID {
		t.Errorf("reading on a full disk: %v", err)
	}
	if verdict, err := db.IntegrityCheck(ctx); verdict != "ok" {
		t.Errorf("integrity: %q %v", verdict, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	storetest.Person(t, open(t, place)) // with room again it goes on
}

// TestATransactionThatIsGoneFailsEveryJobInIt has a job end the transaction that it
// shares, as the engine does by itself on FULL, IOERR, NOMEM and INTERRUPT.
func TestATransactionThatIsGoneFailsEveryJobInIt(t *testing.T) {
	ctx, db := t.Context(), open(t, t.TempDir())
	holding, release := make(chan struct{}), make(chan struct{})
	var jobs sync.WaitGroup
	jobs.Go(func() { // keeps the writer busy until the others wait together
		_ = db.Job(ctx, func(func(string, ...any) error) error {
			close(holding)
			<-release
			return nil
		})
	})
	<-holding
	outcomes := make(chan error, 4)
	act := func(do func(func(string, ...any) error) error) {
		queued := db.Queued()
		jobs.Go(func() { outcomes <- db.Job(ctx, do) })
		db.AwaitQueued(queued + 1)
	}
	insert := func(exec func(string, ...any) error) error {
		return exec(`INSERT INTO keys (fingerprint) VALUES ('kept?')`)
	}
	act(insert)
	act(func(exec func(string, ...any) error) error { return exec(`ROLLBACK`) })
	act(func(exec func(string, ...any) error) error {
		return exec(`INSERT INTO keys (fingerprint) VALUES ('later?')`)
	})
	close(release)
	jobs.Wait()
	for range 3 {
		if err := <-outcomes; !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("a job of a lost transaction got %v", err)
		}
	}
	if keys, err := db.KnownKeys(ctx); err != nil || len(keys) > 0 {
		t.Errorf("kept %v, error %v", keys, err)
	}
	if err := db.Job(ctx, insert); err != nil {
		t.Errorf("the next job: %v", err)
	}
}

func TestAJobWhoseCallerLeftBeforeItStartedNeverRuns(t *testing.T) {
	db := open(t, t.TempDir())
	holding, release := make(chan struct{}), make(chan struct{})
	var jobs sync.WaitGroup
	jobs.Go(func() {
		_ = db.Job(t.Context(), func(func(string, ...any) error) error {
			close(holding)
			<-release
			return nil
		})
	})
	<-holding
	ctx, leave := context.WithCancel(t.Context())
	jobs.Go(func() {
		if err := db.RememberKey(ctx, "left"); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("the caller who left got %v", err)
		}
	})
	db.AwaitQueued(1)
	leave()
	db.AwaitAbandoned()
	close(release)
	jobs.Wait()
	if keys, err := db.KnownKeys(t.Context()); err != nil || len(keys) > 0 {
		t.Errorf("kept %v, error %v", keys, err)
	}
}

func TestClosingWaitsForWritesThatWereAccepted(t *testing.T) {
	place := t.TempDir()
	db := open(t, place)
	holding, release := make(chan struct{}), make(chan struct{})
	var jobs sync.WaitGroup
	jobs.Go(func() {
		_ = db.Job(t.Context(), func(func(string, ...any) error) error {
			close(holding)
			<-release
			return nil
		})
	})
	<-holding
	jobs.Go(func() {
		if err := db.RememberKey(t.Context(), "accepted"); err != nil {
			t.Error(err)
		}
	})
	db.AwaitQueued(1)
	jobs.Go(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	close(release)
	jobs.Wait()
	if keys, err := open(t, place).KnownKeys(t.Context()); err != nil || len(keys) != 1 {
		t.Errorf("kept %v, error %v", keys, err)
	}
}

func TestErrorsHoldNoValues(t *testing.T) {
	db := open(t, t.TempDir())
	const secret = "s3cr3t-value"
	for _, query := range []string{
		`INSERT INTO keys (fingerprint) VALUES (NULL)`,
		`INSERT INTO audit_events (at) VALUES ('` + secret + `')`,
	} {
		err := db.Job(t.Context(), func(exec func(string, ...any) error) error { return exec(query) })
		if !errors.Is(err, store.ErrUnavailable) || strings.Contains(err.Error(), secret) {
			t.Errorf("got %v", err)
		}
	}
	u := storetest.Person(t, db)
	u.ID = "usr_other"
	err := db.CreateUser(t.Context(), u, storetest.Act("user.created"))
	if !errors.Is(err, store.ErrConflict) || strings.Contains(err.Error(), u.Email) {
		t.Errorf("got %v", err)
	}
}

// A write that seems to have failed may have happened all the same. What was said before it
// is not taken for what is stored.
func TestAWriteOfObjectsThatSeemedToFailIsReadAgain(t *testing.T) {
	place := t.TempDir()
	db, behind := open(t, place), open(t, place)
	here := []store.Object{{Kind: "ApiApplication", Namespace: "acme", Name: "cli", UID: "1"}}
	if _, err := db.SyncObjects(t.Context(), here, storetest.Noon); err != nil {
		t.Fatal(err)
	}
	given, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.SyncObjects(given, nil, storetest.Noon); err == nil {
		t.Fatal("a write that nobody waits for succeeded")
	}
	if _, err := behind.SyncObjects(t.Context(), nil, storetest.Noon); err != nil { // it happened
		t.Fatal(err)
	}
	gone, err := db.SyncObjects(t.Context(), here, storetest.Noon)
	if err != nil || gone["1"].GoneAt.IsZero() {
		t.Errorf("the object that went and came back was never gone: %v, %v", gone, err)
	}
	if all, err := db.Objects(t.Context()); err != nil || len(all) != 1 || !all[0].Present {
		t.Errorf("it is not stored as present: %+v, %v", all, err)
	}
}
