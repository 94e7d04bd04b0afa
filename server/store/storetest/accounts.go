package storetest

import (
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

// account makes an account; it is not inserted.
func account(id, email string) store.User {
	return store.User{
		ID: id, Email: email, Login: email, Name: "Grace Hopper", PasswordHash: "$2b$", Disabled: true, CreatedAt: Noon,
		EmailProvenBy: "operator", EmailProvenAt: Noon,
	}
}

func createdTogether(t *testing.T, db *store.DB) {
	taken := Person(t, db)
	before := events(t, db)
	some := []store.User{account("usr_1", "1@example.com"), account("usr_2", taken.Email), account("usr_3", "3@example.com")}
	wantErr(t, "with an address that is taken", db.CreateUsers(t.Context(), some, Act("user.imported")), store.ErrConflict)
	_, err := db.User(t.Context(), "usr_1")
	wantErr(t, "the one before it", err, store.ErrNotFound)
	same(t, "events of a refused act", events(t, db)-before, 0)

	some[1].Email, some[1].Login = "2@example.com", "2@example.com"
	must(t, db.CreateUsers(t.Context(), some, Act("user.imported")))
	for _, u := range some {
		got, err := db.User(t.Context(), u.ID)
		must(t, err)
		same(t, u.ID, got, u)
	}
	newest, err := db.Events(t.Context(), 3)
	must(t, err)
	same(t, "targets", []string{newest[2].Target, newest[1].Target, newest[0].Target}, []string{"usr_1", "usr_2", "usr_3"})
}

// deletingForgets is what disabling does, and the person is gone.
func deletingForgets(t *testing.T, db *store.DB) {
	u, neighbour := Person(t, db), Person(t, db)
	s, kept := SessionOf(u), SessionOf(neighbour)
	must(t, db.CreateSession(t.Context(), s, Act("session.created")))
	must(t, db.CreateSession(t.Context(), kept, Act("session.created")))
	g, keptGrant := Granted(t, db, u, GrantOf(u)), Granted(t, db, neighbour, GrantOf(neighbour))
	d := Approved(t, db, u)
	before := events(t, db)

	must(t, db.DeleteUser(t.Context(), u.ID, Act("user.deleted")))

	same(t, "events", events(t, db)-before, 1)
	_, err := db.User(t.Context(), u.ID)
	wantErr(t, "by ID", err, store.ErrNotFound)
	for _, address := range []string{u.Email, u.ID, ""} {
		_, err = db.UserByEmail(t.Context(), address)
		wantErr(t, "by address", err, store.ErrNotFound)
	}
	all, err := db.Users(t.Context())
	must(t, err)
	same(t, "who is left", all, []store.User{neighbour})
	_, err = db.Session(t.Context(), s.Hash)
	wantErr(t, "the session", err, store.ErrNotFound)
	revoked, err := db.Grant(t.Context(), g.ID)
	must(t, err)
	same(t, "why the grant ended", revoked.RevokedReason, "account deleted")
	code, err := db.DeviceCode(t.Context(), d.Hash)
	must(t, err)
	same(t, "the approval", code.State, store.DeviceDenied)

	_, err = db.Session(t.Context(), kept.Hash)
	must(t, err)
	other, err := db.Grant(t.Context(), keptGrant.ID)
	must(t, err)
	same(t, "a neighbour's grant", other, keptGrant)
}

func deletedIsNeverUsed(t *testing.T, db *store.DB) {
	u := Person(t, db)
	must(t, db.DeleteUser(t.Context(), u.ID, Act("user.deleted")))
	before := events(t, db)
	wantErr(t, "delete again", db.DeleteUser(t.Context(), u.ID, Act("user.deleted")), store.ErrNotFound)
	wantErr(t, "enable", db.SetDisabled(t.Context(), u.ID, false, Act("user.enabled")), store.ErrNotFound)
	wantErr(t, "password", db.SetPassword(t.Context(), u.ID, u.PasswordHash, "$new$", Act("user.password")), store.ErrNotFound)
	wantErr(t, "session", db.CreateSession(t.Context(), SessionOf(u), Act("session.created")), store.ErrConflict)
	wantErr(t, "the same ID", db.CreateUser(t.Context(), account(u.ID, "other@example.com"), Act("user.created")), store.ErrConflict)
	d := Pending()
	must(t, db.CreateDeviceCode(t.Context(), d))
	err := db.ApproveDeviceCode(t.Context(), d.Hash, Noon, ApprovalOf(u), Act("device.approved"))
	wantErr(t, "approval", err, store.ErrConflict)
	same(t, "events of refused acts", events(t, db)-before, 0)
	wantErr(t, "somebody unknown", db.DeleteUser(t.Context(), "usr_x", Act("user.deleted")), store.ErrNotFound)
}

func freedAddress(t *testing.T, db *store.DB) {
	u := Person(t, db)
	g := Granted(t, db, u, GrantOf(u))
	must(t, db.DeleteUser(t.Context(), u.ID, Act("user.deleted")))
	next := account("usr_next", u.Email)
	next.EmailProvenBy, next.EmailProvenAt = "", time.Time{}
	must(t, db.CreateUser(t.Context(), next, Act("user.created")))
	got, err := db.UserByEmail(t.Context(), u.Email)
	must(t, err)
	same(t, "without proof of its own", got, next)
	old, err := db.Grant(t.Context(), g.ID)
	must(t, err)
	if old.UserID != u.ID || old.RevokedAt.IsZero() {
		t.Errorf("the old grant is of %s, revoked at %v", old.UserID, old.RevokedAt)
	}
	must(t, db.DeleteUser(t.Context(), next.ID, Act("user.deleted"))) // two of the same address
}

func sessionsOfAPerson(t *testing.T, db *store.DB) {
	ctx, u, neighbour := t.Context(), Person(t, db), Person(t, db)
	first, second, foreign := SessionOf(u), SessionOf(u), SessionOf(neighbour)
	second.LastUsedAt = Noon.Add(time.Minute)
	for _, s := range []store.Session{first, second, foreign} {
		must(t, db.CreateSession(ctx, s, Act("session.created")))
	}
	bound := GrantOf(u)
	bound.SessionID = first.ID
	Granted(t, db, u, bound)
	got, err := db.SessionsOf(ctx, u.ID)
	must(t, err)
	same(t, "the last used first", got, []store.Session{second, first})

	before := events(t, db)
	for _, id := range []string{foreign.ID, "ses_x"} {
		n, err := db.EndSessionsOf(ctx, u.ID, id, Act("session.ended"))
		must(t, err)
		same(t, "ended by "+id, n, 0)
	}
	n, err := db.EndSessionsOf(ctx, u.ID, first.ID, Act("session.ended"))
	must(t, err)
	same(t, "ended", n, 1)
	grant, err := db.Grant(ctx, bound.ID)
	must(t, err)
	same(t, "why its grant ended", grant.RevokedReason, "session ended")
	third := SessionOf(u)
	must(t, db.CreateSession(ctx, third, Act("session.created")))
	n, err = db.EndSessionsOf(ctx, u.ID, "", Act("session.ended"))
	must(t, err)
	same(t, "all that were left", n, 2)
	same(t, "events", events(t, db)-before, 4)
	_, err = db.Session(ctx, foreign.Hash)
	must(t, err)
}

// A sign-in and a change that proved the old password before it was reset, and are written
// after: whoever the reset was to put out would be in again.
func underWayAtAReset(t *testing.T, db *store.DB) {
	ctx, u, later := t.Context(), Person(t, db), Noon.Add(time.Minute)
	open, begun := SessionOf(u), SessionOf(u)
	open.Proven, begun.Proven = u.PasswordHash, u.PasswordHash
	must(t, db.CreateSession(ctx, open, Act("session.started")))
	consented(t, db, open, ConsentOf(CodeOf(open)))
	link := store.ResetLink{Hash: []byte("link"), UserID: u.ID, CreatedAt: Noon, ExpiresAt: later.Add(time.Hour)}
	must(t, db.CreateResetLink(ctx, link, Act("user.reset-link-created")))
	tooLate := Act("user.password-reset")
	tooLate.Time = link.ExpiresAt
	wantErr(t, "a link that is too old", db.UseResetLink(ctx, link, "$late$", tooLate), store.ErrNotFound)
	must(t, db.UseResetLink(ctx, link, "$reset$", Act("user.password-reset")))
	left, err := db.ConsentsOf(ctx, u.ID)
	must(t, err)
	same(t, "consents after the reset", len(left), 0)
	device, approval := Pending(), ApprovalOf(u)
	approval.SessionID = open.ID
	must(t, db.CreateDeviceCode(ctx, device))
	before := events(t, db)
	wantErr(t, "an approval in the session before", db.ApproveDeviceCode(ctx, device.Hash, Noon, approval, Act("device.approved")), store.ErrConflict)
	wantErr(t, "a change in the session before", db.ChangePassword(ctx, open, "$thief$", false, Act("user.password-changed")), store.ErrNotFound)
	wantErr(t, "a sign-in", db.CreateSession(ctx, begun, Act("session.started")), store.ErrConflict)
	wantErr(t, "a hash made anew", db.SetPassword(ctx, u.ID, u.PasswordHash, "$thief$", Act("user.password-rehashed")), store.ErrNotFound)

	begun.Proven = "$reset$"
	must(t, db.CreateSession(ctx, begun, Act("session.started")))
	renewed := begun
	renewed.Hash, renewed.Proven = []byte("renewed"), u.PasswordHash
	wantErr(t, "a sign-in again", db.RenewSession(ctx, begun.Hash, renewed, Act("session.renewed")), store.ErrNotFound)
	stale := begun
	stale.Proven = u.PasswordHash
	wantErr(t, "a change by the old password in a new session", db.ChangePassword(ctx, stale, "$thief$", false, Act("user.password-changed")), store.ErrNotFound)
	same(t, "events of refused acts", events(t, db)-before, 1)
	got, err := db.User(ctx, u.ID)
	must(t, err)
	same(t, "the password hash", got.PasswordHash, "$reset$")
	approval.SessionID = begun.ID
	must(t, db.ApproveDeviceCode(ctx, device.Hash, Noon, approval, Act("device.approved")))
	must(t, db.ChangePassword(ctx, begun, "$next$", false, Act("user.password-changed")))
	begun.Proven = "$next$"
	_, err = db.EndSessionsOf(ctx, u.ID, begun.ID, Act("session.ended"))
	must(t, err)
	wantErr(t, "a change in a session that has ended", db.ChangePassword(ctx, begun, "$thief$", false, Act("user.password-changed")), store.ErrNotFound)
}
