package login

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// ErrEnded means that the server no longer honours a login.
var ErrEnded = errors.New("the login has ended")

// redeem asks the token endpoint (RFC 6749 section 5.1). What the answer leaves out stays as
// it was before.
func (c *Client) redeem(ctx context.Context, m Metadata, form url.Values, before Tokens) (Tokens, error) {
	var said struct {
		Access       Secret       `json:"access_token"`
		Type         string       `json:"token_type"`
		ExpiresIn    float64      `json:"expires_in"`
		Refresh      Secret       `json:"refresh_token"`
		ID           Secret       `json:"id_token"`
		Scope        *string      `json:"scope"`
		Organization Organization `json:"organization"`
		Person       Person       `json:"user"`
	}
	asked := c.Now().UTC()
	if err := c.post(ctx, m.TokenEndpoint, form, &said); err != nil {
		return Tokens{}, err
	}
	if !strings.EqualFold(said.Type, "Bearer") {
		return Tokens{}, fmt.Errorf("the token_type is %q; only Bearer is understood", printable(said.Type))
	}
	if !wellFormed(said.Access) {
		return Tokens{}, errors.New("the answer has no access_token that could be used")
	}
	t := before
	t.Received, t.Access, t.AccessExpires = asked, said.Access, asked.Add(max(0, seconds(said.ExpiresIn)))
	t.ID, t.IDExpires = "", time.Time{}
	if said.Refresh != "" {
		t.Refresh = said.Refresh
	}
	if said.Scope != nil {
		t.Scopes, _ = oauth.ParseScope(*said.Scope)
	}
	if said.Organization != (Organization{}) {
		t.Organization = said.Organization
	}
	if said.Person != (Person{}) {
		t.Person = said.Person
	}
	if said.ID == "" {
		return t, nil
	}
	life, err := c.idTokenLife(said.ID)
	if err != nil {
		return Tokens{}, err
	}
	t.ID, t.IDExpires = said.ID, asked.Add(life)
	return t, nil
}

// wellFormed: visible ASCII (RFC 6749 appendix A.12), so that it can be printed on a line and
// sent in a header.
func wellFormed(token Secret) bool {
	for _, c := range []byte(token) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return token != ""
}

// idTokenLife checks that the ID token is this issuer's and for this client (OpenID Connect
// Core section 3.1.3.7) and returns how long it lasts. Its signature is not checked: it came
// straight from the token endpoint (point 6 there), and whoever it is handed to must check.
func (c *Client) idTokenLife(token Secret) (time.Duration, error) {
	var claims struct {
		Issuer   string          `json:"iss"`
		Audience json.RawMessage `json:"aud"`
		Issued   float64         `json:"iat"`
		Expires  float64         `json:"exp"`
	}
	parts := strings.Split(string(token), ".")
	if len(parts) != 3 || !wellFormed(token) {
		return 0, errors.New("the id_token is not a signed JWT")
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(raw, &claims) != nil {
		return 0, errors.New("the id_token cannot be understood")
	}
	var audience []string
	if json.Unmarshal(claims.Audience, &audience) != nil {
		audience = []string{""}
		if json.Unmarshal(claims.Audience, &audience[0]) != nil {
			return 0, errors.New("the id_token has no audience")
		}
	}
	switch life := seconds(claims.Expires - claims.Issued); {
	case claims.Issuer != c.Issuer:
		return 0, fmt.Errorf("the id_token is that of another issuer, %q", printable(claims.Issuer))
	case !slices.Contains(audience, c.ClientID):
		return 0, fmt.Errorf("the id_token is for somebody else, not for %s", c.ClientID)
	case life <= 0:
		return 0, errors.New("the id_token ends before it begins")
	default:
		return life, nil
	}
}

// How a refresh is tried again when its answer is lost. The server answers a used refresh
// token with the same successor for 10 s; later it takes it for stolen and ends the login.
// So the last try begins well before, and none follows.
const (
	refreshPatience = 7 * time.Second // from the first try to the beginning of the last
	firstTry        = 5 * time.Second // how long the first may take
)

// Refresh rotates the refresh token and returns what came for it. ErrEnded: the server no
// longer honours it.
func (c *Client) Refresh(ctx context.Context, m Metadata, t Tokens) (Tokens, error) {
	begun, pause, limit := c.Now(), 500*time.Millisecond, firstTry
	for {
		form := url.Values{"grant_type": {string(oauth.RefreshToken)}, "refresh_token": {string(t.Refresh)}}
		try, cancel := context.WithTimeout(ctx, limit)
		next, err := c.redeem(try, m, form, t)
		cancel()
		var away *Away
		switch {
		case refusedWith(err, oauth.InvalidGrant):
			return Tokens{}, fmt.Errorf("%w: %w", ErrEnded, err)
		case !errors.As(err, &away) || c.Now().Add(max(pause, away.After)).Sub(begun) > refreshPatience:
			return next, err
		}
		if err := c.Wait(ctx, max(pause, away.After)); err != nil {
			return Tokens{}, err
		}
		pause, limit = 2*pause, 20*time.Second
	}
}

// Revoke ends the login at the server (RFC 7009): the grant of the refresh token, or where
// there is none the access token.
func (c *Client) Revoke(ctx context.Context, m Metadata, t Tokens) error {
	token, kind := t.Refresh, "refresh_token"
	if token == "" {
		token, kind = t.Access, "access_token"
	}
	if token == "" {
		return nil
	}
	if m.RevocationEndpoint == "" {
		return fmt.Errorf("%s offers no revocation", c.Issuer)
	}
	return c.post(ctx, m.RevocationEndpoint, url.Values{"token": {string(token)}, "token_type_hint": {kind}}, nil)
}

// Whoami asks the server whom an access token speaks for. ErrEnded: for nobody any more.
func (c *Client) Whoami(ctx context.Context, t Tokens) (Person, error) {
	var p Person
	err := c.get(ctx, strings.TrimSuffix(c.Issuer, "/")+"/api/0/user/", t.Access, &p)
	if hasStatus(err, http.StatusUnauthorized) {
		return Person{}, fmt.Errorf("%w: %w", ErrEnded, err)
	}
	if err != nil {
		return Person{}, fmt.Errorf("ask who that is: %w", err)
	}
	return p, nil
}
