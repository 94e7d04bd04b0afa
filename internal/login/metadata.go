package login

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// Metadata is what a server says of itself (RFC 8414 section 2), as far as it is needed.
type Metadata struct {
	Issuer                      string   `json:"issuer"`
	TokenEndpoint               string   `json:"token_endpoint"`
	DeviceAuthorizationEndpoint string   `json:"device_authorization_endpoint"`
	RevocationEndpoint          string   `json:"revocation_endpoint"`
	Scopes                      []string `json:"scopes_supported"`
}

// Discover reads the metadata of the issuer: that of OpenID Connect, or where there is none
// that of OAuth.
func (c *Client) Discover(ctx context.Context) (Metadata, error) {
	if err := CheckIssuer(c.Issuer); err != nil {
		return Metadata{}, err
	}
	issuer, err := url.Parse(c.Issuer)
	if err != nil {
		return Metadata{}, err
	}
	// RFC 8414 section 3.1 puts the path of an issuer behind the well-known one; OpenID
	// Connect Discovery 1.0 section 4 puts it in front.
	places := []string{
		strings.TrimSuffix(c.Issuer, "/") + "/.well-known/openid-configuration",
		issuer.Scheme + "://" + issuer.Host + "/.well-known/oauth-authorization-server" + strings.TrimSuffix(issuer.EscapedPath(), "/"),
	}
	for _, place := range places {
		var m Metadata
		err = c.get(ctx, place, "", &m)
		var other *statusError
		if errors.As(err, &other) && other.status/100 == 4 {
			continue
		}
		if err != nil {
			return Metadata{}, fmt.Errorf("read what %s offers: %w", c.Issuer, err)
		}
		return m, c.trust(m)
	}
	return Metadata{}, fmt.Errorf("%s is no authorization server: %w; check --issuer", c.Issuer, err)
}

// trust: a document of another issuer is a mix-up, or somebody's trap (RFC 8414 section 3.3).
// Its endpoints get secrets.
func (c *Client) trust(m Metadata) error {
	if m.Issuer != c.Issuer {
		return fmt.Errorf("the server calls itself %q, not %q: give --issuer exactly as it does, if that is the right one", printable(m.Issuer), c.Issuer)
	}
	if m.TokenEndpoint == "" {
		return fmt.Errorf("%s offers no token_endpoint", c.Issuer)
	}
	for name, endpoint := range map[string]string{
		"token_endpoint": m.TokenEndpoint, "device_authorization_endpoint": m.DeviceAuthorizationEndpoint, "revocation_endpoint": m.RevocationEndpoint,
	} {
		if u, err := url.Parse(endpoint); endpoint != "" && (err != nil || u.Host == "" || !safe(u)) {
			return fmt.Errorf("the %s of %s is %q; it must use https", name, c.Issuer, printable(endpoint))
		}
	}
	return nil
}

// protocolScopes are those of the protocol that the server offers.
func (m Metadata) protocolScopes() oauth.ScopeSet {
	return oauth.ProtocolScopes.Intersect(oauth.NewScopeSet(m.Scopes...))
}
