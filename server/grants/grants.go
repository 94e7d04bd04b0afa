// Package grants issues tokens at the token endpoint. A grant type is one file with one
// function; the pipeline in this file does what all of them need, so that none can forget
// it: allowed for the client, scopes well-formed, a token minted with the right life.
//
// Start reading at Pipeline.Issue. Whether the client is who it says was settled before
// (package clientauth); whether a token may be used is settled after (package decide).
package grants

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/clientauth"
	"github.com/gatehouse-dev/gatehouse/server/decide"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/tokens"
)

// Store is what grants read and write; *store.Cache is one.
type Store interface {
	decide.Store
	DeviceCode(ctx context.Context, hash []byte) (store.DeviceCode, error)
	AuthorizationCode(ctx context.Context, hash []byte) (store.AuthorizationCode, error)
	BurnAuthorizationCode(ctx context.Context, hash []byte, at time.Time, ev store.Event) error
	RedeemAuthorizationCode(ctx context.Context, hash []byte, applicationUID string, now time.Time, g store.Grant, ev store.Event) error
	ConsumeDeviceCode(ctx context.Context, hash []byte, applicationUID string, now time.Time, g store.Grant, ev store.Event) error
	RotateGrant(ctx context.Context, id [16]byte, from int64, now, idleExpiresAt time.Time, ev store.Event) error
	RevokeGrant(ctx context.Context, id [16]byte, at time.Time, reason string, ev store.Event) error
	TellOfSecondFactor(ctx context.Context, userID, organizationID string, at time.Time, ev store.Event) error
}

// Fresh reads past every cache; *store.DB is one.
type Fresh interface {
	DeviceCode(ctx context.Context, hash []byte) (store.DeviceCode, error)
	Grant(ctx context.Context, id [16]byte) (store.Grant, error)
}

// Request is a request for tokens by a client that is known.
type Request struct {
	World     *decide.World
	Now       time.Time
	Client    clientauth.Client
	Form      url.Values
	IP        string
	RequestID string
}

// Issued is what a client is given.
type Issued struct {
	Access       tokens.Access
	AccessToken  string
	RefreshToken string // empty: none
	IDToken      string // empty: none
	Organization *model.Organization
	User         *store.User // nil for a machine
	SignedInBy   string      // UID of the provider that the person signed in with; empty for a machine
}

// Pipeline issues tokens.
type Pipeline struct {
	Issuer string
	Store  Store
	Fresh  Fresh
	Tokens *tokens.Minter
	Decide *decide.Decider
	paces  *paces
}

// New returns a Pipeline for the tokens of an issuer.
func New(issuer string, cache *store.Cache, minter *tokens.Minter, decider *decide.Decider) *Pipeline {
	return &Pipeline{Issuer: issuer, Store: cache, Fresh: cache.DB, Tokens: minter, Decide: decider, paces: newPaces()}
}

// redemption is what a grant type yields: everything the pipeline needs to mint.
type redemption struct {
	grant    *store.Grant // nil: the token is the application's own
	standing decide.Standing
	scopes   oauth.ScopeSet
	resource string // empty: the organization's own
	refresh  string
	nonce    string
	session  string // that its end is told of; empty: the application does not want to know
}

// types are the grant types served, each in the file of its name.
var types = map[oauth.GrantType]func(*Pipeline, context.Context, *Request) (redemption, error){
	oauth.AuthorizationCode: (*Pipeline).authorizationCode,
	oauth.ClientCredentials: (*Pipeline).clientCredentials,
	oauth.DeviceCode:        (*Pipeline).deviceCode,
	oauth.RefreshToken:      (*Pipeline).refreshToken,
}

// Types are the grant types served, in a fixed order.
func Types() []oauth.GrantType { return slices.Sorted(maps.Keys(types)) }

