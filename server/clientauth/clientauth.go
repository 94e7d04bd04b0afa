// Package clientauth finds out which application sends a request, and whether it proves
// it (RFC 6749 section 2.3). It never tells an unknown client from a wrong secret.
package clientauth

import (
	"encoding/base64"
	"net/url"
	"strings"
	"time"

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

// Authenticator checks clients' secrets.
type Authenticator struct {
	digestKey model.Sensitive
}

// New returns an Authenticator for secrets that are kept as digests under the key.
func New(digestKey model.Sensitive) *Authenticator { return &Authenticator{digestKey} }

// Methods are the values of token_endpoint_auth_methods_supported.
var Methods = []string{"client_secret_basic", "client_secret_post", "none"}

// SecretMethods are those that prove something.
var SecretMethods = Methods[:2]

// refused is the one answer to whoever is not who they say, whatever the cause.
var refused = oauth.Refuse(oauth.InvalidClient, "client authentication failed")

// credentials are what a request says about its client. Many clients send a secret by Basic
// without form-encoding it; sent is the secret as it came, for them.
type credentials struct{ id, secret, sent string }

// Authenticate returns the client of a request by its Authorization header and form. An
// application that is not served is as unknown as one that never was.
func (a *Authenticator) Authenticate(s *model.Snapshot, now time.Time, authorization string, form url.Values) (Client, error) {
	c, err := read(authorization, form)
	if err != nil {
		return Client{}, err
	}
	// Done for everybody: time tells nothing.
	digest, asSent := a.digestKey.Digest([]byte(c.secret)), a.digestKey.Digest([]byte(c.sent))
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
		return credentials{}, oauth.Refuse(oauth.InvalidRequest, "two client authentication methods; use one")
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
