package upstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// Directory signs in with a password: people.Directory. people.ErrRefused, people.ErrBusy.
type Directory interface {
	SignIn(ctx context.Context, now time.Time, email, password string) (store.User, error)
}

// local is the installation itself as a provider: the passwords that it keeps.
type local struct {
	*accounts
	directory Directory
}

func newLocal(p *model.Provider, env Env) (Backend, error) {
	return &local{newAccounts(p, env), env.Directory}, nil
}

// Describe implements Backend.
func (l *local) Describe() Description { return Description{Asks: true} }

// Authenticate implements Backend. Why somebody is refused (*people.Refusal) is in the
// error, for the audit log; ErrUnavailable: too many passwords are being looked at.
func (l *local) Authenticate(ctx context.Context, a Attempt) (Step, error) {
	if l.directory == nil {
		return Step{}, fmt.Errorf("no passwords are kept here: %w", ErrUnavailable)
	}
	u, err := l.directory.SignIn(ctx, a.Now, a.Username, a.Password)
	switch {
	case errors.Is(err, people.ErrRefused):
		return Step{}, fmt.Errorf("%w: %w", ErrRefused, err)
	case errors.Is(err, people.ErrBusy):
		return Step{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	case err != nil:
		return Step{}, err
	}
	return Step{Proof: &Proof{
		Claims:   map[string]any{"sub": u.Login, "email": u.Login, "name": u.Name},
		AuthTime: a.Now,
		AMR:      []string{oauth.AMRPassword},
	}}, nil
}

// Validate implements Backend: nobody comes back from here.
func (l *local) Validate(context.Context, Answer) (Proof, error) {
	return Proof{}, fmt.Errorf("passwords have no callback: %w", ErrRefused)
}

// FindUser implements Backend: the subject is the address that somebody signs in with.
func (l *local) FindUser(ctx context.Context, subject string) (store.User, error) {
	if l.store == nil || subject == "" {
		return store.User{}, store.ErrNotFound
	}
	return l.store.UserByEmail(ctx, subject)
}

// SaveUser implements Backend: accounts with a password are made before somebody signs in.
func (l *local) SaveUser(ctx context.Context, p Person) (store.User, error) {
	u, err := l.FindUser(ctx, p.Subject)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return store.User{}, ErrNotProvisioned
	case err == nil && u.Disabled:
		return store.User{}, ErrDisabled
	}
	return u, err
}
