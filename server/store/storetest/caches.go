package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

// follow runs a cache until the test ends.
func follow(t *testing.T, db *store.DB) *store.Cache {
	c := store.NewCache(db)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := c.Run(ctx); err != nil {
			t.Errorf("the cache stopped: %v", err)
		}
	})
	t.Cleanup(func() { stop(); running.Wait() })
	return c
}

func cacheSeesOwnWrites(t *testing.T, db *store.DB) {
	ctx, c := t.Context(), follow(t, db)
	u := Person(t, db)
	g := Granted(t, db, u, GrantOf(u))
	d := Pending()
	must(t, db.CreateDeviceCode(ctx, d))
	for from := int64(1); from <= 50; from++ {
		got, err := c.Grant(ctx, g.ID)
		must(t, err)
		if got.Generation != from {
			t.Fatalf("generation %d, want %d", got.Generation, from)
		}
		must(t, db.RotateGrant(ctx, g.ID, from, Noon, Noon.Add(time.Hour), Act("grant.rotated")))
	}
	pending, err := c.DeviceCode(ctx, d.Hash)
	must(t, err)
	same(t, "state", pending.State, store.DevicePending)
	must(t, db.DenyDeviceCode(ctx, d.Hash, Noon, Act("device.denied")))
	denied, err := c.DeviceCode(ctx, d.Hash)
	must(t, err)
	same(t, "state", denied.State, store.DeviceDenied)

	_, err = c.User(ctx, u.ID)
	must(t, err)
	must(t, db.SetDisabled(ctx, u.ID, true, Act("user.disabled")))
	disabled, err := c.User(ctx, u.ID)
	must(t, err)
	ended, err := c.Grant(ctx, g.ID)
	must(t, err)
	if !disabled.Disabled || ended.RevokedAt.IsZero() {
		t.Errorf("disabled %v, grant revoked at %v", disabled.Disabled, ended.RevokedAt)
	}
}

func cacheSeesOthers(t *testing.T, open Open) {
	ctx, place := t.Context(), t.TempDir()
	here, there := open(t, place), open(t, place)
	c := follow(t, here)
	u := Person(t, there)
	g, revoked := Granted(t, there, u, GrantOf(u)), [12]byte(bytes(12))
	_, err := c.Grant(ctx, g.ID)
	must(t, err)
	_, err = c.User(ctx, u.ID)
	must(t, err)

	must(t, there.RevokeToken(ctx, store.Revocation{Serial: revoked, ExpiresAt: Noon.Add(time.Hour)}, Act("token.revoked")))
	within(t, store.MaxStale, "a token revoked elsewhere is refused", func() bool {
		refused, err := c.Revoked(ctx, revoked)
		must(t, err)
		return refused
	})
	must(t, there.RotateGrant(ctx, g.ID, 1, Noon, Noon.Add(time.Hour), Act("grant.rotated")))
	within(t, store.MaxStale, "a grant rotated elsewhere is seen", func() bool {
		got, err := c.Grant(ctx, g.ID)
		must(t, err)
		return got.Generation == 2
	})
	must(t, there.SetDisabled(ctx, u.ID, true, Act("user.disabled")))
	within(t, store.MaxStale, "an account disabled elsewhere ends here", func() bool {
		who, err := c.User(ctx, u.ID)
		must(t, err)
		grant, err := c.Grant(ctx, g.ID)
		must(t, err)
		return who.Disabled && !grant.RevokedAt.IsZero()
	})
	must(t, there.DeleteUser(ctx, u.ID, Act("user.deleted")))
	within(t, store.MaxStale, "an account deleted elsewhere is not found here", func() bool {
		_, err := c.User(ctx, u.ID)
		return errors.Is(err, store.ErrNotFound)
	})
}
