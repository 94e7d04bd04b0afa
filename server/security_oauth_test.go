package server_test

import (
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/tokens"
	"github.com/gatehouse-dev/gatehouse/test/keyringtest"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

// ASVS 10.4.3: a code lives for a minute, not a millisecond longer.
func TestACodeLivesForAMinute(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	inTime := b.Code(t, web)
	w.Pass(time.Minute - time.Millisecond)
	if a := w.Redeem(t, web, inTime); a.Status != redeemed {
		t.Errorf("within the minute: %d %s", a.Status, a.Body)
	}
	late := b.Code(t, web)
	w.Pass(time.Minute)
	refused(t, w.Redeem(t, web, late), 400, "invalid_grant")
}

// ASVS 10.4.10: whoever does not prove to be the client neither gets the tokens nor can
// spoil the code.
func TestACodeWithoutItsClientsSecretIsWorthNothingAndStaysGood(t *testing.T) {
	w := servertest.New(t)
	code := w.SignedIn(t, servertest.Ann).Code(t, web)
	form := []string{"grant_type", "authorization_code", "code", code, "redirect_uri", servertest.Redirects[web][0], "code_verifier", servertest.Verifier}
	for name, proof := range map[string][]string{
		"no client":                       nil,
		"the client without a secret":     {"client_id", web},
		"an empty secret":                 {"client_id", web, "client_secret", ""},
		"a wrong secret":                  {"client_id", web, "client_secret", "wrong"},
		"the secret of another client":    {"client_id", web, "client_secret", servertest.Secrets[site]},
		"a secret for a public client":    {"client_id", spa, "client_secret", servertest.Secrets[web]},
		"a client that nobody knows":      {"client_id", "acme.nobody"},
		"an assertion, which is not read": {"client_id", web, "client_assertion", "x.y.z", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, w.Post(t, tokenAt, "", append(proof, form...)...), 401, "invalid_client")
		})
	}
	if a := w.Redeem(t, web, code); a.Status != redeemed {
		t.Errorf("afterwards its client: %d %s", a.Status, a.Body)
	}
}

// ASVS 10.4.4: every application is held to the grants that it lists; there are no others.
func TestEveryApplicationIsHeldToItsOwnGrants(t *testing.T) {
	w := servertest.New(t)
	served := []oauth.GrantType{oauth.AuthorizationCode, oauth.RefreshToken, oauth.ClientCredentials, oauth.DeviceCode}
	form := func(g oauth.GrantType) []string {
		return []string{"grant_type", string(g), "code", "x", "refresh_token", "x", "device_code", "x", "redirect_uri", "x", "code_verifier", servertest.Verifier}
	}
	for client, app := range w.Declared.Applications {
		for _, g := range served {
			got := w.Post(t, tokenAt, client, form(g)...).Text("error")
			if unauthorized := got == "unauthorized_client"; unauthorized == slices.Contains(app.GrantTypes, g) {
				t.Errorf("%s, which lists %v, is answered %q to %s", client, app.GrantTypes, got, g)
			}
		}
		for _, g := range []oauth.GrantType{
			"password", "implicit", "token", "urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:saml2-bearer",
			"urn:ietf:params:oauth:grant-type:token-exchange", "AUTHORIZATION_CODE", "authorization_code ", "device_code",
		} {
			refused(t, w.Post(t, tokenAt, client, form(g)...), 400, "unsupported_grant_type")
		}
	}
}

