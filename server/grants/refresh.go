package grants

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/clientauth"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/tokens"
)

// lostAnswer is how long the predecessor of a refresh token is answered with the same
// successor again: a lost answer is not a theft.
const lostAnswer = 10 * time.Second

// deadRefreshToken is the one answer to a refresh token that is worth nothing, whatever
// the cause.
var deadRefreshToken = oauth.Refuse(oauth.InvalidGrant, "the refresh_token is invalid, expired or revoked")

// errStale: the row has moved on since it was read.
var errStale = errors.New("the grant was read too early")

// refresh is one use of a refresh token.
type refresh struct {
	*Pipeline
	*Request
	token *tokens.Refresh
	grant store.Grant
	fresh bool              // grant was read past the cache
	in    clientauth.Client // the client where the grant works
}

// refreshToken rotates a refresh token (RFC 6749 section 6, RFC 9700 section 4.14).
func (p *Pipeline) refreshToken(ctx context.Context, r *Request) (redemption, error) {
	text, err := parameter(r.Form, "refresh_token")
	if err != nil {
		return redemption{}, err
	}
	token, ok := p.Tokens.ParseRefresh(text)
	if !ok {
		return redemption{}, deadRefreshToken
	}
	use := refresh{Pipeline: p, Request: r, token: token}
	got, err := use.read(ctx, p.Store.Grant)
	// Of two that rotate at once one finds the row moved on, and reads it again. That it
	// moves on yet again in between takes a client that uses the successor as fast.
	for range 3 {
		if !errors.Is(err, errStale) {
			return got, err
		}
		use.fresh = true
		got, err = use.read(context.WithoutCancel(ctx), p.Fresh.Grant) // who uses one twice is found out, also after hanging up
	}
	if errors.Is(err, errStale) {
		err = fmt.Errorf("rotate refresh token: %w", store.ErrUnavailable)
	}
	return got, err
}

func (u *refresh) read(ctx context.Context, from func(context.Context, [16]byte) (store.Grant, error)) (redemption, error) {
	var err error
	u.grant, err = from(ctx, u.token.GrantID)
	if errors.Is(err, store.ErrNotFound) {
		return redemption{}, deadRefreshToken
	}
	if err != nil {
		return redemption{}, fmt.Errorf("look up grant: %w", err)
	}
	return u.redeem(ctx)
}

// redeem checks everything before anything is written: a refused refresh burns nothing.
func (u *refresh) redeem(ctx context.Context) (redemption, error) {
	g := &u.grant
	// Forged, or somebody else's: the grant's owner has done nothing wrong.
	if !u.Tokens.Authentic(u.token, g.Seed) || g.ApplicationUID != u.Client.Application.UID {
		return redemption{}, deadRefreshToken
	}
	standing, err := u.Decide.Grant(ctx, u.World, u.Now, g)
	if err != nil {
		return redemption{}, err
	}
	if !standing.Active() {
		return redemption{}, deadRefreshToken
	}
	u.in = clientauth.Client{Organization: standing.Organization, Application: standing.Application}
	if u.overdue() {
		return redemption{}, deadRefreshToken
	}
	inUse, err := u.Decide.InUse(ctx, u.Now, standing.Organization, g.SessionID, g.ProviderUID)
	if err != nil {
		return redemption{}, err
	}
	if !inUse {
		return redemption{}, deadRefreshToken
	}
	if err := u.unused(ctx); err != nil {
		return redemption{}, err
	}
	if err := u.sameTarget(u.Request, standing.Organization, g.Resource); err != nil {
		return redemption{}, err
	}
	asked, err := narrowed(u.in, u.Form.Get("scope"), oauth.NewScopeSet(g.Scopes...))
	if err != nil {
		return redemption{}, err
	}
	got := redemption{grant: g, standing: standing, scopes: standing.Limit(asked), resource: g.Resource}
	if standing.Application.BackChannelURI != "" {
		got.session = g.SessionID
	}
	if Worthless(got.scopes) {
		return redemption{}, oauth.Refuse(oauth.InvalidScope, "nothing is left of what was granted")
	}
	if err := u.tell(ctx, u.Request, &standing); err != nil {
		return redemption{}, err
	}
	if u.token.Generation == g.Generation {
		if err := u.rotate(ctx); err != nil {
			return redemption{}, err
		}
	}
	got.refresh = u.Tokens.Successor(u.token, g.Seed)
	return got, nil
}

// overdue reports whether the refresh token has ended by the ceilings as they are now. What
// outlives its session by offline access ends when the application may no longer have that.
func (u *refresh) overdue() bool {
	g, now := &u.grant, u.Now
	ceilings := u.in.Organization.Tokens
	offline := slices.Contains(g.Scopes, oauth.OfflineAccess)
	return offline && !u.in.Application.ProtocolScopes.Has(oauth.OfflineAccess) ||
		!now.Before(g.IdleExpiresAt) ||
		!now.Before(g.RotatedAt.Add(ceilings.RefreshIdle)) ||
		!now.Before(g.CreatedAt.Add(ceilings.RefreshAbsolute)) ||
		!u.Client.Application.Allows(oauth.RefreshToken)
}

// unused passes the current generation, and its predecessor for a moment: of any number
// that present one token a single one rotates it, and the others get the same successor.
// Any other is in two hands, whatever else the request asks for.
func (u *refresh) unused(ctx context.Context) error {
	g := &u.grant
	switch {
	case u.token.Generation == g.Generation:
		return nil
	case !u.fresh:
		return errStale
	case u.token.Generation == g.Generation-1 && u.Now.Sub(g.RotatedAt) <= lostAnswer:
		return nil
	}
	return u.revokeReused(ctx)
}

// rotate moves the grant to the next generation.
func (u *refresh) rotate(ctx context.Context) error {
	g := &u.grant
	idle := earlier(u.Now.Add(u.in.Organization.Tokens.RefreshIdle), g.ExpiresAt)
	ev := event(u.Request, g.UserID, "grant.refreshed", uuid.UUID(g.ID).String())
	ev.OrganizationID = g.OrganizationID
	err := u.Store.RotateGrant(ctx, g.ID, g.Generation, u.Now, idle, ev)
	if errors.Is(err, store.ErrConflict) {
		return errStale
	}
	if err != nil {
		return fmt.Errorf("rotate refresh token: %w", err)
	}
	return nil
}

// revokeReused ends the grant: its refresh token is in two hands, and nobody can tell
// whose are the right ones (RFC 9700 section 4.14.2).
func (u *refresh) revokeReused(ctx context.Context) error {
	g := &u.grant
	const reason = "refresh token reused"
	ev := event(u.Request, u.Client.Application.ClientID, "grant.revoked", uuid.UUID(g.ID).String())
	ev.OrganizationID, ev.Reason = g.OrganizationID, reason
	if err := u.Store.RevokeGrant(context.WithoutCancel(ctx), g.ID, u.Now, reason, ev); err != nil {
		return fmt.Errorf("revoke grant: %w", err)
	}
	return deadRefreshToken
}
