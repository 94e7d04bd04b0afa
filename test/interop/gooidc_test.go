package interop

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/gatehouse-dev/gatehouse/test/interop/house"
)

// party is a relying party made of coreos/go-oidc and x/oauth2.
type party struct {
	*house.House
	provider *oidc.Provider
	config   oauth2.Config
}

// claims are what an ID token and an access token say of a person.
type claims struct {
	Email         string   `json:"email"`
	EmailVerified bool     `json:"email_verified"`
	Name          string   `json:"name"`
	Groups        []string `json:"groups"`
	Org           string   `json:"org"`
	ClientID      string   `json:"client_id"`
	Scope         string   `json:"scope"`
}

// newParty discovers; go-oidc compares the issuer character by character.
func newParty(t *testing.T, h *house.House, client string, scopes ...string) (context.Context, *party) {
	t.Helper()
	ctx := oidc.ClientContext(bounded(t), house.Client())
	provider, err := oidc.NewProvider(ctx, h.URL)
	must(t, err)
	p := &party{House: h, provider: provider, config: oauth2.Config{ClientID: client, Endpoint: provider.Endpoint(), Scopes: scopes}}
	if client != "acme.cli" {
		p.config.ClientSecret, p.config.RedirectURL = house.Secret, h.SiteURL+"/callback"
	}
	return ctx, p
}

// signIn runs the code flow with PKCE, state and nonce, and verifies the ID token.
func (p *party) signIn(ctx context.Context, t *testing.T) (*oauth2.Token, *oidc.IDToken) {
	t.Helper()
	verifier, state, nonce := oauth2.GenerateVerifier(), "state of "+t.Name(), oauth2.GenerateVerifier()
	at := p.config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier))
	page, err := p.Person().Allow(ctx, at)
	must(t, err)
	answer := page.URL.Query()
	if answer.Get("state") != state || answer.Get("iss") != p.URL {
		t.Fatalf("sent back with state %q and iss %q", answer.Get("state"), answer.Get("iss"))
	}
	token, err := p.config.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(verifier))
	must(t, err)
	id := p.verify(ctx, t, token)
	if id.Nonce != nonce {
		t.Errorf("the nonce is %q, want %q", id.Nonce, nonce)
	}
	return token, id
}

// verify verifies the ID token of a token response, and that it belongs to its access token.
func (p *party) verify(ctx context.Context, t *testing.T, token *oauth2.Token) *oidc.IDToken {
	t.Helper()
	raw, _ := token.Extra("id_token").(string)
	id, err := p.provider.Verifier(&oidc.Config{ClientID: p.config.ClientID}).Verify(ctx, raw)
	must(t, err)
	must(t, id.VerifyAccessToken(token.AccessToken))
	return id
}

func TestGoOIDCSignsSomebodyInByCode(t *testing.T) {
	t.Parallel()
	for client, alg := range map[string]string{"acme.web": "RS256", "acme.web-es256": "ES256"} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			ctx, p := newParty(t, gatehouse, client, "openid", "profile", "email", "groups", "offline_access", "org:read")
			token, id := p.signIn(ctx, t)
			if got := header(t, token.Extra("id_token").(string)).Algorithm; got != alg {
				t.Errorf("the ID token is signed with %s", got)
			}
			var who claims
			must(t, id.Claims(&who))
			if who.Email != house.Email || !who.EmailVerified || who.Name == "" || !slices.Contains(who.Groups, "role:developer") || who.Org != "acme" {
				t.Errorf("the ID token says %+v", who)
			}
			info, err := p.provider.UserInfo(ctx, p.config.TokenSource(ctx, token))
			must(t, err)
			if info.Subject != id.Subject || info.Email != house.Email || !info.EmailVerified {
				t.Errorf("userinfo says %+v, the ID token is of %s", info, id.Subject)
			}
			p.refresh(ctx, t, token, id)
		})
	}
}

// refresh lets x/oauth2 believe that the token has expired.
func (p *party) refresh(ctx context.Context, t *testing.T, token *oauth2.Token, before *oidc.IDToken) {
	t.Helper()
	token.Expiry = time.Now().Add(-time.Hour)
	next, err := p.config.TokenSource(ctx, token).Token()
	must(t, err)
	if next.AccessToken == token.AccessToken || next.RefreshToken == token.RefreshToken || !next.Valid() {
		t.Error("a refresh changes neither token")
	}
	id := p.verify(ctx, t, next)
	if id.Subject != before.Subject {
		t.Errorf("the refreshed ID token is of %s, before of %s", id.Subject, before.Subject)
	}
}

