package storetest

import (
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

// ASVS 7.3.1: who comes back to a session by another page does not make it one that was used
// all the time; only to sign in again does.
func sessionIdleness(t *testing.T, db *store.DB) {
	s := SessionOf(Person(t, db))
	must(t, db.CreateSession(t.Context(), s, Act("session.created")))
	use := func(at, wantLast time.Time, wantLongest time.Duration) {
		t.Helper()
		must(t, db.TouchSession(t.Context(), s.Hash, at))
		last, longest, err := db.SessionUse(t.Context(), s.ID, s.ProviderUID)
		must(t, err)
		if !last.Equal(wantLast) || longest != wantLongest {
			t.Errorf("last %v, longest %v; want %v and %v", last, longest, wantLast, wantLongest)
		}
	}
	hour := Noon.Add(time.Hour)
	use(hour, hour, time.Hour)
	use(hour.Add(time.Minute), hour.Add(time.Minute), time.Hour)
	next := s
	next.Hash = []byte("another identifier, 32 bytes long")
	next.LastUsedAt = hour.Add(90 * time.Second) // what changes a factor renews the session, and proves nobody anew
	must(t, db.RenewSession(t.Context(), s.Hash, next, Act("session.renewed")))
	s.Hash = next.Hash
	use(hour.Add(90*time.Second), hour.Add(90*time.Second), time.Hour)
	next.Hash = []byte("identifier of a silent sign-in..")
	next.LastUsedAt = hour.Add(3 * time.Hour) // elsewhere, of a sign-in there that is as old
	must(t, db.RenewSession(t.Context(), s.Hash, next, Act("session.renewed")))
	s.Hash = next.Hash
	hour = hour.Add(3 * time.Hour)
	use(hour, hour, 3*time.Hour-90*time.Second)
	next.Hash = []byte("a third identifier, of 32 bytes..")
	next.LastUsedAt, next.AuthTime = hour.Add(2*time.Minute), hour.Add(2*time.Minute)
	must(t, db.RenewSession(t.Context(), s.Hash, next, Act("session.renewed")))
	s.Hash = next.Hash
	use(hour.Add(3*time.Minute), hour.Add(3*time.Minute), time.Minute)

	signInsIdle(t, db, next, hour.Add(3*time.Minute))
	must(t, db.EndSession(t.Context(), s.Hash, Act("session.ended")))
	if last, _, err := db.SessionUse(t.Context(), s.ID, s.ProviderUID); err != nil || !last.IsZero() {
		t.Errorf("a session that has ended: %v, %v", last, err)
	}
}

// signInsIdle: a sign-in by another provider makes up for no time in which those before were
// unused.
func signInsIdle(t *testing.T, db *store.DB, s store.Session, used time.Time) {
	t.Helper()
	for i, provider := range []string{"okta", "dex"} {
		next := s
		next.Hash, next.ProviderUID = []byte("by "+provider), provider
		used = used.Add(time.Duration(i+1) * 10 * time.Minute)
		next.LastUsedAt, next.AuthTime = used, used
		must(t, db.RenewSession(t.Context(), s.Hash, next, Act("session.renewed")))
		s = next
	}
	must(t, db.TouchSession(t.Context(), s.Hash, used.Add(5*time.Minute)))
	got, err := db.Session(t.Context(), s.Hash)
	must(t, err)
	want := map[string]time.Duration{"dex": 5 * time.Minute, "okta": 20 * time.Minute, "local": 20 * time.Minute}
	for _, in := range got.SignIns() {
		same(t, "unused since the sign-in by "+in.ProviderUID, in.LongestIdle, want[in.ProviderUID])
		_, longest, err := db.SessionUse(t.Context(), s.ID, in.ProviderUID)
		must(t, err)
		same(t, "a grant by "+in.ProviderUID, longest, want[in.ProviderUID])
	}
	same(t, "sign-ins", len(got.SignIns()), len(want))
	next := s
	next.Hash = []byte("a third identifier, of 32 bytes..")
	must(t, db.RenewSession(t.Context(), s.Hash, next, Act("session.renewed")))
}

func toldOnce(t *testing.T, db *store.DB) {
	u := Person(t, db)
	if at, err := db.ToldOfSecondFactor(t.Context(), u.ID, "acme"); err != nil || !at.IsZero() {
		t.Errorf("nobody was told: %v, %v", at, err)
	}
	before := events(t, db)
	for _, at := range []time.Time{Noon, Noon.Add(time.Hour)} {
		must(t, db.TellOfSecondFactor(t.Context(), u.ID, "acme", at, Act("second-factor.asked")))
	}
	if at, err := db.ToldOfSecondFactor(t.Context(), u.ID, "acme"); err != nil || !at.Equal(Noon) {
		t.Errorf("told at %v, %v", at, err)
	}
	if n := events(t, db) - before; n != 1 {
		t.Errorf("%d events", n)
	}
	if at, err := db.ToldOfSecondFactor(t.Context(), u.ID, "globex"); err != nil || !at.IsZero() {
		t.Errorf("of another organization: %v, %v", at, err)
	}
	must(t, db.DeleteUser(t.Context(), u.ID, Act("user.deleted")))
	if at, err := db.ToldOfSecondFactor(t.Context(), u.ID, "acme"); err != nil || !at.IsZero() {
		t.Errorf("it outlives the person: %v, %v", at, err)
	}
}