// ASVS 10.4.4, 10.6.1, RFC 9700 B-2.1.2: nothing but a code comes from the authorization
// endpoint, also for an application that skips consent.
func TestNoTokenComesFromTheAuthorizationEndpoint(t *testing.T) {
	w := servertest.New(t)
	w.Declared.Applications[web].Consent.Mode = model.ConsentSkip
	w.Publish(t)
	b := w.SignedIn(t, servertest.Ann)
	for _, kind := range []string{"token", "id_token", "id_token token", "token id_token", "code token", "code id_token", "code id_token token", "none", "CODE", "code ", "code code"} {
		for _, client := range []string{web, spa} {
			a := b.Authorize(t, client, "response_type", kind, "scope", "openid", "nonce", "the nonce")
			sentBack(t, w, a, client, "unsupported_response_type")
			to := a.Location(t)
			if to.Fragment != "" || to.Query().Has("access_token") || to.Query().Has("id_token") {
				t.Errorf("%s is answered at %s", kind, to)
			}
		}
	}
	to := b.Authorize(t, web, "scope", "openid", "nonce", "the nonce").Location(t)
	names := slices.Sorted(maps.Keys(to.Query()))
	if !slices.Equal(names, []string{"code", "iss", "state"}) || to.Fragment != "" {
		t.Errorf("a good request is answered with %q and the fragment %q", names, to.Fragment)
	}
}

