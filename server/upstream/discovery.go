package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	strict "github.com/go-jose/go-jose/v4/json"

	"github.com/gatehouse-dev/gatehouse/internal/jwk"
	"github.com/gatehouse-dev/gatehouse/server/outbound"
)

const (
	// keysPause is between two looks for a key that is not known: whoever sends unknown key
	// IDs does not make us knock on somebody's door.
	keysPause = time.Minute
	// askPause is between two tries of those who sign in, while nothing is known.
	askPause = 5 * time.Second
	// mostKeys is how many keys a provider may publish.
	mostKeys = 50
)

// metadata is what a provider says of itself (OpenID Connect Discovery 1.0 section 3).
type metadata struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	UserInfo      string   `json:"userinfo_endpoint"`
	Keys          string   `json:"jwks_uri"`
	Methods       []string `json:"token_endpoint_auth_methods_supported"`
	Claims        []string `json:"claims_supported"`
	SaysIssuer    bool     `json:"authorization_response_iss_parameter_supported"`
}

// discovered is what was fetched of one provider. The last good one stays, however long the
// provider is away: nothing is proven by it alone, for the ID token comes from the provider
// itself, over TLS.
type discovered struct {
	http   *outbound.Client
	issuer string

	settings, unknownKey shared

	mu   sync.RWMutex
	meta *metadata // nil: never fetched
	keys []jwk.Key
}

// known is what the provider says of itself: what was fetched before, or else what it says
// now. ErrUnavailable.
func (d *discovered) known(ctx context.Context, now time.Time) (metadata, error) {
	if m, ok := d.last(); ok {
		return m, nil
	}
	err := d.settings.do(ctx, now, askPause, d.fetch)
	if m, ok := d.last(); ok {
		return m, nil
	}
	if err == nil {
		err = errFault
	}
	return metadata{}, unavailable(err)
}

// renew takes what the provider says now.
func (d *discovered) renew(ctx context.Context, now time.Time) error {
	return d.settings.do(ctx, now, 0, d.fetch)
}

// keyOf finds the key of a token, if need be among those that the provider has now.
func (d *discovered) keyOf(ctx context.Context, now time.Time, t idToken) (*jwk.Key, error) {
	if k := t.keyOf(d.lastKeys()); k != nil {
		return k, nil
	}
	err := d.unknownKey.do(ctx, now, keysPause, d.fetchKeys)
	if k := t.keyOf(d.lastKeys()); k != nil {
		return k, nil
	}
	if err != nil {
		return nil, unavailable(err)
	}
	return nil, refused("the ID token is signed by a key that the provider does not publish")
}

func (d *discovered) last() (metadata, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.meta == nil {
		return metadata{}, false
	}
	return *d.meta, true
}

func (d *discovered) lastKeys() []jwk.Key {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.keys
}

// fetch takes metadata and keys, both or neither.
func (d *discovered) fetch(ctx context.Context) error {
	m, err := d.fetchMetadata(ctx)
	if err != nil {
		return err
	}
	keys, err := d.readKeys(ctx, m.Keys)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.meta, d.keys = m, keys
	return nil
}

func (d *discovered) fetchKeys(ctx context.Context) error {
	m, ok := d.last()
	if !ok {
		return d.fetch(ctx)
	}
	keys, err := d.readKeys(ctx, m.Keys)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keys = keys
	return nil
}

func (d *discovered) readKeys(ctx context.Context, from string) ([]jwk.Key, error) {
	raw, err := d.get(ctx, from)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	keys, problems := jwk.ParseUpTo(raw, mostKeys)
	switch {
	case len(keys) > 0:
		return keys, nil // others are left out (RFC 7517 section 5)
	case len(problems) > 0:
		return nil, wrongSettings("keys: the set has no key that can be used: %s %s", problems[0].Path, problems[0].Message)
	}
	return nil, wrongSettings("keys: the set has no keys")
}

func (d *discovered) get(ctx context.Context, from string) ([]byte, error) {
	reply, err := d.http.Send(ctx, outbound.Ask{URL: from, Limit: jsonMost})
	if err != nil {
		return nil, err
	}
	if reply.Status != 200 {
		return nil, wrongSettings("%s answers %d, not 200", hostOf(from), reply.Status)
	}
	return reply.Body, nil
}

func (d *discovered) fetchMetadata(ctx context.Context) (*metadata, error) {
	raw, err := d.get(ctx, strings.TrimSuffix(d.issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	var m metadata
	if strict.Unmarshal(raw, &m) != nil {
		return nil, wrongSettings("discovery: the answer is no JSON object as OpenID Connect Discovery has it")
	}
	// Whoever answers in the place of another issuer signs for it too (section 4.3).
	if m.Issuer != d.issuer {
		return nil, wrongSettings("discovery: the provider calls itself by another issuer than spec.oidc.issuer; write it exactly as the provider does")
	}
	for _, e := range []struct{ name, is string }{{"authorization_endpoint", m.Authorization}, {"token_endpoint", m.Token}, {"jwks_uri", m.Keys}, {"userinfo_endpoint", m.UserInfo}} {
		if e.is == "" && e.name == "userinfo_endpoint" {
			continue
		}
		if !secureURL(e.is) {
			return nil, wrongSettings("discovery: %s is no https URL", e.name)
		}
	}
	return &m, nil
}

// methods are how a client with a secret proves itself; basic is what holds when the
// provider says nothing. Others need keys that there are none of.
func (m metadata) methods() []string {
	var both []string
	for _, method := range []string{secretBasic, secretPost} {
		if slices.Contains(m.Methods, method) {
			both = append(both, method)
		}
	}
	if len(both) == 0 {
		return []string{secretBasic}
	}
	return both
}

// errSettings: what the provider says of itself cannot be used.
var errSettings = errors.New("cannot be used")

// settingsError is errSettings with what is wrong, and nothing of the answer.
type settingsError struct{ what string }

func (e *settingsError) Error() string        { return e.what }
func (e *settingsError) Is(target error) bool { return target == errSettings }

func wrongSettings(format string, args ...any) error {
	return &settingsError{fmt.Sprintf(format, args...)}
}

func secureURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && u.Fragment == ""
}

func hostOf(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	return u.Host
}
