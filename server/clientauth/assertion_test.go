package clientauth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-dev/gatehouse/internal/jwk"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

const (
	issuer        = "https://auth.example.com"
	clusterIssuer = "https://kubernetes.default.svc.cluster.local"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// The keys of clients, by algorithm, and those of somebody else.
var (
	private = map[string]crypto.Signer{
		"RS256": must(rsa.GenerateKey(rand.Reader, 2048)), "ES256": must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
		"ES384": must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)), "ES512": must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)),
		"EdDSA": func() ed25519.PrivateKey { _, p, _ := ed25519.GenerateKey(rand.Reader); return p }(),
	}
	stranger = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	cluster  = must(rsa.GenerateKey(rand.Reader, 2048))
)

// published is the JWK set of private keys, the kid of each being its algorithm.
func published(keys map[string]crypto.Signer) []byte {
	var set jose.JSONWebKeySet
	for kid, k := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.Public(), KeyID: kid, Use: "sig"})
	}
	return must(json.Marshal(set))
}

func keysOf(t testing.TB, keys map[string]crypto.Signer) []jwk.Key {
	t.Helper()
	all, problems := jwk.Parse(published(keys))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return all
}

// once is the store's part of this: a set.
type once map[string]time.Time

func (o once) UseAssertion(_ context.Context, hash []byte, until time.Time) error {
	if _, used := o[string(hash)]; used {
		return store.ErrConflict
	}
	o[string(hash)] = until
	return nil
}

type clients struct {
	*Authenticator
	snapshot *model.Snapshot
	used     once
	asked    int // for newer keys of the cluster
}

func newClients(t testing.TB) *clients {
	c := &clients{used: once{}}
	digestKey := model.NewSensitive("digest key")
	accounts := []model.ServiceAccount{{Namespace: "acme", Name: "ci"}, {Namespace: "shop", Name: "deployer"}}
	applications := []*model.Application{
		{UID: "1", ClientID: "acme.keys", Proofs: model.Proofs{Keys: keysOf(t, private)}},
		{UID: "2", ClientID: "acme.other", Proofs: model.Proofs{Keys: keysOf(t, map[string]crypto.Signer{"s": stranger})}},
		{UID: "3", ClientID: "acme.secret", Secrets: []model.ClientSecret{{Digest: digestKey.Digest([]byte("s3cret"))}}},
		{UID: "4", ClientID: "acme.public"},
		{UID: "5", ClientID: "acme.old", ExpiresAt: noon, Proofs: model.Proofs{Keys: keysOf(t, private)}},
		{UID: "6", ClientID: "acme.pod", Proofs: model.Proofs{ServiceAccounts: accounts}},
	}
	o := model.Organization{ID: "o", Slug: "acme"}.WithMembers(applications, nil)
	c.snapshot = model.NewSnapshot("", []*model.Organization{o}, nil, nil)
	c.Authenticator = New(Options{Issuer: issuer, DigestKey: digestKey, Once: c.used, UnknownClusterKey: func() { c.asked++ }})
	c.UseCluster(Cluster{Issuer: clusterIssuer, Keys: keysOf(t, map[string]crypto.Signer{"cluster": cluster})})
	return c
}

type claimSet map[string]any

// but is the claims with others; nil removes one.
func (c claimSet) but(changes claimSet) claimSet {
	all := maps.Clone(c)
	for name, value := range changes {
		if all[name] = value; value == nil {
			delete(all, name)
		}
	}
	return all
}

var jti int

func good() claimSet {
	jti++
	return claimSet{
		"iss": "acme.keys", "sub": "acme.keys", "aud": issuer, "jti": fmt.Sprint(jti),
		"exp": noon.Add(time.Minute).Unix(), "iat": noon.Unix(),
	}
}

// goodPod is what the API server signs for a Pod.
func goodPod() claimSet {
	return claimSet{
		"iss": clusterIssuer, "sub": "system:serviceaccount:acme:ci", "aud": []string{issuer}, "jti": "one for many",
		"exp": noon.Add(time.Hour).Unix(), "iat": noon.Unix(), "nbf": noon.Unix(),
	}
}

func sign(key any, alg string, header map[string]any, claims any) string {
	o := &jose.SignerOptions{ExtraHeaders: map[jose.HeaderKey]any{"kid": alg}}
	for name, value := range header {
		if o.ExtraHeaders[jose.HeaderKey(name)] = value; value == nil {
			delete(o.ExtraHeaders, jose.HeaderKey(name))
		}
	}
	signer := must(jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: key}, o))
	payload, isText := claims.(string)
	if !isText {
		payload = string(must(json.Marshal(claims)))
	}
	return must(must(signer.Sign([]byte(payload))).CompactSerialize())
}

