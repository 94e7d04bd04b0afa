package grants

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/clientauth"
	"github.com/gatehouse-dev/gatehouse/server/decide"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// newGrant is what an approval becomes in the organization where it works. It has a refresh
// token if the application may use one and, of an authentication request, the person
// agreed to offline access (OpenID Connect Core section 11). One that was approved in a
// browser ends with the session there, unless it has offline access.
func newGrant(r *Request, in *model.Organization, c *store.AuthorizationCode) store.Grant {
	client := clientauth.Client{Organization: in, Application: r.Client.Application}
	granted := oauth.NewScopeSet(c.Granted...)
	g := store.Grant{
		ID: newID(), UserID: c.UserID, ApplicationUID: c.ApplicationUID, OrganizationID: c.OrganizationID,
		ClientID: c.ClientID, Scopes: c.Granted, Resource: c.Resource, ProviderUID: c.ProviderUID, AuthTime: c.AuthTime, AMR: c.AMR,
		CreatedAt: r.Now, ExpiresAt: r.Now.Add(accessTTL(client)),
	}
	offline := granted.Has(oauth.OfflineAccess)
	if r.Client.Application.Allows(oauth.RefreshToken) && (offline || !granted.Has(oauth.OpenID)) {
		g.Generation, g.RotatedAt, g.Seed = 1, r.Now, newSeed()
		g.ExpiresAt = r.Now.Add(in.Tokens.RefreshAbsolute)
	}
	if c.SessionID != "" && !offline {
		g.SessionID, g.ExpiresAt = c.SessionID, earlier(g.ExpiresAt, c.SessionEndsAt)
	}
	if g.Generation > 0 {
		g.IdleExpiresAt = earlier(r.Now.Add(in.Tokens.RefreshIdle), g.ExpiresAt)
	}
	return g
}

// redeemed is what a grant yields when it was just made.
func (p *Pipeline) redeemed(r *Request, g *store.Grant, standing decide.Standing, scopes oauth.ScopeSet) redemption {
	got := redemption{grant: g, standing: standing, scopes: scopes, resource: g.Resource}
	if g.Generation > 0 {
		got.refresh = p.Tokens.MintRefresh(g.ID, g.Generation, g.Seed, r.Now)
	}
	return got
}

// sameTarget refuses a resource other than the one granted (RFC 8707 section 2.2): the
// person agreed to that one. One that the application may no longer ask for is refused too:
// its name may be somebody else's by now.
func (p *Pipeline) sameTarget(r *Request, in *model.Organization, granted string) error {
	client := clientauth.Client{Organization: in, Application: r.Client.Application}
	if err := CheckTarget(p.Issuer, client, []string{granted}); err != nil {
		return err
	}
	asked, sent := r.Form["resource"]
	if !sent || len(asked) == 1 && (asked[0] == granted || granted == "" && asked[0] == OwnAudience(p.Issuer, in)) {
		return nil
	}
	return oauth.Refuse(oauth.InvalidTarget, "this is not the resource that was granted")
}

// tell starts the time that somebody has to add a second factor, before they are given
// anything: who never comes to a page of ours must not have it for ever.
func (p *Pipeline) tell(ctx context.Context, r *Request, s *decide.Standing) error {
	if !s.Counted.Tell {
		return nil
	}
	ev := event(r, s.User.ID, "second-factor.asked", s.User.ID)
	ev.OrganizationID, ev.Reason = s.Organization.ID, "the organization requires it"
	if err := p.Store.TellOfSecondFactor(ctx, s.User.ID, s.Organization.ID, r.Now, ev); err != nil {
		return fmt.Errorf("tell of the second factor: %w", err)
	}
	return nil
}

// createdBy is the reason of a grant in the audit log.
func createdBy(how string, s *decide.Standing) string {
	if s.Counted.BreakGlass {
		return how + ", break-glass"
	}
	return how
}

func newID() (id [16]byte) {
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	return id
}

func newSeed() []byte {
	seed := make([]byte, 32)
	_, _ = rand.Read(seed) // never fails (crypto/rand)
	return seed
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
