package storetest

import (
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

func manyRotations(t *testing.T, db *store.DB) {
	u := Person(t, db)
	g := Granted(t, db, u, GrantOf(u))
	idle := Noon.Add(2 * time.Hour)
	won := together(t, 50, func() error {
		return db.RotateGrant(t.Context(), g.ID, 1, Noon.Add(time.Minute), idle, Act("grant.rotated"))
	})
	if won != 1 {
		t.Errorf("%d rotations succeeded, want one", won)
	}
	got, err := db.Grant(t.Context(), g.ID)
	must(t, err)
	g.Generation, g.RotatedAt, g.IdleExpiresAt = 2, Noon.Add(time.Minute), idle
	same(t, "the grant", got, g)
}

func rotationNeedsForce(t *testing.T, db *store.DB) {
	ctx, u := t.Context(), Person(t, db)
	rotate := func(g store.Grant, from int64, now time.Time) error {
		return db.RotateGrant(ctx, g.ID, from, now, now.Add(time.Hour), Act("grant.rotated"))
	}
	g := Granted(t, db, u, GrantOf(u))
	wantErr(t, "an unknown grant", rotate(GrantOf(u), 1, Noon), store.ErrConflict)
	wantErr(t, "an older generation", rotate(g, 0, Noon), store.ErrConflict)
	wantErr(t, "a later generation", rotate(g, 2, Noon), store.ErrConflict)
	wantErr(t, "at the idle limit", rotate(g, 1, g.IdleExpiresAt), store.ErrConflict)

	short := GrantOf(u)
	short.ExpiresAt = Noon.Add(time.Minute)
	Granted(t, db, u, short)
	wantErr(t, "at the end", rotate(short, 1, short.ExpiresAt), store.ErrConflict)

	without := GrantOf(u)
	without.Generation, without.Seed = 0, []byte{}
	Granted(t, db, u, without)
	wantErr(t, "without a refresh token", rotate(without, 0, Noon), store.ErrConflict)

	must(t, db.RevokeGrant(ctx, g.ID, Noon, "test", Act("grant.revoked")))
	wantErr(t, "a revoked grant", rotate(g, 1, Noon), store.ErrConflict)
}

func revokeTwice(t *testing.T, db *store.DB) {
	ctx, u := t.Context(), Person(t, db)
	g := Granted(t, db, u, GrantOf(u))
	before := events(t, db)
	must(t, db.RevokeGrant(ctx, g.ID, Noon, "first", Act("grant.revoked")))
	must(t, db.RevokeGrant(ctx, g.ID, Noon.Add(time.Minute), "second", Act("grant.revoked")))
	got, err := db.Grant(ctx, g.ID)
	must(t, err)
	if n := events(t, db) - before; n != 1 || got.RevokedReason != "first" || !got.RevokedAt.Equal(Noon) {
		t.Errorf("%d events; revoked at %v: %q", n, got.RevokedAt, got.RevokedReason)
	}
	_, err = db.Grant(ctx, [16]byte{})
	wantErr(t, "an unknown grant", err, store.ErrNotFound)
}

func revocations(t *testing.T, db *store.DB) {
	ctx := t.Context()
	r := store.Revocation{Serial: [12]byte(bytes(12)), ExpiresAt: Noon.Add(time.Hour)}
	before := events(t, db)
	must(t, db.RevokeToken(ctx, r, Act("token.revoked")))
	must(t, db.RevokeToken(ctx, r, Act("token.revoked")))
	if n := events(t, db) - before; n != 1 {
		t.Errorf("revoking twice wrote %d events", n)
	}
	got, err := db.Revocations(ctx, r.ExpiresAt.Add(-time.Millisecond))
	must(t, err)
	same(t, "before it expires", got, []store.Revocation{r})
	got, err = db.Revocations(ctx, r.ExpiresAt)
	must(t, err)
	same(t, "when it expires", len(got), 0)
}

func sweepTakesExpired(t *testing.T, db *store.DB) {
	ctx, u := t.Context(), Person(t, db)
	s, d := SessionOf(u), Approved(t, db, u)
	must(t, db.CreateSession(ctx, s, Act("session.created")))
	g := Granted(t, db, u, GrantOf(u))
	must(t, db.RevokeToken(ctx, store.Revocation{Serial: [12]byte{1}, ExpiresAt: Noon.Add(time.Hour)}, Act("token.revoked")))

	n, err := db.Sweep(ctx, Noon)
	must(t, err)
	same(t, "rows swept at noon", n, 0)
	for _, r := range []struct {
		after time.Duration
		left  error
	}{{11 * time.Minute, nil}, {25 * time.Hour, store.ErrNotFound}} {
		for n := 1; n > 0; {
			n, err = db.Sweep(ctx, Noon.Add(r.after))
			must(t, err)
		}
		_, err = db.DeviceCode(ctx, d.Hash)
		wantErr(t, "the device code", err, store.ErrNotFound)
		_, err = db.Session(ctx, s.Hash)
		wantErr(t, "the session", err, r.left)
		_, err = db.Grant(ctx, g.ID)
		wantErr(t, "the grant", err, r.left)
	}
	left, err := db.Revocations(ctx, Noon)
	must(t, err)
	same(t, "revocations left", len(left), 0)
	_, err = db.User(ctx, u.ID)
	must(t, err)
	if events(t, db) == 0 {
		t.Error("the sweep took the audit log")
	}
}