// ASVS 10.4.6, 10.4.12, 10.6.1, RFC 9700 B-2.1c, B-2.1.1c, B-2.4: clients read from the
// metadata what is demanded of them; what it says is what is done (the tests of the
// endpoint).
func TestTheMetadataSaysWhatTheCodeFlowDemands(t *testing.T) {
	w := servertest.New(t)
	m := w.Get(t, "/.well-known/openid-configuration", "").JSON()
	for name, want := range map[string]any{
		"code_challenge_methods_supported":               []any{"S256"},
		"response_types_supported":                       []any{"code"},
		"response_modes_supported":                       []any{"query"},
		"grant_types_supported":                          []any{"authorization_code", "client_credentials", "refresh_token", servertest.DeviceGrant},
		"authorization_response_iss_parameter_supported": true,
		"request_parameter_supported":                    false,
		"request_uri_parameter_supported":                false,
		"claims_parameter_supported":                     false,
		"token_endpoint_auth_methods_supported":          []any{"client_secret_basic", "client_secret_post", "none", "private_key_jwt"},
		"introspection_endpoint_auth_methods_supported":  []any{"client_secret_basic", "client_secret_post", "private_key_jwt"},
		"revocation_endpoint_auth_methods_supported":     []any{"client_secret_basic", "client_secret_post", "none", "private_key_jwt"},

		"token_endpoint_auth_signing_alg_values_supported":         []any{"ES256", "ES384", "ES512", "EdDSA", "PS256", "RS256"},
		"introspection_endpoint_auth_signing_alg_values_supported": []any{"ES256", "ES384", "ES512", "EdDSA", "PS256", "RS256"},
		"revocation_endpoint_auth_signing_alg_values_supported":    []any{"ES256", "ES384", "ES512", "EdDSA", "PS256", "RS256"},

		"registration_endpoint":                      nil,
		"pushed_authorization_request_endpoint":      nil,
		"dpop_signing_alg_values_supported":          nil,
		"tls_client_certificate_bound_access_tokens": nil,
	} {
		got := m[name]
		if list, ok := got.([]any); ok {
			slices.SortFunc(list, func(x, y any) int { return strings.Compare(x.(string), y.(string)) })
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// ASVS 10.4.6, RFC 9700 B-2.1.1a: a challenge is demanded of every application that does not
// declare otherwise, also if it sends a nonce, and of one that declares so no more.
func TestAChallengeIsDemandedWhereNothingElseIsDeclared(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	without := []string{"code_challenge", "-", "code_challenge_method", "-", "scope", "openid project:read", "nonce", "the nonce"}
	for _, client := range []string{site, spa, native, abroad} {
		sentBack(t, w, b.Authorize(t, client, without...), client, "invalid_request")
	}
	if a := b.Authorize(t, web, without...); a.Status != http.StatusOK {
		t.Errorf("where it is declared: %d to %s", a.Status, a.Header.Get("Location"))
	}
	w.Declared.Applications[web].PKCEOptional = false
	w.Publish(t)
	sentBack(t, w, b.Authorize(t, web, without...), web, "invalid_request")
}

// ASVS 10.7.1: neither a consent that was remembered for an address that proves somebody,
// nor an application that is declared not to ask, spares the question where the answer goes
// to a program on the device.
func TestAnAddressThatProvesNobodyIsAskedForWhateverWasAgreedElsewhere(t *testing.T) {
	for _, mode := range []model.ConsentMode{model.ConsentRemember, model.ConsentSkip} {
		w := servertest.New(t)
		w.Declared.Applications[site].Consent.Mode = mode
		w.Declared.Applications[site].RedirectURIs = []string{servertest.Redirects[site][0], "http://127.0.0.1:8000/callback", "com.example.app:/callback"}
		w.Publish(t)
		b := w.SignedIn(t, servertest.Ann)
		b.Code(t, site)
		if to := b.Authorize(t, site).Location(t); to.Query().Get("code") == "" {
			t.Fatalf("%s: where it is spared she is asked: %s", mode, to)
		}
		for _, uri := range w.Declared.Applications[site].RedirectURIs[1:] {
			if a := b.Authorize(t, site, "redirect_uri", uri); a.Status != http.StatusOK {
				t.Errorf("%s: %s is not asked for: %d", mode, uri, a.Status)
			}
			if to := b.Authorize(t, site, "redirect_uri", uri, "prompt", "none").Location(t); to.Query().Get("error") != "consent_required" {
				t.Errorf("%s: %s with prompt=none: %s", mode, uri, to)
			}
		}
	}
}

// ASVS 10.4.5, RFC 9700 B-2.2.2, and what is demanded for applications in browsers: their
// refresh tokens rotate, one of many at once wins, and reuse ends all.
func TestRefreshTokensOfPublicApplicationsRotateAndEndWithReuse(t *testing.T) {
	for _, client := range []string{spa, native} {
		t.Run(client, func(t *testing.T) {
			w := servertest.New(t)
			in := w.Redeem(t, client, w.SignedIn(t, servertest.Ann).Code(t, client, "scope", "openid offline_access project:read"))
			first := in.Text("refresh_token")
			successors := map[string]bool{}
			var access string
			for _, a := range parallel(20, func() servertest.Answer { return w.Refresh(t, client, first) }) {
				if a.Status != redeemed {
					t.Fatalf("%d %s", a.Status, a.Body)
				}
				successors[a.Text("refresh_token")] = true
				access = a.Text("access_token")
			}
			if len(successors) != 1 || successors[first] {
				t.Fatalf("%d successors of one token", len(successors))
			}
			second := slices.Collect(maps.Keys(successors))[0]
			third := w.Refresh(t, client, second).Text("refresh_token")
			refused(t, w.Refresh(t, client, first), 400, "invalid_grant")
			refused(t, w.Refresh(t, client, third), 400, "invalid_grant")
			inactive(t, w, in.Text("access_token"))
			inactive(t, w, access)
		})
	}
}

// ASVS 10.4.8: whatever is rotated ends with the first one, also with offline access.
func TestARotatedRefreshTokenNeverOutlivesTheFirst(t *testing.T) {
	w := servertest.New(t)
	token := w.Redeem(t, spa, w.SignedIn(t, servertest.Ann).Code(t, spa, "scope", "openid offline_access project:read")).Text("refresh_token")
	for range 3 {
		w.Pass(23 * time.Hour)
		a := w.Refresh(t, spa, token)
		if token = a.Text("refresh_token"); a.Status != redeemed {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
	}
	w.Pass(3 * time.Hour) // 72 h after the code was redeemed
	refused(t, w.Refresh(t, spa, token), 400, "invalid_grant")
}

// What is demanded for applications in browsers: an ID token says no more of a person than
// the scopes ask for; nor does userinfo.
func TestAnIDTokenSaysOnlyWhatTheScopesAskFor(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	always := []string{"acr", "amr", "at_hash", "aud", "auth_time", "exp", "iat", "iss", "nonce", "org", "org_id", "sub"}
	for scope, more := range map[string][]string{
		"openid": nil, "openid profile": {"name"}, "openid email": {"email", "email_verified"}, "openid groups": {"groups"},
		"openid project:write offline_access": nil, "openid email groups profile": {"email", "email_verified", "groups", "name"},
	} {
		a := w.Redeem(t, spa, b.Code(t, spa, "scope", scope, "nonce", "the nonce"))
		said := claims(t, w, a.Text("id_token"))
		if diff := cmp.Diff(slices.Sorted(slices.Values(append(more, always...))), slices.Sorted(maps.Keys(said))); diff != "" {
			t.Errorf("%s: the ID token (-want +got):\n%s", scope, diff)
		}
		who := w.Get(t, "/oauth/userinfo/", a.Text("access_token")).JSON()
		if diff := cmp.Diff(slices.Sorted(slices.Values(append(more, "org", "org_id", "sub"))), slices.Sorted(maps.Keys(who))); diff != "" {
			t.Errorf("%s: userinfo (-want +got):\n%s", scope, diff)
		}
	}
}

// ASVS 9.2.4, RFC 9700 B-2.3: no token poses for another audience than one that its
// application is declared to use; and it is for one.
func TestNoTokenPosesForAnotherAudience(t *testing.T) {
	w := servertest.New(t)
	const api = "https://api.example.com"
	w.Declared.Applications[web].Resources, w.Declared.Applications[web].JWTAccessTokens = []string{api}, true
	w.Declared.Applications[servertest.Gateway].Audiences = []string{api}
	w.Publish(t)
	b := w.SignedIn(t, servertest.Ann)
	own := w.HTTP.URL + "/organizations/acme"
	for _, resource := range []string{
		w.HTTP.URL, w.HTTP.URL + "/", w.HTTP.URL + "/organizations/globex", own + "/", own + "?", strings.ToUpper(own), web, site, "acme",
		w.Declared.Organizations["acme"].ID, api + "/", api + "/v1", api + "#", api + " " + own, "https://API.example.com", "*",
	} {
		sentBack(t, w, b.Authorize(t, web, "resource", resource), web, "invalid_target")
		refused(t, w.Post(t, tokenAt, machine, "grant_type", "client_credentials", "resource", resource), 400, "invalid_target")
		refused(t, w.Post(t, deviceAt, cli, "resource", resource), 400, "invalid_target")
	}
	for _, resource := range []string{api, own} {
		a := w.Redeem(t, web, b.Code(t, web, "scope", "openid project:read", "resource", resource))
		if got := claims(t, w, a.Text("access_token"))["aud"]; got != resource {
			t.Errorf("the JWT is for %v, want %s", got, resource)
		}
		if got := claims(t, w, a.Text("id_token"))["aud"]; got != web {
			t.Errorf("the ID token is for %v", got)
		}
		// ASVS 9.2.3, 10.3.1: what is for another API is worth nothing at ours.
		want := map[string]int{api: http.StatusUnauthorized, own: http.StatusOK}[resource]
		for _, path := range []string{"/oauth/userinfo/", "/api/0/user/"} {
			if got := w.Get(t, path, a.Text("access_token")); got.Status != want {
				t.Errorf("%s answers %d to a JWT for %s", path, got.Status, resource)
			}
		}
	}
}

// ASVS 9.1.1, 9.1.2: where a signed token is taken from outside, at both endpoints that take
// id_token_hint and at all that take access tokens, an altered one is refused, or counts for
// nothing.
func TestSignedTokensAreVerifiedWhereverTheyAreTaken(t *testing.T) {
	w := servertest.New(t)
	w.Declared.Applications[web].JWTAccessTokens = true
	w.Publish(t)
	b := w.SignedIn(t, servertest.Ann)
	a := w.Redeem(t, web, b.Code(t, web, "scope", "openid project:read"))
	for name, forge := range map[string]func(string) string{
		"altered":                 tampered,
		"without a signature":     func(s string) string { return s[:strings.LastIndexByte(s, '.')+1] },
		"unsigned, by its header": func(s string) string { return unsigned + s[strings.IndexByte(s, '.'):strings.LastIndexByte(s, '.')+1] },
		"unsigned, signature on":  func(s string) string { return unsigned + s[strings.IndexByte(s, '.'):] },
	} {
		t.Run(name, func(t *testing.T) {
			hint, access := forge(a.Text("id_token")), forge(a.Text("access_token"))
			sentBack(t, w, b.Authorize(t, web, "id_token_hint", hint), web, "invalid_request")
			if page := b.Visit(t, leave("id_token_hint", hint)); page.Status != http.StatusOK || !signedInStill(t, b) {
				t.Errorf("sign-out believes it: %d", page.Status)
			}
			inactive(t, w, access)
			for _, path := range []string{"/oauth/userinfo/", "/api/0/user/", "/api/0/organizations/"} {
				if got := w.Get(t, path, access); got.Status != http.StatusUnauthorized {
					t.Errorf("%s answers %d", path, got.Status)
				}
			}
			w.Post(t, revokeAt, web, "token", access)
			active(t, w, a.Text("access_token"), "openid project:read") // a forgery revokes nothing
		})
	}
	if !signedInStill(t, b) {
		t.Error("a forged hint signed her out")
	}
}

var unsigned = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))

// ASVS 10.3.3, 10.7.1: a person is an ID. Whoever is given the address of somebody who was
// deleted is somebody else: no consent, no grant, no code and no hint is theirs.
func TestAnAddressGivenToSomebodyElseBringsNothing(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	in := w.Redeem(t, site, b.Code(t, site, "scope", "openid offline_access project:read")) // and the consent is remembered
	code := b.Code(t, site, "scope", "openid project:read")
	if err := w.Store.DeleteUser(t.Context(), servertest.Ann.ID, store.Event{Time: w.Now(), Action: "user.deleted"}); err != nil {
		t.Fatal(err)
	}
	heir := servertest.Ann
	heir.ID, heir.CreatedAt, heir.EmailProvenAt = "usr_heirheirheirheirheirheir", w.Now(), w.Now()
	if err := w.Store.CreateUser(t.Context(), heir, store.Event{Time: w.Now(), Action: "user.created"}); err != nil {
		t.Fatal(err)
	}
	inactive(t, w, in.Text("access_token"))
	refused(t, w.Refresh(t, site, in.Text("refresh_token")), 400, "invalid_grant")
	refused(t, w.Redeem(t, site, code), 400, "invalid_grant")
	second := w.SignedIn(t, heir)
	sentBack(t, w, second.Authorize(t, site, "scope", "openid", "prompt", "none"), site, "consent_required")
	sentBack(t, w, second.Authorize(t, site, "scope", "openid", "prompt", "none", "id_token_hint", in.Text("id_token")), site, "login_required")
	got := claims(t, w, w.Redeem(t, site, second.Code(t, site, "scope", "openid email")).Text("id_token"))
	if got["sub"] != heir.ID || got["email"] != servertest.Ann.Email {
		t.Errorf("the heir is told of as %v", got)
	}
}

// ASVS 10.1.1, RFC 9700 B-4.9: a code, an ID token and a JWT are neither logged nor kept, nor
// is what would redeem the code; the store knows a code by a keyed hash.
func TestCodesAndSignedTokensAreNeitherLoggedNorKept(t *testing.T) {
	w := servertest.New(t)
	w.Declared.Applications[web].JWTAccessTokens = true
	w.Publish(t)
	b := w.SignedIn(t, servertest.Ann)
	page := b.Authorize(t, web, "scope", "openid offline_access project:read")
	form := page.Form(t, "/oauth/consent/")
	unused := b.Decide(t, page, "approve").Location(t).Query().Get("code")
	used := b.Code(t, web, "scope", "openid offline_access project:read")
	in := w.Redeem(t, web, used)
	w.Redeem(t, web, used[:len(used)-1])
	b.Visit(t, leave("id_token_hint", in.Text("id_token")))
	secrets := []string{unused, used, servertest.Verifier, in.Text("id_token"), in.Text("access_token"), in.Text("refresh_token"), form.Get("request"), form.Get("token")}

	minter := tokens.NewMinter(w.HTTP.URL, w.Keys)
	row, err := w.Store.AuthorizationCode(t.Context(), minter.HashAuthorizationCode(unused))
	if err != nil || row.UserID != servertest.Ann.ID {
		t.Fatalf("%+v, %v", row, err)
	}
	keys, err := keyringtest.New()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Store.AuthorizationCode(t.Context(), tokens.NewMinter(w.HTTP.URL, keys).HashAuthorizationCode(unused)); err == nil {
		t.Error("without the keys a code is found by its hash")
	}
	w.HTTP.Close()
	places := map[string]string{"the log": w.Log.String()}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(t.TempDir()), "*", "gatehouse.db*"))
	if err != nil || len(files) < 2 {
		t.Fatalf("found the files %q: %v", files, err)
	}
	for _, path := range files {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		places[filepath.Base(path)] = string(raw)
	}
	for place, content := range places {
		for i, secret := range secrets {
			if secret == "" || strings.Contains(content, secret) || strings.Contains(content, url.QueryEscape(secret)) {
				t.Errorf("%s has secret %d", place, i)
			}
		}
	}
	if !strings.Contains(places["gatehouse.db"]+places["gatehouse.db-wal"], servertest.Challenge) {
		t.Error("the search does not find what is there")
	}
}

