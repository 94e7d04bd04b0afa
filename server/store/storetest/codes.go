package storetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

// redeem has the application of the tests redeem the code at that time.
func redeem(t testing.TB, db *store.DB, c store.AuthorizationCode, at time.Time, g store.Grant) error {
	t.Helper()
	return db.RedeemAuthorizationCode(t.Context(), c.Hash, Application, at, g, Act("grant.created"))
}

func codeIsKept(t *testing.T, db *store.DB) {
	ctx, u := t.Context(), Person(t, db)
	c := Coded(t, db, SignedIn(t, db, u))
	got, err := db.AuthorizationCode(ctx, c.Hash)
	must(t, err)
	same(t, "the code", got, c)

	g := GrantOf(u)
	c.UsedAt, c.GrantID = Noon.Add(time.Second), g.ID
	must(t, redeem(t, db, c, c.UsedAt, g))
	got, err = db.AuthorizationCode(ctx, c.Hash)
	must(t, err)
	same(t, "the code, redeemed", got, c)
	grant, err := db.Grant(ctx, c.GrantID)
	must(t, err)
	same(t, "its grant", grant, g)
	_, err = db.AuthorizationCode(ctx, bytes(32))
	wantErr(t, "an unknown code", err, store.ErrNotFound)

	bare := CodeOf(SignedIn(t, db, u))
	bare.AMR, bare.Granted = nil, nil
	bare.Resource, bare.RedirectURI, bare.Challenge, bare.Nonce = "", "", "", ""
	must(t, db.CreateAuthorizationCode(ctx, bare, nil, Act("code.created")))
	got, err = db.AuthorizationCode(ctx, bare.Hash)
	must(t, err)
	same(t, "a code of a bare request", got, bare)
}

func approvalIsUsedOnce(t *testing.T, db *store.DB) {
	ctx, u := t.Context(), Person(t, db)
	s := SignedIn(t, db, u)
	first, second := Coded(t, db, s), CodeOf(s)
	second.ApprovalID = first.ApprovalID
	remember := ConsentOf(second)
	create := func() error { return db.CreateAuthorizationCode(ctx, second, &remember, Act("code.created")) }
	before := events(t, db)
	wantErr(t, "the same approval", create(), store.ErrConflict)
	must(t, redeem(t, db, first, Noon, GrantOf(u)))
	wantErr(t, "the same approval, its code redeemed", create(), store.ErrConflict)
	_, err := db.AuthorizationCode(ctx, second.Hash)
	wantErr(t, "the second code", err, store.ErrNotFound)
	_, err = db.Consent(ctx, u.ID, Application, second.OrganizationID)
	wantErr(t, "the second consent", err, store.ErrNotFound)
	same(t, "events beside the redemption", events(t, db)-before, 1)
}

func manyApprovals(t *testing.T, db *store.DB) {
	s := SignedIn(t, db, Person(t, db))
	approval := bytes(16)
	won := together(t, 50, func() error {
		c := CodeOf(s)
		c.ApprovalID = approval
		return db.CreateAuthorizationCode(t.Context(), c, nil, Act("code.created"))
	})
	same(t, "codes of one approval", won, 1)
}

func codeNeedsSession(t *testing.T, db *store.DB) {
	ctx, u, other := t.Context(), Person(t, db), Person(t, db)
	create := func(c store.AuthorizationCode, at time.Time) error {
		ev, remember := Act("code.created"), ConsentOf(c)
		ev.Time = at
		return db.CreateAuthorizationCode(ctx, c, &remember, ev)
	}
	s, ended, foreign := SignedIn(t, db, u), SignedIn(t, db, u), SignedIn(t, db, other)
	must(t, db.EndSession(ctx, ended.Hash, Act("session.ended")))
	before := events(t, db)
	wantErr(t, "an ended session", create(CodeOf(ended), Noon), store.ErrConflict)
	wantErr(t, "a session that never was", create(CodeOf(SessionOf(u)), Noon), store.ErrConflict)
	wantErr(t, "at the session's absolute limit", create(CodeOf(s), s.ExpiresAt), store.ErrConflict)
	stolen := CodeOf(foreign)
	stolen.UserID = u.ID
	wantErr(t, "the session of somebody else", create(stolen, Noon), store.ErrConflict)
	remembered, err := db.ConsentsOf(ctx, u.ID)
	must(t, err)
	same(t, "consents of refused acts", len(remembered), 0)
	same(t, "events of refused acts", events(t, db)-before, 0)
	must(t, create(CodeOf(s), s.ExpiresAt.Add(-time.Millisecond)))
}

