package tokens

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/test/keyringtest"
)

// signingAtNoon is the key of an algorithm that signs at noon.
func signingAtNoon(m *Minter, alg string) *signingKey {
	all := m.keys.Load().signing[alg]
	return all.keys[all.line.Current(noon)]
}

// forge signs any header and payload with one of our own keys: what is refused then is
// refused for what it says.
func forge(t testing.TB, k *signingKey, head, payload string) string {
	t.Helper()
	input := encode(head) + "." + encode(payload)
	signature, err := k.sign(nil, []byte(input))
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

type object = map[string]any

func with(o object, name string, value any) object {
	changed := maps.Clone(o)
	changed[name] = value
	return changed
}

func headOf(k *signingKey, kind string) object {
	return object{"alg": k.Alg, "kid": k.KID, "typ": kind}
}

// decoded is a part of a token of ours.
func decoded(t testing.TB, text string, part int) (o object) {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(text, ".")[part])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// refused fails the test if any reader takes the text.
func refused(t testing.TB, m *Minter, name, text string) {
	t.Helper()
	if a, ok := m.ParseAccess(text); ok {
		t.Errorf("%s is read as an access token: %+v", name, a)
	}
	if h, ok := m.ParseIDToken(text); ok {
		t.Errorf("%s is read as an ID token: %+v", name, h)
	}
}

// ASVS 9.1.1: nothing is read of what is not signed by us.
func TestEveryAlteredJWTIsRefused(t *testing.T) {
	m := minter(t)
	for _, text := range []string{mintJWT(t, m, sample()), mintID(t, m, keyring.RS256, sampleID()), mintID(t, m, keyring.ES256, sampleID())} {
		for i := range len(text) {
			for _, c := range []byte("A_.=\n\x00") {
				if altered := text[:i] + string(c) + text[i+1:]; altered != text {
					refused(t, m, "an altered token", altered)
				}
			}
			if i%7 == 0 {
				refused(t, m, "the first part of a token", text[:i])
			}
		}
		for _, c := range base64Letters { // bits that no byte has must be zero
			if altered := text[:len(text)-1] + string(c); altered != text {
				refused(t, m, "a token with another last letter", altered)
			}
		}
		parts := strings.Split(text, ".")
		head, payload, signature := parts[0], parts[1], parts[2]
		for name, altered := range map[string]string{
			"no signature":          head + "." + payload,
			"an empty signature":    head + "." + payload + ".",
			"a signature of zeros":  head + "." + payload + "." + encode(strings.Repeat("\x00", len(signature)*3/4)),
			"one more part":         text + "." + signature,
			"a line break":          text + "\n",
			"line breaks within":    head + ".\r\n" + payload + "." + signature,
			"padding":               text + "=",
			"a space before":        " " + text,
			"a longer signature":    text + "AAAA",
			"the opaque prefix":     AccessPrefix + text,
			"other case":            strings.ToUpper(head) + "." + payload + "." + signature,
			"a token beyond limits": head + "." + strings.Repeat("A", textLimit) + "." + signature,
			"JSON serialization":    `{"payload":"` + payload + `","protected":"` + head + `","signature":"` + signature + `"}`,
		} {
			refused(t, m, name, altered)
		}
	}
	for _, text := range []string{"", ".", "..", "...", "a.b.c", "{}"} {
		refused(t, m, text, text)
	}
}

const base64Letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// ASVS 9.1.2: a key is used with its own algorithm only, whatever the header says.
func TestNoOtherAlgorithmThanTheKeysOwnIsTaken(t *testing.T) {
	m := minter(t)
	r, e := signingAtNoon(m, keyring.RS256), signingAtNoon(m, keyring.ES256)
	public, ok := r.Private.Public().(*rsa.PublicKey)
	if !ok {
		t.Fatal("no RSA key")
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	asText := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	for kind, text := range map[string]string{typeID: mintID(t, m, keyring.ES256, sampleID()), typeAccess: mintJWT(t, m, sample())} {
		claims := encodeJSON(t, decoded(t, text, 1))
		for _, none := range []string{"none", "None", "NONE", "nOnE", ""} {
			for _, k := range []*signingKey{r, e} {
				head := encode(encodeJSON(t, with(headOf(k, kind), "alg", none)))
				refused(t, m, "alg "+none, head+"."+encode(claims)+".")
				refused(t, m, "alg "+none+" with a signature", forge(t, k, encodeJSON(t, with(headOf(k, kind), "alg", none)), claims))
			}
		}
		// The public key as the secret of an HMAC (RFC 8725 section 2.1).
		for _, secret := range [][]byte{der, asText, x509.MarshalPKCS1PublicKey(public), public.N.Bytes(), []byte(r.JWK())} {
			for _, alg := range []string{"HS256", keyring.RS256} {
				input := encode(encodeJSON(t, with(headOf(r, kind), "alg", alg))) + "." + encode(claims)
				mac := hmac.New(sha256.New, secret)
				mac.Write([]byte(input))
				refused(t, m, "an HMAC under the public key", input+"."+encode(string(mac.Sum(nil))))
			}
		}
		refused(t, m, "an ES256 key as RS256", forge(t, e, encodeJSON(t, with(headOf(e, kind), "alg", "RS256")), claims))
		refused(t, m, "an RS256 key as ES256", forge(t, r, encodeJSON(t, with(headOf(r, kind), "alg", "ES256")), claims))
		refused(t, m, "an RS256 key as PS256", forge(t, r, encodeJSON(t, with(headOf(r, kind), "alg", "PS256")), claims))
		refused(t, m, "the RS256 key's signature under the ES256 key's name", forge(t, r, encodeJSON(t, headOf(e, kind)), claims))
		refused(t, m, "no alg", forge(t, e, encodeJSON(t, object{"kid": e.KID, "typ": kind}), claims))
	}
	// RFC 9068 lets RS256 be used; we sign access tokens by ES256 only.
	refused(t, m, "an access token by RS256", forge(t, r, encodeJSON(t, headOf(r, typeAccess)), encodeJSON(t, decoded(t, mintJWT(t, m, sample()), 1))))
}

// ASVS 9.1.3: keys come from our keyring only; nothing in a header brings or fetches one.
func TestNoKeyIsTakenFromAHeader(t *testing.T) {
	m := minter(t)
	stolen, err := keyring.New(rand.Reader) // whoever forges has keys, too
	if err != nil {
		t.Fatal(err)
	}
	thief := &signingKey{SigningKey: stolen.SigningKeys(keyring.ES256)[0]}
	asked := false
	listener := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer listener.Close()
	ours := signingAtNoon(m, keyring.ES256)
	var jwk object
	if err := json.Unmarshal([]byte(thief.JWK()), &jwk); err != nil {
		t.Fatal(err)
	}
	claims := encodeJSON(t, decoded(t, mintJWT(t, m, sample()), 1))
	for _, kind := range []string{typeID, typeAccess} {
		for name, head := range map[string]object{
			"jku": {"jku": listener.URL}, "x5u": {"x5u": listener.URL}, "jwk": {"jwk": jwk}, "x5c": {"x5c": []string{"MII="}},
			// RFC 7515 section 4.1.11: what is critical and not understood.
			"crit": {"crit": []string{"exp"}, "exp": 1}, "b64": {"crit": []string{"b64"}, "b64": false}, "crit of nothing": {"crit": []string{}},
			"a foreign kid": {"kid": thief.KID}, "a path as kid": {"kid": "../../x"}, "a query as kid": {"kid": "' or 1=1"},
			"an empty kid": {"kid": ""}, "kid null": {"kid": nil}, "a list as kid": {"kid": []string{ours.KID}},
			"the other key's kid": {"kid": signingAtNoon(m, keyring.RS256).KID},
		} {
			all := headOf(ours, kind)
			maps.Copy(all, head)
			refused(t, m, name+", signed by another key", forge(t, thief, encodeJSON(t, all), claims))
			refused(t, m, name+", signed by our key", forge(t, ours, encodeJSON(t, all), claims))
		}
		refused(t, m, "our header, signed by another key", forge(t, thief, encodeJSON(t, headOf(ours, kind)), claims))
		refused(t, m, "a member twice", forge(t, ours, `{"alg":"none","alg":"ES256","kid":"`+ours.KID+`","typ":"`+kind+`"}`, claims))
		refused(t, m, "no kid", forge(t, ours, `{"alg":"ES256","typ":"`+kind+`"}`, claims))
	}
	if asked {
		t.Error("an address in a header was asked for keys")
	}
}

// ASVS 9.2.2: no kind of token is taken for another, although all are signed by our keys.
func TestNoKindOfTokenIsTakenForAnother(t *testing.T) {
	m, a := minter(t), sample()
	access, id := mintJWT(t, m, a), mintID(t, m, keyring.ES256, sampleID())
	if _, ok := m.ParseIDToken(access); ok {
		t.Error("an access token is read as an ID token")
	}
	if _, ok := m.ParseIDToken(m.MintAccess(&a)); ok {
		t.Error("an opaque access token is read as an ID token")
	}
	if _, ok := m.ParseAccess(id); ok {
		t.Error("an ID token is read as an access token")
	}
	if _, ok := m.ParseAccess(m.MintRefresh(a.GrantID, 1, nil, noon)); ok {
		t.Error("a refresh token is read as an access token")
	}
	logout, err := m.MintLogout(keyring.ES256, &Logout{Subject: "usr_1", Audience: "acme.web", SessionID: "ses_1", ID: "1", IssuedAt: noon, ExpiresAt: noon.Add(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	refused(t, m, "a logout token", logout)
	k := signingAtNoon(m, keyring.ES256)
	for _, kind := range []string{"", "jwt", "AT+JWT", "application/at+jwt", "logout+jwt", "dpop+jwt", "JWT ", "at+jwt\x00"} {
		refused(t, m, "the claims of an access token as "+kind, forge(t, k, encodeJSON(t, headOf(k, kind)), encodeJSON(t, decoded(t, access, 1))))
		refused(t, m, "the claims of an ID token as "+kind, forge(t, k, encodeJSON(t, headOf(k, kind)), encodeJSON(t, decoded(t, id, 1))))
	}
	refused(t, m, "no typ", forge(t, k, `{"alg":"ES256","kid":"`+k.KID+`"}`, encodeJSON(t, decoded(t, access, 1))))
	// Even a header of the wrong kind would not help an ID token: it has no jti.
	refused(t, m, "the claims of an ID token as at+jwt", forge(t, k, encodeJSON(t, headOf(k, typeAccess)), encodeJSON(t, decoded(t, id, 1))))
}

// ASVS 9.2.1, 9.2.3: times and audience are there and are what they seem, or nothing is read.
// What they are is compared at use, with the clock and the place of the use.
func TestClaimsThatAreNotAsWeWriteThemAreRefused(t *testing.T) {
	m := minter(t)
	k := signingAtNoon(m, keyring.ES256)
	for kind, text := range map[string]string{typeID: mintID(t, m, keyring.ES256, sampleID()), typeAccess: mintJWT(t, m, sample())} {
		claims := decoded(t, text, 1)
		read := func(payload string) bool {
			forged := forge(t, k, encodeJSON(t, headOf(k, kind)), payload)
			if kind == typeID {
				_, ok := m.ParseIDToken(forged)
				return ok
			}
			_, ok := m.ParseAccess(forged)
			return ok
		}
		if !read(encodeJSON(t, claims)) || !read(encodeJSON(t, with(claims, "unknown", []int{1}))) {
			t.Fatalf("%s: good claims are refused", kind)
		}
		for _, name := range []string{"iss", "sub", "aud", "exp", "iat"} {
			for _, value := range []any{
				nil, "", true, []string{}, []string{"a", "b"}, object{}, -1, 0, 1.5, json.Number("1e9"), json.Number("99999999999999999999"),
				json.Number("253402300800"), json.Number("-0"), "1772366400",
			} {
				if text, isText := value.(string); isText && text != "" && name != "exp" && name != "iat" && name != "iss" {
					continue // any text is an audience or a subject
				}
				if read(encodeJSON(t, with(claims, name, value))) {
					t.Errorf("%s with %s %v is read", kind, name, value)
				}
			}
			without := maps.Clone(claims)
			delete(without, name)
			if read(encodeJSON(t, without)) {
				t.Errorf("%s without %s is read", kind, name)
			}
			whole := encodeJSON(t, claims)
			if twice := whole[:len(whole)-1] + `,"` + name + `":` + encodeJSON(t, claims[name]) + `}`; read(twice) {
				t.Errorf("%s with %s twice is read", kind, name)
			}
			if escaped := whole[:len(whole)-1] + `,"` + strings.Replace(name, name[:1], `\u00`+hexOf(name[0]), 1) + `":1}`; read(escaped) {
				t.Errorf("%s with %s twice, once in other letters, is read", kind, name)
			}
		}
		for name, payload := range map[string]string{
			"nothing": "", "no object": "[]", "null": "null", "more than an object": encodeJSON(t, claims) + "{}", "an open object": strings.TrimSuffix(encodeJSON(t, claims), "}"),
			"another issuer": encodeJSON(t, with(claims, "iss", "https://id.example/")),
			"other letters":  strings.Replace(encodeJSON(t, claims), `"iss"`, `"ISS"`, 1),
		} {
			if read(payload) {
				t.Errorf("%s: %s is read", kind, name)
			}
		}
		keys, err := keyringtest.New()
		if err != nil {
			t.Fatal(err)
		}
		if other := NewMinter("https://other.example", keys); kind == typeID {
			refused(t, other, "another issuer's ID token", mintID(t, NewMinter("https://id.example", keys), keyring.RS256, sampleID()))
		} else {
			refused(t, other, "another issuer's access token", mintJWT(t, NewMinter("https://id.example", keys), sample()))
		}
	}
}

func hexOf(c byte) string { return string([]byte{hexDigits[c>>4], hexDigits[c&15]}) }

func TestAnAccessJWTWhoseJTIIsNotOursIsRefused(t *testing.T) {
	m, a := minter(t), sample()
	k := signingAtNoon(m, keyring.ES256)
	claims := decoded(t, mintJWT(t, m, a), 1)
	good, err := base64.RawURLEncoding.DecodeString(claims["jti"].(string))
	if err != nil {
		t.Fatal(err)
	}
	edit := func(i int, b byte) string {
		changed := append([]byte(nil), good...)
		changed[i] = b
		return encode(string(changed))
	}
	for name, jti := range map[string]any{
		"none": nil, "empty": "", "no base64": "!", "padded": encode(string(good)) + "=", "with a line break": encode(string(good)) + "\n",
		"of another version": edit(0, 2), "of no kind": edit(1, 9), "an application without a UID": encode("\x01\x02"),
		"too short": encode(string(good[:len(good)-1])), "too long": encode(string(good) + "\x00"),
		"of another second than iat": edit(len(good)-3, good[len(good)-3]+1), "a number": 7,
	} {
		refused(t, m, "a jti "+name, forge(t, k, encodeJSON(t, headOf(k, typeAccess)), encodeJSON(t, with(claims, "jti", jti))))
	}
}

// A retired key has signed nothing that outlives the longest access token; what says so is
// forged with a key that leaked.
func TestARetiredKeySignsNoJWTThatLives(t *testing.T) {
	first, err := keyringtest.New()
	if err != nil {
		t.Fatal(err)
	}
	leaked, m := NewMinter("https://id.example", first), NewMinter("https://id.example", rotated(t, first))
	a, id := sample(), sampleID()
	a.ExpiresAt, id.ExpiresAt = noon.Add(keyring.LongestAccess), noon.Add(keyring.LongestAccess)
	if _, ok := m.ParseAccess(mintJWT(t, leaked, a)); !ok {
		t.Error("the last and longest access token of the retired key is refused")
	}
	if _, ok := m.ParseIDToken(mintID(t, leaked, keyring.RS256, id)); !ok {
		t.Error("the last and longest ID token of the retired key is refused")
	}
	a.ExpiresAt, id.ExpiresAt = a.ExpiresAt.Add(time.Second), id.ExpiresAt.Add(time.Second)
	refused(t, m, "an access token that the retired key cannot have signed", mintJWT(t, leaked, a))
	for _, alg := range algorithms {
		refused(t, m, "an ID token that the retired key cannot have signed", mintID(t, leaked, alg, id))
	}
}

func TestCompromisedKeysMakeAllTheirJWTsDead(t *testing.T) {
	first, err := keyringtest.New()
	if err != nil {
		t.Fatal(err)
	}
	m := NewMinter("https://id.example", first)
	dead := []string{mintJWT(t, m, sample()), mintID(t, m, keyring.RS256, sampleID()), mintID(t, m, keyring.ES256, sampleID())}
	replaced, err := first.Replace(rand.Reader, noon)
	if err != nil {
		t.Fatal(err)
	}
	m.Use(replaced)
	for _, text := range dead {
		refused(t, m, "a token of a compromised key", text)
	}
	if _, ok := m.ParseAccess(mintJWT(t, m, sample())); !ok {
		t.Error("a new token is refused")
	}
	if got := jwks(t, m, noon).Keys; len(got) != 2 {
		t.Errorf("%d keys are published", len(got))
	}
}

// A keyring that was only read, from before there were signing keys, signs no JWT.
func TestWithoutSigningKeysThereAreNoJWTs(t *testing.T) {
	old, err := keyring.Parse([]byte(`{"installation": "4c9f3c1e-1111-4222-8333-444455556666",
		"root": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "tokenKeys": ["MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDI="]}`))
	if err != nil {
		t.Fatal(err)
	}
	m := NewMinter("https://id.example", old)
	if text, err := m.MintIDToken(keyring.RS256, &IDToken{}); err == nil || !strings.Contains(err.Error(), "RS256") {
		t.Errorf("%q, %v", text, err)
	}
	if string(m.JWKS(noon)) != `{"keys":[]}` {
		t.Errorf("%s", m.JWKS(noon))
	}
}
