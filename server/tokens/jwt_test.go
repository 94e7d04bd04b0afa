package tokens

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/test/keyringtest"
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

// A token that another library makes with our keys is as good as ours.
func TestWhatAnotherLibrarySignsWithOurKeysIsRead(t *testing.T) {
	keys, err := keyringtest.New()
	if err != nil {
		t.Fatal(err)
	}
	m := NewMinter("https://id.example", keys)
	for _, alg := range algorithms {
		payload, err := json.Marshal(idClaims())
		if err != nil {
			t.Fatal(err)
		}
		got, ok := m.ParseIDToken(signedElsewhere(t, keys, alg, typeID, payload))
		if !ok || *got != (Hint{"u1", "acme.web", noon, noon.Add(10 * time.Minute)}) {
			t.Errorf("%s: %+v, %t", alg, got, ok)
		}
	}
	want := sample()
	_, ours := verified(t, m, keyring.ES256, mintJWT(t, m, want))
	payload, err := json.Marshal(ours)
	if err != nil {
		t.Fatal(err)
	}
	got, ok := m.ParseAccess(signedElsewhere(t, keys, keyring.ES256, typeAccess, payload))
	if !ok {
		t.Fatal("an access token is refused")
	}
	if diff := cmp.Diff(want, *got); diff != "" {
		t.Error(diff)
	}
}

func idClaims() map[string]any {
	return map[string]any{
		"iss": "https://id.example", "sub": "u1", "aud": "acme.web", "iat": noon.Unix(), "exp": noon.Unix() + 600,
		"unknown": map[string]any{"sub": "u2"}, "also": []any{"unknown"},
	}
}

func signedElsewhere(t *testing.T, keys *keyring.Keyring, alg, kind string, payload []byte) string {
	t.Helper()
	key := jose.JSONWebKey{Key: privateHalf(t, keys, alg), KeyID: keys.SigningKeys(alg)[0].KID}
	options := (&jose.SignerOptions{}).WithType(jose.ContentType(kind))
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := s.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// privateHalf reads a key as it is written: a keyring in use shows it to nobody.
func privateHalf(t *testing.T, keys *keyring.Keyring, alg string) any {
	t.Helper()
	raw, err := keys.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	var written map[string]any
	if err := json.Unmarshal(raw, &written); err != nil {
		t.Fatal(err)
	}
	first := written[strings.ToLower(alg)+"Keys"].([]any)[0].(map[string]any)["key"].(string)
	pkcs8, err := base64.StdEncoding.DecodeString(first)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		t.Fatal(err)
	}
	return private
}

// JWTs are signed by the key of their time; the one before it verifies on.
func TestJWTsSurviveTheRotationOfKeys(t *testing.T) {
	first, err := keyringtest.New()
	if err != nil {
		t.Fatal(err)
	}
	before, m := NewMinter("https://id.example", first), NewMinter("https://id.example", rotated(t, first))
	for _, alg := range algorithms {
		early, late := sampleID(), sampleID()
		early.IssuedAt = noon.Add(-time.Millisecond)
		for name, c := range map[string]struct {
			text  string
			knows bool // the minter that has not read the new key
		}{
			"the old key's":                   {mintID(t, before, alg, late), true},
			"one from before it takes over":   {mintID(t, m, alg, early), true},
			"one from when it has taken over": {mintID(t, m, alg, late), false},
		} {
			if _, ok := m.ParseIDToken(c.text); !ok {
				t.Errorf("%s: %s is refused", alg, name)
			}
			if _, ok := before.ParseIDToken(c.text); ok != c.knows {
				t.Errorf("%s: %s is read without the new key: %t", alg, name, ok)
			}
		}
	}
	for _, text := range []string{mintJWT(t, before, sample()), mintJWT(t, m, sample())} {
		if _, ok := m.ParseAccess(text); !ok {
			t.Error("an access token is refused")
		}
	}
}

func TestTheKeySetHasNextCurrentAndRetiredKeysUntilTheyProtectNothing(t *testing.T) {
	first, err := keyringtest.New()
	if err != nil {
		t.Fatal(err)
	}
	second := rotated(t, first)
	m := NewMinter("https://id.example", second)
	kids := func(now time.Time) string {
		var all []string
		for _, k := range jwks(t, m, now).Keys {
			if !k.Valid() || !k.IsPublic() || k.Use != "sig" {
				t.Errorf("key %+v", k)
			}
			all = append(all, k.Algorithm+" "+k.KeyID)
		}
		return strings.Join(all, "\n")
	}
	want := func(rings ...*keyring.Keyring) string {
		var all []string
		for _, alg := range algorithms {
			for _, ring := range rings {
				line := ring.SigningKeys(alg)
				all = append(all, alg+" "+line[len(line)-1].KID)
			}
		}
		return strings.Join(all, "\n")
	}
	for after, want := range map[time.Duration]string{
		-keyring.Lead:             want(first, second), // the next key is there at once
		0:                         want(first, second),
		keyring.LongestAccess - 1: want(first, second),
		keyring.LongestAccess:     want(second),
	} {
		if got := kids(noon.Add(after)); got != want {
			t.Errorf("after %v: %s, want %s", after, got, want)
		}
	}
	m.Use(first)
	if got := kids(noon); got != want(first) {
		t.Errorf("another keyring is used: %s", got)
	}
	for name := range rawKeys(t, m) {
		if !slices.Contains([]string{"kty", "use", "alg", "kid", "n", "e", "crv", "x", "y"}, name) {
			t.Errorf("a key has the member %q", name)
		}
	}
}

// rawKeys is every member of every key that is published.
func rawKeys(t *testing.T, m *Minter) map[string]bool {
	t.Helper()
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(m.JWKS(noon), &set); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, key := range set.Keys {
		for name := range key {
			names[name] = true
		}
	}
	return names
}

func BenchmarkMintIDTokenRS256(b *testing.B) { benchmarkMintID(b, keyring.RS256) }
func BenchmarkMintIDTokenES256(b *testing.B) { benchmarkMintID(b, keyring.ES256) }

func benchmarkMintID(b *testing.B, alg string) {
	m, id := minter(b), sampleID()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.MintIDToken(alg, &id); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMintAccessJWT(b *testing.B) {
	m, a := minter(b), sample()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.MintAccessJWT(&a, "u1", "acme.web", "acme"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseAccessJWT(b *testing.B) {
	m := minter(b)
	text := mintJWT(b, m, sample())
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := m.ParseAccess(text); !ok {
			b.Fatal("refused")
		}
	}
}
