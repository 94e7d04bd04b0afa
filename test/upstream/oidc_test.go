// Package upstream signs people in at providers that others wrote, through the backends of
// server/upstream alone; browsers come in test/browser. The providers are programs of npm and
// Debian (`make programs`); a test whose provider is missing fails.
package upstream

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-dev/gatehouse/internal/mapping"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/outbound"
	"github.com/gatehouse-dev/gatehouse/server/upstream"
)

const (
	ourIssuer = "https://gatehouse.example"
	oidcUID   = "provider-uid"
	callback  = ourIssuer + "/login/callback/" + oidcUID + "/"
	secret    = "a-secret-of-the-client-in-this-test" // #nosec G101 -- of a test
)

// oidcProvider is npm oidc-provider, running.
type oidcProvider struct{ issuer, ca string }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// certificate makes one for loopback that is its own authority.
func certificate(t testing.TB, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "provider"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	must(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	must(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), 0o600))
	return cert, key
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// signingKeys are a private one for each algorithm, as a JWK set.
var signingKeys = sync.OnceValues(func() ([]byte, error) {
	var set jose.JSONWebKeySet
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
		var key any
		var err error
		switch alg {
		case "ES256":
			key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		case "EdDSA":
			_, key, err = ed25519.GenerateKey(rand.Reader)
		default:
			key, err = rsa.GenerateKey(rand.Reader, 2048)
		}
		if err != nil {
			return nil, err
		}
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key, KeyID: alg, Algorithm: alg, Use: "sig"})
	}
	return json.Marshal(set)
})

func startOIDCProvider(t *testing.T) oidcProvider {
	t.Helper()
	install := exec.CommandContext(t.Context(), "../../hack/need-npm.sh", "../bench/peers/oidc-provider")
	install.Stderr = os.Stderr
	packages, err := install.Output()
	must(t, err)
	dir := t.TempDir()
	must(t, os.Symlink(strings.TrimSpace(string(packages)), filepath.Join(dir, "node_modules"))) // Node looks for packages beside the script
	script, err := os.ReadFile("oidc/server.mjs")
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "server.mjs"), script, 0o600))
	cert, key := certificate(t, dir)
	p := oidcProvider{issuer: "https://" + freeAddress(t)}
	ca, err := os.ReadFile(cert)
	must(t, err)
	p.ca = string(ca)

	keys, err := signingKeys()
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	program := exec.CommandContext(ctx, "node", filepath.Join(dir, "server.mjs"), p.issuer, callback, cert, key)
	program.Env = append(os.Environ(), "SECRET="+secret, "KEYS="+string(keys))
	program.Stderr = os.Stderr
	program.Cancel = func() error { return program.Process.Signal(syscall.SIGTERM) }
	program.WaitDelay = 5 * time.Second
	out, err := program.StdoutPipe()
	must(t, err)
	must(t, program.Start())
	t.Cleanup(func() {
		cancel()
		_ = program.Wait()
	})
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); err != nil || strings.TrimSpace(line) != "listening" {
		t.Fatalf("oidc-provider says %q, %v", line, err)
	}
	return p
}

func (p oidcProvider) backend(t *testing.T, change func(*model.OIDCSettings)) upstream.Backend {
	t.Helper()
	set := &model.OIDCSettings{
		Issuer: p.issuer, ClientID: "RS256", ClientSecret: model.NewSensitive(secret), Scopes: []string{"openid", "email", "profile"}, PKCE: true, CABundle: p.ca,
	}
	change(set)
	b, err := upstream.New(&model.Provider{UID: oidcUID, Type: "OIDC", OIDC: set}, upstream.Env{
		Issuer: ourIssuer, Now: time.Now,
		Outbound: func(ca string) *outbound.Client {
			return outbound.New(outbound.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}.With(ca))
		},
	})
	must(t, err)
	return b
}

// browser is a person's, who follows redirects and fills in forms at the provider.
func (p oidcProvider) browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	must(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(p.ca))
	return &http.Client{
		Jar: jar, Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}},
		CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			if strings.HasPrefix(r.URL.String(), callback) {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
}

var (
	action = regexp.MustCompile(`action="([^"]+)"`)
	asking = regexp.MustCompile(`name="prompt" value="([a-z]+)"`)
)

// goes follows a sign-in to its end: what the browser would bring to us.
func goes(t *testing.T, browser *http.Client, to string) url.Values {
	t.Helper()
	answer, err := browser.Get(to)
	for range 5 {
		must(t, err)
		if at := answer.Header.Get("Location"); strings.HasPrefix(at, callback) {
			back, err := url.Parse(at)
			must(t, err)
			return back.Query()
		}
		page, err := io.ReadAll(answer.Body)
		must(t, err)
		_ = answer.Body.Close()
		form, prompt := action.FindSubmatch(page), asking.FindSubmatch(page)
		if form == nil || prompt == nil {
			t.Fatalf("a page without a form: %d\n%s", answer.StatusCode, page)
		}
		next, err := answer.Request.URL.Parse(string(form[1]))
		must(t, err)
		answer, err = browser.PostForm(next.String(), url.Values{"prompt": {string(prompt[1])}, "login": {"ann"}, "password": {"whatever"}})
		must(t, err)
	}
	t.Fatal("the sign-in does not end")
	return nil
}

