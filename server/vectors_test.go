package server_test

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

// What standards publish to test with: examples, tables of errors, and names, each against
// the running server. Others are where their code is: RFC 7515 appendix A and RFC 7517
// appendix A in server/tokens (jwt_vectors_test.go), RFC 7638 section 3.1 in
// internal/keyring (signing_test.go).

// RFC 7636 appendix B: the octets, the verifier and the challenge.
func TestTheExampleOfRFC7636IsRedeemed(t *testing.T) {
	octets := []byte{
		116, 24, 223, 180, 151, 153, 224, 37, 79, 250, 96, 125, 216, 173, 187, 186, 22, 212, 37, 77, 105, 214, 191, 240, 91, 88, 5, 88, 83,
		132, 141, 121,
	}
	digest := []byte{
		19, 211, 30, 150, 26, 26, 216, 236, 47, 22, 177, 12, 76, 152, 46, 8, 118, 168, 120, 173, 109, 241, 68, 86, 110, 225, 137, 74, 203,
		112, 249, 195,
	}
	const verifier, challenge = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	sum := sha256.Sum256([]byte(verifier))
	if base64.RawURLEncoding.EncodeToString(octets) != verifier || !slices.Equal(sum[:], digest) || base64.RawURLEncoding.EncodeToString(digest) != challenge {
		t.Fatal("the example is copied wrongly")
	}
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	if a := w.Redeem(t, spa, b.Code(t, spa, "code_challenge", challenge), "code_verifier", verifier); a.Status != redeemed {
		t.Errorf("the verifier of the example: %d %s", a.Status, a.Body)
	}
	for name, c := range map[string]struct{ challenge, verifier string }{
		"another last letter":             {challenge, verifier[:42] + "l"},
		"its octets in another alphabet":  {challenge, base64.StdEncoding.EncodeToString(octets)},
		"another case":                    {challenge, strings.ToLower(verifier)},
		"more at its end":                 {challenge, verifier + "A"},
		"the challenge of another":        {challenge[:42] + "N", verifier},
		"the verifier for its challenge":  {verifier, verifier},
		"the challenge for its verifier":  {challenge, challenge},
		"a challenge with unused bits on": {challenge[:42] + "O", verifier},
	} {
		refused(t, w.Redeem(t, spa, b.Code(t, spa, "code_challenge", c.challenge), "code_verifier", c.verifier), 400, "invalid_grant")
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

// RFC 7636 section 4.1: a verifier has 43 to 128 characters.
func TestVerifiersOfEveryLengthAreTaken(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	for length, good := range map[int]bool{42: false, 43: true, 64: true, 128: true, 129: false} {
		verifier := strings.Repeat("aZ0-._~", 20)[:length]
		sum := sha256.Sum256([]byte(verifier))
		code := b.Code(t, spa, "code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]))
		if a := w.Redeem(t, spa, code, "code_verifier", verifier); (a.Status == redeemed) != good {
			t.Errorf("%d characters: %d %s", length, a.Status, a.Body)
		}
	}
}

// RFC 7638: the keys that are served are named by their thumbprints.
func TestTheKeysServedAreNamedByTheirThumbprints(t *testing.T) {
	w := servertest.New(t)
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(w.Get(t, "/oauth/jwks.json", "").Body, &set); err != nil || len(set.Keys) == 0 {
		t.Fatalf("%d keys, %v", len(set.Keys), err)
	}
	for _, k := range set.Keys {
		sum, err := k.Thumbprint(crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		if want := base64.RawURLEncoding.EncodeToString(sum); k.KeyID != want || !k.IsPublic() {
			t.Errorf("%s is named %s, and public: %v", want, k.KeyID, k.IsPublic())
		}
	}
}

// RFC 8628 sections 3.2 to 3.5: the members of the answer, and the errors while a device
// waits.
func TestNamesAndErrorsOfTheDeviceFlowAreThoseOfRFC8628(t *testing.T) {
	w := servertest.New(t)
	a := w.StartDevice(t, cli)
	m := a.JSON()
	for _, name := range []string{"device_code", "user_code", "verification_uri", "verification_uri_complete"} {
		if text, ok := m[name].(string); !ok || text == "" {
			t.Errorf("%s is %v", name, m[name])
		}
	}
	for _, name := range []string{"expires_in", "interval"} {
		if n, ok := m[name].(float64); !ok || n <= 0 {
			t.Errorf("%s is %v", name, m[name])
		}
	}
	if m["verification_url"] != nil || a.Text("verification_uri_complete") != a.Text("verification_uri")+"?user_code="+a.Text("user_code") {
		t.Errorf("%s", a.Body)
	}
	if a.Header.Get("Content-Type") != "application/json" || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", a.Header)
	}
	poll := func(device servertest.Answer) servertest.Answer { return w.Poll(t, cli, device.Text("device_code")) }
	refused(t, poll(a), 400, "authorization_pending")
	refused(t, poll(a), 400, "slow_down")
	denied := w.StartDevice(t, cli)
	w.Deny(t, denied.Text("user_code"))
	refused(t, poll(denied), 400, "access_denied")
	w.Pass(10 * time.Minute)
	refused(t, poll(a), 400, "expired_token")
}

// RFC 9207 sections 2 and 2.4: the issuer in an answer, success or error, is after decoding
// the very string that is in the metadata; there is one.
func TestTheIssuerOfAnAnswerIsTheOneOfTheMetadata(t *testing.T) {
	w := servertest.New(t)
	issuer := w.Get(t, "/.well-known/oauth-authorization-server", "").Text("issuer")
	b := w.SignedIn(t, servertest.Ann)
	for name, a := range map[string]servertest.Answer{
		"a code":    b.Decide(t, b.Authorize(t, web), "approve"),
		"a denial":  b.Decide(t, b.Authorize(t, web), "deny"),
		"a refusal": b.Authorize(t, web, "response_type", "token"),
		"a code, to a URI with a query of its own": b.Decide(t, b.Authorize(t, web, "redirect_uri", servertest.Redirects[web][1]), "approve"),
	} {
		raw := a.Location(t).RawQuery
		query, err := url.ParseQuery(raw)
		if err != nil || len(query["iss"]) != 1 || query.Get("iss") != issuer || !strings.Contains("&"+raw, "&iss="+url.QueryEscape(issuer)) {
			t.Errorf("%s: %s, want the issuer %s", name, raw, issuer)
		}
	}
}

// RFC 6749 section 4.1.2.1: each error of the table. Faults of ours are not sent to the
// application: the person sees a page and may try again, and nothing is lost.
func TestErrorsOfTheAuthorizationEndpointAreThoseOfRFC6749(t *testing.T) {
	w := servertest.New(t)
	w.Declared.Applications[site].GrantTypes = nil
	w.Publish(t)
	b := w.SignedIn(t, servertest.Ann)
	for code, ask := range map[string]func() (string, servertest.Answer){
		"invalid_request":           func() (string, servertest.Answer) { return web, b.Authorize(t, web, "response_type", "-") },
		"unauthorized_client":       func() (string, servertest.Answer) { return site, b.Authorize(t, site) },
		"access_denied":             func() (string, servertest.Answer) { return web, b.Decide(t, b.Authorize(t, web), "deny") },
		"unsupported_response_type": func() (string, servertest.Answer) { return web, b.Authorize(t, web, "response_type", "token") },
		"invalid_scope":             func() (string, servertest.Answer) { return web, b.Authorize(t, web, "scope", "org:none") },
	} {
		client, a := ask()
		sentBack(t, w, a, client, code)
		plain(t, code, a.Location(t).Query().Get("error_description"))
	}
	if err := w.Store.Close(); err != nil {
		t.Fatal(err)
	}
	a := b.Authorize(t, web)
	if a.Status != http.StatusServiceUnavailable || a.Header.Get("Location") != "" || a.Header.Get("Retry-After") == "" {
		t.Errorf("while the store is away: %d to %q", a.Status, a.Header.Get("Location"))
	}
}

// RFC 6749 section 5.2: each error of the table, with its status.
func TestErrorsOfTheTokenEndpointAreThoseOfRFC6749(t *testing.T) {
	w := servertest.New(t)
	const cc = "client_credentials"
	for code, c := range map[string]struct {
		status int
		client string
		pairs  []string
	}{
		"invalid_request":        {400, machine, nil},
		"invalid_client":         {401, "", []string{"grant_type", cc, "client_id", machine, "client_secret", "wrong"}},
		"invalid_grant":          {400, web, []string{"grant_type", "authorization_code", "code", "x"}},
		"unauthorized_client":    {400, cli, []string{"grant_type", cc}},
		"unsupported_grant_type": {400, machine, []string{"grant_type", "password"}},
		"invalid_scope":          {400, machine, []string{"grant_type", cc, "scope", "org:none"}},
	} {
		a := w.Post(t, tokenAt, c.client, c.pairs...)
		refused(t, a, c.status, code)
		names := slices.Sorted(maps.Keys(a.JSON()))
		if !slices.Equal(names, []string{"error", "error_description"}) || a.Header.Get("Content-Type") != "application/json" || a.Header.Get("Pragma") != "no-cache" {
			t.Errorf("%s: %q %v", code, names, a.Header)
		}
		plain(t, code, a.Text("error_description"))
	}
}

// plain checks that a description has the characters that it may have (RFC 6749 sections
// 4.1.2.1 and 5.2).
func plain(t *testing.T, code, description string) {
	t.Helper()
	if description == "" || strings.ContainsFunc(description, func(c rune) bool { return c < 0x20 || c > 0x7e || c == '"' || c == '\\' }) {
		t.Errorf("%s is described as %q", code, description)
	}
}

// nobodysTokens are texts of every form that a token has, that are none of ours in force.
func nobodysTokens(t *testing.T, w *servertest.World) map[string]string {
	t.Helper()
	foreign := servertest.New(t)
	foreign.Declared.Applications[web].JWTAccessTokens = true
	foreign.Publish(t)
	theirs := foreign.Redeem(t, web, foreign.SignedIn(t, servertest.Ann).Code(t, web, "scope", "openid offline_access project:read"))
	return map[string]string{
		"a JWT of another installation":             theirs.Text("access_token"),
		"an ID token of another installation":       theirs.Text("id_token"),
		"a refresh token of another installation":   theirs.Text("refresh_token"),
		"an opaque token of another installation":   machineToken(t, foreign, machine),
		"an unsigned JWT":                           unsigned + ".e30.",
		"the example of RFC 7515 appendix A.1":      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
		"the example of RFC 7662 section 2.1":       "2YotnFZFEjr1zCsicMWpAA",
		"the example of RFC 7009 section 2.1":       "45ghiukldjahdnhzdauz",
		"an authorization code":                     w.SignedIn(t, servertest.Ann).Code(t, web),
		"an ID token":                               w.Redeem(t, web, w.SignedIn(t, servertest.Ann).Code(t, web, "scope", "openid")).Text("id_token"),
		"a client secret":                           servertest.Secrets[machine],
		"a person's ID":                             "usr_someoneelsesomeoneels", // what is posted as a token is looked for in every log
		"a text that is as long as a form may hold": strings.Repeat("x", 32<<10),
	}
}

// RFC 7662 section 2.2: of what is no token in force nothing is said but that.
func TestNobodysTokensAreInactiveAndNothingElse(t *testing.T) {
	w := servertest.New(t)
	for name, token := range nobodysTokens(t, w) {
		for _, hint := range []string{"access_token", "refresh_token", "nonsense"} {
			a := w.Post(t, introspectAt, machine, "token", token, "token_type_hint", hint)
			if a.Status != 200 || string(a.Body) != `{"active":false}` || a.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s: %d %s", name, a.Status, a.Body)
			}
		}
	}
}

// RFC 7009 section 2.2: to revoke what is no token is no error, and does nothing.
func TestNobodysTokensAreRevokedWithoutAWord(t *testing.T) {
	w := servertest.New(t)
	in := w.SignIn(t, cli, servertest.Ann)
	for _, token := range nobodysTokens(t, w) {
		revokes(t, w, web, token)
		revokes(t, w, cli, token)
	}
	active(t, w, in.Text("access_token"), in.Text("scope"))
	code := w.SignedIn(t, servertest.Ann).Code(t, web)
	revokes(t, w, web, code)
	if a := w.Redeem(t, web, code); a.Status != redeemed { // a code is no token
		t.Errorf("a code afterwards: %d %s", a.Status, a.Body)
	}
}
