package tokens

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
)

var algorithms = []string{keyring.RS256, keyring.ES256}

func sampleID() IDToken {
	return IDToken{
		Subject: "u1", Audience: "acme.web", IssuedAt: noon, ExpiresAt: noon.Add(10 * time.Minute), AuthTime: noon.Add(-time.Hour),
		Nonce: "n-0S6_WzA2Mj", ACR: "1", AMR: []string{"pwd", "otp"}, AccessToken: "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y",
		OrganizationSlug: "acme", OrganizationID: "5f0e8a0e-0000-4000-8000-000000000001",
		Name: `Ann "the" Überprüferin` + "\x01\xff", Email: "ann@acme.com", EmailVerified: true, Groups: []string{"role:admin", "role:dev"},
	}
}

func mintID(t testing.TB, m *Minter, alg string, id IDToken) string {
	t.Helper()
	text, err := m.MintIDToken(alg, &id)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func mintJWT(t testing.TB, m *Minter, a Access) string {
	t.Helper()
	text, err := m.MintAccessJWT(&a, "u1", "acme.web", "acme")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// jwks is what the minter publishes, as another library reads it.
func jwks(t testing.TB, m *Minter, now time.Time) *jose.JSONWebKeySet {
	t.Helper()
	set := &jose.JSONWebKeySet{}
	if err := json.Unmarshal(m.JWKS(now), set); err != nil {
		t.Fatal(err)
	}
	return set
}

// verified is the header and the claims of a token, as another library that knows only the
// published keys reads it.
func verified(t testing.TB, m *Minter, alg, text string) (head jose.Header, c map[string]any) {
	t.Helper()
	parsed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := parsed.Verify(jwks(t, m, noon))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(payload, &c); err != nil {
		t.Fatalf("%v in %s", err, payload)
	}
	return parsed.Signatures[0].Protected, c
}

func TestIDTokensSayWhatTheyShouldToAnotherLibrary(t *testing.T) {
	m := minter(t)
	for _, alg := range algorithms {
		id := sampleID()
		head, got := verified(t, m, alg, mintID(t, m, alg, id))
		if head.Algorithm != alg || head.ExtraHeaders["typ"] != "JWT" || len(jwks(t, m, noon).Key(head.KeyID)) != 1 {
			t.Errorf("header %+v", head)
		}
		want := map[string]any{
			"iss": "https://id.example", "sub": "u1", "aud": "acme.web", "nonce": "n-0S6_WzA2Mj", "acr": "1",
			"exp": float64(noon.Unix() + 600), "iat": float64(noon.Unix()), "auth_time": float64(noon.Unix() - 3600),
			"amr":     []any{"pwd", "otp"},
			"at_hash": "77QmUPtjPfzWtF2AnpK9RQ", // of the access token of OpenID Connect Core A.3, as it is there
			"org":     "acme", "org_id": "5f0e8a0e-0000-4000-8000-000000000001",
			"name": `Ann "the" Überprüferin` + "\x01\uFFFD", "email": "ann@acme.com", "email_verified": true,
			"groups": []any{"role:admin", "role:dev"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}

		bare := IDToken{Subject: "u1", Audience: "acme.web", IssuedAt: noon, ExpiresAt: noon.Add(time.Minute), Email: "ann@acme.com", Groups: []string{}}
		_, got = verified(t, m, alg, mintID(t, m, alg, bare))
		want = map[string]any{
			"iss": "https://id.example", "sub": "u1", "aud": "acme.web", "exp": float64(noon.Unix() + 60), "iat": float64(noon.Unix()),
			"email": "ann@acme.com", "email_verified": false, "groups": []any{},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	if _, err := m.MintIDToken("HS256", &IDToken{}); err == nil {
		t.Error("HS256 signs")
	}
}

func TestAccessJWTsSayWhatTheyShouldToAnotherLibrary(t *testing.T) {
	m, a := minter(t), sample()
	a.IssuedAt, a.ExpiresAt = noon.Add(999*time.Millisecond), noon.Add(time.Minute+999*time.Millisecond)
	head, got := verified(t, m, keyring.ES256, mintJWT(t, m, a))
	if head.ExtraHeaders["typ"] != "at+jwt" || len(jwks(t, m, noon).Key(head.KeyID)) != 1 {
		t.Errorf("header %+v", head)
	}
	jti, _ := got["jti"].(string)
	if len(jti) < 40 || strings.Trim(jti, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		t.Errorf("jti %q", jti)
	}
	want := map[string]any{
		"iss": "https://id.example", "sub": "u1", "aud": "https://id.example/organizations/acme", "jti": jti,
		"exp": float64(noon.Unix() + 60), "iat": float64(noon.Unix()),
		"client_id": "acme.web", "scope": "org:read project:write",
		"org": "acme", "org_id": "5f0e8a0e-0000-4000-8000-000000000001",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAccessJWTReadsBackAsItWasMinted(t *testing.T) {
	m := minter(t)
	ofGrant, ofApplication, bare := sample(), sample(), sample()
	ofApplication.GrantID, ofApplication.ApplicationUID = [16]byte{}, "any text is a UID"
	bare.Scopes, bare.OrganizationID = nil, ""
	for _, want := range []Access{ofGrant, ofApplication, bare} {
		want.IssuedAt = want.IssuedAt.Add(123 * time.Millisecond)
		minted := want
		minted.ExpiresAt = want.ExpiresAt.Add(999 * time.Millisecond)
		got, ok := m.ParseAccess(mintJWT(t, m, minted))
		if !ok {
			t.Fatal("it is refused")
		}
		if diff := cmp.Diff(want, *got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestIDTokenReadsBackAsAHintWhateverTheTime(t *testing.T) {
	m := minter(t)
	for _, alg := range algorithms {
		id := sampleID()
		got, ok := m.ParseIDToken(mintID(t, m, alg, id))
		if !ok || *got != (Hint{"u1", "acme.web", noon, noon.Add(10 * time.Minute)}) {
			t.Errorf("%s: %+v, %t", alg, got, ok)
		}
	}
}

// privateKey is the key that signs at noon, for another library: it only signs.
type privateKey struct{ keyring.SigningKey }

func signingAt(m *Minter, alg string) privateKey {
	all := m.keys.Load().signing[alg]
	return privateKey{all.line[all.line.Current(noon)]}
}

func (k privateKey) Public() *jose.JSONWebKey {
	return &jose.JSONWebKey{Key: k.Private.Public(), KeyID: k.KID, Algorithm: k.Alg}
}

func (k privateKey) Algs() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.SignatureAlgorithm(k.Alg)}
}

func (k privateKey) SignPayload(payload []byte, _ jose.SignatureAlgorithm) ([]byte, error) {
	return (&signingKey{SigningKey: k.SigningKey}).sign(nil, payload)
}

// forge signs any header and claims with our own key: what is refused then is refused for
// what it says.
func forge(t testing.TB, k privateKey, head, payload string) string {
	t.Helper()
	input := encode(head) + "." + encode(payload)
	signature, err := (&signingKey{SigningKey: k.SigningKey}).sign(nil, []byte(input))
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + encode(string(signature))
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func encodeJSON(t testing.TB, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func headOf(k privateKey, kind string) map[string]any {
	return map[string]any{"alg": k.Alg, "kid": k.KID, "typ": kind}
}

func with[M ~map[K]V, K comparable, V any](m M, key K, value V) M {
	changed := maps.Clone(m)
	changed[key] = value
	return changed
}
