package storetest

import (
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

// consented inserts a code with that consent.
func consented(t testing.TB, db *store.DB, s store.Session, remember store.Consent) store.AuthorizationCode {
	t.Helper()
	c := CodeOf(s)
	c.OrganizationID, c.ApplicationUID = remember.OrganizationID, remember.ApplicationUID
	must(t, db.CreateAuthorizationCode(t.Context(), c, &remember, Act("code.created")))
	return c
}

func consentWithCode(t *testing.T, db *store.DB) {
	ctx, u, other := t.Context(), Person(t, db), Person(t, db)
	s := SignedIn(t, db, u)
	_, err := db.Consent(ctx, u.ID, Application, "org_1")
	wantErr(t, "before", err, store.ErrNotFound)
	Coded(t, db, s)
	_, err = db.Consent(ctx, u.ID, Application, "org_1")
	wantErr(t, "a code without one", err, store.ErrNotFound)

	want := ConsentOf(CodeOf(s))
	second, third := want, want
	second.OrganizationID, third.ApplicationUID = "org_2", "7d0c4a0e-0000-4000-8000-000000000002"
	for _, remember := range []store.Consent{third, second, want} {
		consented(t, db, s, remember)
	}
	got, err := db.Consent(ctx, u.ID, Application, "org_1")
	must(t, err)
	same(t, "the consent", got, want)
	all, err := db.ConsentsOf(ctx, u.ID)
	must(t, err)
	same(t, "all, by application and organization", all, []store.Consent{want, second, third})

	_, err = db.Consent(ctx, other.ID, Application, "org_1")
	wantErr(t, "of somebody else", err, store.ErrNotFound)
	all, err = db.ConsentsOf(ctx, other.ID)
	must(t, err)
	same(t, "all of somebody else", len(all), 0)
}

func consentIsReplaced(t *testing.T, db *store.DB) {
	ctx, s := t.Context(), SignedIn(t, db, Person(t, db))
	first := ConsentOf(CodeOf(s))
	consented(t, db, s, first)
	narrower := first
	narrower.Scopes, narrower.GrantedAt, narrower.ExpiresAt = []string{"openid"}, Noon.Add(time.Minute), Noon.Add(time.Hour)
	consented(t, db, s, narrower)
	all, err := db.ConsentsOf(ctx, s.UserID)
	must(t, err)
	same(t, "consents", all, []store.Consent{narrower})
}

// revokingConsent leaves alone what is of another person, application or organization.
func revokingConsent(t *testing.T, db *store.DB) {
	ctx, u, other, c := t.Context(), Person(t, db), Person(t, db), follow(t, db)
	s, foreign := SignedIn(t, db, u), SignedIn(t, db, other)
	ours := ConsentOf(CodeOf(s))
	elsewhere, another, theirs := ours, ours, ConsentOf(CodeOf(foreign))
	elsewhere.OrganizationID, another.ApplicationUID = "org_2", "another"

	pending := consented(t, db, s, ours)
	grant := Granted(t, db, u, GrantOf(u))
	kept := map[string]store.Grant{"organization": GrantOf(u), "application": GrantOf(u), "person": GrantOf(other)}
	for what, r := range map[string]store.Consent{"organization": elsewhere, "application": another, "person": theirs} {
		g := kept[what]
		g.OrganizationID, g.ApplicationUID = r.OrganizationID, r.ApplicationUID
		who, in := u, s
		if what == "person" {
			who, in = other, foreign
		}
		kept[what] = Granted(t, db, who, g)
		consented(t, db, in, r)
	}
	_, err := c.Grant(ctx, grant.ID) // from now on in the cache
	must(t, err)
	before := events(t, db)

	revoke := func() bool {
		found, err := db.RevokeConsent(ctx, u.ID, Application, "org_1", Noon.Add(time.Second), Act("consent.revoked"))
		must(t, err)
		return found
	}
	same(t, "revoked", revoke(), true)
	same(t, "revoked again", revoke(), false)
	same(t, "events", events(t, db)-before, 1)
	_, err = db.Consent(ctx, u.ID, Application, "org_1")
	wantErr(t, "the consent", err, store.ErrNotFound)
	ended, err := c.Grant(ctx, grant.ID)
	must(t, err)
	grant.RevokedAt, grant.RevokedReason = Noon.Add(time.Second), "consent revoked"
	same(t, "the grant", ended, grant)
	wantErr(t, "the code", redeem(t, db, pending, Noon, GrantOf(u)), store.ErrConflict)

	for what, g := range kept {
		got, err := db.Grant(ctx, g.ID)
		must(t, err)
		same(t, "a grant of another "+what, got, g)
		_, err = db.Consent(ctx, g.UserID, g.ApplicationUID, g.OrganizationID)
		wantErr(t, "a consent of another "+what, err, nil)
	}
}

func revokingWithoutConsent(t *testing.T, db *store.DB) {
	ctx, u := t.Context(), Person(t, db)
	revoke := func() bool {
		found, err := db.RevokeConsent(ctx, u.ID, Application, "org_1", Noon, Act("consent.revoked"))
		must(t, err)
		return found
	}
	same(t, "nothing there", revoke(), false)
	g := Granted(t, db, u, GrantOf(u))
	same(t, "a grant alone", revoke(), true)
	got, err := db.Grant(ctx, g.ID)
	must(t, err)
	same(t, "why it ended", got.RevokedReason, "consent revoked")
	c := Coded(t, db, SignedIn(t, db, u))
	same(t, "a code alone", revoke(), true)
	wantErr(t, "the code", redeem(t, db, c, Noon, GrantOf(u)), store.ErrConflict)
}

func sweepTakesConsents(t *testing.T, db *store.DB) {
	ctx, s := t.Context(), SignedIn(t, db, Person(t, db))
	short, long := ConsentOf(CodeOf(s)), ConsentOf(CodeOf(s))
	short.OrganizationID, short.ExpiresAt = "org_2", Noon.Add(time.Hour)
	consented(t, db, s, short)
	consented(t, db, s, long)
	for _, step := range []struct {
		at   time.Time
		want []store.Consent
	}{
		{short.ExpiresAt.Add(-time.Millisecond), []store.Consent{long, short}},
		{short.ExpiresAt, []store.Consent{long}},
		{long.ExpiresAt, nil},
	} {
		_, err := db.Sweep(ctx, step.at)
		must(t, err)
		got, err := db.ConsentsOf(ctx, s.UserID)
		must(t, err)
		same(t, "left at "+step.at.String(), got, step.want)
	}
}

func disablingEndsCodes(t *testing.T, db *store.DB) {
	ctx, u, neighbour := t.Context(), Person(t, db), Person(t, db)
	s := SignedIn(t, db, u)
	remember := ConsentOf(CodeOf(s))
	c, kept := consented(t, db, s, remember), Coded(t, db, SignedIn(t, db, neighbour))
	must(t, db.SetDisabled(ctx, u.ID, true, Act("user.disabled")))
	got, err := db.AuthorizationCode(ctx, c.Hash)
	must(t, err)
	c.UsedAt = Noon
	same(t, "the code", got, c)
	consent, err := db.Consent(ctx, u.ID, Application, "org_1")
	must(t, err)
	same(t, "the consent", consent, remember)
	must(t, redeem(t, db, kept, Noon, GrantOf(neighbour)))
}

func deletingForgetsCodes(t *testing.T, db *store.DB) {
	ctx, u, neighbour := t.Context(), Person(t, db), Person(t, db)
	s, foreign := SignedIn(t, db, u), SignedIn(t, db, neighbour)
	used, pending := consented(t, db, s, ConsentOf(CodeOf(s))), Coded(t, db, s)
	must(t, redeem(t, db, used, Noon, GrantOf(u)))
	theirs := ConsentOf(CodeOf(foreign))
	kept := consented(t, db, foreign, theirs)

	must(t, db.DeleteUser(ctx, u.ID, Act("user.deleted")))
	for _, c := range []store.AuthorizationCode{used, pending} {
		_, err := db.AuthorizationCode(ctx, c.Hash)
		wantErr(t, "a code", err, store.ErrNotFound)
	}
	left, err := db.ConsentsOf(ctx, u.ID)
	must(t, err)
	same(t, "consents", len(left), 0)
	err = db.CreateAuthorizationCode(ctx, CodeOf(s), nil, Act("code.created"))
	wantErr(t, "another code", err, store.ErrConflict)
	left, err = db.ConsentsOf(ctx, neighbour.ID)
	must(t, err)
	same(t, "consents of a neighbour", left, []store.Consent{theirs})
	must(t, redeem(t, db, kept, Noon, GrantOf(neighbour)))
}
