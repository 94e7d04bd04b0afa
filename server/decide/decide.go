package decide

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/tokens"
)

// Reason says why a token may not be used; empty: it may.
type Reason string

// Reasons, in the order in which they are looked for.
const (
	NotAuthentic         Reason = "the token was not issued here, or was altered"
	Expired              Reason = "the token has expired"
	Revoked              Reason = "the token was revoked"
	GrantEnded           Reason = "the grant of the token has ended"
	ApplicationGone      Reason = "the application of the token is no longer served"
	OrganizationGone     Reason = "the organization of the token is no longer served"
	PersonGone           Reason = "the person's account is gone or disabled"
	NotMember            Reason = "the person holds no role in the organization"
	ProviderDoesNotCount Reason = "the person's sign-in does not count in the organization"
	LocalDoesNotCount    Reason = "the organization accepts no passwords that are kept here"
	SignInTooOld         Reason = "the person's sign-in elsewhere is older than the organization accepts"
	SecondFactorMissing  Reason = "the organization wants a second factor, and none was proven"
	SessionOver          Reason = "the person's sign-in is older than the organization's sessions live"
	SessionUnused        Reason = "the session was unused for longer than the organization accepts"
)

// Store is what is read to decide; *store.Cache mostly answers from memory.
type Store interface {
	Grant(ctx context.Context, id [16]byte) (store.Grant, error)
	User(ctx context.Context, id string) (store.User, error)
	Revoked(ctx context.Context, serial [12]byte) (bool, error)
	// ToldOfSecondFactor is when a person was first told that the organization wants a second
	// factor; zero: nobody did. It is asked only of who has none where one is required.
	ToldOfSecondFactor(ctx context.Context, userID, organizationID string) (time.Time, error)
	// SessionUse is when a session was used last, and for how long it was unused at the
	// longest since the sign-in by a provider; zero: it has ended. It is asked only where an organization limits that.
	SessionUse(ctx context.Context, id, providerUID string) (last time.Time, longest time.Duration, err error)
}

// Decider decides about tokens.
type Decider struct {
	Store  Store
	Tokens *tokens.Minter
}

// Verdict is what was decided about a token, with everything it was decided by.
type Verdict struct {
	Reason       Reason // empty: the token may be used
	Token        *tokens.Access
	Organization *model.Organization
	Application  *model.Application
	Grant        *store.Grant  // nil for an application's own token
	User         *store.User   // nil for an application's own token
	Roles        []*model.Role // of the person in the organization
	// Scopes in effect now: granted, within the ceiling of the application and the roles.
	Scopes oauth.ScopeSet
}

// Active reports whether the token may be used. The zero Verdict allows nothing.
func (v *Verdict) Active() bool { return v.Reason == "" && v.Application != nil }

// Token decides about the text of an access token. The error is a fault of the store:
// then nothing is known, and nothing may be allowed.
func (d *Decider) Token(ctx context.Context, w *World, now time.Time, text string) (Verdict, error) {
	token, ok := d.Tokens.ParseAccess(text)
	if !ok {
		return Verdict{Reason: NotAuthentic}, nil
	}
	v := Verdict{Token: token}
	if !now.Before(token.ExpiresAt) {
		v.Reason = Expired
		return v, nil
	}
	revoked, err := d.Store.Revoked(ctx, token.Serial)
	if err != nil {
		return Verdict{}, fmt.Errorf("look up revocation: %w", err)
	}
	if revoked {
		v.Reason = Revoked
		return v, nil
	}
	if token.OfGrant() {
		err = d.ofGrant(ctx, w, now, &v)
	} else {
		v.Reason = ofApplication(w, now, &v)
	}
	return v, err
}

func (d *Decider) ofGrant(ctx context.Context, w *World, now time.Time, v *Verdict) error {
	grant, err := d.Store.Grant(ctx, v.Token.GrantID)
	if errors.Is(err, store.ErrNotFound) {
		v.Reason = GrantEnded
		return nil
	}
	if err != nil {
		return fmt.Errorf("look up grant: %w", err)
	}
	v.Grant = &grant
	standing, err := d.Grant(ctx, w, now, &grant)
	if err != nil {
		return err
	}
	v.Reason, v.Organization, v.Application, v.User = standing.Reason, standing.Organization, standing.Application, standing.User
	if v.Reason == "" && v.Token.OrganizationID != grant.OrganizationID {
		v.Reason = NotAuthentic
	}
	v.Roles, v.Scopes = standing.Roles, standing.Limit(v.Token.Scopes)
	return nil
}

// ofApplication decides about an application's own token, without any read.
func ofApplication(w *World, now time.Time, v *Verdict) Reason {
	v.Organization, v.Application = served(w, now, v.Token.OrganizationID, v.Token.ApplicationUID, v.Token.IssuedAt)
	switch {
	case v.Organization == nil:
		return OrganizationGone
	case v.Application == nil:
		return ApplicationGone
	}
	held := model.ScopesOf(v.Application.Roles(now))
	v.Scopes = v.Token.Scopes.Intersect(v.Application.Scopes).Intersect(held)
	return ""
}

// served returns the organization and the application if both are served, the one works in
// the other, and neither was absent since something was issued for them.
func served(w *World, now time.Time, organizationID, applicationUID string, issued time.Time) (*model.Organization, *model.Application) {
	o := w.Organization(organizationID)
	if o == nil || o.Suspended || !w.Alive(o.ID, issued) {
		return nil, nil
	}
	a := w.ApplicationIn(o, applicationUID)
	if a == nil || !a.Served(now) || !w.Alive(a.UID, issued) {
		return o, nil
	}
	return o, a
}
