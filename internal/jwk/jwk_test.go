package jwk

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var (
	rsaKey     = must(rsa.GenerateKey(rand.Reader, 2048))
	weakKey    = must(rsa.GenerateKey(rand.Reader, 1024))
	p256       = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	p384       = must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	p521       = must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	ed, edPriv = func() (ed25519.PublicKey, ed25519.PrivateKey) {
		a, b, _ := ed25519.GenerateKey(rand.Reader)
		return a, b
	}()
)

// with is a JWK with members added, or with those that are nil removed.
func with(key any, members map[string]any) map[string]any {
	all := map[string]any{}
	if err := json.Unmarshal(must(json.Marshal(jose.JSONWebKey{Key: key})), &all); err != nil {
		panic(err)
	}
	for name, value := range members {
		if all[name] = value; value == nil {
			delete(all, name)
		}
	}
	return all
}

func set(keys ...map[string]any) []byte {
	return must(json.Marshal(map[string]any{"keys": keys}))
}

func TestEachKindOfKeyVerifiesItsAlgorithmsOnly(t *testing.T) {
	for _, c := range []struct {
		key  map[string]any
		want string
	}{
		{with(rsaKey.Public(), nil), "[RS256 PS256]"},
		{with(rsaKey.Public(), map[string]any{"alg": "PS256", "use": "sig", "kid": "a"}), "[PS256]"},
		{with(p256.Public(), map[string]any{"key_ops": []string{"verify"}, "x5u": "https://evil.example"}), "[ES256]"},
		{with(p384.Public(), nil), "[ES384]"},
		{with(p521.Public(), nil), "[ES512]"},
		{with(ed, nil), "[EdDSA]"},
	} {
		keys, problems := Parse(set(c.key))
		if len(keys) != 1 || len(problems) > 0 || fmt.Sprint(keys[0].Algorithms) != c.want || keys[0].Thumbprint == "" {
			t.Errorf("%v: %+v, %v", c.key, keys, problems)
		}
	}
}

// RFC 7638 section 3.1.
func TestThumbprintIsThatOfTheRFC(t *testing.T) {
	keys, problems := Parse([]byte(`{"keys":[{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}]}`))
	if len(keys) != 1 || keys[0].Thumbprint != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Errorf("%+v %v", keys, problems)
	}
}

func TestWhatIsNoPublicKeyForSignaturesIsRefusedByName(t *testing.T) {
	for path, c := range map[string][]byte{
		"":        []byte(`{"keys":[{"kty":"RSA"}],"keys":[]}`),
		"keys":    []byte(`{"keys":[]}`),
		"keys[0]": set(map[string]any{"kty": "RSA"}),

		"keys[0].d":       set(with(p256, nil)),
		"keys[0].k":       set(map[string]any{"kty": "oct", "k": "c2VjcmV0"}),
		"keys[0].p":       set(with(rsaKey.Public(), map[string]any{"p": "AQ"})),
		"keys[0].use":     set(with(p256.Public(), map[string]any{"use": "enc"})),
		"keys[0].key_ops": set(with(p256.Public(), map[string]any{"key_ops": []string{"encrypt"}})),
		"keys[0].alg":     set(with(p256.Public(), map[string]any{"alg": "RS256"})),
		"keys[0].n":       set(with(weakKey.Public(), nil)),
		"keys[0].e":       set(with(&rsa.PublicKey{N: rsaKey.N, E: 3}, nil)),
		"keys[1].kid":     set(with(p256.Public(), map[string]any{"kid": "a"}), with(p384.Public(), map[string]any{"kid": "a"})),
		"keys[2].kid":     set(with(p256.Public(), map[string]any{"kid": "a"}), with(p384.Public(), map[string]any{"kid": "b"}), with(ed, nil)),
	} {
		_, problems := Parse(c)
		if len(problems) != 1 || problems[0].Path != path || problems[0].Message == "" {
			t.Errorf("%s: %+v", path, problems)
		}
	}
}

func TestOtherSetsAreRefused(t *testing.T) {
	offCurve := with(p256.Public(), nil)
	offCurve["y"] = with(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)).Public(), nil)["y"]
	var many []map[string]any
	for i := range MostKeys + 1 {
		many = append(many, with(ed, map[string]any{"kid": fmt.Sprint(i)}))
	}
	for name, c := range map[string][]byte{
		"nothing":            nil,
		"no set":             []byte(`[]`),
		"a bare key":         must(json.Marshal(with(ed, nil))),
		"too many":           set(many...),
		"off the curve":      set(offCurve),
		"a member twice":     []byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"a","x":"b"}]}`),
		"alg none":           set(with(ed, map[string]any{"alg": "none"})),
		"alg HS256 on RSA":   set(with(rsaKey.Public(), map[string]any{"alg": "HS256"})),
		"a kid of many":      set(with(ed, map[string]any{"kid": strings.Repeat("x", 257)})),
		"a kid that is none": set(with(ed, map[string]any{"kid": 7})),
	} {
		if keys, problems := Parse(c); len(keys) > 0 || len(problems) == 0 {
			t.Errorf("%s: %+v, %v", name, keys, problems)
		}
	}
}

// A problem is shown to people: it must not repeat the key that should not be there.
func TestProblemsShowNothingOfAPrivateKey(t *testing.T) {
	for _, key := range []crypto.PrivateKey{rsaKey, p256, edPriv} {
		private := with(key, nil)
		_, problems := Parse(set(private))
		if len(problems) == 0 || strings.Contains(fmt.Sprint(problems), private["d"].(string)) {
			t.Errorf("%v", problems)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(set(with(p256.Public(), nil)))
	f.Add(set(with(rsaKey, nil)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		keys, _ := Parse(raw)
		for _, k := range keys {
			if len(k.Algorithms) == 0 || k.Thumbprint == "" || k.Public == nil {
				t.Errorf("%+v", k)
			}
		}
	})
}
