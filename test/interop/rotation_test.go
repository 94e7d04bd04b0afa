package interop

import (
	"context"
	"crypto/rand"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/test/interop/house"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

// A rotation that nobody hurries, with the clock in hand: until the new key signs nothing
// changes, then one verifier that never restarts takes tokens of both, and of the old one
// as long as they last.
func TestGoOIDCTakesTokensOfBothKeysOfARotation(t *testing.T) {
	t.Parallel()
	w := servertest.New(t)
	ctx := oidc.ClientContext(bounded(t), house.Client())
	provider, err := oidc.NewProvider(ctx, w.HTTP.URL)
	must(t, err)
	verifier := provider.VerifierContext(ctx, &oidc.Config{ClientID: servertest.Web, Now: w.Now})

	first := idTokenOf(ctx, t, w, provider)
	_, err = verifier.Verify(ctx, first)
	must(t, err)
	rotated, err := w.Keys.Rotate(rand.Reader, w.Now())
	must(t, err)
	w.Server.UseKeys(rotated)
	second := idTokenOf(ctx, t, w, provider)
	if header(t, second).KeyID != header(t, first).KeyID {
		t.Error("the next key signs at once")
	}
	w.Pass(keyring.Lead - 1)
	last := idTokenOf(ctx, t, w, provider)
	w.Pass(1)
	next := idTokenOf(ctx, t, w, provider)
	if header(t, last).KeyID != header(t, first).KeyID || header(t, next).KeyID == header(t, first).KeyID {
		t.Error("the next key does not take over when it was said to")
	}
	for name, token := range map[string]string{"the old key": last, "the new key": next} {
		if _, err := verifier.Verify(ctx, token); err != nil {
			t.Errorf("a token of %s: %v", name, err)
		}
	}
}

// idTokenOf signs Ann in and redeems the code with x/oauth2.
func idTokenOf(ctx context.Context, t *testing.T, w *servertest.World, provider *oidc.Provider) string {
	t.Helper()
	config := oauth2.Config{
		ClientID: servertest.Web, ClientSecret: servertest.Secrets[servertest.Web], Endpoint: provider.Endpoint(),
		RedirectURL: servertest.Redirects[servertest.Web][0],
	}
	code := w.SignedIn(t, servertest.Ann).Code(t, servertest.Web, "scope", "openid email")
	token, err := config.Exchange(ctx, code, oauth2.VerifierOption(servertest.Verifier))
	must(t, err)
	id, _ := token.Extra("id_token").(string)
	return id
}
