package cli

import (
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/store/storetest"
)

// gatehouse runs a command on the store in dir; it returns the exit code and stdout.
func gatehouse(t *testing.T, dir string, args ...string) (int, string) {
	t.Helper()
	var out strings.Builder
	code := Main(append(args, "--data-dir", dir), strings.NewReader(""), &out, io.Discard)
	return code, out.String()
}

// withAnn opens a store in dir in which there is one person.
func withAnn(t *testing.T, dir string) (*store.DB, store.User) {
	t.Helper()
	db, err := store.OpenSQLite(t.Context(), filepath.Join(dir, storeFile))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	u := store.User{ID: "usr_ann", Email: "ann@acme.com", Login: "ann@acme.com", Name: "Ann Lee", CreatedAt: storetest.Noon}
	if err := db.CreateUser(t.Context(), u, storetest.Act("user.created")); err != nil {
		t.Fatal(err)
	}
	return db, u
}

func TestWhatAnOperatorDoesToPeopleIsAuditedByIDOnly(t *testing.T) {
	dir := t.TempDir()
	db, u := withAnn(t, dir)
	s, other := storetest.SessionOf(u), storetest.SessionOf(u)
	for _, s := range []store.Session{s, other} {
		if err := db.CreateSession(t.Context(), s, storetest.Act("session.started")); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"user", "sessions", u.Email, "--end", s.ID}, {"user", "sessions", u.Email, "--end-all"}, {"user", "delete", u.Email, "--yes"},
	} {
		if code, _ := gatehouse(t, dir, args...); code != exitOK {
			t.Fatalf("%v: exit code %d", args, code)
		}
	}
	events, err := db.Events(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"user.deleted " + u.ID, "session.ended " + other.ID, "session.ended " + s.ID} {
		if got := events[i]; got.Action+" "+got.Target != want || got.Actor != "operator" || got.Outcome != "ok" || got.Reason != "" {
			t.Errorf("got %+v, want %s", got, want)
		}
	}
}

func TestWhatABrowserSaysOfItselfCannotSteerATerminal(t *testing.T) {
	dir := t.TempDir()
	db, u := withAnn(t, dir)
	s := storetest.SessionOf(u)
	s.UserAgent = "curl\x1b[2J\x9b\tx\nses_forged \u202e"
	s.LastUsedAt, s.ExpiresAt = time.Now(), time.Now().Add(time.Hour)
	ended := storetest.SessionOf(u)
	ended.LastUsedAt, ended.ExpiresAt = time.Now(), time.Now()
	idle := storetest.SessionOf(u)
	idle.LastUsedAt, idle.ExpiresAt = time.Now().Add(-24*time.Hour), time.Now().Add(time.Hour)
	for _, s := range []store.Session{s, ended, idle} {
		if err := db.CreateSession(t.Context(), s, storetest.Act("session.started")); err != nil {
			t.Fatal(err)
		}
	}
	code, out := gatehouse(t, dir, "user", "sessions", u.Email)
	if code != exitOK || strings.Count(out, "\n") != 2 || strings.ContainsAny(out, "\x1b\t\u202e\u009b") || !strings.Contains(out, s.ID) {
		t.Errorf("exit code %d:\n%q", code, out)
	}
}
