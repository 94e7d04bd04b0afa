package tokens

import (
	"crypto"
	"crypto/ecdsa"
	"encoding/asn1"
	"encoding/json"
	"io"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
)

// published is the public half of a key, which is all that verifying needs.
type published struct{ crypto.PublicKey }

func (p published) Public() crypto.PublicKey                                { return p.PublicKey }
func (published) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { panic("no private half") }

// The payload of all examples of RFC 7515 appendix A but A.4.
const example = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

// RFC 7515 appendix A.2 and A.3.
var signedExamples = map[string]struct{ alg, jwk, input, signature string }{
	"A.2": {
		keyring.RS256,
		`{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}`,
		"eyJhbGciOiJSUzI1NiJ9." + example,
		"cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
	},
	"A.3": {
		keyring.ES256,
		`{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`,
		"eyJhbGciOiJFUzI1NiJ9." + example,
		"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
	},
}

func publicKey(t *testing.T, alg, jwk string) *signingKey {
	t.Helper()
	var key jose.JSONWebKey
	if err := json.Unmarshal([]byte(jwk), &key); err != nil {
		t.Fatal(err)
	}
	return &signingKey{SigningKey: keyring.SigningKey{Alg: alg, Private: published{key.Key}}}
}

// ASVS 9.1.1: the published examples verify, and nothing else does.
func TestSignaturesOfRFC7515Verify(t *testing.T) {
	for name, e := range signedExamples {
		k := publicKey(t, e.alg, e.jwk)
		signature, err := strict64.DecodeString(e.signature)
		if err != nil {
			t.Fatal(err)
		}
		if !k.verify([]byte(e.input), signature) {
			t.Errorf("%s does not verify", name)
		}
		for i := range signature {
			changed := slices.Clone(signature)
			if changed[i] ^= 1; k.verify([]byte(e.input), changed) {
				t.Errorf("%s verifies with another byte %d", name, i)
			}
		}
		for what, other := range map[string][]byte{
			"nothing": nil, "a byte less": signature[1:], "a byte more": append(slices.Clone(signature), 0), "zeros": make([]byte, len(signature)),
		} {
			if k.verify([]byte(e.input), other) {
				t.Errorf("%s verifies with %s", name, what)
			}
		}
		if k.verify([]byte(e.input+" "), signature) {
			t.Errorf("%s verifies something else", name)
		}
		for otherName, other := range signedExamples {
			if raw, _ := strict64.DecodeString(other.signature); otherName != name && k.verify([]byte(other.input), raw) {
				t.Errorf("the key of %s verifies %s", name, otherName)
			}
		}
	}
}

// RFC 7518 section 3.4: each number has 32 bytes, however small it is.
func TestSmallNumbersOfASignatureAreFilledUp(t *testing.T) {
	der := func(numbers ...*big.Int) []byte {
		raw, err := asn1.Marshal(numbers)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	one, large := big.NewInt(1), new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	got, err := appendFixed([]byte("before"), der(one, large))
	if want := "before" + strings.Repeat("\x00", 31) + "\x01" + strings.Repeat("\xff", 32); err != nil || string(got) != want {
		t.Errorf("%x, %v", got, err)
	}
	for name, bad := range map[string][]byte{
		"one number": der(one), "three numbers": der(one, one, one), "a negative one": der(one, big.NewInt(-1)),
		"a large one": der(one, new(big.Int).Add(large, one)), "more": append(der(one, one), 0), "nothing": nil,
	} {
		if got, err := appendFixed(nil, bad); err == nil {
			t.Errorf("%s is taken as %x", name, got)
		}
	}
}

// ASVS 9.1.2: also examples that somebody has signed well are not ours.
func TestExamplesOfRFC7515AreNotTakenForOurs(t *testing.T) {
	m := minter(t)
	refused(t, m, "A.1", "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."+example+".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
	refused(t, m, "A.5", "eyJhbGciOiJub25lIn0."+example+".")
	for name, e := range signedExamples {
		refused(t, m, name, e.input+"."+e.signature)
	}
}

// RFC 7517 appendix A.2: its private key has the public half of appendix A.1, as we write it.
func TestAPublicHalfIsWrittenAsInRFC7517(t *testing.T) {
	const private = `{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",` +
		`"d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}`
	var key jose.JSONWebKey
	if err := json.Unmarshal([]byte(private), &key); err != nil {
		t.Fatal(err)
	}
	ring := ringWith(t, key.Key.(*ecdsa.PrivateKey))
	m := NewMinter("https://id.example", ring)
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(m.JWKS(noon), &set); err != nil {
		t.Fatal(err)
	}
	kid := ring.SigningKeys(keyring.ES256)[0].KID
	want := map[string]string{
		"kty": "EC", "crv": "P-256", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
		"use": "sig", "alg": "ES256", "kid": kid,
	}
	i := slices.IndexFunc(set.Keys, func(k map[string]string) bool { return k["kid"] == kid })
	if i < 0 {
		t.Fatal("it is not published")
	}
	if diff := cmp.Diff(want, set.Keys[i]); diff != "" {
		t.Error(diff)
	}
	if text := mintJWT(t, m, sample()); !publicKey(t, keyring.ES256, encodeJSON(t, without(want, "use", "kid"))).verifies(t, text) {
		t.Error("it signs otherwise")
	}
}

func without(o map[string]string, names ...string) map[string]string {
	rest := maps.Clone(o)
	for _, name := range names {
		delete(rest, name)
	}
	return rest
}

func (k *signingKey) verifies(t *testing.T, text string) bool {
	t.Helper()
	dot := strings.LastIndexByte(text, '.')
	signature, err := strict64.DecodeString(text[dot+1:])
	if err != nil {
		t.Fatal(err)
	}
	return k.verify([]byte(text[:dot]), signature)
}
