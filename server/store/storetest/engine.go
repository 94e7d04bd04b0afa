package storetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

func endedContext(t *testing.T, db *store.DB) {
	u := Person(t, db)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := db.User(ctx, u.ID)
	wantErr(t, "a read", err, store.ErrUnavailable)
	wantErr(t, "a read says why", err, context.Canceled)
	err = db.SetPassword(ctx, u.ID, u.PasswordHash, "$new$", Act("user.password"))
	wantErr(t, "a write", err, store.ErrUnavailable)
	got, err := db.User(t.Context(), u.ID)
	must(t, err)
	same(t, "password hash", got.PasswordHash, u.PasswordHash)
}

func closedStore(t *testing.T, db *store.DB) {
	must(t, db.Close())
	wantErr(t, "a write", db.Record(t.Context(), Act("late")), store.ErrUnavailable)
	_, err := db.Users(t.Context())
	wantErr(t, "a read", err, store.ErrUnavailable)
	must(t, db.Close())
}

// readersAndWriters would hang, on a pool of one connection, if a method kept one while
// it waited for another.
func readersAndWriters(t *testing.T, db *store.DB) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	u, c := Person(t, db), follow(t, db)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 10 {
				g, d, s := GrantOf(u), Pending(), SessionOf(u)
				code := CodeOf(s)
				remember := ConsentOf(code)
				for _, err := range []error{
					db.CreateDeviceCode(ctx, d),
					db.ApproveDeviceCode(ctx, d.Hash, Noon, ApprovalOf(u), Act("device.approved")),
					db.ConsumeDeviceCode(ctx, d.Hash, Application, Noon, g, Act("grant.created")),
					db.CreateSession(ctx, s, Act("session.created")),
					db.CreateAuthorizationCode(ctx, code, &remember, Act("code.created")),
					redeem(t, db, code, Noon, GrantOf(u)),
					db.RotateGrant(ctx, g.ID, 1, Noon, Noon.Add(time.Hour), Act("grant.rotated")),
				} {
					if err != nil {
						t.Error(err)
					}
				}
				got, err := c.Grant(ctx, g.ID)
				if err != nil || got.Generation != 2 {
					t.Errorf("generation %d, error %v", got.Generation, err)
				}
				if _, err := c.Consent(ctx, u.ID, Application, code.OrganizationID); err != nil {
					t.Error(err)
				}
				if _, err := db.SyncObjects(ctx, nil, Noon); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func reopened(t *testing.T, open Open) {
	place := t.TempDir()
	db := open(t, place)
	u := Person(t, db)
	g := Granted(t, db, u, GrantOf(u))
	_, err := db.SyncObjects(t.Context(), []store.Object{object("first")}, Noon)
	must(t, err)
	must(t, db.Close())

	db = open(t, place)
	got, err := db.Grant(t.Context(), g.ID)
	must(t, err)
	same(t, "the grant", got, g)
	_, err = db.SyncObjects(t.Context(), nil, Noon)
	must(t, err)
	back := Noon.Add(time.Minute)
	missed, err := db.SyncObjects(t.Context(), []store.Object{object("first")}, back)
	must(t, err)
	same(t, "gone", missed, map[string]store.Object{"first": gone(object("first"), back)})
}

func openedAtOnce(t *testing.T, open Open) {
	place := t.TempDir()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			db := open(t, place)
			if err := db.Record(t.Context(), Act("opened")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	same(t, "events", events(t, open(t, place)), 4)
}