// RFC 9068: a resource server reads the access token by itself, with the library it has.
func TestGoOIDCReadsAJWTAccessToken(t *testing.T) {
	t.Parallel()
	ctx, p := newParty(t, gatehouse, "acme.web-es256", "openid", "org:read")
	token, id := p.signIn(ctx, t)
	access, err := p.provider.Verifier(&oidc.Config{ClientID: p.URL + "/organizations/acme"}).Verify(ctx, token.AccessToken)
	must(t, err)
	var says claims
	must(t, access.Claims(&says))
	if access.Subject != id.Subject || says.ClientID != p.config.ClientID || says.Scope != "openid org:read" {
		t.Errorf("the access token is of %s and says %+v", access.Subject, says)
	}
	if typ := header(t, token.AccessToken).ExtraHeaders["typ"]; typ != "at+jwt" {
		t.Errorf("its type is %v", typ)
	}
	if _, err := p.provider.Verifier(&oidc.Config{ClientID: p.config.ClientID}).Verify(ctx, token.AccessToken); err == nil {
		t.Error("an access token passes for an ID token")
	}
}

func TestGoOIDCConnectsADevice(t *testing.T) {
	t.Parallel()
	ctx, p := newParty(t, gatehouse, "acme.cli", "openid", "email", "offline_access", "org:read")
	device, err := p.config.DeviceAuth(ctx)
	must(t, err)
	must(t, p.Person().Connect(ctx, device.VerificationURIComplete))
	token, err := p.config.DeviceAccessToken(ctx, device)
	must(t, err)
	id := p.verify(ctx, t, token)
	var who claims
	must(t, id.Claims(&who))
	if who.Email != house.Email {
		t.Errorf("the ID token says %+v", who)
	}
	p.refresh(ctx, t, token, id)
}

func TestOAuth2GetsAMachineItsToken(t *testing.T) {
	t.Parallel()
	ctx, p := newParty(t, gatehouse, "acme.ci")
	machine := clientcredentials.Config{
		ClientID: p.config.ClientID, ClientSecret: house.Secret, TokenURL: p.provider.Endpoint().TokenURL, Scopes: []string{"org:read"},
	}
	answer, err := machine.Client(ctx).Get(p.URL + "/api/0/organizations/acme/")
	must(t, err)
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("the API answers the machine %s", answer.Status)
	}
}

// A refusal has the words that x/oauth2 hands to programs.
func TestOAuth2ReadsRefusals(t *testing.T) {
	t.Parallel()
	ctx, p := newParty(t, gatehouse, "acme.web", "openid")
	_, err := p.config.Exchange(ctx, "no-such-code", oauth2.VerifierOption(oauth2.GenerateVerifier()))
	refused := new(oauth2.RetrieveError)
	if !errors.As(err, &refused) || refused.ErrorCode != "invalid_grant" || refused.ErrorDescription == "" {
		t.Errorf("the refusal of an unknown code reads as %v", err)
	}
}

// One verifier, kept for the life of a program, follows the keys without a restart: a new
// key that waits changes nothing, and one that signs at once is fetched when it is met.
func TestGoOIDCFollowsTheKeys(t *testing.T) {
	t.Parallel()
	h, err := gatehouse.Another(bounded(t), t.TempDir())
	must(t, err)
	defer func() { must(t, h.Close()) }()
	for client, alg := range map[string]string{"acme.web": "RS256", "acme.web-es256": "ES256"} {
		ctx, p := newParty(t, h, client, "openid")
		before, _ := p.signIn(ctx, t)
		_, err := h.Command(ctx, "keys", "rotate")
		must(t, err)
		p.signIn(ctx, t)
		_, err = h.Command(ctx, "keys", "rotate", "--compromised", "--yes")
		must(t, err)
		old := header(t, before.Extra("id_token").(string)).KeyID
		after := before
		for header(t, after.Extra("id_token").(string)).KeyID == old { // the server sees its keys within a second
			must(t, ctx.Err())
			after, _ = p.signIn(ctx, t)
		}
		if h := header(t, after.Extra("id_token").(string)); h.Algorithm != alg {
			t.Errorf("the new key signs with %s, want %s", h.Algorithm, alg)
		}
		verifier := p.provider.Verifier(&oidc.Config{ClientID: client})
		if _, err := verifier.Verify(ctx, before.Extra("id_token").(string)); err == nil {
			t.Error("a token of the compromised key still passes")
		}
	}
}

// The URL of an installation is one text: go-oidc refuses it with a slash behind.
func TestGoOIDCFindsNoIssuerButTheExactOne(t *testing.T) {
	t.Parallel()
	ctx := oidc.ClientContext(bounded(t), house.Client())
	if _, err := oidc.NewProvider(ctx, gatehouse.URL+"/"); err == nil || !strings.Contains(err.Error(), "did not match") {
		t.Errorf("an issuer with a slash behind: %v", err)
	}
	if _, err := oidc.NewProvider(ctx, "http://localhost:"+port(t, gatehouse.URL)); err == nil {
		t.Error("an issuer of another host name is taken")
	}
}

func port(t *testing.T, text string) string {
	t.Helper()
	u, err := url.Parse(text)
	must(t, err)
	return u.Port()
}
