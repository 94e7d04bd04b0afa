package storetest

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

// KeyOf makes a security key; it is not inserted.
func KeyOf(u store.User) store.NewFactor {
	f := FactorOf(u)
	f.Kind, f.Secret, f.LastStep = store.FactorKey, nil, 0
	f.Key = store.Key{
		CredentialID: bytes(32), PublicKey: bytes(77), AAGUID: bytes(16), SignCount: 7, Transports: []string{"internal", "hybrid"},
		UserHandle: u.ID, UserVerified: true, Discoverable: true, BackupEligible: true, BackedUp: true,
	}
	f.Challenge = challenge()
	return f
}

func challenge() store.Once { return store.Once{Hash: bytes(32), Until: Noon.Add(5 * time.Minute)} }

func withKey(t *testing.T, db *store.DB, u store.User) store.Factor {
	t.Helper()
	f := KeyOf(u)
	_, err := db.AddFactor(t.Context(), f, Act("factor.added"))
	must(t, err)
	return f.Factor
}

func use(f store.Factor, count uint32) store.KeyUse {
	return store.KeyUse{UserID: f.UserID, FactorID: f.ID, Challenge: challenge(), SignCount: count}
}

func keyIsKept(t *testing.T, db *store.DB) {
	ctx, u, neighbour := t.Context(), Person(t, db), Person(t, db)
	f := KeyOf(u)
	withCodes, err := db.AddFactor(ctx, f, Act("factor.added"))
	must(t, err)
	same(t, "the first comes with codes", withCodes, true)
	same(t, "its owner", has(t, db, u), true)
	all, err := db.Factors(ctx, u.ID)
	must(t, err)
	same(t, "as it was", all, []store.Factor{f.Factor})
	found, err := db.FactorByCredential(ctx, f.Key.CredentialID)
	must(t, err)
	same(t, "by its credential", found, f.Factor)
	_, err = db.FactorByCredential(ctx, bytes(32))
	wantErr(t, "one that never was", err, store.ErrNotFound)
	_, err = db.FactorByCredential(ctx, nil)
	wantErr(t, "an app has none", err, store.ErrNotFound)

	before := events(t, db)
	theirs := KeyOf(neighbour)
	theirs.Key.CredentialID = f.Key.CredentialID
	_, err = db.AddFactor(ctx, theirs, Act("factor.added"))
	wantErr(t, "the same credential for somebody else", err, store.ErrConflict)
	again := KeyOf(u)
	again.Challenge = f.Challenge
	_, err = db.AddFactor(ctx, again, Act("factor.added"))
	wantErr(t, "the same challenge", err, store.ErrConflict)
	same(t, "events of refused acts", events(t, db)-before, 0)
	same(t, "the neighbour", has(t, db, neighbour), false)
	for range store.MaxFactors - 1 {
		withKey(t, db, u)
	}
	_, err = db.AddFactor(ctx, KeyOf(u), Act("factor.added"))
	wantErr(t, "one too many", err, store.ErrConflict)
	enrolled(t, db, u) // an app is counted by itself

	must(t, db.RemoveFactor(ctx, u.ID, f.ID, Act("factor.removed")))
	_, err = db.FactorByCredential(ctx, f.Key.CredentialID)
	wantErr(t, "one that is removed", err, store.ErrNotFound)
	_, err = db.AddFactor(ctx, theirs, Act("factor.added"))
	must(t, err) // it is free again
}

