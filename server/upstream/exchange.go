package upstream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/outbound"
)

// jsonMost is how large an answer of a provider may be.
const jsonMost = 1 << 20

// tokenMost is how long a token may be that is kept, or sent in a header.
const tokenMost = 16 << 10

// tokenEndpoint is where codes and refresh tokens are exchanged (RFC 6749 section 3.2).
type tokenEndpoint struct {
	http   *outbound.Client
	url    string
	client string
	secret model.Sensitive // zero: a public client
	// methods are how the client may prove itself: it tries one after the other, since many
	// providers list more than they know the client by.
	methods []string
	second  *atomic.Bool // the second is the right one, as it turned out; nil: there is one
}

// How a client proves itself (OpenID Connect Core section 9).
const (
	secretBasic = "client_secret_basic"
	secretPost  = "client_secret_post" // #nosec G101 -- the name of a method
)

// tokens are what an exchange gave. They are secrets.
type tokens struct {
	access, id, refresh string
	expires             bool // the access token does
}

// exchange asks, and once more where the provider does not know the client by the first
// method. ErrRefused, an *oauthError among it; ErrUnavailable.
func (e tokenEndpoint) exchange(ctx context.Context, form url.Values) (tokens, error) {
	if e.secret.IsZero() || len(e.methods) < 2 {
		return e.ask(ctx, form, e.methods[0])
	}
	if e.second.Load() {
		return e.ask(ctx, form, e.methods[1])
	}
	got, err := e.ask(ctx, form, e.methods[0])
	said := (*oauthError)(nil)
	if !errors.As(err, &said) || said.code != "invalid_client" && said.code != "invalid_request" && said.code != "unauthorized_client" {
		return got, err
	}
	got, err = e.ask(ctx, form, e.methods[1])
	if err == nil {
		e.second.Store(true)
	}
	return got, err
}

func (e tokenEndpoint) ask(ctx context.Context, form url.Values, method string) (tokens, error) {
	form = maps.Clone(form)
	ask := outbound.Ask{URL: e.url, Form: form, Limit: jsonMost}
	switch {
	case e.secret.IsZero():
		form.Set("client_id", e.client)
	case method == secretPost:
		form.Set("client_id", e.client)
		form.Set("client_secret", string(e.secret.Reveal()))
	default:
		ask.ClientID, ask.ClientSecret = e.client, string(e.secret.Reveal())
	}
	reply, err := e.http.Send(ctx, ask)
	if err != nil {
		return tokens{}, unanswered("the token endpoint", err)
	}
	if busy(reply.Status) {
		return tokens{}, unavailable(fmt.Errorf("the token endpoint answers %d", reply.Status))
	}
	answer, err := object(reply.Body)
	if err != nil {
		return tokens{}, refused(fmt.Sprintf("the token endpoint answers %d, and no JSON object", reply.Status))
	}
	// Some say 200 and an error.
	if said := answer["error"]; said != nil && said != "" {
		word, _ := said.(string)
		return tokens{}, answered(word)
	}
	if reply.Status != http.StatusOK {
		return tokens{}, refused(fmt.Sprintf("the token endpoint answers %d", reply.Status))
	}
	return tokensOf(answer)
}

func tokensOf(answer map[string]any) (t tokens, err error) {
	kind, _ := answer["token_type"].(string)
	t.access, _ = answer["access_token"].(string)
	t.id, _ = answer["id_token"].(string)
	t.refresh, _ = answer["refresh_token"].(string)
	_, t.expires = answer["expires_in"]
	switch {
	case !strings.EqualFold(kind, "Bearer"):
		return tokens{}, refused("the token endpoint gives no bearer token")
	case t.access == "" || strings.ContainsFunc(t.access, func(r rune) bool { return r <= ' ' || r > '~' }):
		return tokens{}, refused("the token endpoint gives no access token")
	case len(t.access) > tokenMost || len(t.refresh) > tokenMost:
		return tokens{}, refused("the token endpoint gives a token of more than 16 KiB")
	}
	return t, nil
}

// resource gets what an access token is for, as a JSON value. ErrRefused, ErrUnavailable,
// errNotGiven.
func resource(ctx context.Context, client *outbound.Client, at, access, accept string) ([]byte, error) {
	reply, err := client.Send(ctx, outbound.Ask{URL: at, Bearer: access, Accept: accept, Limit: jsonMost})
	switch {
	case err != nil:
		return nil, unanswered("what the person allows to see", err)
	case reply.Status == http.StatusUnauthorized:
		return nil, errNotGiven
	case reply.Status == http.StatusForbidden, busy(reply.Status): // GitHub says 403 where it means 429
		return nil, unavailable(fmt.Errorf("what the person allows to see is answered with %d", reply.Status))
	case reply.Status != http.StatusOK:
		return nil, refused(fmt.Sprintf("what the person allows to see is answered with %d", reply.Status))
	}
	return reply.Body, nil
}

// errNotGiven: the access token is worth nothing.
var errNotGiven = fmt.Errorf("%w: it does not know the access token", ErrRefused)

// unanswered sorts what the network said: an answer that cannot be is refused, all else is
// nobody there.
func unanswered(what string, err error) error {
	if errors.Is(err, outbound.ErrTooLarge) {
		return fmt.Errorf("%w: %s: %w", ErrRefused, what, err)
	}
	return fmt.Errorf("%w: %s: %w", ErrUnavailable, what, err)
}

func busy(status int) bool { return status >= 500 || status == http.StatusTooManyRequests }