func disabledGetsNoCode(t *testing.T, db *store.DB) {
	ctx, u := t.Context(), Person(t, db)
	c := Coded(t, db, SignedIn(t, db, u))
	must(t, db.SetDisabled(ctx, u.ID, true, Act("user.disabled")))
	wantErr(t, "redeem", redeem(t, db, c, Noon, GrantOf(u)), store.ErrConflict)
	err := db.CreateAuthorizationCode(ctx, CodeOf(SessionOf(u)), nil, Act("code.created"))
	wantErr(t, "another code", err, store.ErrConflict)
	must(t, db.SetDisabled(ctx, u.ID, false, Act("user.enabled")))
	wantErr(t, "redeem when enabled again", redeem(t, db, c, Noon, GrantOf(u)), store.ErrConflict)
}

func redemptionIsBound(t *testing.T, db *store.DB) {
	ctx, u, other := t.Context(), Person(t, db), Person(t, db)
	c := Coded(t, db, SignedIn(t, db, u))
	err := db.RedeemAuthorizationCode(ctx, c.Hash, "another", Noon, GrantOf(u), Act("grant.created"))
	wantErr(t, "another application", err, store.ErrConflict)
	wantErr(t, "another person", redeem(t, db, c, Noon, GrantOf(other)), store.ErrConflict)
	wantErr(t, "an unknown code", redeem(t, db, CodeOf(SessionOf(u)), Noon, GrantOf(u)), store.ErrConflict)
	got, err := db.AuthorizationCode(ctx, c.Hash)
	must(t, err)
	same(t, "the code", got, c)
	must(t, redeem(t, db, c, Noon, GrantOf(u)))
}

func expiredCode(t *testing.T, db *store.DB) {
	u := Person(t, db)
	c := Coded(t, db, SignedIn(t, db, u))
	wantErr(t, "at expiry", redeem(t, db, c, c.ExpiresAt, GrantOf(u)), store.ErrConflict)
	must(t, redeem(t, db, c, c.ExpiresAt.Add(-time.Millisecond), GrantOf(u)))
}

func burnedCode(t *testing.T, db *store.DB) {
	ctx, u := t.Context(), Person(t, db)
	s := SignedIn(t, db, u)
	c, kept := Coded(t, db, s), Coded(t, db, s)
	burn := func(hash []byte, at time.Time) error {
		return db.BurnAuthorizationCode(ctx, hash, at, Act("code.burned"))
	}
	before := events(t, db)
	must(t, burn(c.Hash, Noon.Add(time.Second)))
	must(t, burn(c.Hash, Noon.Add(time.Minute)))
	must(t, burn(bytes(32), Noon))
	same(t, "events", events(t, db)-before, 1)
	wantErr(t, "redeem", redeem(t, db, c, Noon, GrantOf(u)), store.ErrConflict)
	got, err := db.AuthorizationCode(ctx, c.Hash)
	must(t, err)
	c.UsedAt = Noon.Add(time.Second)
	same(t, "the code", got, c)
	must(t, redeem(t, db, kept, Noon, GrantOf(u)))
}

func burnRedeemed(t *testing.T, db *store.DB) {
	u := Person(t, db)
	c, g := Coded(t, db, SignedIn(t, db, u)), GrantOf(u)
	must(t, redeem(t, db, c, Noon, g))
	before := events(t, db)
	must(t, db.BurnAuthorizationCode(t.Context(), c.Hash, Noon.Add(time.Second), Act("code.burned")))
	same(t, "events", events(t, db)-before, 0)
	got, err := db.AuthorizationCode(t.Context(), c.Hash)
	must(t, err)
	c.UsedAt, c.GrantID = Noon, g.ID
	same(t, "the code", got, c)
}

func codeEndsWithSession(t *testing.T, db *store.DB) {
	ctx, u := t.Context(), Person(t, db)
	s, another := SignedIn(t, db, u), SignedIn(t, db, u)
	c, kept := Coded(t, db, s), Coded(t, db, another)
	must(t, db.EndSession(ctx, s.Hash, Act("session.ended")))
	wantErr(t, "redeem", redeem(t, db, c, Noon, GrantOf(u)), store.ErrConflict)
	got, err := db.AuthorizationCode(ctx, c.Hash)
	must(t, err)
	same(t, "used since", got.UsedAt, Noon)
	must(t, redeem(t, db, kept, Noon, GrantOf(u)))

	last := Coded(t, db, another)
	_, err = db.EndSessionsOf(ctx, u.ID, "", Act("session.ended"))
	must(t, err)
	wantErr(t, "redeem after all sessions ended", redeem(t, db, last, Noon, GrantOf(u)), store.ErrConflict)
}

