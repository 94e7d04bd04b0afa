// Package saml starts a SAML 2.0 identity provider that others wrote, for tests: pysaml2 of
// Debian, which signs by xmlsec1, behind https on loopback. Its pages are forms without
// scripts: username and password, and then a button that posts the response. It knows no
// service before Trust. Start reading at Start.
package saml

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

//go:embed idp.py
var script []byte

// python sees the packages of Debian; another one on the PATH may not.
const python = "/usr/bin/python3"

// Person is somebody who has an account at the provider.
type Person struct {
	Password   string              `json:"password"`
	Attributes map[string][]string `json:"attributes"` // by names that pysaml2 knows; "mail" is the NameID
}

// Settings are how the provider does it; they may be changed while it runs (Set).
type Settings struct {
	People map[string]Person `json:"people"` // by user name
	// SignResponse signs the response as well, and Unsigned signs no assertion.
	SignResponse bool   `json:"signResponse"`
	Unsigned     bool   `json:"unsigned"`
	Signature    string `json:"signature"` // algorithms; empty: RSA with SHA-256
	Digest       string `json:"digest"`
	Class        string `json:"class"` // AuthnContextClassRef; empty: PasswordProtectedTransport
	// Key is the one that it signs by, "one" or "two", and Published those whose certificates
	// are in its metadata beside that.
	Key       string   `json:"key"`
	Published []string `json:"published"`
}

// IdP is a provider that runs until the test is over.
type IdP struct {
	URL      string // https, on loopback
	CABundle string // PEM, that its server is verified by
	dir      string
}

// Start starts a provider, and ends it with the test.
func Start(t testing.TB, s Settings) *IdP {
	t.Helper()
	i := &IdP{dir: t.TempDir()}
	i.write(t, "idp.py", script)
	i.Set(t, s)
	for _, name := range []string{"one", "two"} {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		must(t, err)
		i.keep(t, name, key, key.Public())
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	i.CABundle = i.keep(t, "tls", key, key.Public())

	c := exec.CommandContext(t.Context(), python, filepath.Join(i.dir, "idp.py"), i.dir)
	c.Env = []string{"PATH=/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE=1", "HOME=" + i.dir, "TMPDIR=" + i.dir}
	c.WaitDelay = 5 * time.Second
	log := &strings.Builder{}
	c.Stderr = log
	out, err := c.StdoutPipe()
	must(t, err)
	must(t, c.Start())
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait() // or log is written to while it is read
		if t.Failed() {
			t.Logf("the identity provider says:\n%s", log)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the identity provider did not start (%v): is python3-pysaml2 installed? `make programs` does it", err)
	}
	i.URL = strings.TrimSpace(line)
	return i
}

// MetadataURL is where it says who it is.
func (i *IdP) MetadataURL() string { return i.URL + "/metadata" }

// EntityID is what it calls itself.
func (i *IdP) EntityID() string { return i.URL + "/metadata" }

// PortalURL begins a sign-in that the service did not ask for.
func (i *IdP) PortalURL(entityID string) string {
	return i.URL + "/start?sp=" + url.QueryEscape(entityID)
}

// Trust makes a service known to it, by its metadata.
func (i *IdP) Trust(t testing.TB, metadata []byte) {
	t.Helper()
	i.write(t, "sp.xml", metadata)
}

// Set changes how it does it, from the next request on.
func (i *IdP) Set(t testing.TB, s Settings) {
	t.Helper()
	if s.Key == "" {
		s.Key = "one"
	}
	if s.Class == "" {
		s.Class = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
	}
	raw, err := json.Marshal(s)
	must(t, err)
	i.write(t, "settings.json", raw)
}

// keep writes a key with a certificate for this machine, and returns the certificate.
func (i *IdP) keep(t testing.TB, name string, key, public any) string {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	must(t, err)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	i.write(t, name+".crt", certificate)
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	i.write(t, name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
	return string(certificate)
}

// write puts a file there in one step: the provider may be reading it.
func (i *IdP) write(t testing.TB, name string, content []byte) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(i.dir, name+".new"), content, 0o600))
	must(t, os.Rename(filepath.Join(i.dir, name+".new"), filepath.Join(i.dir, name)))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
