package upstream

import (
	"context"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/outbound"
)

// oauth2 is a server of OAuth 2.0 alone: it has no ID tokens, and says who somebody is at an
// address that their access token opens.
type oauth2 struct {
	*accounts
	set      model.OAuth2Settings
	uid      string
	callback string
	http     *outbound.Client
	posts    atomic.Bool // the server wants the secret in the form
}

func newOAuth2(p *model.Provider, env Env) (Backend, error) {
	return &oauth2{accounts: newAccounts(p, env), set: *p.OAuth2, uid: p.UID, callback: env.CallbackURL(p.UID), http: env.Outbound(p.OAuth2.CABundle)}, nil
}

// Describe implements Backend.
func (o *oauth2) Describe() Description { return Description{CallbackURL: o.callback} }

// Probe implements Prober: there are no settings to take, so it only looks whether the
// servers are there.
func (o *oauth2) Probe(ctx context.Context, _ time.Time) error {
	_, err := o.http.Reach(ctx, o.set.TokenURL)
	if err == nil && hostOf(o.set.UserInfoURL) != hostOf(o.set.TokenURL) {
		_, err = o.http.Reach(ctx, o.set.UserInfoURL)
	}
	return err
}

// Authenticate implements Backend. OAuth has no words for Again and MaxAge: the Proof has no
// AuthTime.
func (o *oauth2) Authenticate(_ context.Context, a Attempt) (Step, error) {
	query := url.Values{"client_id": {o.set.ClientID}, "redirect_uri": {o.callback}}
	if len(o.set.Scopes) > 0 {
		query.Set("scope", strings.Join(o.set.Scopes, " "))
	}
	return begin(o.uid, a, o.set.PKCE).step(o.set.AuthorizationURL, query)
}

// Validate implements Backend.
func (o *oauth2) Validate(ctx context.Context, a Answer) (Proof, error) {
	t, err := returned(o.uid, a)
	if err != nil {
		return Proof{}, err
	}
	code, err := codeOf(a.Form)
	if err != nil {
		return Proof{}, err
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {o.callback}}
	if t.Verifier != "" {
		form.Set("code_verifier", t.Verifier)
	}
	got, err := o.tokens().exchange(ctx, form)
	if err != nil {
		return Proof{}, err
	}
	raw, err := resource(ctx, o.http, o.set.UserInfoURL, got.access, "")
	if err != nil {
		return Proof{}, err
	}
	claims, err := object(raw)
	if err != nil {
		return Proof{}, refused("userInfoURL answers with no JSON object")
	}
	return Proof{Claims: claims}, nil
}

// tokens is the token endpoint. RFC 6749 section 2.3.1 wants the secret in the header, and
// there is no metadata that would say so of a server that wants it in the form.
func (o *oauth2) tokens() tokenEndpoint {
	return tokenEndpoint{
		http: o.http, url: o.set.TokenURL, client: o.set.ClientID, secret: o.set.ClientSecret, methods: []string{secretBasic, secretPost}, second: &o.posts,
	}
}
