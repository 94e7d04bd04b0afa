package cli

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// followCertificateEvery is how often the files of the certificate are read. They are
// small, and reading them notices every way of replacing a file: written anew, renamed, or
// mounted from a Secret, where a symbolic link is swapped.
const followCertificateEvery = time.Second

// certificate is the key pair of the public listener. It is replaced while connections go
// on: each handshake takes the pair of its moment.
type certificate struct {
	certFile, keyFile string
	host              string // that callers know this server by
	now               func() time.Time
	log               *slog.Logger
	pair              atomic.Pointer[tls.Certificate]
	read              [sha256.Size]byte // digest of what was read last, good or bad
	said              string            // what was wrong with it; empty: nothing

	notAfter prometheus.Gauge
	reloads  *prometheus.CounterVec
}

// certificate returns the pair that the flags name; nil if they name none. A pair that
// cannot be used ends the start.
func (in *installation) certificate() (*certificate, error) {
	if in.tlsCert == "" {
		return nil, nil
	}
	issuer, err := url.Parse(in.issuer)
	if err != nil {
		return nil, err
	}
	c := &certificate{
		certFile: in.tlsCert, keyFile: in.tlsKey, host: issuer.Hostname(), now: time.Now, log: in.log,
		notAfter: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gatehouse_tls_certificate_not_after_seconds", Help: "When the certificate that is served ends, in seconds since 1970.",
		}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_tls_certificate_reloads_total", Help: "Readings of a changed certificate or key, by result: used, or refused because the pair is no good; then the last good one is served.",
		}, []string{"result"}),
	}
	in.registry.MustRegister(c.notAfter, c.reloads)
	for _, result := range []string{"used", "refused"} {
		c.reloads.WithLabelValues(result)
	}
	digest, pair, err := c.load()
	if err != nil {
		return nil, usageError("--tls-cert and --tls-key: %w", err)
	}
	c.read = digest
	c.use(pair)
	return c, nil
}

// config is TLS 1.2 and later with Go's choice of ciphers, and HTTP/2.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.pair.Load(), nil },
	}
}

// follow uses what the files say, until ctx ends.
func (c *certificate) follow(ctx context.Context) error {
	tick := time.NewTicker(followCertificateEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			c.look()
		}
	}
}

// look reads the files and uses the pair if it is new. One that is no good is logged and
// counted once, and changes nothing.
func (c *certificate) look() {
	digest, pair, err := c.load()
	switch {
	case err != nil && (digest != c.read || err.Error() != c.said):
		c.said = err.Error()
		c.reloads.WithLabelValues("refused").Inc()
		c.log.Error("certificate: the one that was read last is served", "error", err, "notAfter", c.pair.Load().Leaf.NotAfter)
	case err == nil && (digest != c.read || c.said != ""):
		c.said = ""
		c.reloads.WithLabelValues("used").Inc()
		c.use(pair)
	}
	c.read = digest
}

// load reads the pair. Its errors name the file and never hold what is in it.
func (c *certificate) load() (digest [sha256.Size]byte, pair *tls.Certificate, err error) {
	cert, err := os.ReadFile(c.certFile)
	if err != nil {
		return digest, nil, fmt.Errorf("%w; give the file of the certificate chain in PEM, readable by this user", err)
	}
	key, err := os.ReadFile(c.keyFile)
	if err != nil {
		return digest, nil, fmt.Errorf("%w; give the file of the private key in PEM, readable by this user", err)
	}
	digest = sha256.Sum256(append(append([]byte{}, cert...), key...))
	read, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return digest, nil, fmt.Errorf("%s and %s: %w; give a PEM certificate chain, leaf first, and its unencrypted private key", c.certFile, c.keyFile, err)
	}
	return digest, &read, nil
}

// use serves the pair from the next handshake on, and says what operators should know.
func (c *certificate) use(pair *tls.Certificate) {
	c.pair.Store(pair)
	leaf := pair.Leaf
	c.notAfter.Set(float64(leaf.NotAfter.Unix()))
	c.log.Info("certificate read", "file", c.certFile, "names", leaf.DNSNames, "notAfter", leaf.NotAfter)
	switch now := c.now(); {
	case now.After(leaf.NotAfter):
		c.log.Warn("certificate: it has expired, and clients will refuse it; replace the files and it is used within a second", "notAfter", leaf.NotAfter)
	case now.Before(leaf.NotBefore):
		c.log.Warn("certificate: it is not valid yet, and clients will refuse it; compare this machine's clock", "notBefore", leaf.NotBefore)
	}
	if leaf.VerifyHostname(c.host) != nil {
		c.log.Warn("certificate: it is not for the host of --issuer; clients that come here directly will refuse it", "host", c.host, "names", leaf.DNSNames)
	}
}
