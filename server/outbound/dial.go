package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"
)

// Dial connects to HOST:PORT, for what does not speak HTTP: the address is judged as for
// every other connection. The caller bounds how long and how much it reads.
func (c *Client) Dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := c.dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	return conn, nil
}

// TLS returns the configuration by which the server of this name is verified.
func (c *Client) TLS(serverName string) *tls.Config {
	return &tls.Config{RootCAs: c.roots, ServerName: serverName, MinVersion: tls.VersionTLS12}
}

// Reach connects to the server of an https URL and verifies its certificate. It asks
// nothing, and says when the certificate ends.
func (c *Client) Reach(ctx context.Context, server string) (time.Time, error) {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" {
		return time.Time{}, errors.New("connect: the URL is no https URL with a host")
	}
	address := u.Host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), "443")
	}
	ctx, cancel := context.WithTimeout(ctx, c.http.Timeout)
	defer cancel()
	plain, err := c.Dial(ctx, address)
	if err != nil {
		return time.Time{}, err
	}
	conn := tls.Client(plain, c.TLS(u.Hostname()))
	defer func() { _ = conn.Close() }()
	if err := conn.HandshakeContext(ctx); err != nil {
		return time.Time{}, fmt.Errorf("connect to %s: %w", address, cause(err))
	}
	return conn.ConnectionState().PeerCertificates[0].NotAfter, nil
}