func byKey(claims any) string { return sign(private["ES256"], "ES256", nil, claims) }
func byPod(claims any) string {
	return sign(cluster, "RS256", map[string]any{"kid": "cluster"}, claims)
}

func asserted(text string, more ...string) url.Values {
	form := url.Values{"client_assertion_type": {assertionType}, "client_assertion": {text}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

func (c *clients) want(t *testing.T, name, code, authorization string, form url.Values) {
	t.Helper()
	got, err := c.Authenticate(t.Context(), c.snapshot, noon, authorization, form)
	var refusal *oauth.Error
	switch {
	case code == "" && (err != nil || !got.Authenticated()):
		t.Errorf("%s: refused: %v", name, err)
	case code != "" && (!errors.As(err, &refusal) || refusal.Code != code || got.Application != nil):
		t.Errorf("%s: %+v, %v; want %s", name, got, err, code)
	case code == oauth.InvalidClient && refusal != refused:
		t.Errorf("%s: another answer than everybody's: %v", name, refusal)
	}
}

// Every algorithm of the metadata, each by a client that has such a key.
func TestAnAssertionOfEachAlgorithmIsAdmitted(t *testing.T) {
	c := newClients(t)
	for _, alg := range jwk.Algorithms {
		key := private[strings.Replace(alg, "PS", "RS", 1)]
		kid := strings.Replace(alg, "PS", "RS", 1)
		c.want(t, alg, "", "", asserted(sign(key, alg, map[string]any{"kid": kid}, good())))
		c.want(t, alg+" without kid", "", "", asserted(sign(key, alg, map[string]any{"kid": nil}, good())))
	}
	for name, form := range map[string]url.Values{
		"with its client_id":     asserted(byKey(good()), "client_id", "acme.keys"),
		"an audience of one":     asserted(byKey(good().but(claimSet{"aud": []string{issuer}}))),
		"without iat":            asserted(byKey(good().but(claimSet{"iat": nil}))),
		"for an hour":            asserted(byKey(good().but(claimSet{"exp": noon.Add(time.Hour).Unix()}))),
		"a clock a little ahead": asserted(byKey(good().but(claimSet{"iat": noon.Add(leeway).Unix(), "nbf": noon.Add(leeway).Unix()}))),
		"typ JWT":                asserted(sign(private["ES256"], "ES256", map[string]any{"typ": "JWT"}, good())),
		"typ of its own":         asserted(sign(private["ES256"], "ES256", map[string]any{"typ": "client-authentication+jwt"}, good())),
	} {
		c.want(t, name, "", "", form)
	}
}

// ASVS 10.4.16, RFC 7523 section 3.
func TestWhatAnAssertionMustNotSay(t *testing.T) {
	c := newClients(t)
	for name, changes := range map[string]claimSet{
		"no aud": {"aud": nil}, "an empty aud": {"aud": ""}, "an empty list": {"aud": []string{}}, "another server": {"aud": "https://other.example"},
		"the token endpoint": {"aud": issuer + "/oauth/token/"}, "the issuer with a slash": {"aud": issuer + "/"},
		"several audiences": {"aud": []string{issuer, "https://other.example"}}, "the same twice": {"aud": []string{issuer, issuer}}, "aud of another type": {"aud": 7},
		"no exp": {"exp": nil}, "exp 0": {"exp": 0}, "exp as text": {"exp": fmt.Sprint(noon.Add(time.Minute).Unix())},
		"expired": {"exp": noon.Add(-leeway).Unix()}, "too far away": {"exp": noon.Add(ownLife + 2*leeway).Unix()}, "for ever": {"exp": 1e300},
		"not yet": {"nbf": noon.Add(2 * leeway).Unix()}, "of the future": {"iat": noon.Add(2 * leeway).Unix()}, "of yesterday": {"iat": noon.Add(-24 * time.Hour).Unix()},
		"no jti": {"jti": nil}, "an empty jti": {"jti": ""}, "a jti without end": {"jti": strings.Repeat("x", idLimit+1)},
		"no iss": {"iss": nil}, "no sub": {"sub": nil}, "iss of another client": {"iss": "acme.other"}, "sub of another client": {"sub": "acme.other"},
		"iss in another case": {"iss": "ACME.keys"},
	} {
		c.want(t, name, oauth.InvalidClient, "", asserted(byKey(good().but(changes))))
		c.want(t, name+", with client_id", oauth.InvalidClient, "", asserted(byKey(good().but(changes)), "client_id", "acme.keys"))
	}
	twice := strings.Replace(string(must(json.Marshal(good()))), `"sub":`, `"sub":"acme.other","sub":`, 1)
	c.want(t, "a claim twice", oauth.InvalidClient, "", asserted(byKey(twice)))
	for _, payload := range []string{"", "null", "[]", "text", `{"iss":`} {
		c.want(t, "payload "+payload, oauth.InvalidClient, "", asserted(byKey(payload), "client_id", "acme.keys"))
	}
	if len(c.used) > 0 {
		t.Errorf("%d refused assertions were remembered", len(c.used))
	}
}

// ASVS 9.1.1, 9.1.2, 9.1.3, 9.2.2: who signed, with what, and what kind of JWT it is.
func TestWhatDoesNotProveAnAssertion(t *testing.T) {
	c := newClients(t)
	whole := byKey(good())
	parts := strings.Split(whole, ".")
	b64 := base64.RawURLEncoding.EncodeToString
	none := func(alg string) string {
		return b64([]byte(`{"alg":"`+alg+`"}`)) + "." + b64(must(json.Marshal(good()))) + "."
	}
	rsaPublic := must(x509.MarshalPKIXPublicKey(private["RS256"].Public()))
	another := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	own := jose.JSONWebKey{Key: another.Public(), KeyID: "ES256", Algorithm: "ES256"}
	for name, text := range map[string]string{
		"none":                       none("none"),
		"None":                       none("None"),
		"HS256 with the public key":  sign(rsaPublic, "HS256", map[string]any{"kid": "RS256"}, good()),
		"the key of another client":  sign(stranger, "ES256", nil, good()),
		"its own key in the header":  sign(another, "ES256", map[string]any{"jwk": own}, good()),
		"a key elsewhere":            sign(another, "ES256", map[string]any{"jku": "https://127.0.0.1/keys"}, good()),
		"an unknown kid":             sign(private["ES256"], "ES256", map[string]any{"kid": "../../x"}, good()),
		"the kid of another key":     sign(private["ES256"], "ES256", map[string]any{"kid": "RS256"}, good()),
		"something critical":         sign(private["ES256"], "ES256", map[string]any{"crit": []string{"exp"}, "exp": 1}, good()),
		"b64 as critical":            sign(private["ES256"], "ES256", map[string]any{"crit": []string{"b64"}, "b64": true}, good()),
		"a flipped bit":              parts[0] + "." + parts[1] + "." + flip(parts[2]),
		"other claims":               parts[0] + "." + b64(must(json.Marshal(good()))) + "." + parts[2],
		"without a signature":        parts[0] + "." + parts[1] + ".",
		"two parts":                  parts[0] + "." + parts[1],
		"JSON serialization":         `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"an access token":            sign(private["ES256"], "ES256", map[string]any{"typ": "at+jwt"}, good()),
		"a request object":           sign(private["ES256"], "ES256", map[string]any{"typ": "oauth-authz-req+jwt"}, good()),
		"a proof of possession":      sign(private["ES256"], "ES256", map[string]any{"typ": "dpop+jwt"}, good()),
		"typ of another type":        sign(private["ES256"], "ES256", map[string]any{"typ": 1}, good()),
		"too large":                  byKey(good().but(claimSet{"x": strings.Repeat("x", assertionLimit)})),
		"a stranger as unknown":      sign(stranger, "ES256", nil, good().but(claimSet{"iss": "acme.nobody", "sub": "acme.nobody"})),
		"one who keeps a secret":     byKey(good().but(claimSet{"iss": "acme.secret", "sub": "acme.secret"})),
		"one who is public":          byKey(good().but(claimSet{"iss": "acme.public", "sub": "acme.public"})),
		"one who has expired":        byKey(good().but(claimSet{"iss": "acme.old", "sub": "acme.old"})),
		"one who is a Pod":           byKey(good().but(claimSet{"iss": "acme.pod", "sub": "acme.pod"})),
		"one who has only the key s": byKey(good().but(claimSet{"iss": "acme.other", "sub": "acme.other"})),
		"not a JWT at all":           "x",
	} {
		c.want(t, name, oauth.InvalidClient, "", asserted(text))
	}
	if len(c.used) > 0 {
		t.Errorf("%d refused assertions were remembered", len(c.used))
	}
}

func flip(signature string) string {
	raw := must(base64.RawURLEncoding.DecodeString(signature))
	raw[10] ^= 1
	return base64.RawURLEncoding.EncodeToString(raw)
}

// ASVS 10.4.16: once, and by its client and jti, whatever else it says.
func TestAnAssertionIsTakenOnce(t *testing.T) {
	c, claims := newClients(t), good()
	text := byKey(claims)
	c.want(t, "first", "", "", asserted(text))
	c.want(t, "again", oauth.InvalidClient, "", asserted(text))
	c.want(t, "again by another signature", oauth.InvalidClient, "", asserted(byKey(claims.but(claimSet{"exp": noon.Add(2 * time.Minute).Unix()}))))
	c.want(t, "another one", "", "", asserted(byKey(good())))
	c.want(t, "the same jti of another client", "", "", asserted(sign(stranger, "ES256", map[string]any{"kid": "s"}, claims.but(claimSet{"iss": "acme.other", "sub": "acme.other"}))))
	for hash, until := range c.used {
		if strings.Contains(hash, fmt.Sprint(claims["jti"])) || !until.After(noon.Add(time.Minute)) {
			t.Errorf("%q is remembered until %v", hash, until)
		}
	}
}

// broken is a store that does not answer.
type broken struct{}

func (broken) UseAssertion(context.Context, []byte, time.Time) error { return store.ErrUnavailable }

func TestNobodyIsAdmittedWhileUsesCannotBeRemembered(t *testing.T) {
	c := newClients(t)
	c.Once = broken{}
	if got, err := c.Authenticate(t.Context(), c.snapshot, noon, "", asserted(byKey(good()))); !errors.Is(err, store.ErrUnavailable) || got.Application != nil {
		t.Errorf("%+v, %v", got, err)
	}
	c.want(t, "a Pod needs no memory", "", "", asserted(byPod(goodPod()), "client_id", "acme.pod"))
}

func TestOneMethodOnly(t *testing.T) {
	c := newClients(t)
	c.want(t, "with Basic", oauth.InvalidRequest, basic("acme.keys", "x"), asserted(byKey(good())))
	c.want(t, "with Basic of the client and nothing else", oauth.InvalidRequest, basic("acme.keys", ""), asserted(byKey(good())))
	c.want(t, "with a secret", oauth.InvalidRequest, "", asserted(byKey(good()), "client_secret", "x"))
	c.want(t, "without a type", oauth.InvalidRequest, "", url.Values{"client_assertion": {byKey(good())}})
	c.want(t, "with a type alone", oauth.InvalidRequest, "", url.Values{"client_assertion_type": {assertionType}, "client_id": {"acme.public"}})
	c.want(t, "SAML", oauth.InvalidRequest, "", asserted(byKey(good()), "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"))
	c.want(t, "a secret where there are keys", oauth.InvalidClient, "", url.Values{"client_id": {"acme.keys"}, "client_secret": {"x"}})
	c.want(t, "nothing where there are keys", oauth.InvalidClient, "", url.Values{"client_id": {"acme.keys"}})
	c.want(t, "nothing where there are ServiceAccounts", oauth.InvalidClient, basic("acme.pod", ""), nil)
	c.want(t, "the digest of nothing", oauth.InvalidClient, basic("acme.pod", "x"), nil)
}

func TestAPodIsItsApplication(t *testing.T) {
	c := newClients(t)
	c.want(t, "a Pod", "", "", asserted(byPod(goodPod()), "client_id", "acme.pod"))
	c.want(t, "the same token again", "", "", asserted(byPod(goodPod()), "client_id", "acme.pod"))
	c.want(t, "of the other account", "", "", asserted(byPod(goodPod().but(claimSet{"sub": "system:serviceaccount:shop:deployer"})), "client_id", "acme.pod"))
	for name, changes := range map[string]claimSet{
		"an account that is not listed":  {"sub": "system:serviceaccount:acme:other"},
		"the name in another namespace":  {"sub": "system:serviceaccount:shop:ci"},
		"a part of the name":             {"sub": "system:serviceaccount:acme:ci2"},
		"more of the name":               {"sub": "system:serviceaccount:acme:ci:x"},
		"the client ID":                  {"sub": "acme.pod"},
		"a person of the cluster":        {"sub": "ci"},
		"for the API server":             {"aud": []string{clusterIssuer}},
		"for the API server too":         {"aud": []string{issuer, clusterIssuer}},
		"for nobody":                     {"aud": nil},
		"another issuer":                 {"iss": "https://other.example"},
		"the application as its issuer":  {"iss": "acme.pod"},
		"no issuer":                      {"iss": nil},
		"without an end, as legacy ones": {"exp": nil},
		"expired":                        {"exp": noon.Add(-leeway).Unix()},
		"for a week":                     {"exp": noon.Add(7 * 24 * time.Hour).Unix()},
		"not yet":                        {"nbf": noon.Add(time.Hour).Unix()},
	} {
		c.want(t, name, oauth.InvalidClient, "", asserted(byPod(goodPod().but(changes)), "client_id", "acme.pod"))
	}
	c.want(t, "without client_id", oauth.InvalidClient, "", asserted(byPod(goodPod())))
	c.want(t, "for a client with keys", oauth.InvalidClient, "", asserted(byPod(goodPod()), "client_id", "acme.keys"))
	c.want(t, "for nobody's client", oauth.InvalidClient, "", asserted(byPod(goodPod()), "client_id", "acme.nobody"))
	c.want(t, "signed by a client's key", oauth.InvalidClient, "", asserted(byKey(goodPod()), "client_id", "acme.pod"))
	if len(c.used) > 0 {
		t.Errorf("%d tokens of Pods were remembered", len(c.used))
	}
}

// Whoever is not of the cluster does not make us ask it.
func TestNewerKeysOfTheClusterAreAskedForByItsOwnTokens(t *testing.T) {
	c := newClients(t)
	next := must(rsa.GenerateKey(rand.Reader, 2048))
	byNext := func(claims claimSet) string { return sign(next, "RS256", map[string]any{"kid": "next"}, claims) }
	c.want(t, "of another issuer", oauth.InvalidClient, "", asserted(byNext(goodPod().but(claimSet{"iss": "https://other.example"})), "client_id", "acme.pod"))
	c.want(t, "for a client of its own keys", oauth.InvalidClient, "", asserted(byNext(goodPod()), "client_id", "acme.keys"))
	if c.asked != 0 {
		t.Errorf("asked %d times", c.asked)
	}
	c.want(t, "before the key is known", oauth.InvalidClient, "", asserted(byNext(goodPod()), "client_id", "acme.pod"))
	if c.asked != 1 {
		t.Errorf("asked %d times", c.asked)
	}
	c.UseCluster(Cluster{Issuer: clusterIssuer, Keys: keysOf(t, map[string]crypto.Signer{"next": next})})
	c.want(t, "once the key is known", "", "", asserted(byNext(goodPod()), "client_id", "acme.pod"))
	c.want(t, "by the key before", oauth.InvalidClient, "", asserted(byPod(goodPod()), "client_id", "acme.pod"))
}

func TestWithoutAClusterNoPodIsAdmitted(t *testing.T) {
	c := newClients(t)
	c.Authenticator = New(Options{Issuer: issuer, Once: c.used})
	c.want(t, "no cluster", oauth.InvalidClient, "", asserted(byPod(goodPod()), "client_id", "acme.pod"))
	c.UseCluster(Cluster{})
	c.want(t, "an empty one", oauth.InvalidClient, "", asserted(byPod(goodPod().but(claimSet{"iss": ""})), "client_id", "acme.pod"))
}

func FuzzAssertion(f *testing.F) {
	c := newClients(f)
	f.Add(byKey(good()), "")
	f.Add(byPod(goodPod()), "acme.pod")
	f.Fuzz(func(t *testing.T, text, id string) {
		got, err := c.Authenticate(t.Context(), c.snapshot, noon, "", asserted(text, "client_id", id))
		var refusal *oauth.Error
		if (err == nil) != (got.Application != nil) || err != nil && !errors.As(err, &refusal) {
			t.Errorf("%+v and %v", got, err)
		}
	})
}

// A key that says which algorithm it is for verifies no other, though it could (RFC 8725
// section 3.1).
func TestAKeyVerifiesOnlyTheAlgorithmItIsFor(t *testing.T) {
	c := newClients(t)
	_, app := c.snapshot.Application("acme.keys")
	for i, k := range app.Proofs.Keys {
		if k.ID == "RS256" {
			app.Proofs.Keys[i].Algorithms = []string{"PS256"}
		}
	}
	header := map[string]any{"kid": "RS256"}
	c.want(t, "the one", "", "", asserted(sign(private["RS256"], "PS256", header, good())))
	c.want(t, "another", oauth.InvalidClient, "", asserted(sign(private["RS256"], "RS256", header, good())))
}