func TestPeopleSignInWithOIDCProvider(t *testing.T) {
	p := startOIDCProvider(t)
	for name, change := range map[string]func(*model.OIDCSettings){
		"RS256":                func(s *model.OIDCSettings) { s.ClientID = "RS256" },
		"PS256":                func(s *model.OIDCSettings) { s.ClientID = "PS256" },
		"ES256":                func(s *model.OIDCSettings) { s.ClientID = "ES256" },
		"EdDSA":                func(s *model.OIDCSettings) { s.ClientID = "EdDSA" },
		"a secret in the form": func(s *model.OIDCSettings) { s.ClientID = "post" },
		"a public client": func(s *model.OIDCSettings) {
			s.ClientID, s.ClientSecret = "public", model.Sensitive{}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := p.backend(t, change)
			must(t, b.(upstream.Prober).Probe(t.Context(), time.Now()))
			step, err := b.Authenticate(t.Context(), upstream.Attempt{Now: time.Now(), MaxAge: time.Hour, Hint: "ann"})
			must(t, err)
			answer := upstream.Answer{Now: time.Now(), State: step.State, Form: goes(t, p.browser(t), step.Redirect)}
			if answer.Form.Get("iss") != p.issuer {
				t.Errorf("no iss in %v", answer.Form)
			}
			proof, err := b.Validate(t.Context(), answer)
			must(t, err)
			m, problems := mapping.New(mapping.Default("OIDC"))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			person, err := m.Apply(proof.Claims)
			if err != nil || person.Subject != "ann" || person.Email != "ann@acme.example" || !person.EmailVerified || person.Name != "Ann" {
				t.Errorf("%+v, %v", person, err)
			}
			if time.Since(proof.AuthTime) > time.Minute || proof.Renewal != nil {
				t.Errorf("%+v", proof)
			}
			if _, err := b.Validate(t.Context(), answer); !errors.Is(err, upstream.ErrRefused) {
				t.Errorf("the same code again: %v", err)
			}
		})
	}
}

func TestOIDCProviderSaysNo(t *testing.T) {
	p := startOIDCProvider(t)
	b := p.backend(t, func(s *model.OIDCSettings) { s.Prompt = "none" })
	step, err := b.Authenticate(t.Context(), upstream.Attempt{Now: time.Now()})
	must(t, err)
	form := goes(t, p.browser(t), step.Redirect)
	if _, err := b.Validate(t.Context(), upstream.Answer{Now: time.Now(), State: step.State, Form: form}); !errors.Is(err, upstream.ErrRefused) || !strings.Contains(err.Error(), "login_required") {
		t.Errorf("%v: %v", form, err)
	}
	wrong := p.backend(t, func(s *model.OIDCSettings) { s.ClientSecret = model.NewSensitive("another") })
	step, err = wrong.Authenticate(t.Context(), upstream.Attempt{Now: time.Now()})
	must(t, err)
	form = goes(t, p.browser(t), step.Redirect)
	if _, err := wrong.Validate(t.Context(), upstream.Answer{Now: time.Now(), State: step.State, Form: form}); !errors.Is(err, upstream.ErrRefused) || !strings.Contains(err.Error(), "invalid_client") {
		t.Errorf("%v", err)
	}
}

func TestOIDCProviderIsAskedAgain(t *testing.T) {
	p := startOIDCProvider(t)
	b := p.backend(t, func(s *model.OIDCSettings) { s.Scopes, s.Prompt = append(s.Scopes, "offline_access"), "consent" })
	browser := p.browser(t)
	sign := func(a upstream.Attempt) upstream.Proof {
		t.Helper()
		a.Now = time.Now()
		step, err := b.Authenticate(t.Context(), a)
		must(t, err)
		proof, err := b.Validate(t.Context(), upstream.Answer{Now: time.Now(), State: step.State, Form: goes(t, browser, step.Redirect)})
		must(t, err)
		return proof
	}
	first := sign(upstream.Attempt{})
	// In the same browser the person proves it once more.
	if again := sign(upstream.Attempt{Again: true}); again.AuthTime.Before(first.AuthTime) {
		t.Errorf("%v, then %v", first.AuthTime, again.AuthTime)
	}
	asks := b.(upstream.Rechecker)
	second, err := asks.Recheck(t.Context(), time.Now(), "ann", first.Renewal)
	if err != nil || second.Claims["email"] != "ann@acme.example" || string(second.Renewal) == string(first.Renewal) {
		t.Fatalf("%+v, %v", second, err)
	}
	answer, err := browser.Get(p.issuer + "/gone/ann")
	must(t, err)
	_ = answer.Body.Close()
	if _, err := asks.Recheck(t.Context(), time.Now(), "ann", second.Renewal); !errors.Is(err, upstream.ErrGone) {
		t.Errorf("after the account went: %v", err)
	}
}
