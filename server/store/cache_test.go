package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/store/storetest"
)

// world is a cache by a clock of the test, and another handle that writes.
type world struct {
	now         time.Time
	here, there *store.DB
	cache       *store.Cache
	grant       store.Grant
}

func newWorld(t *testing.T) *world {
	place := t.TempDir()
	w := &world{now: storetest.Noon, here: open(t, place), there: open(t, place)}
	w.cache = store.NewCacheAt(w.here, func() time.Time { return w.now })
	u := storetest.Person(t, w.there)
	w.grant = storetest.Granted(t, w.there, u, storetest.GrantOf(u))
	w.poll(t)
	return w
}

func (w *world) poll(t *testing.T) {
	t.Helper()
	if err := w.cache.Poll(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (w *world) revokeThere(t *testing.T) {
	t.Helper()
	if err := w.there.RevokeGrant(t.Context(), w.grant.ID, storetest.Noon, "test", storetest.Act("grant.revoked")); err != nil {
		t.Fatal(err)
	}
}

func (w *world) inForce(t *testing.T) bool {
	t.Helper()
	g, err := w.cache.Grant(t.Context(), w.grant.ID)
	if err != nil {
		t.Fatal(err)
	}
	return g.RevokedAt.IsZero()
}

func TestAnEntryCountsUntilThePollIsASecondOld(t *testing.T) {
	w := newWorld(t)
	if !w.inForce(t) {
		t.Fatal("the grant is not in force")
	}
	w.revokeThere(t)
	w.now = w.now.Add(store.MaxStale)
	if !w.inForce(t) {
		t.Error("the cache was not used although it is fresh")
	}
	w.now = w.now.Add(time.Nanosecond) // as after SIGSTOP: no poll has run since
	if w.inForce(t) {
		t.Error("a revoked grant was accepted from a stale cache")
	}
}

func TestAStaleCacheReadsTheStoreForRevokedTokens(t *testing.T) {
	w := newWorld(t)
	r := store.Revocation{Serial: [12]byte{1}, ExpiresAt: storetest.Noon.Add(time.Hour)}
	if err := w.there.RevokeToken(t.Context(), r, storetest.Act("token.revoked")); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(store.MaxStale + 1)
	if revoked, err := w.cache.Revoked(t.Context(), r.Serial); err != nil || !revoked {
		t.Errorf("revoked %v, error %v", revoked, err)
	}
	if revoked, err := w.cache.Revoked(t.Context(), [12]byte{2}); err != nil || revoked {
		t.Errorf("another token: revoked %v, error %v", revoked, err)
	}
}

func TestAStaleCacheWithoutItsStoreIsUnavailable(t *testing.T) {
	w := newWorld(t)
	w.inForce(t)
	if err := w.here.Close(); err != nil {
		t.Fatal(err)
	}
	if !w.inForce(t) {
		t.Error("the cache was not used although it is fresh")
	}
	w.now = w.now.Add(store.MaxStale + 1)
	if _, err := w.cache.Grant(t.Context(), w.grant.ID); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("the grant: %v", err)
	}
	if _, err := w.cache.Revoked(t.Context(), [12]byte{1}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a token: %v", err)
	}
	if err := w.cache.Poll(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a poll: %v", err)
	}
}

func TestAPollSeesWhatOthersWrote(t *testing.T) {
	w := newWorld(t)
	w.inForce(t)
	w.revokeThere(t)
	w.poll(t)
	if w.inForce(t) {
		t.Error("a revoked grant was accepted after a poll")
	}
}

func TestWhatChangedWhileItWasReadIsNotKept(t *testing.T) {
	for name, change := range map[string]func(*testing.T, *world){
		"elsewhere": func(t *testing.T, w *world) { w.revokeThere(t); w.poll(t) },
		"here": func(t *testing.T, w *world) {
			err := w.here.RevokeGrant(t.Context(), w.grant.ID, storetest.Noon, "test", storetest.Act("grant.revoked"))
			if err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			_, err := w.cache.WhileReading(t.Context(), w.grant.ID, func() { change(t, w) })
			if err != nil {
				t.Fatal(err)
			}
			if w.inForce(t) {
				t.Error("what was read before the change was kept after it")
			}
		})
	}
}

func TestACacheThatMissedChangesForgetsEverything(t *testing.T) {
	w := newWorld(t)
	w.inForce(t)
	w.revokeThere(t)
	r := store.Revocation{Serial: [12]byte{1}, ExpiresAt: storetest.Noon.Add(time.Hour)}
	if err := w.there.RevokeToken(t.Context(), r, storetest.Act("token.revoked")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.there.Sweep(t.Context(), storetest.Noon.Add(30*time.Minute)); err != nil {
		t.Fatal(err)
	}
	// One change is left, and it is not the next one.
	if err := w.there.SetPassword(t.Context(), w.grant.UserID, "$argon2id$", "$new$", storetest.Act("user.password")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.there.Sweep(t.Context(), storetest.Noon.Add(30*time.Minute)); err != nil {
		t.Fatal(err)
	}
	w.poll(t)
	if w.inForce(t) {
		t.Error("a grant outlived the gap")
	}
	if revoked, err := w.cache.Revoked(t.Context(), r.Serial); err != nil || !revoked {
		t.Errorf("a token revoked in the gap: %v, error %v", revoked, err)
	}
}
