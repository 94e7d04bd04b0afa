// Package clientauth finds out which application sends a request, and whether it proves
// it (RFC 6749 section 2.3). It never tells an unknown client from a wrong secret or a wrong
// assertion.
//
// Start reading at Authenticate; assertion.go is RFC 7523, published.go the keys that
// applications publish themselves.
package clientauth

import (
	"context"
	"crypto"
	"encoding/base64"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/jwk"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// Client is the application that sent a request.
type Client struct {
	Organization *model.Organization
	Application  *model.Application
}

// Authenticated reports whether the client proved itself; a public one cannot.
func (c Client) Authenticated() bool { return c.Application != nil && !c.Application.Public() }

// Options are what an Authenticator is made of.
type Options struct {
	// Issuer is whom assertions are for.
	Issuer string
	// DigestKey is that under which secrets are kept as digests.
	DigestKey model.Sensitive
	// Once remembers assertions that were used, on all replicas.
	Once Once
	// Admit refuses an application whose assertions come too often: each leaves a row behind.
	// Nil admits all.
	Admit func(app *model.Application, now time.Time) error
	// Published finds the keys that applications publish; nil: none are.
	Published Published
	// UnknownClusterKey is called when the token of a ServiceAccount is signed by a key that
	// is not known; it returns at once. Nil: nobody can ask for newer ones.
	UnknownClusterKey func()
}

// Once remembers until a time that an assertion was used; store.ErrConflict: it was before.
type Once interface {
	UseAssertion(ctx context.Context, hash []byte, until time.Time) error
}

// Published finds the keys of an application that publishes them, newer ones if none of
// those that are known has the key ID.
type Published interface {
	Keys(ctx context.Context, app *model.Application, kid string, now time.Time) []jwk.Key
}

// Authenticator checks what clients prove themselves by: secrets, and assertions.
type Authenticator struct {
	Options
	cluster atomic.Pointer[Cluster]
	decoys  map[string]crypto.PublicKey // by algorithm; nobody has their private half
}

// Cluster is the issuer of ServiceAccounts' tokens, with its keys.
type Cluster struct {
	Issuer string
	Keys   []jwk.Key
}

// New returns an Authenticator.
func New(o Options) *Authenticator { return &Authenticator{Options: o, decoys: decoys()} }

// UseCluster takes the tokens of ServiceAccounts of that issuer from the next request on.
func (a *Authenticator) UseCluster(c Cluster) { a.cluster.Store(&c) }

// Methods are the values of token_endpoint_auth_methods_supported.
var Methods = []string{"client_secret_basic", "client_secret_post", "private_key_jwt", "none"}

// ProvingMethods are those that prove something.
var ProvingMethods = Methods[:3]

// refused is the one answer to whoever is not who they say, whatever the cause.
var refused = oauth.Refuse(oauth.InvalidClient, "client authentication failed")

// credentials are what a request says about its client. Many clients send a secret by Basic
// without form-encoding it; sent is the secret as it came, for them.
type credentials struct{ id, secret, sent string }

// Authenticate returns the client of a request by its Authorization header and form. An
// application that is not served is as unknown as one that never was.
func (a *Authenticator) Authenticate(ctx context.Context, s *model.Snapshot, now time.Time, authorization string, form url.Values) (Client, error) {
	if form.Has("client_assertion") || form.Has("client_assertion_type") {
		return a.byAssertion(ctx, s, now, authorization, form)
	}
	c, err := read(authorization, form)
	if err != nil {
		return Client{}, err
	}
	// Done for everybody: time tells nothing.
	digest, asSent := a.DigestKey.Digest([]byte(c.secret)), a.DigestKey.Digest([]byte(c.sent))
	organization, application := s.Application(c.id)
	if application == nil {
		// The same comparison against a digest that matches no secret.
		nobody := &model.Application{Secrets: []model.ClientSecret{{}}}
		nobody.Proves(digest, now)
		nobody.Proves(asSent, now)
		return Client{}, refused
	}
	proven, provenAsSent := application.Proves(digest, now), application.Proves(asSent, now)
	switch {
	case application.Public() && c.secret != "": // its developer should learn that it is no secret
		return Client{}, refused
	case !application.Public() && (c.secret == "" || !proven && !provenAsSent):
		return Client{}, refused
	case organization.Suspended || !application.Served(now):
		return Client{}, refused
	}
	return Client{organization, application}, nil
}

// read finds the credentials: one method only (RFC 6749 section 2.3).
func read(authorization string, form url.Values) (credentials, error) {
	body := credentials{id: form.Get("client_id"), secret: form.Get("client_secret")}
	if authorization == "" {
		if body.id == "" {
			return body, refused
		}
		return body, nil
	}
	basic, ok := parseBasic(authorization)
	switch {
	case !ok:
		return credentials{}, refused
	case body.secret != "":
		return credentials{}, twoMethods
	case body.id != "" && body.id != basic.id:
		return credentials{}, oauth.Refuse(oauth.InvalidRequest, "client_id is not that of the Authorization header")
	}
	return basic, nil
}

// parseBasic reads the Basic scheme, whose two parts are form-encoded (RFC 6749 section
// 2.3.1), which Authlib and curl among others leave out. An empty secret is what a public
// client sends.
func parseBasic(authorization string) (c credentials, ok bool) {
	scheme, encoded, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return c, false
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return c, false
	}
	id, secret, found := strings.Cut(string(raw), ":")
	if !found {
		return c, false
	}
	if c.id, err = url.QueryUnescape(id); err != nil || c.id == "" {
		return credentials{}, false
	}
	if c.secret, err = url.QueryUnescape(secret); err != nil {
		c.secret = secret
	}
	c.sent = secret
	return c, true
}
