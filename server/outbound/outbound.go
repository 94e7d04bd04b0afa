// Package outbound asks what tenants point at: key sets, and the providers that people sign
// in with. Whoever writes a URL into a declaration chooses where this process connects to,
// from inside of a cluster, so the address is judged where it is dialled: after the name was
// resolved, whatever it resolved to a moment before (DNS rebinding), for every connection.
// Nothing is redirected, no proxy is asked, and time and size are bounded. Errors show
// nothing of an answer.
//
// Start reading at Send, in ask.go; address.go has the addresses that are refused, and
// dial.go what does not speak HTTP.
package outbound

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
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

	// PerHost is how many connections there are to one host at once; zero: 4.
	PerHost int

	timeout time.Duration // zero is Timeout
}

// With returns the Options with which the servers of one provider are reached: their
// certificates are verified by the bundle (PEM) alone. Without one they stay as they are; a
// bundle that has no certificate verifies nobody.
func (o Options) With(bundle string) Options {
	o.PerHost = cmp.Or(o.PerHost, 16) // people wait for it, each for themselves
	if bundle != "" {
		o.RootCAs = x509.NewCertPool()
		o.RootCAs.AppendCertsFromPEM([]byte(bundle))
	}
	return o
}

// Client asks. It is safe for concurrent use. Clients share no connections: what one waits
// for keeps no other up.
type Client struct {
	http   *http.Client
	dialer *net.Dialer
	roots  *x509.CertPool
	gate   Gate // nil: as many as like
}

// New returns a Client.
func New(o Options) *Client {
	timeout := cmp.Or(o.timeout, Timeout)
	dialer := &net.Dialer{Timeout: timeout, Resolver: o.Resolver, ControlContext: func(_ context.Context, network, address string, _ syscall.RawConn) error {
		return o.check(network, address)
	}}
	return &Client{dialer: dialer, roots: o.RootCAs, http: &http.Client{
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
			MaxConnsPerHost:        cmp.Or(o.PerHost, 4),
			MaxIdleConns:           16,
			IdleConnTimeout:        30 * time.Second,
			DisableCompression:     true, // a small answer could grow without bound
			ForceAttemptHTTP2:      true,
		},
	}}
}

// errNoHTTP is in the place of what the transport says of an answer, which repeats parts of
// it: they may be another service's words.
var errNoHTTP = errors.New("what answers there does not speak HTTP as it should, or too much of it")

// cause is the error without the URL that http.Client repeats, whose query may be private,
// and without anything of an answer: of the network and of TLS alone.
func cause(err error) error {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	var (
		network     net.Error
		certificate *tls.CertificateVerificationError
		alert       tls.AlertError
		noTLS       tls.RecordHeaderError
	)
	switch {
	case errors.Is(err, ErrRefused), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.Canceled),
		errors.As(err, &network), errors.As(err, &certificate), errors.As(err, &alert), errors.As(err, &noTLS):
		return err
	}
	return errNoHTTP
}
