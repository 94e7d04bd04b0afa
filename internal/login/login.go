// Package login is the command line's side of signing a person in: it asks an authorization
// server for a device code, waits for the approval, keeps the tokens where other people of
// the machine cannot read them, and hands out fresh ones.
//
// Client speaks with the server: metadata, device flow, refresh, revocation. Book keeps what
// came back: one Login for each pair of issuer and client ID, its tokens in a Vault, which is
// the keyring of the operating system or a file of mode 0600. Session has both, and the one
// rule that matters: a refresh token works once, so that whoever uses it holds the lock of
// the login until the successor is kept.
//
// It reads no clock, prints nothing, and no error of it shows a token. Start reading at
// Session.Fresh.
package login

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// Client speaks with one authorization server for one public application.
type Client struct {
	Issuer, ClientID string
	HTTP             *http.Client // NewHTTP makes it
	UserAgent        string
	Now              func() time.Time
	Wait             func(context.Context, time.Duration) error // returns early, with an error, when the context ends
}

// Sleep is the Wait of a Client outside of tests.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Secret is a token. It does not print itself; encoding it as JSON does, for the Vault.
type Secret string

// Format prints that there is a secret, never which.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("(secret)")) }

// LogValue is what a log shows.
func (Secret) LogValue() slog.Value { return slog.StringValue("(secret)") }

// Organization is where an access token works.
type Organization struct {
	Slug string `json:"slug"`
	ID   string `json:"id"`
}

// Person is who signed in.
type Person struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

// Tokens are what a login is worth at the moment.
type Tokens struct {
	Refresh       Secret         `json:"refreshToken,omitempty"` // empty: the login ends with the access token
	Access        Secret         `json:"accessToken,omitempty"`
	AccessExpires time.Time      `json:"accessExpiresAt"`
	ID            Secret         `json:"idToken,omitempty"`
	IDExpires     time.Time      `json:"idExpiresAt"`
	Received      time.Time      `json:"receivedAt"`
	Scopes        oauth.ScopeSet `json:"scopes"`
	Organization  Organization   `json:"organization"`
	Person        Person         `json:"person"`
}

// AccessFresh reports whether the access token lasts for the work of a script or two.
func (t Tokens) AccessFresh(now time.Time) bool {
	return t.Access != "" && t.lasts(now, t.AccessExpires)
}

// IDFresh reports the same of the ID token.
func (t Tokens) IDFresh(now time.Time) bool { return t.ID != "" && t.lasts(now, t.IDExpires) }

// lasts: a minute more, or a fifth of a life that is shorter than five. A clock that was set
// back proves nothing.
func (t Tokens) lasts(now, end time.Time) bool {
	margin := min(time.Minute, end.Sub(t.Received)/5)
	return !now.Before(t.Received) && end.Sub(now) > margin
}

// CheckIssuer refuses what is no issuer (RFC 8414 section 2), and plain http where others
// could listen.
func CheckIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(issuer, "#") {
		return fmt.Errorf("%q must be a URL with a host, without user, query and fragment, such as https://auth.example.com", issuer)
	}
	if !safe(u) {
		return fmt.Errorf("%q must use https; http is allowed only for this machine itself, such as http://localhost:8080", issuer)
	}
	return nil
}

// safe reports whether nobody on the way can read what is sent there.
func safe(u *url.URL) bool {
	if u.Scheme == "https" {
		return true
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && addr.IsLoopback())
}

// NewHTTP returns a client for talking to an authorization server: it follows no redirect,
// for a token must reach nobody but whom the issuer names (RFC 9700 section 4.12).
func NewHTTP() *http.Client {
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 20 * time.Second,
		IdleConnTimeout:       30 * time.Second,
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       30 * time.Second,
	}
}

// Refusal is a server's no (RFC 6749 section 5.2), fit to be shown on a terminal.
type Refusal struct {
	Code, Description string
}

func (r *Refusal) Error() string {
	if r.Description == "" {
		return r.Code
	}
	return r.Code + ": " + r.Description
}

// refusedWith reports whether err is the server's no with this code.
func refusedWith(err error, code string) bool {
	var r *Refusal
	return errors.As(err, &r) && r.Code == code
}

// shownLimit bounds what of a server's words is shown.
const shownLimit = 300

// printable makes a server's words safe for a terminal: one line, bounded, nothing that
// steers it.
func printable(text string) string {
	shown := []rune(text)
	shown = shown[:min(len(shown), shownLimit)]
	for i, r := range shown {
		if !unicode.IsPrint(r) {
			shown[i] = '�'
		}
	}
	return string(shown)
}