// RFC 9700 B-2.1d, B-4.2, B-4.3: the way back is a 303 that no cache keeps and no referrer
// tells of; code and refusal are in the query alone.
func TestTheWayBackIsKeptNowhere(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	for name, a := range map[string]servertest.Answer{
		"a code":              b.Decide(t, b.Authorize(t, web), "approve"),
		"a denial":            b.Decide(t, b.Authorize(t, web), "deny"),
		"a refusal":           b.Authorize(t, web, "prompt", "none"),
		"to sign in":          w.Browser().Authorize(t, web),
		"a request by a post": w.Do(t, w.Request(t, http.MethodPost, "/oauth/authorize/", "client_id="+web)),
	} {
		if a.Status != http.StatusSeeOther || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Referrer-Policy") != "no-referrer" ||
			len(a.Body) > 0 || a.Location(t).Fragment != "" {
			t.Errorf("%s: %d %v %q", name, a.Status, a.Header, a.Body)
		}
	}
}

// RFC 9700 B-2.6b: no machine is named as a person is, and no person as a machine.
func TestNoApplicationCanBeTakenForAPerson(t *testing.T) {
	w := servertest.New(t)
	subjects := map[string]bool{}
	for client, app := range w.Declared.Applications {
		if !slices.Contains(app.GrantTypes, oauth.ClientCredentials) {
			continue
		}
		sub := w.Introspect(t, client, machineToken(t, w, client)).Text("sub")
		if subjects[sub] = true; sub != client || strings.HasPrefix(sub, "usr_") || !strings.Contains(sub, ".") {
			t.Errorf("%s is %q", client, sub)
		}
	}
	person := w.Introspect(t, machine, w.SignIn(t, cli, servertest.Ann).Text("access_token")).Text("sub")
	if len(subjects) == 0 || subjects[person] || !strings.HasPrefix(person, "usr_") || strings.Contains(person, ".") {
		t.Errorf("a person is %q", person)
	}
}
