package tokens

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/test/keyringtest"
)

// ringWith returns a keyring whose ES256 key is the given one.
func ringWith(t testing.TB, private *ecdsa.PrivateKey) *keyring.Keyring {
	t.Helper()
	keys, err := keyringtest.New()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := keys.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	var written map[string]any
	if err := json.Unmarshal(raw, &written); err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	written["es256Keys"] = []map[string]any{{"key": pkcs8}}
	changed, err := json.Marshal(written)
	if err != nil {
		t.Fatal(err)
	}
	with, err := keyring.Parse(changed)
	if err != nil {
		t.Fatal(err)
	}
	return with
}

// seeds are texts from which the fuzzer begins, and which a plain test run reads.
func seeds(f *testing.F, m *Minter, minted string) {
	f.Helper()
	a := sample()
	head, rest, _ := strings.Cut(minted, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	k := signingAtNoon(m, keyring.ES256)
	for _, text := range []string{
		minted, m.MintAccess(&a), mintJWT(f, m, a), mintID(f, m, keyring.RS256, sampleID()), mintID(f, m, keyring.ES256, sampleID()),
		"", ".", "..", head, head + "..", head + "." + payload + ".", "." + payload + "." + signature, head + ".." + signature,
		encode(`{"alg":"none"}`) + "." + payload + ".", encode(`{"alg":"HS256","typ":"JWT"}`) + "." + payload + "." + signature,
		encode(`{"alg":"ES256","kid":"`+k.KID+`","typ":"at+jwt","crit":["exp"]}`) + "." + payload + "." + signature,
		encode(`{"alg":"ES256","kid":"../../x","typ":"at+jwt"}`) + "." + payload + "." + signature,
		minted + "=", minted + "\n", strings.Replace(minted, ".", ".\n", 1), strings.ToLower(minted), minted + "." + signature,
		"eyJhbGciOiJub25lIn0." + example + ".",
	} {
		f.Add(text)
	}
}

// sameInput reports whether two texts carry the same signed bytes: a signature of ECDSA has
// two forms, and whoever has one can write the other.
func sameInput(a, b string) bool {
	i, j := strings.LastIndexByte(a, '.'), strings.LastIndexByte(b, '.')
	return i >= 0 && j >= 0 && a[:i] == b[:j]
}

func FuzzParseAccessJWT(f *testing.F) {
	m := minter(f)
	minted := mintJWT(f, m, sample())
	seeds(f, m, minted)
	f.Fuzz(func(t *testing.T, text string) {
		if a, ok := m.parseAccessJWT(text); ok && !sameInput(text, minted) {
			// Another seed of ours, which the fuzzer was given.
			again, err := m.MintAccessJWT(a, "u1", "acme.web", "acme")
			if err != nil || !sameInput(text, again) {
				t.Errorf("%q is accepted", text)
			}
		}
	})
}

func FuzzParseIDToken(f *testing.F) {
	m := minter(f)
	minted := map[string]string{}
	for _, alg := range algorithms {
		minted[alg] = mintID(f, m, alg, sampleID())
	}
	seeds(f, m, minted[keyring.RS256])
	f.Add(minted[keyring.ES256])
	f.Fuzz(func(t *testing.T, text string) {
		if _, ok := m.ParseIDToken(text); ok && !sameInput(text, minted[keyring.RS256]) && !sameInput(text, minted[keyring.ES256]) {
			t.Errorf("%q is accepted", text)
		}
	})
}

// What is read of claims is what another reader would read, and no name is there twice.
func FuzzClaimsMeanWhatAnotherReaderReads(f *testing.F) {
	m := minter(f)
	for _, text := range []string{mintJWT(f, m, sample()), mintID(f, m, keyring.ES256, sampleID())} {
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(text, ".")[1])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload)
	}
	f.Add([]byte(`{"iss":"a","sub":"b","aud":"c","iat":1,"exp":2,"x":{"iss":"d"}}`))
	f.Add([]byte(`{"iss":"a","sub":"b","aud":"c","iat":1,"exp":2,"\u0069ss":"d"}`))
	f.Add([]byte(`{"iss":"a","sub":"b","aud":["c"],"iat":1.0,"exp":2e1} `))
	f.Add([]byte(" { \"iss\" : \"a\\\"}\" ,\t\"sub\":\"b\",\"aud\":\"c\",\r\n\"iat\":1 , \"exp\":2, \"x\": [ {\"]\":\"}\"}, [] , null ] } "))
	f.Add([]byte(`{"iss":"\ud800","sub":"b","aud":"c","iat":-1,"exp":99999999999}{}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, ok := parseClaims(raw)
		if !ok {
			return
		}
		var other map[string]any
		if err := json.Unmarshal(raw, &other); err != nil {
			t.Fatalf("%q is read, but it is no JSON: %v", raw, err)
		}
		if other["iss"] != c.issuer || other["sub"] != c.subject || other["aud"] != c.audience ||
			other["exp"] != float64(c.expires.Unix()) || other["iat"] != float64(c.issued.Unix()) {
			t.Errorf("%q is read as %+v", raw, c)
		}
		if n := members(t, raw); n != len(other) {
			t.Errorf("%q is read, though %d members have %d names", raw, n, len(other))
		}
	})
}

// members counts the members of a JSON object.
func members(t *testing.T, raw []byte) (n int) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	_, err := d.Token()
	for ; err == nil && d.More(); n++ {
		var value json.RawMessage
		if _, err = d.Token(); err == nil {
			err = d.Decode(&value)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Any text is written as JSON that says the same.
func FuzzQuotedReadsBack(f *testing.F) {
	for _, s := range []string{"", "plain", `"\/`, "\x00\x1f\x7f", "Ü\u2028\U0001F600", "\xff\xc0\x80", "</script>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		if err := json.Unmarshal(appendQuoted(nil, s), &back); err != nil || back != strings.ToValidUTF8(s, "\uFFFD") {
			t.Errorf("%q is written as %s (%v)", s, appendQuoted(nil, s), err)
		}
	})
}
