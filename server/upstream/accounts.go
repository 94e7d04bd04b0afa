package upstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

var (
	// ErrNotProvisioned: nobody has this identity, and the provider makes no accounts.
	ErrNotProvisioned = errors.New("nobody has this identity, and the provider makes no accounts")
	// ErrDisabled: whose identity it is may not sign in.
	ErrDisabled = errors.New("the account is disabled")
)

// Accounts is what a backend needs of the store.
type Accounts interface {
	UserByIdentity(ctx context.Context, providerUID, subject string) (store.User, error)
	UserByEmail(ctx context.Context, email string) (store.User, error)
	User(ctx context.Context, id string) (store.User, error)
	CreateUserWithIdentity(ctx context.Context, u store.User, i store.Identity, memberships []model.Membership, ev store.Event) error
	LinkIdentity(ctx context.Context, i store.Identity, ev store.Event) error
	UpdateIdentity(ctx context.Context, i store.Identity, memberships []model.Membership, ev store.Event) error
	DropClaim(ctx context.Context, address string, ev store.Event) error
}

// accounts is the half of a Backend that all types share: who belongs to whom. An identity
// is the provider's UID and the subject there, and nothing else finds an account but what
// the owner has proven here. Embed a pointer to it.
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
	if a.store == nil || subject == "" {
		return store.User{}, store.ErrNotFound
	}
	return a.store.UserByIdentity(ctx, a.provider.Load().UID, subject)
}

// SaveUser implements Backend. ErrNotProvisioned, ErrDisabled; ErrRefused: the provider is
// suspended, or says no subject.
func (a *accounts) SaveUser(ctx context.Context, p Person) (store.User, error) {
	of := a.provider.Load()
	switch {
	case a.store == nil:
		return store.User{}, ErrNotProvisioned
	case of.Suspended:
		return store.User{}, refused("the provider is suspended")
	case p.Subject == "":
		return store.User{}, refused("it says no subject")
	}
	u, err := a.FindUser(ctx, p.Subject)
	if !errors.Is(err, store.ErrNotFound) {
		return a.update(ctx, of, u, p, err)
	}
	u, err = a.admit(ctx, of, p)
	if errors.Is(err, store.ErrConflict) { // somebody with this identity was quicker
		u, err = a.FindUser(ctx, p.Subject)
		return a.update(ctx, of, u, p, err)
	}
	return u, err
}

// update keeps what the provider says now of an identity that somebody has.
func (a *accounts) update(ctx context.Context, of *model.Provider, u store.User, p Person, err error) (store.User, error) {
	switch {
	case err != nil:
		return store.User{}, fmt.Errorf("find the account of an identity: %w", err)
	case u.Disabled:
		return store.User{}, ErrDisabled
	}
	err = a.store.UpdateIdentity(ctx, identity(of, u.ID, p), membership(of, p), event(of, p, u.ID, "identity.used"))
	if errors.Is(err, store.ErrNotFound) { // disabled, or unlinked, meanwhile
		return store.User{}, ErrDisabled
	}
	if err != nil {
		return store.User{}, fmt.Errorf("keep what the provider says: %w", err)
	}
	return a.store.User(ctx, u.ID)
}

// admit finds the account for an identity that nobody has, or makes one.
func (a *accounts) admit(ctx context.Context, of *model.Provider, p Person) (store.User, error) {
	if of.Provisioning.Mode == model.ProvisionDeny {
		return store.User{}, ErrNotProvisioned
	}
	if joins(of, p) {
		u, err := a.owner(ctx, of, p)
		if err == nil {
			return a.link(ctx, of, u, p)
		}
		if !errors.Is(err, store.ErrNotFound) {
			return store.User{}, err
		}
	}
	if of.Provisioning.Mode != model.ProvisionJIT {
		return store.User{}, ErrNotProvisioned
	}
	u := store.User{ID: people.NewID(), Email: p.Email, Name: cmp.Or(p.Name, p.Email), CreatedAt: p.Now}
	if err := a.store.CreateUserWithIdentity(ctx, u, identity(of, u.ID, p), membership(of, p), event(of, p, u.ID, "user.created")); err != nil {
		return store.User{}, fmt.Errorf("create an account: %w", err)
	}
	return a.store.User(ctx, u.ID)
}

// joins reports whether an address finds an account: only what a provider of the whole
// installation has verified, for a tenant's provider says whatever the tenant likes.
func joins(of *model.Provider, p Person) bool {
	return of.Installation() && of.Provisioning.LinkBy == model.LinkByVerifiedEmail && p.EmailVerified && p.Email != ""
}

// owner is the account that has itself proven the address. One that only claims it loses
// it first, or somebody could wait with it for its owner to come. store.ErrNotFound: nobody
// has.
func (a *accounts) owner(ctx context.Context, of *model.Provider, p Person) (store.User, error) {
	u, err := a.store.UserByEmail(ctx, p.Email)
	switch {
	case err != nil:
		return store.User{}, err
	case u.EmailProvenBy == "":
		ev := event(of, p, u.ID, "user.claim-dropped")
		ev.Actor = "provider" // whoever waited there did nothing, and who comes is nobody yet
		if err := a.store.DropClaim(ctx, p.Email, ev); err != nil {
			return store.User{}, fmt.Errorf("drop an unproven address: %w", err)
		}
		return store.User{}, store.ErrNotFound
	case u.Disabled:
		return store.User{}, ErrDisabled
	}
	return u, nil
}

func (a *accounts) link(ctx context.Context, of *model.Provider, u store.User, p Person) (store.User, error) {
	if err := a.store.LinkIdentity(ctx, identity(of, u.ID, p), event(of, p, u.ID, "identity.linked")); err != nil {
		return store.User{}, fmt.Errorf("link an identity: %w", err)
	}
	return a.store.User(ctx, u.ID)
}

func identity(of *model.Provider, userID string, p Person) store.Identity {
	i := store.Identity{
		ProviderUID: of.UID, Subject: p.Subject, UserID: userID, Email: p.Email, Name: p.Name, Groups: p.Groups, GroupsAt: p.Now,
		CreatedAt: p.Now, LastUsedAt: p.Now, CheckedAt: p.Now, Renewal: p.Renewal,
	}
	if p.EmailVerified && p.Email != "" {
		i.EmailProvenAt = p.Now
	}
	return i
}

// membership is what an organization's own provider gives to whom it lets in.
func membership(of *model.Provider, p Person) []model.Membership {
	if of.Installation() || of.Provisioning.Mode != model.ProvisionJIT {
		return nil
	}
	return []model.Membership{{OrganizationID: of.OrganizationID, Source: model.MemberByProvider, ProviderUID: of.UID, At: p.Now}}
}

func event(of *model.Provider, p Person, userID, action string) store.Event {
	return store.Event{
		Time: p.Now, Actor: userID, OrganizationID: of.OrganizationID, Action: action, Target: userID, IP: p.IP, RequestID: p.RequestID,
		Outcome: "ok", Reason: "by provider " + of.UID,
	}
}
