package outbound

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
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
