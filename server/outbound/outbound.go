// Package outbound fetches what tenants point at: key sets today. Whoever writes a URL into
// a declaration chooses where this process connects to, from inside of a cluster, so the
// address is judged where it is dialled: after the name was resolved, whatever it resolved
// to a moment before (DNS rebinding), for every connection. Nothing is redirected, no proxy
// is asked, and time and size are bounded. An answer never goes to whoever asked.
//
// Start reading at Get; address.go has the addresses that are refused.
package outbound

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// Bounds of one answer.
const (
	Timeout = 5 * time.Second // from the first packet to the last
	Limit   = 64 << 10        // bytes of a body
)

// ErrRefused: the address that a name led to is none that this installation reaches out to.
var ErrRefused = errors.New("address is not public; allow its network with --allow-upstream-cidr")

// Options are what a Client is made of; the zero value reaches public addresses only.
type Options struct {
	// Allow are networks that are reached though they are not public.
	Allow []netip.Prefix
	// RootCAs are those that servers are verified by; nil: the system's.
	RootCAs *x509.CertPool
	// Resolver resolves names; nil: the system's.
	Resolver *net.Resolver

	timeout time.Duration // zero is Timeout
}

// Client fetches. It is safe for concurrent use.
type Client struct{ http *http.Client }

// New returns a Client.
func New(o Options) *Client {
	timeout := cmp.Or(o.timeout, Timeout)
	dialer := &net.Dialer{Timeout: timeout, Resolver: o.Resolver, ControlContext: func(_ context.Context, network, address string, _ syscall.RawConn) error {
		return o.check(network, address)
	}}
	return &Client{&http.Client{
		Timeout: timeout,
		// A redirect could lead anywhere that the declaration does not say.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  nil, // one would be dialled in the place of what is checked
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    timeout,
			ResponseHeaderTimeout:  timeout,
			MaxResponseHeaderBytes: 16 << 10,
			MaxConnsPerHost:        4,
			MaxIdleConns:           16,
			IdleConnTimeout:        30 * time.Second,
			DisableCompression:     true, // a small answer could grow without bound
			ForceAttemptHTTP2:      true,
		},
	}}
}

// Get returns the body of an https URL that answers 200. The error says where it failed and
// shows nothing of the answer.
func (c *Client) Get(ctx context.Context, from string) ([]byte, error) {
	u, err := url.Parse(from)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, errors.New("fetch: the URL is no https URL with a host")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch from %s: %w", u.Host, err)
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "gatehouse")
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("fetch from %s: %w", u.Host, cause(err))
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch from %s: the answer is %d, not 200", u.Host, answer.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, Limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("fetch from %s: %w", u.Host, cause(err))
	case len(body) > Limit:
		return nil, fmt.Errorf("fetch from %s: the answer is larger than %d bytes", u.Host, Limit)
	}
	return body, nil
}

// cause is the error without the URL that http.Client repeats, whose query may be private.
func cause(err error) error {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
