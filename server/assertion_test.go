package server_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"github.com/gatehouse-dev/gatehouse/internal/jwk"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server"
	"github.com/gatehouse-dev/gatehouse/server/outbound"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// keyed is a world with a client that has a private key in the place of its secret.
type keyed struct {
	*servertest.World
	private ed25519.PrivateKey
}

func newKeyed(t testing.TB, clients ...string) *keyed { return newKeyedWith(t, nil, clients...) }

func newKeyedWith(t testing.TB, options []servertest.Option, clients ...string) *keyed {
	t.Helper()
	w := &keyed{World: servertest.New(t, options...)}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w.private = private
	for _, client := range clients {
		a := w.Declared.Applications[client]
		a.Secrets, a.Proofs = nil, model.Proofs{Keys: jwks(t, "", public)}
	}
	w.Publish(t)
	return w
}

// jwks reads a key as Compile does.
func jwks(t testing.TB, kid string, public crypto.PublicKey) []jwk.Key {
	t.Helper()
	raw, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: public, KeyID: kid}}})
	if err != nil {
		t.Fatal(err)
	}
	keys, problems := jwk.Parse(raw)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return keys
}

func (w *keyed) assertion(t testing.TB, claims map[string]any) string {
	t.Helper()
	return signed(t, jose.EdDSA, w.private, "", claims)
}

func signed(t testing.TB, alg jose.SignatureAlgorithm, key any, kid string, claims map[string]any) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithHeader("kid", kid)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(raw)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (w *keyed) claims(client string) map[string]any {
	return map[string]any{
		"iss": client, "sub": client, "aud": w.HTTP.URL, "jti": uuid.NewString(), "exp": w.Now().Add(time.Minute).Unix(), "iat": w.Now().Unix(),
	}
}

// as posts a form with a new assertion of the client.
func (w *keyed) as(t testing.TB, client, path string, pairs ...string) servertest.Answer {
	t.Helper()
	return w.with(t, w.assertion(t, w.claims(client)), path, pairs...)
}

func (w *keyed) with(t testing.TB, assertion, path string, pairs ...string) servertest.Answer {
	t.Helper()
	return w.Post(t, path, "", append(pairs, "client_assertion_type", assertionType, "client_assertion", assertion)...)
}

// ASVS 10.4.10, 10.4.16: wherever clients are authenticated, by every grant.
func TestAClientProvesItselfByAssertionEverywhere(t *testing.T) {
	w := newKeyed(t, servertest.Box, servertest.Machine, servertest.Web)
	ok := func(what string, a servertest.Answer) servertest.Answer {
		t.Helper()
		if a.Status != 200 {
			t.Fatalf("%s: %d %s", what, a.Status, a.Body)
		}
		return a
	}
	own := ok("client_credentials", w.as(t, servertest.Machine, "/oauth/token/", "grant_type", "client_credentials")).Text("access_token")

	started := ok("device authorization", w.as(t, servertest.Box, "/oauth/device/code/"))
	w.Approve(t, started.Text("user_code"), servertest.Ann)
	device := ok("device code", w.as(t, servertest.Box, "/oauth/token/", "grant_type", servertest.DeviceGrant, "device_code", started.Text("device_code")))
	ok("refresh", w.as(t, servertest.Box, "/oauth/token/", "grant_type", "refresh_token", "refresh_token", device.Text("refresh_token")))

	code := w.SignedIn(t, servertest.Ann).Code(t, servertest.Web)
	ok("code", w.as(t, servertest.Web, "/oauth/token/", "grant_type", "authorization_code", "code", code,
		"redirect_uri", servertest.Redirects[servertest.Web][0], "code_verifier", servertest.Verifier))

	if told := ok("introspection", w.as(t, servertest.Machine, "/oauth/introspect/", "token", own)); told.JSON()["active"] != true {
		t.Errorf("%s", told.Body)
	}
	ok("revocation", w.as(t, servertest.Machine, "/oauth/revoke/", "token", own))
	if told := ok("introspection", w.as(t, servertest.Machine, "/oauth/introspect/", "token", own)); told.JSON()["active"] != false {
		t.Errorf("%s", told.Body)
	}
}

// A refusal is the same, byte for byte, for whoever exists and whoever does not.
func TestARefusedAssertionTellsNothing(t *testing.T) {
	w := newKeyed(t, servertest.Machine)
	good := w.assertion(t, w.claims(servertest.Machine))
	wrong := w.claims(servertest.Machine)
	wrong["aud"] = w.HTTP.URL + "/oauth/token/"
	for _, path := range []string{"/oauth/token/", "/oauth/introspect/", "/oauth/revoke/", "/oauth/device/code/"} {
		pairs := []string{"grant_type", "client_credentials", "token", "x"}
		want := w.with(t, w.assertion(t, w.claims("acme.nobody")), path, pairs...)
		refused(t, want, 401, "invalid_client")
		for name, assertion := range map[string]string{
			"another audience": w.assertion(t, wrong), "no JWT": "x", "a client with a secret": w.assertion(t, w.claims(servertest.Box)),
			"a public client": w.assertion(t, w.claims(cli)),
		} {
			if got := w.with(t, assertion, path, pairs...); strings.Contains(string(got.Body), "aud") || got.Status != want.Status || !bytes.Equal(got.Body, want.Body) {
				t.Errorf("%s at %s: %d %s, for nobody %s", name, path, got.Status, got.Body, want.Body)
			}
		}
	}
	// Whoever operates the server reads what nobody else is told.
	if log := w.Log.String(); !strings.Contains(log, "aud is not the issuer alone") {
		t.Errorf("the log does not say what is wrong: %s", log)
	}
	if a := w.with(t, good, "/oauth/token/", "grant_type", "client_credentials"); a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	for _, path := range []string{"/oauth/token/", "/oauth/introspect/"} {
		refused(t, w.with(t, good, path, "grant_type", "client_credentials", "token", "x"), 401, "invalid_client")
	}
	form := servertest.Form("grant_type", "client_credentials", "client_assertion_type", assertionType, "client_assertion", w.assertion(t, w.claims(servertest.Machine)))
	r := w.Request(t, "POST", "/oauth/token/", form.Encode())
	r.SetBasicAuth(url.QueryEscape(servertest.Machine), "")
	refused(t, w.Do(t, r), 400, "invalid_request")
}

