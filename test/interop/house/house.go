// Package house is a Gatehouse for clients that others wrote: a process of its own, served
// from declarations.yaml, with an address for applications and people who sign in.
package house

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	_ "embed"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-dev/gatehouse/test/leaks"
	"github.com/gatehouse-dev/gatehouse/test/person"
	"github.com/gatehouse-dev/gatehouse/test/process"
)

// Secret is what each confidential client of the house proves itself with.
const Secret = "gcs_interop+secret/with:colon&more=%20ok"

// Email is the person who has an account.
const Email = "demo@example.com"

//go:embed declarations.yaml
var declarations string

// House is a Gatehouse with one Organization, acme.
type House struct {
	*process.Process
	// SiteURL is where applications are. A path that nobody handles is answered 200, so that
	// a browser can be sent back with a code.
	SiteURL string
	// Apache is the address of the application acme.apache, where nobody listens yet.
	Apache string

	// Keys are the private keys of the client acme.signed, as PEM (PKCS #8), by kid: "rsa" and
	// "ec".
	Keys map[string]string

	site            *httptest.Server
	handlers        sync.Map // path → http.HandlerFunc
	binary, dataDir string
	password        string
}

// Open builds Gatehouse and starts it with its state in dir, until Close.
func Open(ctx context.Context, dir string) (*House, error) {
	binary, err := process.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	return Run(ctx, binary, dir)
}

// Run starts a Gatehouse that is built already.
func Run(ctx context.Context, binary, dir string) (*House, error) {
	h := &House{binary: binary, dataDir: filepath.Join(dir, "data")}
	h.site = httptest.NewServer(http.HandlerFunc(h.application))
	h.SiteURL = h.site.URL
	if err := h.serve(ctx, filepath.Join(dir, "manifests")); err != nil {
		h.site.Close()
		return nil, err
	}
	return h, nil
}

func (h *House) application(w http.ResponseWriter, r *http.Request) {
	if handler, ok := h.handlers.Load(r.URL.Path); ok {
		handler.(http.HandlerFunc)(w, r)
		return
	}
	_, _ = io.WriteString(w, "You are back.")
}

// Handle serves a path of the site.
func (h *House) Handle(path string, handler http.HandlerFunc) { h.handlers.Store(path, handler) }

func (h *House) serve(ctx context.Context, manifests string) (err error) {
	leaks.Remember(Secret)
	if h.Apache, err = QuietAddress(); err != nil {
		return err
	}
	if err := os.Mkdir(manifests, 0o700); err != nil {
		return err
	}
	public, err := h.makeKeys()
	if err != nil {
		return err
	}
	text := strings.NewReplacer("KEYS", public, "SITE", h.SiteURL, "APACHE", "http://"+h.Apache, "SECRET", Secret).Replace(declarations)
	if err := os.WriteFile(filepath.Join(manifests, "acme.yaml"), []byte(text), 0o600); err != nil {
		return err
	}
	h.Process, err = process.Serve(ctx, process.Options{Binary: h.binary, Manifests: manifests, DataDir: h.dataDir})
	if err != nil {
		return err
	}
	if h.password, err = h.DemoPassword(ctx); err != nil {
		return errors.Join(err, h.Stop())
	}
	leaks.Remember(h.password)
	return nil
}

// makeKeys makes the keys of a client that has no secret, and returns the public halves.
func (h *House) makeKeys() (public string, err error) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", err
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	h.Keys = map[string]string{}
	var set jose.JSONWebKeySet
	for kid, key := range map[string]crypto.Signer{"rsa": rsaKey, "ec": ecKey} {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return "", err
		}
		h.Keys[kid] = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.Public(), KeyID: kid, Use: "sig"})
	}
	raw, err := json.Marshal(set)
	return string(raw), err
}

// Close stops the house; that it did not stop as it should is an error.
func (h *House) Close() error {
	defer h.site.Close()
	if err := h.Stop(); err != nil {
		return fmt.Errorf("stop Gatehouse: %w\n%s", err, h.Printed)
	}
	return nil
}

// Another starts a house of the same build, whose keys a test may change.
func (h *House) Another(ctx context.Context, dir string) (*House, error) {
	return Run(ctx, h.binary, dir)
}

// Command runs gatehouse on the state of the running house.
func (h *House) Command(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, h.binary, append(args, "--data-dir", h.dataDir)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("gatehouse %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// Person is somebody with an account and a browser of their own.
type Person struct {
	*person.Person
	password string
}

// Person returns somebody who is not signed in yet.
func (h *House) Person() *Person { return &Person{person.New(), h.password} }

// Connect approves a device (RFC 8628 section 3.3.1), given its verification_uri_complete.
func (p *Person) Connect(ctx context.Context, target string) error {
	return p.Approve(ctx, target, Email, p.password)
}

// Allow opens a page that begins an authorization request, signs in if asked to, allows
// what is asked for, and returns the page where the browser ends up.
func (p *Person) Allow(ctx context.Context, target string) (*person.Page, error) {
	return p.decide(ctx, target, "allow")
}

// Deny is Allow for somebody who says no.
func (p *Person) Deny(ctx context.Context, target string) (*person.Page, error) {
	return p.decide(ctx, target, "deny")
}

func (p *Person) decide(ctx context.Context, target, button string) (*person.Page, error) {
	page, err := p.Visit(ctx, target)
	if err == nil && page.URL.Path == "/login/" {
		page, err = p.Press(ctx, page, "sign in", map[string]string{"email": Email, "password": p.password})
	}
	if err == nil && page.URL.Path == "/oauth/authorize/" {
		page, err = p.Press(ctx, page, button, nil)
	}
	if err == nil && page.Status != http.StatusOK {
		err = fmt.Errorf("%s answers %d: %s", withoutQuery(page.URL), page.Status, page.Text)
	}
	return page, err
}

func withoutQuery(u *url.URL) string { return u.Scheme + "://" + u.Host + u.Path }

// QuietAddress returns a loopback address that nobody listens on, of a port below those
// that systems hand out: it stays free until it is used, whatever else runs.
func QuietAddress() (string, error) {
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 20000+mathrand.IntN(10000))
		if l, err := net.Listen("tcp", address); err == nil {
			return address, l.Close()
		}
	}
	return "", errors.New("no free port from 20000 to 29999")
}

// Client is how Go's libraries reach the house; secrets that pass by are remembered.
func Client() *http.Client {
	return &http.Client{Transport: leaks.Transport(http.DefaultTransport), Timeout: 30 * time.Second}
}
