package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/outbound"
)

// oidc is a provider of OpenID Connect: the code flow with PKCE and nonce, and an ID token
// that comes from the provider itself.
type oidc struct {
	*accounts
	set      model.OIDCSettings
	uid      string
	callback string
	http     *outbound.Client
	provider *discovered
	posts    atomic.Bool // of the methods for which the provider knows clients, it is the second
}

const (
	scopeOpenID  = "openid"
	scopeOffline = "offline_access"
)

func newOIDC(p *model.Provider, env Env) (Backend, error) {
	o := &oidc{accounts: newAccounts(p, env), set: *p.OIDC, uid: p.UID, callback: env.CallbackURL(p.UID), http: env.Outbound(p.OIDC.CABundle)}
	if !slices.Contains(o.set.Scopes, scopeOpenID) {
		o.set.Scopes = append([]string{scopeOpenID}, o.set.Scopes...)
	}
	o.provider = &discovered{http: o.http, issuer: o.set.Issuer}
	return o, nil
}

// Describe implements Backend.
func (o *oidc) Describe() Description {
	return Description{CallbackURL: o.callback, Issuer: o.set.Issuer}
}

// Probe implements Prober.
func (o *oidc) Probe(ctx context.Context, now time.Time) error { return o.provider.renew(ctx, now) }

// Authenticate implements Backend.
func (o *oidc) Authenticate(ctx context.Context, a Attempt) (Step, error) {
	m, err := o.provider.known(ctx, a.Now)
	if err != nil {
		return Step{}, err
	}
	t := begin(o.uid, a, o.set.PKCE)
	query := url.Values{
		"client_id": {o.set.ClientID}, "redirect_uri": {o.callback}, "scope": {strings.Join(o.set.Scopes, " ")}, "nonce": {t.Nonce},
	}
	if p := prompt(o.set.Prompt, a.Again); p != "" {
		query.Set("prompt", p)
	}
	switch {
	case a.Again:
		query.Set("max_age", "0") // whoever answers to it says auth_time
	case a.MaxAge > 0:
		query.Set("max_age", strconv.FormatInt(int64(a.MaxAge/time.Second), 10))
	}
	if a.Hint != "" {
		query.Set("login_hint", a.Hint)
	}
	return t.step(m.Authorization, query)
}

// prompt is what is declared, and login where the person has to prove it again.
func prompt(declared string, again bool) string {
	words := strings.Fields(declared)
	if !again || slices.Contains(words, "login") {
		return declared
	}
	words = slices.DeleteFunc(words, func(w string) bool { return w == "none" })
	return strings.Join(append(words, "login"), " ")
}

