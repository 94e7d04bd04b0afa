package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/decide"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/store/storetest"
	"github.com/gatehouse-dev/gatehouse/server/tokens"
	"github.com/gatehouse-dev/gatehouse/test/keyringtest"
)

// A store that is closed answers no read: what is decided then was decided from memory.
func TestDecisionWithEverythingCachedReadsNothing(t *testing.T) {
	w := newWorld(t)
	keys, err := keyringtest.New()
	if err != nil {
		t.Fatal(err)
	}
	d := decide.Decider{Store: w.cache, Tokens: tokens.NewMinter("https://id.example", keys)}
	person, err := w.cache.User(t.Context(), w.grant.UserID)
	if err != nil {
		t.Fatal(err)
	}
	g := w.grant
	scopes := oauth.NewScopeSet(g.Scopes...)
	app := &model.Application{UID: g.ApplicationUID, ClientID: g.ClientID, Scopes: scopes}
	people := map[string][]model.Holding{person.Email: {{Role: &model.Role{Scopes: scopes}}}}
	org := model.Organization{ID: g.OrganizationID, Slug: "acme", Providers: []*model.Provider{{UID: g.ProviderUID}}}.WithMembers([]*model.Application{app}, people)
	world := &decide.World{Snapshot: model.NewSnapshot("d", []*model.Organization{org}, nil, nil)}
	text := d.Tokens.MintAccess(&tokens.Access{
		GrantID: g.ID, OrganizationID: g.OrganizationID, Serial: tokens.NewSerial(), Scopes: scopes,
		IssuedAt: storetest.Noon, ExpiresAt: storetest.Noon.Add(time.Minute),
	})
	ask := func() (decide.Verdict, error) { return d.Token(t.Context(), world, storetest.Noon, text) }
	if v, err := ask(); err != nil || !v.Active() { // this one reads
		t.Fatalf("%q, %v", v.Reason, err)
	}
	if err := w.here.Close(); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if v, err := ask(); err != nil || !v.Active() {
			t.Fatalf("%q, %v: it asked the store", v.Reason, err)
		}
	}
	w.now = w.now.Add(store.MaxStale + 1)
	if v, err := ask(); !errors.Is(err, store.ErrUnavailable) || v.Active() {
		t.Errorf("with a stale cache: %q, %v", v.Reason, err)
	}
}
