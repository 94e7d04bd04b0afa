package storetest

import (
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

// toldOf makes a grant approved in the session to an application that wants to know its end.
func toldOf(t *testing.T, db *store.DB, s store.Session, application string) {
	t.Helper()
	c := CodeOf(s)
	c.ApplicationUID = application
	must(t, db.CreateAuthorizationCode(t.Context(), c, nil, Act("code.created")))
	g := GrantOf(store.User{ID: s.UserID})
	g.ApplicationUID = application
	g.Login = &store.Login{SessionID: s.ID, ApplicationUID: application, OrganizationID: "org_1", UserID: s.UserID, ExpiresAt: s.ExpiresAt}
	must(t, db.RedeemAuthorizationCode(t.Context(), c.Hash, application, Noon, g, Act("grant.created")))
}

// told are the applications that have to be told at that time.
func toTell(t *testing.T, db *store.DB, at time.Time) (all []string) {
	t.Helper()
	due, err := db.LogoutsDue(t.Context(), at, 100)
	must(t, err)
	for _, l := range due {
		all = append(all, l.SessionID+" "+l.ApplicationUID)
	}
	return all
}

func toClaim(t *testing.T, db *store.DB) []store.Logout {
	t.Helper()
	due, err := db.LogoutsDue(t.Context(), Noon.Add(time.Second), 100)
	must(t, err)
	return due
}

func endingASessionIsTold(t *testing.T, db *store.DB) {
	ctx, u, neighbour := t.Context(), Person(t, db), Person(t, db)
	first, second, others := SignedIn(t, db, u), SignedIn(t, db, u), SignedIn(t, db, neighbour)
	for _, s := range []store.Session{first, second, others} {
		toldOf(t, db, s, "app")
	}
	toldOf(t, db, first, "app") // signed in there again
	toldOf(t, db, first, "another")
	Granted(t, db, u, GrantOf(u)) // to one that does not want to know
	same(t, "nobody yet", len(toTell(t, db, Noon)), 0)
	must(t, db.EndSession(ctx, first.Hash, Act("session.ended")))
	same(t, "of one session", toTell(t, db, Noon), []string{first.ID + " another", first.ID + " app"})
	due, err := db.LogoutsDue(ctx, Noon, 1)
	must(t, err)
	l := due[0]
	same(t, "what is known", l, store.Logout{
		ID: l.ID, EndedAt: Noon, DueAt: Noon,
		Login: store.Login{SessionID: first.ID, ApplicationUID: "another", OrganizationID: "org_1", UserID: u.ID},
	})
	must(t, db.ClaimLogout(ctx, l, Noon.Add(time.Minute)))
	wantErr(t, "by another replica", db.ClaimLogout(ctx, l, Noon.Add(time.Minute)), store.ErrConflict)
	same(t, "those left", toTell(t, db, Noon), []string{first.ID + " app"})
	same(t, "once more, later", len(toTell(t, db, Noon.Add(time.Minute))), 2)
	before := events(t, db)
	must(t, db.CloseLogout(ctx, l.ID, Act("logout.undelivered")))
	must(t, db.CloseLogout(ctx, l.ID, Act("logout.undelivered")))
	same(t, "events", events(t, db)-before, 1)
	must(t, db.SetDisabled(ctx, u.ID, true, Act("user.disabled")))
	same(t, "with the account", toTell(t, db, Noon), []string{first.ID + " app", second.ID + " app"})
	due, err = db.LogoutsDue(ctx, Noon, 100)
	must(t, err)
	must(t, db.PostponeLogouts(ctx, due[:1], Noon.Add(time.Second)))
	same(t, "without what was put off", toTell(t, db, Noon), []string{second.ID + " app"})
	same(t, "with what was put off, behind the others", toTell(t, db, Noon.Add(time.Second)), []string{second.ID + " app", first.ID + " app"})
	must(t, db.PostponeLogouts(ctx, due[:1], Noon.Add(time.Hour))) // of another replica, that has read it before
	same(t, "put off once", len(toTell(t, db, Noon.Add(time.Second))), 2)
	must(t, db.PostponeLogouts(ctx, toClaim(t, db), Noon))
	_, err = db.Sweep(ctx, others.ExpiresAt)
	must(t, err)
	must(t, db.EndSession(ctx, others.Hash, Act("session.ended")))
	same(t, "of one that expired", len(toTell(t, db, Noon)), 2)
}
