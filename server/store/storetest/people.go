package storetest

import (
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

func accountIsFound(t *testing.T, db *store.DB) {
	u, other := Person(t, db), Person(t, db)
	got, err := db.User(t.Context(), u.ID)
	must(t, err)
	same(t, "by ID", got, u)
	got, err = db.UserByEmail(t.Context(), u.Email)
	must(t, err)
	same(t, "by address", got, u)
	_, err = db.User(t.Context(), "usr_nobody")
	wantErr(t, "an unknown ID", err, store.ErrNotFound)
	_, err = db.UserByEmail(t.Context(), "nobody@example.com")
	wantErr(t, "an unknown address", err, store.ErrNotFound)

	all, err := db.Users(t.Context())
	must(t, err)
	want := []store.User{u, other}
	if other.Email < u.Email {
		want = []store.User{other, u}
	}
	same(t, "all, by address", all, want)
}

func addressIsUnique(t *testing.T, db *store.DB) {
	u := Person(t, db)
	before := events(t, db)
	second := u
	second.ID = "usr_second"
	wantErr(t, "the same address", db.CreateUser(t.Context(), second, Act("user.created")), store.ErrConflict)
	if n := events(t, db); n != before {
		t.Errorf("a refused act left %d events", n-before)
	}
}

func unknownAccount(t *testing.T, db *store.DB) {
	wantErr(t, "password", db.SetPassword(t.Context(), "usr_x", "h", "h", Act("user.password")), store.ErrNotFound)
	wantErr(t, "disable", db.SetDisabled(t.Context(), "usr_x", true, Act("user.disabled")), store.ErrNotFound)
}

func passwordIsReplaced(t *testing.T, db *store.DB) {
	u := Person(t, db)
	s := SessionOf(u)
	must(t, db.CreateSession(t.Context(), s, Act("session.created")))
	must(t, db.SetPassword(t.Context(), u.ID, u.PasswordHash, "$new$", Act("user.password")))
	got, err := db.User(t.Context(), u.ID)
	must(t, err)
	if got.PasswordHash != "$new$" {
		t.Errorf("password hash %q", got.PasswordHash)
	}
	_, err = db.Session(t.Context(), s.Hash)
	must(t, err)
}

func disablingEndsEverything(t *testing.T, db *store.DB) {
	u, neighbour := Person(t, db), Person(t, db)
	s, kept := SessionOf(u), SessionOf(neighbour)
	must(t, db.CreateSession(t.Context(), s, Act("session.created")))
	must(t, db.CreateSession(t.Context(), kept, Act("session.created")))
	g, keptGrant := Granted(t, db, u, GrantOf(u)), Granted(t, db, neighbour, GrantOf(neighbour))
	d := Approved(t, db, u)

	must(t, db.SetDisabled(t.Context(), u.ID, true, Act("user.disabled")))

	got, err := db.User(t.Context(), u.ID)
	must(t, err)
	if !got.Disabled {
		t.Error("the account is not disabled")
	}
	_, err = db.Session(t.Context(), s.Hash)
	wantErr(t, "the session", err, store.ErrNotFound)
	revoked, err := db.Grant(t.Context(), g.ID)
	must(t, err)
	if !revoked.RevokedAt.Equal(Noon) || revoked.RevokedReason == "" {
		t.Errorf("the grant is revoked at %v because %q", revoked.RevokedAt, revoked.RevokedReason)
	}
	code, err := db.DeviceCode(t.Context(), d.Hash)
	must(t, err)
	if code.State != store.DeviceDenied {
		t.Errorf("the approval is still %s", code.State)
	}

	_, err = db.Session(t.Context(), kept.Hash)
	must(t, err)
	other, err := db.Grant(t.Context(), keptGrant.ID)
	must(t, err)
	if !other.RevokedAt.IsZero() {
		t.Error("a neighbour's grant was revoked")
	}

	must(t, db.SetDisabled(t.Context(), u.ID, false, Act("user.enabled")))
	again, err := db.Grant(t.Context(), g.ID)
	must(t, err)
	if again.RevokedAt.IsZero() {
		t.Error("enabling the account revived a grant")
	}
}

func disabledGetsNothing(t *testing.T, db *store.DB) {
	u := Person(t, db)
	must(t, db.SetDisabled(t.Context(), u.ID, true, Act("user.disabled")))
	wantErr(t, "session", db.CreateSession(t.Context(), SessionOf(u), Act("session.created")), store.ErrConflict)
	d := Pending()
	must(t, db.CreateDeviceCode(t.Context(), d))
	err := db.ApproveDeviceCode(t.Context(), d.Hash, Noon, ApprovalOf(u), Act("device.approved"))
	wantErr(t, "approval", err, store.ErrConflict)
}

func sessionLife(t *testing.T, db *store.DB) {
	s := SessionOf(Person(t, db))
	must(t, db.CreateSession(t.Context(), s, Act("session.created")))
	wantErr(t, "again", db.CreateSession(t.Context(), s, Act("session.created")), store.ErrConflict)
	later := Noon.Add(time.Minute)
	must(t, db.TouchSession(t.Context(), s.Hash, later))
	got, err := db.Session(t.Context(), s.Hash)
	must(t, err)
	s.LastUsedAt, s.LongestIdle = later, time.Minute
	same(t, "the session", got, s)

	before := events(t, db)
	must(t, db.EndSession(t.Context(), s.Hash, Act("session.ended")))
	must(t, db.EndSession(t.Context(), s.Hash, Act("session.ended")))
	if n := events(t, db) - before; n != 1 {
		t.Errorf("ending twice wrote %d events", n)
	}
	_, err = db.Session(t.Context(), s.Hash)
	wantErr(t, "an ended session", err, store.ErrNotFound)
	wantErr(t, "touching an ended session", db.TouchSession(t.Context(), s.Hash, later), store.ErrNotFound)
}

func renewedSessionGoesOn(t *testing.T, db *store.DB) {
	u, neighbour := Person(t, db), Person(t, db)
	s := SessionOf(u)
	must(t, db.CreateSession(t.Context(), s, Act("session.created")))
	bound := GrantOf(u)
	bound.SessionID = s.ID
	Granted(t, db, u, bound)
	fresh := SessionOf(u)
	fresh.ID, fresh.AuthTime = s.ID, Noon.Add(time.Minute)

	theirs := fresh
	theirs.UserID = neighbour.ID
	wantErr(t, "by somebody else", db.RenewSession(t.Context(), s.Hash, theirs, Act("session.renewed")), store.ErrNotFound)
	another := fresh
	another.ID = "ses_another"
	wantErr(t, "as another session", db.RenewSession(t.Context(), s.Hash, another, Act("session.renewed")), store.ErrNotFound)

	must(t, db.RenewSession(t.Context(), s.Hash, fresh, Act("session.renewed")))
	_, err := db.Session(t.Context(), s.Hash)
	wantErr(t, "the old identifier", err, store.ErrNotFound)
	got, err := db.Session(t.Context(), fresh.Hash)
	must(t, err)
	fresh.CreatedAt = s.CreatedAt
	same(t, "the session", got, fresh)
	kept, err := db.Grant(t.Context(), bound.ID)
	must(t, err)
	if !kept.RevokedAt.IsZero() {
		t.Error("what was bound to the session has ended")
	}
	wantErr(t, "the old identifier again", db.RenewSession(t.Context(), s.Hash, fresh, Act("session.renewed")), store.ErrNotFound)
	must(t, db.SetDisabled(t.Context(), u.ID, true, Act("user.disabled")))
	wantErr(t, "a disabled account", db.RenewSession(t.Context(), fresh.Hash, fresh, Act("session.renewed")), store.ErrNotFound)
}

func endingSessionRevokes(t *testing.T, db *store.DB) {
	u := Person(t, db)
	s := SessionOf(u)
	must(t, db.CreateSession(t.Context(), s, Act("session.created")))
	bound := GrantOf(u)
	bound.SessionID = s.ID
	Granted(t, db, u, bound)
	free := Granted(t, db, u, GrantOf(u))

	must(t, db.EndSession(t.Context(), s.Hash, Act("session.ended")))
	got, err := db.Grant(t.Context(), bound.ID)
	must(t, err)
	if got.RevokedAt.IsZero() {
		t.Error("the grant outlived its session")
	}
	got, err = db.Grant(t.Context(), free.ID)
	must(t, err)
	if !got.RevokedAt.IsZero() {
		t.Error("a grant of no session ended with one")
	}
}
