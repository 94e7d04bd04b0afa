package storetest

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

// FactorOf makes an authenticator app with two recovery codes; it is not inserted.
func FactorOf(u store.User) store.NewFactor {
	return store.NewFactor{
		Factor: store.Factor{
			ID: "fac_" + rand.Text()[:22], UserID: u.ID, Kind: store.FactorTOTP, Name: "Phone", Secret: bytes(64), LastStep: 100,
			CreatedAt: Noon, LastUsedAt: Noon,
		},
		Codes: [][]byte{bytes(32), bytes(32)},
	}
}

// enrolled inserts a factor.
func enrolled(t *testing.T, db *store.DB, u store.User) store.NewFactor {
	t.Helper()
	f := FactorOf(u)
	_, err := db.AddFactor(t.Context(), f, Act("factor.added"))
	must(t, err)
	return f
}

func left(t *testing.T, db *store.DB, u store.User) int {
	t.Helper()
	n, err := db.RecoveryCodesLeft(t.Context(), u.ID)
	must(t, err)
	return n
}

func has(t *testing.T, db *store.DB, u store.User) bool {
	t.Helper()
	got, err := db.User(t.Context(), u.ID)
	must(t, err)
	byEmail, err := db.UserByEmail(t.Context(), u.Email)
	must(t, err)
	same(t, "by address", byEmail, got)
	return got.SecondFactor
}

func factorLife(t *testing.T, db *store.DB) {
	ctx, u, neighbour := t.Context(), Person(t, db), Person(t, db)
	same(t, "before", has(t, db, u), false)
	f := FactorOf(u)
	f.CreatedAt = Noon.Add(-time.Minute)
	withCodes, err := db.AddFactor(ctx, f, Act("factor.added"))
	must(t, err)
	same(t, "the first comes with codes", withCodes, true)
	same(t, "after", has(t, db, u), true)
	same(t, "a neighbour", has(t, db, neighbour), false)
	_, err = db.AddFactor(ctx, f, Act("factor.added"))
	wantErr(t, "the same again", err, store.ErrConflict)

	second := FactorOf(u)
	second.CreatedAt = Noon.Add(-time.Second)
	withCodes, err = db.AddFactor(ctx, second, Act("factor.added"))
	must(t, err)
	same(t, "the second comes with codes", withCodes, false)
	same(t, "codes", left(t, db, u), 2)
	all, err := db.Factors(ctx, u.ID)
	must(t, err)
	same(t, "the oldest first", all, []store.Factor{f.Factor, second.Factor})
	for range store.MaxFactors - 2 {
		enrolled(t, db, u)
	}
	_, err = db.AddFactor(ctx, FactorOf(u), Act("factor.added"))
	wantErr(t, "one too many", err, store.ErrConflict)

	before := events(t, db)
	wantErr(t, "somebody else renames it", db.RenameFactor(ctx, neighbour.ID, f.ID, "Mine", Act("factor.renamed")), store.ErrNotFound)
	wantErr(t, "somebody else removes it", db.RemoveFactor(ctx, neighbour.ID, f.ID, Act("factor.removed")), store.ErrNotFound)
	same(t, "events of refused acts", events(t, db)-before, 0)
	must(t, db.RenameFactor(ctx, u.ID, f.ID, "Old phone", Act("factor.renamed")))
	all, err = db.Factors(ctx, u.ID)
	must(t, err)
	same(t, "its name", all[0].Name, "Old phone")
	for i, one := range all {
		same(t, "codes while there is a factor", left(t, db, u), 2)
		must(t, db.RemoveFactor(ctx, u.ID, one.ID, Act("factor.removed")))
		same(t, "still", has(t, db, u), i < len(all)-1)
	}
	same(t, "codes after the last", left(t, db, u), 0)
	wantErr(t, "new codes without a factor", db.ReplaceRecoveryCodes(ctx, u.ID, f.Codes, Act("recovery-codes.replaced")), store.ErrConflict)
}

func stepCountsOnce(t *testing.T, db *store.DB) {
	ctx, u, neighbour := t.Context(), Person(t, db), Person(t, db)
	f := enrolled(t, db, u)
	use := func(userID string, step int64) error { return db.UseStep(ctx, userID, f.ID, step, Act("factor.used")) }
	before := events(t, db)
	wantErr(t, "the step that confirmed it", use(u.ID, 100), store.ErrConflict)
	wantErr(t, "of somebody else", use(neighbour.ID, 101), store.ErrConflict)
	must(t, use(u.ID, 102))
	wantErr(t, "again", use(u.ID, 102), store.ErrConflict)
	wantErr(t, "one before it", use(u.ID, 101), store.ErrConflict)
	same(t, "events", events(t, db)-before, 1)
	same(t, "of many at once", together(t, 20, func() error { return use(u.ID, 103) }), 1)
	must(t, db.SetDisabled(ctx, u.ID, true, Act("user.disabled")))
	wantErr(t, "of a disabled account", use(u.ID, 104), store.ErrConflict)
}