func keyCountsOn(t *testing.T, db *store.DB) {
	ctx, u, neighbour := t.Context(), Person(t, db), Person(t, db)
	f := withKey(t, db, u)
	before := events(t, db)
	ok := use(f, 8)
	must(t, db.UseKey(ctx, ok, Act("factor.used")))
	again := use(f, 9)
	again.Challenge = ok.Challenge
	wantErr(t, "the same challenge again", db.UseKey(ctx, again, Act("factor.used")), store.ErrConflict)
	foreign := use(f, 9)
	foreign.UserID = neighbour.ID
	wantErr(t, "of somebody else", db.UseKey(ctx, foreign, Act("factor.used")), store.ErrConflict)
	must(t, db.UseKey(ctx, use(f, 1_000_000), Act("factor.used")))
	same(t, "events", events(t, db)-before, 2)
	found, err := db.FactorByCredential(ctx, f.Key.CredentialID)
	must(t, err)
	same(t, "its counter", found.Key.SignCount, uint32(1_000_000))
	same(t, "its backup", found.Key.BackedUp, false)

	same(t, "of many at once", together(t, 20, func() error { return db.UseKey(ctx, keyUseOnce(f, ok.Challenge.Until), Act("factor.used")) }), 1)

	still := KeyOf(u)
	still.Key.SignCount = 0
	_, err = db.AddFactor(ctx, still, Act("factor.added"))
	must(t, err)
	for range 3 {
		must(t, db.UseKey(ctx, use(still.Factor, 0), Act("factor.used"))) // it does not count
	}
	must(t, db.UseKey(ctx, use(still.Factor, 1), Act("factor.used"))) // it begins to
	must(t, db.SetDisabled(ctx, u.ID, true, Act("user.disabled")))
	wantErr(t, "of a disabled account", db.UseKey(ctx, use(f, 2_000_001), Act("factor.used")), store.ErrConflict)
}

// keyUseOnce is the same answer, whoever brings it.
func keyUseOnce(f store.Factor, until time.Time) store.KeyUse {
	u := use(f, 2_000_000)
	u.Challenge = store.Once{Hash: []byte("the one challenge"), Until: until}
	return u
}

func copiedKeyIsBlocked(t *testing.T, db *store.DB) {
	ctx, u := t.Context(), Person(t, db)
	for _, count := range []uint32{7, 6, 0} {
		f := withKey(t, db, u)
		before := events(t, db)
		wantErr(t, "a counter that went back", db.UseKey(ctx, use(f, count), Act("factor.used")), store.ErrCopied)
		same(t, "events", events(t, db)-before, 1)
		all, err := db.Events(ctx, 1)
		must(t, err)
		same(t, "what is recorded", []string{all[0].Action, all[0].Outcome, all[0].Target}, []string{"factor.blocked", "refused", Act("").Target})
		found, err := db.FactorByCredential(ctx, f.Key.CredentialID)
		must(t, err)
		same(t, "blocked", found.Key.BlockedAt, Act("").Time)
		wantErr(t, "one that would fit", db.UseKey(ctx, use(f, 100), Act("factor.used")), store.ErrConflict)
		must(t, db.RemoveFactor(ctx, u.ID, f.ID, Act("factor.removed")))
	}
}

func sweepTakesChallenges(t *testing.T, db *store.DB) {
	ctx, u := t.Context(), Person(t, db)
	f := withKey(t, db, u)
	same(t, "used challenges", swept(t, db, Noon.Add(5*time.Minute-time.Millisecond)), 0)
	one := use(f, 8)
	must(t, db.UseKey(ctx, one, Act("factor.used")))
	same(t, "at their end", swept(t, db, Noon.Add(5*time.Minute)), 2)
}

func swept(t *testing.T, db *store.DB, at time.Time) int {
	t.Helper()
	n, err := db.Sweep(t.Context(), at)
	must(t, err)
	return n
}

// keyElsewhere: the same answer on two replicas at once.
func keyElsewhere(t *testing.T, open Open) {
	place := t.TempDir()
	replicas := [...]*store.DB{open(t, place), open(t, place)}
	u := Person(t, replicas[0])
	f := withKey(t, replicas[0], u)
	var next atomic.Int64
	won := together(t, 50, func() error {
		return replicas[next.Add(1)%2].UseKey(t.Context(), keyUseOnce(f, Noon), Act("factor.used"))
	})
	same(t, "uses", won, 1)
	found, err := replicas[1].FactorByCredential(t.Context(), f.Key.CredentialID)
	must(t, err)
	same(t, "blocked", found.Key.BlockedAt, time.Time{})
}