// Validate implements Backend.
func (o *oidc) Validate(ctx context.Context, a Answer) (Proof, error) {
	t, err := returned(o.uid, a)
	if err != nil {
		return Proof{}, err
	}
	m, err := o.provider.known(ctx, a.Now)
	if err != nil {
		return Proof{}, err
	}
	if err := fromIssuer(a.Form, m); err != nil {
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
	got, err := o.tokens(m).exchange(ctx, form)
	if err != nil {
		return Proof{}, err
	}
	if got.id == "" {
		return Proof{}, refused("the token endpoint gives no ID token")
	}
	e := expected{now: a.Now, nonce: t.Nonce, maxAge: t.MaxAge}
	if t.Again {
		e.since, e.maxAge = t.Began, 0
		e.dated = slices.Contains(m.Claims, "auth_time")
	}
	claims, err := o.prove(ctx, got, e)
	if err != nil {
		return Proof{}, err
	}
	return o.proof(ctx, m, claims, got, got.refresh)
}

// fromIssuer refuses the answer of another server than the browser was sent to (RFC 9207
// section 2.4).
func fromIssuer(form url.Values, m metadata) error {
	if !form.Has("iss") && !m.SaysIssuer {
		return nil
	}
	iss, err := single(form, "iss")
	if err != nil {
		return err
	}
	if iss != m.Issuer {
		return refused("the answer is that of another issuer")
	}
	return nil
}

func (o *oidc) tokens(m metadata) tokenEndpoint {
	return tokenEndpoint{http: o.http, url: m.Token, client: o.set.ClientID, secret: o.set.ClientSecret, methods: m.methods(), second: &o.posts}
}

// prove reads the ID token: first whose it is, then what it says.
func (o *oidc) prove(ctx context.Context, got tokens, e expected) (map[string]any, error) {
	token, err := parseIDToken(got.id)
	if err != nil {
		return nil, err
	}
	key, err := o.provider.keyOf(ctx, e.now, token)
	if err != nil {
		return nil, err
	}
	claims, err := token.claims(key)
	if err != nil {
		return nil, err
	}
	e.issuer, e.clientID, e.access, e.algorithm = o.set.Issuer, o.set.ClientID, got.access, token.algorithm
	return claims, e.check(claims)
}

// proof is what the claims say, with those of userinfo. Its claims of other names are added
// only if it speaks of the same subject (OpenID Connect Core section 5.3.2).
func (o *oidc) proof(ctx context.Context, m metadata, claims map[string]any, got tokens, refresh string) (Proof, error) {
	p := Proof{Claims: claims, AMR: methods(claims["amr"])}
	p.AuthTime, _ = moment(claims["auth_time"])
	subject, _ := claims["sub"].(string)
	if refresh != "" && slices.Contains(o.set.Scopes, scopeOffline) {
		p.Renewal = encoded(oidcRenewal{Subject: subject, Refresh: refresh})
	}
	if m.UserInfo == "" {
		return p, nil
	}
	raw, err := resource(ctx, o.http, m.UserInfo, got.access, "")
	if err != nil {
		return Proof{Renewal: p.Renewal}, err
	}
	more, err := object(raw)
	if err != nil {
		return Proof{Renewal: p.Renewal}, refused("userinfo is no JSON object")
	}
	if more["sub"] != subject {
		return Proof{Renewal: p.Renewal}, refused("userinfo is of somebody else")
	}
	maps.Copy(more, claims)
	p.Claims = more
	return p, nil
}

// oidcRenewal is what is asked with again: whose it is, and a refresh token.
type oidcRenewal struct {
	Subject string `json:"sub"`
	Refresh string `json:"refresh_token"`
}

// Recheck implements Rechecker, by the refresh token.
func (o *oidc) Recheck(ctx context.Context, now time.Time, _ string, renewal []byte) (Proof, error) {
	p, err := o.recheck(ctx, now, renewal)
	return p, notRefused(err)
}

// notRefused: who asks about somebody that is not there refuses nobody; an answer that
// proves nothing is none.
func notRefused(err error) error {
	if errors.Is(err, ErrRefused) {
		return fmt.Errorf("%w: %s", ErrUnavailable, err.Error())
	}
	return err
}

func (o *oidc) recheck(ctx context.Context, now time.Time, renewal []byte) (Proof, error) {
	var kept oidcRenewal
	if json.Unmarshal(renewal, &kept) != nil || kept.Refresh == "" || kept.Subject == "" {
		return Proof{}, refused("there is nothing to ask with")
	}
	m, err := o.provider.known(ctx, now)
	if err != nil {
		return Proof{}, err
	}
	got, err := o.tokens(m).exchange(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {kept.Refresh}})
	if said := (*oauthError)(nil); errors.As(err, &said) && said.code == "invalid_grant" {
		return Proof{}, ErrGone // all else says something of us, or of now
	}
	if err != nil {
		return Proof{}, err
	}
	if got.refresh == "" {
		got.refresh = kept.Refresh // it is not a new one each time (RFC 6749 section 6)
	}
	claims := map[string]any{"sub": kept.Subject}
	if got.id != "" {
		if claims, err = o.prove(ctx, got, expected{now: now, subject: kept.Subject}); err != nil {
			return Proof{Renewal: encoded(oidcRenewal{kept.Subject, got.refresh})}, err
		}
	} else if m.UserInfo == "" {
		return Proof{Renewal: encoded(oidcRenewal{kept.Subject, got.refresh})}, refused("it says nothing of the person")
	}
	return o.proof(ctx, m, claims, got, got.refresh)
}
