// Package zitadel has the relying party and the resource server of zitadel/oidc, as they
// are, work with Gatehouse.
package zitadel

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/client/rs"
	httphelper "github.com/zitadel/oidc/v3/pkg/http"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/gatehouse-dev/gatehouse/test/interop/house"
)

var gatehouse *house.House

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "zitadel")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if gatehouse, err = house.Open(ctx, dir); err != nil {
		return 0, err
	}
	code = m.Run()
	return code, gatehouse.Close()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// nonceKey is where a context has the nonce that an ID token must have; a refreshed one has
// none (OpenID Connect Core section 12.2).
type nonceKey struct{}

func wantNonce(ctx context.Context) string {
	nonce, _ := ctx.Value(nonceKey{}).(string)
	return nonce
}

func relyingParty(ctx context.Context, t *testing.T, client string, scopes ...string) rp.RelyingParty {
	t.Helper()
	cookies := httphelper.NewCookieHandler([]byte(rand.Text() + rand.Text())[:32], []byte(rand.Text() + rand.Text())[:32], httphelper.WithUnsecure())
	secret, redirect := house.Secret, gatehouse.SiteURL+"/callback/"+client
	if client == "acme.cli" {
		secret, redirect = "", ""
	}
	party, err := rp.NewRelyingPartyOIDC(ctx, gatehouse.URL, client, secret, redirect, scopes, rp.WithHTTPClient(house.Client()),
		rp.WithCookieHandler(cookies), rp.WithPKCE(cookies), rp.WithSigningAlgsFromDiscovery(),
		rp.WithVerifierOpts(rp.WithNonce(wantNonce), rp.WithIssuedAtOffset(5*time.Second), rp.WithIssuedAtMaxAge(time.Minute), rp.WithAuthTimeMaxAge(time.Hour)))
	must(t, err)
	return party
}

// gained is what the callback of the relying party was given.
type gained struct {
	tokens *oidc.Tokens[*oidc.IDTokenClaims]
	info   *oidc.UserInfo
}

// signIn has somebody begin at the relying party's own pages.
func signIn(ctx context.Context, t *testing.T, who *house.Person, party rp.RelyingParty) gained {
	t.Helper()
	client, nonce := party.OAuthConfig().ClientID, rand.Text()
	got := make(chan gained, 1)
	back := rp.CodeExchangeHandler(rp.UserinfoCallback(
		func(w http.ResponseWriter, _ *http.Request, tokens *oidc.Tokens[*oidc.IDTokenClaims], _ string, _ rp.RelyingParty, info *oidc.UserInfo) {
			got <- gained{tokens, info}
			_, _ = io.WriteString(w, "Welcome.")
		}), party)
	gatehouse.Handle("/enter/"+client, rp.AuthURLHandler(rand.Text, party, rp.WithURLParam("nonce", nonce)))
	gatehouse.Handle("/callback/"+client, func(w http.ResponseWriter, r *http.Request) {
		back(w, r.WithContext(context.WithValue(r.Context(), nonceKey{}, nonce)))
	})
	page, err := who.Allow(ctx, gatehouse.SiteURL+"/enter/"+client)
	must(t, err)
	select {
	case g := <-got:
		return g
	default:
		t.Fatalf("the callback was not reached: %s", page.Text)
	}
	panic("unreachable")
}

func TestRelyingPartySignsSomebodyIn(t *testing.T) {
	t.Parallel()
	for _, client := range []string{"acme.zitadel", "acme.zitadel-es256"} {
		t.Run(client, func(t *testing.T) {
			t.Parallel()
			ctx := bounded(t)
			who := gatehouse.Person()
			party := relyingParty(ctx, t, client, "openid", "profile", "email", "offline_access", "org:read")
			got := signIn(ctx, t, who, party)
			claims := got.tokens.IDTokenClaims
			if claims.Email != house.Email || !claims.EmailVerified || got.info.Email != house.Email || claims.Claims["org"] != "acme" {
				t.Errorf("the ID token says %+v, userinfo %+v", claims, got.info)
			}
			next, err := rp.RefreshTokens[*oidc.IDTokenClaims](ctx, party, got.tokens.RefreshToken, "", "")
			must(t, err)
			if next.IDTokenClaims == nil || next.IDTokenClaims.Subject != claims.Subject || next.RefreshToken == got.tokens.RefreshToken {
				t.Errorf("a refresh gives %+v", next.IDTokenClaims)
			}
			wantActive(ctx, t, next.AccessToken, true)
			must(t, rp.RevokeToken(ctx, party, next.RefreshToken, "refresh_token"))
			wantActive(ctx, t, next.AccessToken, false)
			leave(ctx, t, who, party, next.IDToken)
		})
	}
}

// leave ends the session: the relying party asks, and sends the browser where it is told.
func leave(ctx context.Context, t *testing.T, who *house.Person, party rp.RelyingParty, idToken string) {
	t.Helper()
	to, err := rp.EndSession(ctx, party, idToken, gatehouse.SiteURL+"/bye", "state of the farewell", "", nil)
	must(t, err)
	page, err := who.Visit(ctx, to.String())
	must(t, err)
	if got := page.URL.String(); got != gatehouse.SiteURL+"/bye?state=state+of+the+farewell" {
		t.Errorf("signing out ends at %s: %s", got, page.Text)
	}
	if page, err = who.Visit(ctx, gatehouse.SiteURL+"/enter/"+party.OAuthConfig().ClientID); err != nil || page.URL.Path != "/login/" {
		t.Errorf("after signing out the way in leads to %v, %v", page, err)
	}
}

// wantActive introspects as a resource server does.
func wantActive(ctx context.Context, t *testing.T, token string, want bool) {
	t.Helper()
	server, err := rs.NewResourceServerClientCredentials(ctx, gatehouse.URL, "acme.ci", house.Secret, rs.WithClient(house.Client()))
	must(t, err)
	says, err := rs.Introspect[*oidc.IntrospectionResponse](ctx, server, token)
	must(t, err)
	if says.Active != want || want && (says.Subject == "" || !strings.HasPrefix(says.Subject, "usr_")) {
		t.Errorf("introspection says %+v, want active %t", says, want)
	}
}

func TestRelyingPartyConnectsADevice(t *testing.T) {
	t.Parallel()
	ctx := bounded(t)
	party := relyingParty(ctx, t, "acme.cli", "openid", "email", "org:read")
	device, err := rp.DeviceAuthorization(ctx, party.OAuthConfig().Scopes, party, nil)
	must(t, err)
	must(t, gatehouse.Person().Connect(ctx, device.VerificationURIComplete))
	token, err := rp.DeviceAccessToken(ctx, device.DeviceCode, time.Duration(device.Interval)*time.Second, party)
	must(t, err)
	claims, err := rp.VerifyTokens[*oidc.IDTokenClaims](ctx, token.AccessToken, token.IDToken, party.IDTokenVerifier())
	must(t, err)
	if claims.Email != house.Email {
		t.Errorf("the ID token says %+v", claims)
	}
	wantActive(ctx, t, token.AccessToken, true)
}

func TestRelyingPartyGetsAMachineItsToken(t *testing.T) {
	t.Parallel()
	ctx := bounded(t)
	token, err := rp.ClientCredentials(ctx, relyingParty(ctx, t, "acme.ci", "org:read"), nil)
	must(t, err)
	if !token.Valid() || token.Extra("scope") != "org:read" {
		t.Errorf("the machine is given the scope %v", token.Extra("scope"))
	}
}
