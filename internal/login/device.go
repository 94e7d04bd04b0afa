package login

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// What ends the wait for an approval.
var (
	ErrDenied  = errors.New("the request was denied")
	ErrExpired = errors.New("nobody approved in time")
)

const (
	defaultInterval = 5 * time.Second // RFC 8628 section 3.2
	slower          = 5 * time.Second // RFC 8628 section 3.5, slow_down
	slowest         = time.Minute
)

// Device is a request that waits for a person.
type Device struct {
	UserCode    string
	Page        string // where the code is entered
	PageAndCode string // the same with the code in it; empty: the server has none
	Scopes      oauth.ScopeSet
	Expires     time.Time

	code     Secret
	interval time.Duration
}

// Begin starts the device flow (RFC 8628 section 3.1). It asks for the scopes, and for those
// of the protocol that the server offers: an ID token and a refresh token are what a login
// is for. Without scopes it asks for all that the application may ask for.
//
// A server takes a missing scope for everything but the protocol's own, or refuses it (RFC
// 6749 section 3.3). Gatehouse says what it stands for, so that the second request can name
// both; the first is left to expire.
func (c *Client) Begin(ctx context.Context, m Metadata, scopes oauth.ScopeSet) (Device, error) {
	if m.DeviceAuthorizationEndpoint == "" {
		return Device{}, fmt.Errorf("%s offers no device authorization, which signing in from a command line needs", c.Issuer)
	}
	protocol := m.protocolScopes()
	if len(scopes) == 0 {
		d, err := c.startDevice(ctx, m, nil)
		mustName := refusedWith(err, oauth.InvalidScope)
		if len(protocol) == 0 || err != nil && !mustName {
			return d, err
		}
		scopes = d.Scopes
	}
	return c.startDevice(ctx, m, scopes.Union(protocol))
}

func (c *Client) startDevice(ctx context.Context, m Metadata, scopes oauth.ScopeSet) (Device, error) {
	form := url.Values{}
	if len(scopes) > 0 {
		form.Set("scope", scopes.String())
	}
	var said struct {
		Code        Secret  `json:"device_code"`
		UserCode    string  `json:"user_code"`
		Page        string  `json:"verification_uri"`
		PageAndCode string  `json:"verification_uri_complete"`
		ExpiresIn   float64 `json:"expires_in"`
		Interval    float64 `json:"interval"`
		Scope       string  `json:"scope"`
	}
	asked := c.Now()
	if err := c.post(ctx, m.DeviceAuthorizationEndpoint, form, &said); err != nil {
		return Device{}, fmt.Errorf("ask for a device code: %w", err)
	}
	for name, page := range map[string]string{"verification_uri": said.Page, "verification_uri_complete": said.PageAndCode} {
		u, err := url.Parse(page)
		optional := name == "verification_uri_complete" && page == ""
		if !optional && (err != nil || u.Host == "" || !safe(u) || printable(page) != page) {
			return Device{}, fmt.Errorf("ask for a device code: the %s is %q; it must be a short URL with https", name, printable(page))
		}
	}
	if said.Code == "" || said.UserCode == "" || printable(said.UserCode) != said.UserCode || said.ExpiresIn <= 0 {
		return Device{}, errors.New("ask for a device code: the answer lacks device_code, user_code or expires_in")
	}
	d := Device{
		UserCode: said.UserCode, Page: said.Page, PageAndCode: said.PageAndCode,
		Expires: asked.Add(seconds(said.ExpiresIn)), code: said.Code, interval: seconds(said.Interval),
	}
	d.Scopes, _ = oauth.ParseScope(said.Scope)
	if d.interval <= 0 {
		d.interval = defaultInterval
	}
	return d, nil
}

// seconds bounds a number of an answer to a day.
func seconds(n float64) time.Duration {
	return time.Duration(min(n, 24*60*60) * float64(time.Second))
}

// Await polls until the person has decided (RFC 8628 section 3.5). Network trouble and a
// server that restarts are waited out, ever more slowly. The error is ErrDenied, ErrExpired,
// that of the context, or what the server refused.
func (c *Client) Await(ctx context.Context, m Metadata, d Device) (Tokens, error) {
	interval, pause := d.interval, d.interval
	for {
		if err := c.Wait(ctx, pause); err != nil {
			return Tokens{}, err
		}
		if !c.Now().Before(d.Expires) {
			return Tokens{}, ErrExpired
		}
		form := url.Values{"grant_type": {string(oauth.DeviceCode)}, "device_code": {string(d.code)}}
		t, err := c.redeem(ctx, m, form, Tokens{Scopes: d.Scopes})
		var away *Away
		switch {
		case ctx.Err() != nil:
			return Tokens{}, ctx.Err()
		case errors.As(err, &away):
			pause = max(min(2*pause, slowest), away.After)
			continue
		case refusedWith(err, oauth.AuthorizationPending):
		case refusedWith(err, oauth.SlowDown):
			interval += slower
		case refusedWith(err, oauth.ExpiredToken):
			return Tokens{}, ErrExpired
		case refusedWith(err, oauth.AccessDenied):
			return Tokens{}, fmt.Errorf("%w: %w", ErrDenied, err)
		default:
			return t, err
		}
		pause = interval
	}
}
