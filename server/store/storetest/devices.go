package storetest

import (
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

func userCodeIsUnique(t *testing.T, db *store.DB) {
	d, second := Pending(), Pending()
	second.UserCodeHash = d.UserCodeHash
	must(t, db.CreateDeviceCode(t.Context(), d))
	wantErr(t, "the same user code", db.CreateDeviceCode(t.Context(), second), store.ErrConflict)
	if _, err := db.Sweep(t.Context(), d.ExpiresAt); err != nil {
		t.Fatal(err)
	}
	must(t, db.CreateDeviceCode(t.Context(), second))
}

func deviceCodeIsKept(t *testing.T, db *store.DB) {
	u := Person(t, db)
	d := Pending()
	must(t, db.CreateDeviceCode(t.Context(), d))
	got, err := db.DeviceCode(t.Context(), d.Hash)
	must(t, err)
	want := d
	same(t, "pending", got, want)

	must(t, db.ApproveDeviceCode(t.Context(), d.Hash, Noon, ApprovalOf(u), Act("device.approved")))
	got, err = db.DeviceCodeByUserCode(t.Context(), d.UserCodeHash)
	must(t, err)
	want.State, want.Approval = store.DeviceApproved, ApprovalOf(u)
	same(t, "approved", got, want)
	_, err = db.DeviceCode(t.Context(), bytes(32))
	wantErr(t, "an unknown code", err, store.ErrNotFound)
	_, err = db.DeviceCodeByUserCode(t.Context(), bytes(32))
	wantErr(t, "an unknown user code", err, store.ErrNotFound)
}

func deviceCodeMovesForward(t *testing.T, db *store.DB) {
	ctx, u := t.Context(), Person(t, db)
	d := Pending()
	must(t, db.CreateDeviceCode(ctx, d))
	consume := func(hash []byte) error {
		return db.ConsumeDeviceCode(ctx, hash, Application, Noon, GrantOf(u), Act("grant.created"))
	}
	approve := func(hash []byte) error {
		return db.ApproveDeviceCode(ctx, hash, Noon, ApprovalOf(u), Act("device.approved"))
	}
	deny := func(hash []byte) error { return db.DenyDeviceCode(ctx, hash, Noon, Act("device.denied")) }

	wantErr(t, "consume what is pending", consume(d.Hash), store.ErrConflict)
	must(t, approve(d.Hash))
	wantErr(t, "approve twice", approve(d.Hash), store.ErrConflict)
	wantErr(t, "deny what is approved", deny(d.Hash), store.ErrConflict)
	must(t, consume(d.Hash))
	wantErr(t, "consume twice", consume(d.Hash), store.ErrConflict)

	denied := Pending()
	must(t, db.CreateDeviceCode(ctx, denied))
	must(t, deny(denied.Hash))
	wantErr(t, "approve what is denied", approve(denied.Hash), store.ErrConflict)
	wantErr(t, "consume what is denied", consume(denied.Hash), store.ErrConflict)
	wantErr(t, "approve what is unknown", approve(bytes(32)), store.ErrConflict)
}

func expiredDeviceCode(t *testing.T, db *store.DB) {
	ctx, u := t.Context(), Person(t, db)
	d := Pending()
	must(t, db.CreateDeviceCode(ctx, d))
	err := db.ApproveDeviceCode(ctx, d.Hash, d.ExpiresAt, ApprovalOf(u), Act("device.approved"))
	wantErr(t, "approve at expiry", err, store.ErrConflict)
	wantErr(t, "deny at expiry", db.DenyDeviceCode(ctx, d.Hash, d.ExpiresAt, Act("device.denied")), store.ErrConflict)
	justBefore := d.ExpiresAt.Add(-time.Millisecond)
	must(t, db.ApproveDeviceCode(ctx, d.Hash, justBefore, ApprovalOf(u), Act("device.approved")))
	err = db.ConsumeDeviceCode(ctx, d.Hash, Application, d.ExpiresAt, GrantOf(u), Act("grant.created"))
	wantErr(t, "consume at expiry", err, store.ErrConflict)
}

func consumeIsBound(t *testing.T, db *store.DB) {
	ctx, u, other := t.Context(), Person(t, db), Person(t, db)
	d := Approved(t, db, u)
	err := db.ConsumeDeviceCode(ctx, d.Hash, "another", Noon, GrantOf(u), Act("grant.created"))
	wantErr(t, "another application", err, store.ErrConflict)
	err = db.ConsumeDeviceCode(ctx, d.Hash, Application, Noon, GrantOf(other), Act("grant.created"))
	wantErr(t, "another person", err, store.ErrConflict)
	g := GrantOf(u)
	must(t, db.ConsumeDeviceCode(ctx, d.Hash, Application, Noon, g, Act("grant.created")))
	got, err := db.Grant(ctx, g.ID)
	must(t, err)
	same(t, "the grant", got, g)
}

func failedConsumption(t *testing.T, db *store.DB) {
	ctx, u := t.Context(), Person(t, db)
	taken := Granted(t, db, u, GrantOf(u))
	d := Approved(t, db, u)
	before := events(t, db)
	err := db.ConsumeDeviceCode(ctx, d.Hash, Application, Noon, taken, Act("grant.created"))
	wantErr(t, "a grant ID that is taken", err, store.ErrConflict)
	got, err := db.DeviceCode(ctx, d.Hash)
	must(t, err)
	if got.State != store.DeviceApproved || events(t, db) != before {
		t.Errorf("the refused consumption left state %s and %d events", got.State, events(t, db)-before)
	}
}

func manyConsumptions(t *testing.T, db *store.DB) {
	u := Person(t, db)
	d := Approved(t, db, u)
	before := events(t, db)
	won := together(t, 50, func() error {
		return db.ConsumeDeviceCode(t.Context(), d.Hash, Application, Noon, GrantOf(u), Act("grant.created"))
	})
	if n := events(t, db) - before; won != 1 || n != 1 {
		t.Errorf("%d consumptions succeeded with %d events, want one", won, n)
	}
}
