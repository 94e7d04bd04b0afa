package cli

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var tlsNow = time.Now().Truncate(time.Second)

// selfSigned makes a certificate for auth.example.com and localhost, and its key.
func selfSigned(serial int64, notAfter time.Time) (der, certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "auth"}, DNSNames: []string{"auth.example.com", "localhost"},
		NotBefore: tlsNow.Add(-48 * time.Hour), NotAfter: notAfter, IsCA: true, BasicConstraintsValid: true,
	}
	if der, err = x509.CreateCertificate(rand.Reader, template, template, key.Public(), key); err != nil {
		return nil, nil, nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	certPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return der, certPEM, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), err
}

// pairFor writes tls.crt and tls.key.
func pairFor(t *testing.T, dir string, serial int64, notAfter time.Time) *x509.Certificate {
	t.Helper()
	der, certPEM, keyPEM, err := selfSigned(serial, notAfter)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "tls.crt"), certPEM)
	put(t, filepath.Join(dir, "tls.key"), keyPEM)
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// writePair is the command of scripts that writes NAME.crt and NAME.key.
func writePair() {
	_, certPEM, keyPEM, err := selfSigned(1, tlsNow.Add(time.Hour))
	err = errors.Join(err, os.WriteFile(os.Args[1]+".crt", certPEM, 0o600), os.WriteFile(os.Args[1]+".key", keyPEM, 0o600))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func put(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// over is an installation whose certificate is in the directory.
func over(dir string, log io.Writer) *installation {
	return &installation{
		serveOptions: serveOptions{issuer: "https://auth.example.com", tlsCert: filepath.Join(dir, "tls.crt"), tlsKey: filepath.Join(dir, "tls.key")},
		log:          slog.New(slog.NewTextHandler(log, nil)), registry: prometheus.NewRegistry(),
	}
}

func serial(t *testing.T, client *http.Client, address string) (serial int64, proto string) {
	t.Helper()
	a, err := client.Get("https://" + address)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	_, _ = io.Copy(io.Discard, a.Body)
	return a.TLS.PeerCertificates[0].SerialNumber.Int64(), a.Proto
}

// A Secret is mounted as links through a directory that is swapped: both files at once.
func TestANewCertificateIsServedWhileConnectionsGoOn(t *testing.T) {
	dir := t.TempDir()
	first := pairFor(t, filepath.Join(dir, "..1"), 1, tlsNow.Add(time.Hour))
	second := pairFor(t, filepath.Join(dir, "..2"), 2, tlsNow.Add(2*time.Hour))
	link := func(to string) {
		if err := os.Symlink(to, filepath.Join(dir, "..tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	link("..1")
	for _, name := range []string{"tls.crt", "tls.key"} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	in := over(dir, &log)
	cert, err := in.certificate()
	if err != nil {
		t.Fatal(err)
	}
	limits := usualLimits
	address := start(t, listening{handler: fine, limits: limits, tls: cert.config()})
	pool := x509.NewCertPool()
	pool.AddCert(first)
	pool.AddCert(second)
	kept := trusting(pool)
	if n, proto := serial(t, kept, address); n != 1 || proto != "HTTP/2.0" {
		t.Errorf("certificate %d over %s, want 1 over HTTP/2.0", n, proto)
	}
	link("..2")
	cert.look()
	if n, _ := serial(t, trusting(pool), address); n != 2 {
		t.Errorf("a new connection is shown certificate %d, want 2", n)
	}
	if n, _ := serial(t, kept, address); n != 1 {
		t.Errorf("the old connection was dropped: its next request sees certificate %d", n)
	}
	if got := metric(t, in.registry, "gatehouse_tls_certificate_not_after_seconds", ""); got != float64(second.NotAfter.Unix()) {
		t.Errorf("not after %v", got)
	}
	if got := metric(t, in.registry, "gatehouse_tls_certificate_reloads_total", "used"); got != 1 {
		t.Errorf("%v were used", got)
	}
	if want := second.NotAfter.UTC().Format("2006-01-02T15:04:05"); !strings.Contains(log.String(), want) {
		t.Errorf("the log does not name %s:\n%s", want, &log)
	}
}

func TestABadNewPairKeepsTheOldOne(t *testing.T) {
	dir := t.TempDir()
	pairFor(t, dir, 1, tlsNow.Add(time.Hour))
	var log bytes.Buffer
	in := over(dir, &log)
	cert, err := in.certificate()
	if err != nil {
		t.Fatal(err)
	}
	goodCert, _ := os.ReadFile(in.tlsCert)
	goodKey, _ := os.ReadFile(in.tlsKey)
	other := t.TempDir()
	pairFor(t, other, 2, tlsNow.Add(time.Hour))
	otherKey, _ := os.ReadFile(filepath.Join(other, "tls.key"))
	refused := func() float64 { return metric(t, in.registry, "gatehouse_tls_certificate_reloads_total", "refused") }

	put(t, in.tlsKey, otherKey)
	for range 3 { // said and counted once
		cert.look()
	}
	if err := os.Remove(in.tlsCert); err != nil {
		t.Fatal(err)
	}
	cert.look()
	put(t, in.tlsCert, []byte("not PEM"))
	cert.look()
	if n := refused(); n != 3 {
		t.Errorf("%v refused, want 3", n)
	}
	if got := cert.pair.Load().Leaf.SerialNumber.Int64(); got != 1 {
		t.Errorf("certificate %d is served", got)
	}
	for _, want := range []string{"private key does not match public key", "no such file", "failed to find any PEM data"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, &log)
		}
	}
	put(t, in.tlsCert, goodCert)
	put(t, in.tlsKey, goodKey)
	cert.look()
	cert.look()
	if used := metric(t, in.registry, "gatehouse_tls_certificate_reloads_total", "used"); used != 1 || refused() != 3 {
		t.Errorf("%v used and %v refused after the repair, want 1 and 3", used, refused())
	}
}

func TestWhatOldClientsOfferIsRefused(t *testing.T) {
	dir := t.TempDir()
	leaf := pairFor(t, dir, 1, tlsNow.Add(time.Hour))
	cert, err := over(dir, io.Discard).certificate()
	if err != nil {
		t.Fatal(err)
	}
	address := start(t, listening{handler: fine, limits: usualLimits, tls: cert.config()})
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	for version, good := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		c, err := tls.Dial("tcp", address, &tls.Config{RootCAs: pool, ServerName: "auth.example.com", MinVersion: tls.VersionTLS10, MaxVersion: version})
		if (err == nil) != good {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if c != nil {
			c.Close()
		}
	}
	c := dial(t, address)
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if got := firstLine(c); got != "HTTP/1.0 400 Bad Request" {
		t.Errorf("in the clear: %q", got)
	}
}

func TestACertificateThatCannotBeUsedEndsTheStartWithTheCure(t *testing.T) {
	dir := t.TempDir()
	pairFor(t, dir, 1, tlsNow.Add(time.Hour))
	other := t.TempDir()
	pairFor(t, other, 2, tlsNow.Add(time.Hour))
	put(t, filepath.Join(other, "empty"), nil)
	in := func(name string) string { return filepath.Join(dir, name) }
	for name, c := range map[string]struct{ cert, key, want string }{
		"no such file":       {in("none.crt"), in("tls.key"), "none.crt: no such file or directory; give the file of the certificate chain in PEM"},
		"no key":             {in("tls.crt"), in("none.key"), "none.key: no such file or directory; give the file of the private key in PEM"},
		"the wrong way":      {in("tls.key"), in("tls.crt"), "give a PEM certificate chain, leaf first, and its unencrypted private key"},
		"another's key":      {in("tls.crt"), filepath.Join(other, "tls.key"), "private key does not match public key"},
		"a file with no PEM": {filepath.Join(other, "empty"), in("tls.key"), "failed to find any PEM data"},
	} {
		t.Run(name, func(t *testing.T) {
			i := over(dir, io.Discard)
			i.tlsCert, i.tlsKey = c.cert, c.key
			_, err := i.certificate()
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "--tls-cert and --tls-key: ") {
				t.Errorf("%v, want %s", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "-----") {
				t.Error("the error holds what is in a file")
			}
		})
	}
}

func TestOperatorsAreWarnedOfACertificateThatClientsRefuse(t *testing.T) {
	dir := t.TempDir()
	pairFor(t, dir, 1, tlsNow.Add(-time.Hour))
	var log bytes.Buffer
	in := over(dir, &log)
	in.issuer = "https://id.example.com"
	if _, err := in.certificate(); err != nil {
		t.Fatalf("an expired certificate ends the start: %v", err)
	}
	for _, want := range []string{"it has expired", "it is not for the host of --issuer", "host=id.example.com"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, &log)
		}
	}
	log.Reset()
	pairFor(t, dir, 1, tlsNow.Add(time.Hour))
	if _, err := over(dir, &log).certificate(); err != nil || strings.Contains(log.String(), "WARN") {
		t.Errorf("a good certificate: %v\n%s", err, &log)
	}
}