func recoveryCodeCountsOnce(t *testing.T, db *store.DB) {
	ctx, u, neighbour := t.Context(), Person(t, db), Person(t, db)
	f := enrolled(t, db, u)
	enrolled(t, db, neighbour)
	use := func(userID string, hash []byte) error {
		return db.UseRecoveryCode(ctx, userID, hash, Act("recovery-code.used"))
	}
	wantErr(t, "of somebody else", use(neighbour.ID, f.Codes[0]), store.ErrConflict)
	wantErr(t, "one that never was", use(u.ID, bytes(32)), store.ErrConflict)
	same(t, "of many at once", together(t, 20, func() error { return use(u.ID, f.Codes[0]) }), 1)
	same(t, "left", left(t, db, u), 1)
	must(t, db.ReplaceRecoveryCodes(ctx, u.ID, [][]byte{bytes(32), bytes(32), bytes(32)}, Act("recovery-codes.replaced")))
	wantErr(t, "one that was replaced", use(u.ID, f.Codes[1]), store.ErrConflict)
	same(t, "left", left(t, db, u), 3)
	same(t, "of the neighbour", left(t, db, neighbour), 2)
}

// noSessionWithoutSecondFactor: whatever a caller forgets.
func noSessionWithoutSecondFactor(t *testing.T, db *store.DB) {
	ctx, u := t.Context(), Person(t, db)
	old := SignedIn(t, db, u)
	other := SignedIn(t, db, u)
	f := FactorOf(u)
	f.SessionID, f.EndOthers = old.ID, true
	before := events(t, db)
	_, err := db.AddFactor(ctx, f, Act("factor.added"))
	must(t, err)
	same(t, "events: the factor, and the other session", events(t, db)-before, 2)
	_, err = db.Session(ctx, other.Hash)
	wantErr(t, "the other session", err, store.ErrNotFound)
	_, err = db.Session(ctx, old.Hash)
	must(t, err)

	fresh := SessionOf(u)
	wantErr(t, "a new one by a password", db.CreateSession(ctx, fresh, Act("session.started")), store.ErrConflict)
	fresh.ID = old.ID
	wantErr(t, "renewed by a password", db.RenewSession(ctx, old.Hash, fresh, Act("session.renewed")), store.ErrNotFound)
	fresh.AMR = []string{"pwd", "otp", "mfa"}
	must(t, db.RenewSession(ctx, old.Hash, fresh, Act("session.renewed")))
	got, err := db.Session(ctx, fresh.Hash)
	must(t, err)
	same(t, "how it was proven", got.AMR, fresh.AMR)
	both := SessionOf(u)
	both.AMR = fresh.AMR
	must(t, db.CreateSession(ctx, both, Act("session.started")))
}

func resettingFactors(t *testing.T, db *store.DB) {
	ctx, u, neighbour := t.Context(), Person(t, db), Person(t, db)
	s := SignedIn(t, db, u)
	enrolled(t, db, u)
	enrolled(t, db, u)
	enrolled(t, db, neighbour)
	before := events(t, db)
	n, err := db.ResetFactors(ctx, u.ID, Act("factors.reset"))
	must(t, err)
	same(t, "how many", n, 2)
	same(t, "events: the reset, and the session", events(t, db)-before, 2)
	same(t, "still", has(t, db, u), false)
	same(t, "codes", left(t, db, u), 0)
	_, err = db.Session(ctx, s.Hash)
	wantErr(t, "the session", err, store.ErrNotFound)
	same(t, "the neighbour's", has(t, db, neighbour), true)
	n, err = db.ResetFactors(ctx, u.ID, Act("factors.reset"))
	must(t, err)
	same(t, "again", n, 0)
	same(t, "events", events(t, db)-before, 2)
}

func deletingForgetsFactors(t *testing.T, db *store.DB) {
	ctx, u := t.Context(), Person(t, db)
	enrolled(t, db, u)
	must(t, db.SetDisabled(ctx, u.ID, true, Act("user.disabled")))
	same(t, "a disabled account keeps its factor", has(t, db, u), true)
	_, err := db.AddFactor(ctx, FactorOf(u), Act("factor.added"))
	wantErr(t, "a factor of a disabled account", err, store.ErrConflict)
	must(t, db.DeleteUser(ctx, u.ID, Act("user.deleted")))
	all, err := db.Factors(ctx, u.ID)
	must(t, err)
	same(t, "factors", len(all), 0)
	same(t, "codes", left(t, db, u), 0)
}

// stepElsewhere: the same code on two replicas at once.
func stepElsewhere(t *testing.T, open Open) {
	place := t.TempDir()
	here, there := open(t, place), open(t, place)
	u := Person(t, here)
	f := enrolled(t, here, u)
	for step := int64(101); step < 121; step++ {
		replicas := make(chan *store.DB, 4)
		for range 2 {
			replicas <- here
			replicas <- there
		}
		n := together(t, 4, func() error { return (<-replicas).UseStep(t.Context(), u.ID, f.ID, step, Act("factor.used")) })
		same(t, "accepted", n, 1)
		code := bytes(32)
		must(t, here.ReplaceRecoveryCodes(t.Context(), u.ID, [][]byte{code}, Act("recovery-codes.replaced")))
		for range 2 {
			replicas <- here
			replicas <- there
		}
		n = together(t, 4, func() error {
			return (<-replicas).UseRecoveryCode(t.Context(), u.ID, code, Act("recovery-code.used"))
		})
		same(t, "recovery codes accepted", n, 1)
	}
}