// Each use is remembered for as long as the assertion lives, so an application may not make
// as many as it likes; the next assertion after the wait is good.
func TestAssertionsOfAnApplicationAreLimited(t *testing.T) {
	w := newKeyedWith(t, []servertest.Option{servertest.RateLimits}, servertest.Machine)
	post := func() servertest.Answer {
		return w.as(t, servertest.Machine, "/oauth/token/", "grant_type", "client_credentials")
	}
	for range 500 {
		if a := post(); a.Status != 200 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
	}
	spared := w.assertion(t, w.claims(servertest.Machine))
	again := func() servertest.Answer {
		return w.with(t, spared, "/oauth/token/", "grant_type", "client_credentials")
	}
	refused(t, again(), 429, "temporarily_unavailable")
	w.Pass(time.Second)
	if a := again(); a.Status != 200 {
		t.Errorf("after the wait: %d %s", a.Status, a.Body)
	}
}

// A Pod sends the token that the kubelet gave it again and again.
func TestAPodProvesItselfByItsToken(t *testing.T) {
	w := newKeyed(t)
	a := w.Declared.Applications[servertest.Machine]
	a.Secrets, a.Proofs = nil, model.Proofs{ServiceAccounts: []model.ServiceAccount{{Namespace: "acme", Name: "ci"}}}
	w.Publish(t)
	const cluster = "https://kubernetes.default.svc"
	token := signed(t, jose.EdDSA, w.private, "c", map[string]any{
		"iss": cluster, "sub": "system:serviceaccount:acme:ci", "aud": []string{w.HTTP.URL}, "exp": w.Now().Add(time.Hour).Unix(), "iat": w.Now().Unix(),
	})
	post := func() servertest.Answer {
		return w.with(t, token, "/oauth/token/", "grant_type", "client_credentials", "client_id", servertest.Machine)
	}
	refused(t, post(), 401, "invalid_client")
	w.Server.UseCluster(cluster, jwks(t, "c", w.private.Public()))
	for range 2 {
		if got := post(); got.Status != 200 {
			t.Errorf("%d %s", got.Status, got.Body)
		}
	}
	refused(t, w.with(t, token, "/oauth/token/", "grant_type", "client_credentials"), 401, "invalid_client")
	w.Pass(time.Hour + time.Minute)
	refused(t, post(), 401, "invalid_client")
}

// The whole way: the server reads the keys where they are published, and only where it may.
func TestTheKeysAtAJWKSURIAreReadWhereItIsAllowed(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	house := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: public, KeyID: "a"}}})
	}))
	t.Cleanup(house.Close)
	roots := x509.NewCertPool()
	roots.AddCert(house.Certificate())
	for _, c := range []struct {
		allow  []netip.Prefix
		status int
		asked  int64
	}{{nil, 401, 0}, {[]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, 200, 1}} {
		w := &keyed{private: private, World: servertest.New(t, func(config *server.Config) {
			config.Outbound = outbound.Options{Allow: c.allow, RootCAs: roots}
		})}
		a := w.Declared.Applications[servertest.Machine]
		a.Secrets, a.Proofs = nil, model.Proofs{KeysURI: house.URL + "/jwks.json"}
		w.Publish(t)
		for range 2 {
			got := w.with(t, signed(t, jose.EdDSA, private, "a", w.claims(servertest.Machine)), "/oauth/token/", "grant_type", "client_credentials")
			if got.Status != c.status || asked.Load() != c.asked {
				t.Errorf("allowed %v: %d %s, asked %d times", c.allow, got.Status, got.Body, asked.Load())
			}
		}
	}
}

func BenchmarkClientCredentialsByAssertion(b *testing.B) {
	w := newKeyed(b, servertest.Machine)
	assertions := make([]string, b.N)
	for i := range assertions {
		assertions[i] = w.assertion(b, w.claims(servertest.Machine))
	}
	b.ResetTimer()
	b.SetParallelism(8)
	var next atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			a := assertions[next.Add(1)-1]
			if got := w.with(b, a, "/oauth/token/", "grant_type", "client_credentials"); got.Status != 200 {
				b.Errorf("%d %s", got.Status, got.Body)
			}
		}
	})
}

func BenchmarkClientCredentialsBySecret(b *testing.B) {
	w := servertest.New(b)
	b.ResetTimer()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if got := w.Post(b, "/oauth/token/", servertest.Machine, "grant_type", "client_credentials"); got.Status != 200 {
				b.Errorf("%d %s", got.Status, got.Body)
			}
		}
	})
}
