package grants

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/decide"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// deadCode is the one answer to a code that is worth nothing, whatever the cause.
var deadCode = oauth.Refuse(oauth.InvalidGrant, "the code is invalid, expired, used, or not this client's")

// authorizationCode redeems a code, once (RFC 6749 section 4.1.3). Whoever presents one
// wrongly burns it: it is in the wrong hands, or its client is broken (RFC 9700 section
// 4.5). One that is presented again revokes what it was redeemed for (RFC 6749 section
// 4.1.2).
func (p *Pipeline) authorizationCode(ctx context.Context, r *Request) (redemption, error) {
	text, err := parameter(r.Form, "code")
	if err != nil {
		return redemption{}, err
	}
	hash := p.Tokens.HashAuthorizationCode(text)
	c, err := p.Store.AuthorizationCode(ctx, hash)
	if errors.Is(err, store.ErrNotFound) {
		return redemption{}, deadCode
	}
	if err != nil {
		return redemption{}, fmt.Errorf("look up authorization code: %w", err)
	}
	if !c.UsedAt.IsZero() {
		return redemption{}, p.replayed(ctx, r, &c)
	}
	if why := misused(r, &c); why != "" {
		return redemption{}, p.burn(ctx, r, &c, why, deadCode)
	}
	return p.redeemCode(ctx, r, &c)
}

// misused says what is wrong with the presentation of an unused code; empty: nothing.
func misused(r *Request, c *store.AuthorizationCode) string {
	switch {
	case c.ApplicationUID != r.Client.Application.UID:
		return "presented by another client"
	case !r.Now.Before(c.ExpiresAt):
		return "expired"
	case !sameRedirect(r.Form, c.RedirectURI):
		return "redirect_uri is not that of the authorization request"
	case !verifies(r.Form, c.Challenge):
		return "code_verifier does not match code_challenge"
	}
	return ""
}

// sameRedirect: what the authorization request said is said again; what it left out may be
// left out (RFC 6749 section 4.1.3).
func sameRedirect(form url.Values, asked string) bool {
	return form.Get("redirect_uri") == asked
}

// verifies checks PKCE (RFC 7636 section 4.6). A verifier without a challenge is refused
// too: somebody took the challenge out of the request (RFC 9700 section 4.8).
func verifies(form url.Values, challenge string) bool {
	verifier, sent := form["code_verifier"]
	if challenge == "" {
		return !sent
	}
	if !sent || len(verifier[0]) < 43 || len(verifier[0]) > 128 || strings.Trim(verifier[0], unreserved) != "" {
		return false
	}
	sum := sha256.Sum256([]byte(verifier[0]))
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) == 1
}

// unreserved are the characters of a verifier (RFC 7636 section 4.1).
const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

func (p *Pipeline) redeemCode(ctx context.Context, r *Request, c *store.AuthorizationCode) (redemption, error) {
	standing, err := p.Decide.Approval(ctx, r.World, r.Now, decide.Approved{
		OrganizationID: c.OrganizationID, ApplicationUID: c.ApplicationUID,
		UserID: c.UserID, ProviderUID: c.ProviderUID, AuthTime: c.AuthTime, AMR: c.AMR, SessionID: c.SessionID, At: c.CreatedAt,
	})
	if err != nil {
		return redemption{}, err
	}
	scopes := standing.Limit(oauth.NewScopeSet(c.Granted...))
	if Worthless(scopes) {
		return redemption{}, p.burn(ctx, r, c, "the approval no longer stands", deadCode)
	}
	if err := p.sameTarget(r, standing.Organization, c.Resource); err != nil {
		return redemption{}, p.burn(ctx, r, c, "resource is not that of the authorization request, or may no longer be asked for", err)
	}
	g := newGrant(r, standing.Organization, c)
	if standing.Application.BackChannelURI != "" && scopes.Has(oauth.OpenID) {
		g.Login = &store.Login{
			SessionID: c.SessionID, ApplicationUID: c.ApplicationUID, OrganizationID: c.OrganizationID,
			UserID: c.UserID, ExpiresAt: c.SessionEndsAt,
		}
	}
	ev := event(r, c.UserID, "grant.created", uuid.UUID(g.ID).String())
	ev.OrganizationID, ev.Reason = c.OrganizationID, createdBy("authorization_code", &standing)
	if err := p.tell(ctx, r, &standing); err != nil {
		return redemption{}, err
	}
	err = p.Store.RedeemAuthorizationCode(ctx, c.Hash, c.ApplicationUID, r.Now, g, ev)
	if errors.Is(err, store.ErrConflict) {
		return redemption{}, p.lost(ctx, r, c.Hash)
	}
	if err != nil {
		return redemption{}, fmt.Errorf("redeem authorization code: %w", err)
	}
	got := p.redeemed(r, &g, standing, scopes)
	got.nonce = c.Nonce
	if g.Login != nil {
		got.session = c.SessionID
	}
	return got, nil
}

// lost answers whoever found the code used in the last moment: of two that present one
// code neither can be told from a thief.
func (p *Pipeline) lost(ctx context.Context, r *Request, hash []byte) error {
	c, err := p.Store.AuthorizationCode(ctx, hash)
	if err != nil {
		return fmt.Errorf("look up authorization code: %w", err)
	}
	return p.replayed(ctx, r, &c)
}

// replayed revokes what a code was redeemed for; nobody prevents that by hanging up.
func (p *Pipeline) replayed(ctx context.Context, r *Request, c *store.AuthorizationCode) error {
	if c.GrantID == [16]byte{} {
		return deadCode
	}
	const reason = "authorization code reused"
	ev := event(r, r.Client.Application.ClientID, "grant.revoked", uuid.UUID(c.GrantID).String())
	ev.OrganizationID, ev.Reason = c.OrganizationID, reason
	if err := p.Store.RevokeGrant(context.WithoutCancel(ctx), c.GrantID, r.Now, reason, ev); err != nil {
		return fmt.Errorf("revoke grant: %w", err)
	}
	return deadCode
}

// burn makes a code worthless, and returns the answer unless that fails. Nobody tries a code
// unseen by hanging up before the verdict.
func (p *Pipeline) burn(ctx context.Context, r *Request, c *store.AuthorizationCode, why string, answer error) error {
	ev := event(r, r.Client.Application.ClientID, "code.burned", c.ClientID)
	ev.OrganizationID, ev.Outcome, ev.Reason = c.OrganizationID, "refused", why
	if err := p.Store.BurnAuthorizationCode(context.WithoutCancel(ctx), c.Hash, r.Now, ev); err != nil {
		return fmt.Errorf("burn authorization code: %w", err)
	}
	return answer
}