// codeEndsWithSessionLimit also has the sweep take the session, which burns no code.
func codeEndsWithSessionLimit(t *testing.T, db *store.DB) {
	ctx, u := t.Context(), Person(t, db)
	s := SessionOf(u)
	s.ExpiresAt = Noon.Add(30 * time.Second)
	must(t, db.CreateSession(ctx, s, Act("session.created")))
	c, second := Coded(t, db, s), Coded(t, db, s)
	wantErr(t, "at the limit", redeem(t, db, c, s.ExpiresAt, GrantOf(u)), store.ErrConflict)
	must(t, redeem(t, db, c, s.ExpiresAt.Add(-time.Millisecond), GrantOf(u)))
	_, err := db.Sweep(ctx, s.ExpiresAt)
	must(t, err)
	wantErr(t, "without its row", redeem(t, db, second, Noon, GrantOf(u)), store.ErrConflict)
}

func failedRedemption(t *testing.T, db *store.DB) {
	ctx, u := t.Context(), Person(t, db)
	taken := Granted(t, db, u, GrantOf(u))
	c := Coded(t, db, SignedIn(t, db, u))
	before := events(t, db)
	wantErr(t, "a grant ID that is taken", redeem(t, db, c, Noon, taken), store.ErrConflict)
	got, err := db.AuthorizationCode(ctx, c.Hash)
	must(t, err)
	same(t, "the code", got, c)
	same(t, "events", events(t, db)-before, 0)
	must(t, redeem(t, db, c, Noon, GrantOf(u)))
}

func manyRedemptions(t *testing.T, db *store.DB) {
	u := Person(t, db)
	c := Coded(t, db, SignedIn(t, db, u))
	before := events(t, db)
	var mu sync.Mutex
	var made []store.Grant
	won := together(t, 50, func() error {
		g := GrantOf(u)
		mu.Lock()
		made = append(made, g)
		mu.Unlock()
		return redeem(t, db, c, Noon, g)
	})
	same(t, "redemptions", won, 1)
	same(t, "events", events(t, db)-before, 1)
	got, err := db.AuthorizationCode(t.Context(), c.Hash)
	must(t, err)
	for _, g := range made {
		_, err := db.Grant(t.Context(), g.ID)
		if g.ID == got.GrantID {
			wantErr(t, "the grant of the code", err, nil)
		} else {
			wantErr(t, "every other grant", err, store.ErrNotFound)
		}
	}
}

func redeemedElsewhere(t *testing.T, open Open) {
	place := t.TempDir()
	replicas := [...]*store.DB{open(t, place), open(t, place)}
	u := Person(t, replicas[0])
	c := Coded(t, replicas[0], SignedIn(t, replicas[0], u))
	before := events(t, replicas[0])
	var next atomic.Int64
	won := together(t, 50, func() error {
		return redeem(t, replicas[next.Add(1)%2], c, Noon, GrantOf(u))
	})
	same(t, "redemptions", won, 1)
	for _, db := range replicas {
		same(t, "events", events(t, db)-before, 1)
	}
}

func sessionEndsDuringRedemption(t *testing.T, db *store.DB) {
	u := Person(t, db)
	for range 20 {
		s := SignedIn(t, db, u)
		c, g := Coded(t, db, s), GrantOf(u)
		g.SessionID = s.ID
		var both sync.WaitGroup
		both.Go(func() {
			if err := redeem(t, db, c, Noon, g); err != nil {
				wantErr(t, "redeem", err, store.ErrConflict)
			}
		})
		both.Go(func() {
			if err := db.EndSession(t.Context(), s.Hash, Act("session.ended")); err != nil {
				t.Error(err)
			}
		})
		both.Wait()
		if got, err := db.Grant(t.Context(), g.ID); !errors.Is(err, store.ErrNotFound) && got.RevokedAt.IsZero() {
			t.Errorf("the grant outlived its session (error %v)", err)
		}
	}
}

func sweepKeepsCodes(t *testing.T, db *store.DB) {
	ctx, u := t.Context(), Person(t, db)
	s := SessionOf(u)
	s.ExpiresAt = Noon.Add(48 * time.Hour)
	must(t, db.CreateSession(ctx, s, Act("session.created")))
	redeemed, unused := Coded(t, db, s), Coded(t, db, s)
	must(t, redeem(t, db, redeemed, Noon, GrantOf(u)))
	day := Noon.Add(24 * time.Hour)

	_, err := db.Sweep(ctx, day.Add(-time.Millisecond))
	must(t, err)
	again := CodeOf(s)
	again.ApprovalID = unused.ApprovalID
	for _, c := range []store.AuthorizationCode{redeemed, unused} {
		_, err := db.AuthorizationCode(ctx, c.Hash)
		must(t, err)
	}
	wantErr(t, "the approval again", db.CreateAuthorizationCode(ctx, again, nil, Act("code.created")), store.ErrConflict)

	n, err := db.Sweep(ctx, day)
	must(t, err)
	if n < 2 {
		t.Errorf("%d rows swept, want the codes", n)
	}
	for _, c := range []store.AuthorizationCode{redeemed, unused} {
		_, err := db.AuthorizationCode(ctx, c.Hash)
		wantErr(t, "after a day", err, store.ErrNotFound)
	}
}
