package upstream

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// ErrNotProvisioned: nobody has this identity, and the provider makes no accounts.
var ErrNotProvisioned = errors.New("nobody has this identity, and the provider makes no accounts")

// Accounts is what a backend needs of the store.
type Accounts interface {
	UserByIdentity(ctx context.Context, providerUID, subject string) (store.User, error)
}

// accounts is the half of a Backend that all types share: who belongs to whom. Embed a
// pointer to it.
type accounts struct {
	store    Accounts
	provider atomic.Pointer[model.Provider]
}

func newAccounts(p *model.Provider, env Env) *accounts {
	a := &accounts{store: env.Accounts}
	a.provider.Store(p)
	return a
}

// adopt takes what of a declaration changes without another backend.
func (a *accounts) adopt(p *model.Provider) { a.provider.Store(p) }

// FindUser implements Backend.
func (a *accounts) FindUser(ctx context.Context, subject string) (store.User, error) {
	if a.store == nil {
		return store.User{}, store.ErrNotFound
	}
	return a.store.UserByIdentity(ctx, a.provider.Load().UID, subject)
}

// SaveUser implements Backend.
func (a *accounts) SaveUser(context.Context, Person) (store.User, error) {
	return store.User{}, ErrNotProvisioned
}