// Known reads the parameter grant_type, which is looked at before anything else.
func Known(form url.Values) (oauth.GrantType, error) {
	g := oauth.GrantType(form.Get("grant_type"))
	if g == "" {
		return "", oauth.Refuse(oauth.InvalidRequest, "grant_type is missing")
	}
	if types[g] == nil {
		return "", oauth.Refuse(oauth.UnsupportedGrantType, "this grant_type is not served")
	}
	return g, nil
}

// Issue answers a request for tokens. Refusals are *oauth.Error; any other error is a
// fault.
func (p *Pipeline) Issue(ctx context.Context, g oauth.GrantType, r *Request) (*Issued, error) {
	if !r.Client.Application.Allows(g) {
		return nil, oauth.Refuse(oauth.UnauthorizedClient, "the application may not use this grant_type")
	}
	got, err := types[g](p, ctx, r)
	if err != nil {
		return nil, err
	}
	client := r.Client
	if got.grant != nil { // it may work in another organization than the client's own
		client.Organization = got.standing.Organization
	}
	issued := &Issued{Organization: client.Organization, User: got.standing.User, RefreshToken: got.refresh}
	if got.grant != nil {
		issued.SignedInBy = got.grant.ProviderUID
	}
	issued.Access = p.access(r.Now, client, &got)
	if err := p.mint(issued, client, &got); err != nil {
		return nil, fmt.Errorf("mint token: %w", err)
	}
	return issued, nil
}

// mint makes the texts of the tokens.
func (p *Pipeline) mint(i *Issued, c clientauth.Client, got *redemption) (err error) {
	if !c.Application.JWTAccessTokens {
		i.AccessToken = p.Tokens.MintAccess(&i.Access)
	} else if i.AccessToken, err = p.Tokens.MintAccessJWT(&i.Access, subject(c, got), c.Application.ClientID, c.Organization.Slug); err != nil {
		return err
	}
	if got.grant != nil && got.scopes.Has(oauth.OpenID) {
		i.IDToken, err = p.idToken(i, c, got)
	}
	return err
}

// subject of a machine is its client ID, which is never a person's ID.
func subject(c clientauth.Client, got *redemption) string {
	if got.grant == nil {
		return c.Application.ClientID
	}
	return got.grant.UserID
}

// access is the token that a redemption is worth: never longer than the ceilings allow,
// nor than the grant lasts.
func (p *Pipeline) access(now time.Time, c clientauth.Client, got *redemption) tokens.Access {
	a := tokens.Access{
		OrganizationID: c.Organization.ID,
		Serial:         tokens.NewSerial(),
		IssuedAt:       now,
		ExpiresAt:      now.Add(accessTTL(c)),
		Scopes:         got.scopes,
		Audience:       p.audience(c, got.resource),
	}
	if got.grant == nil {
		a.ApplicationUID = c.Application.UID
	} else {
		a.GrantID, a.ExpiresAt = got.grant.ID, earlier(a.ExpiresAt, got.grant.ExpiresAt)
	}
	if c.Application.JWTAccessTokens { // a JWT tells whole seconds
		a.ExpiresAt = a.ExpiresAt.Truncate(time.Second)
	}
	return a
}

func accessTTL(c clientauth.Client) time.Duration {
	life := min(c.Application.AccessTokenTTL, c.Organization.Tokens.AccessToken)
	if c.Application.JWTAccessTokens {
		life = min(life, c.Organization.Tokens.JWTAccessToken)
	}
	return life
}

// parameter returns one that must be there.
func parameter(form url.Values, name string) (string, error) {
	if v := form.Get(name); v != "" {
		return v, nil
	}
	return "", oauth.Refuse(oauth.InvalidRequest, name+" is missing")
}

func event(r *Request, actor, action, target string) store.Event {
	return store.Event{
		Time: r.Now, Actor: actor, Action: action, Target: target, Outcome: "ok",
		OrganizationID: r.Client.Organization.ID, ApplicationUID: r.Client.Application.UID,
		IP: r.IP, RequestID: r.RequestID,
	}
}
