package server_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

const redeemed = http.StatusOK

func TestACodeIsRedeemedForTokensOfThePerson(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	a := w.Redeem(t, web, b.Code(t, web, "scope", "openid email groups profile project:write", "nonce", "the nonce"))
	if a.Status != redeemed || a.Text("scope") != "email groups openid profile project:read project:write" || a.Text("token_type") != "Bearer" {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Pragma") != "no-cache" {
		t.Errorf("a cache may keep it: %v", a.Header)
	}
	who := w.Get(t, "/oauth/userinfo/", a.Text("access_token"))
	if who.Text("sub") != servertest.Ann.ID || who.Text("email") != servertest.Ann.Email || who.JSON()["email_verified"] != true ||
		who.Text("name") != "Ann" || who.JSON()["groups"].([]any)[0] != "role:acme developer" || who.Text("org") != "acme" {
		t.Errorf("userinfo: %d %s", who.Status, who.Body)
	}
}

// RFC 6749 section 4.1.3, RFC 9700 B-4.5 and B-4.8, ASVS 10.4.2, 10.4.3, 10.4.6: whatever
// is wrong with the presentation of a code is invalid_grant, and burns it.
func TestACodeThatIsPresentedWronglyIsRefusedAndBurned(t *testing.T) {
	for name, c := range map[string]struct {
		asked    []string // changes the authorization request
		client   string   // who presents it; empty: its own
		pairs    []string // changes the token request
		before   func(*servertest.World, *testing.T)
		code     string
		unburned bool
	}{
		"by another client":                   {client: site, pairs: []string{"redirect_uri", servertest.Redirects[web][0]}, code: "invalid_grant"},
		"by a public client":                  {client: spa, pairs: []string{"redirect_uri", servertest.Redirects[web][0]}, code: "invalid_grant"},
		"with another redirect_uri":           {pairs: []string{"redirect_uri", servertest.Redirects[web][1]}, code: "invalid_grant"},
		"without its redirect_uri":            {pairs: []string{"redirect_uri", "-"}, code: "invalid_grant"},
		"without a verifier":                  {pairs: []string{"code_verifier", "-"}, code: "invalid_grant"},
		"with an empty verifier":              {pairs: []string{"code_verifier", ""}, code: "invalid_grant"},
		"with another verifier":               {pairs: []string{"code_verifier", strings.Repeat("v", 43)}, code: "invalid_grant"},
		"with the challenge for a verifier":   {pairs: []string{"code_verifier", servertest.Challenge}, code: "invalid_grant"},
		"with a verifier that is too short":   {pairs: []string{"code_verifier", "short"}, code: "invalid_grant"},
		"with a verifier of other characters": {pairs: []string{"code_verifier", strings.Repeat("=", 43)}, code: "invalid_grant"},
		"a minute later":                      {before: func(w *servertest.World, _ *testing.T) { w.Pass(time.Minute) }, code: "invalid_grant"},
		"for another resource":                {pairs: []string{"resource", "https://api.example.com"}, code: "invalid_target"},
		"after the application was suspended": {before: suspendWeb, code: "invalid_client", unburned: true},
		"after the role was taken away":       {before: withoutRoles, code: "invalid_grant"},
		"after the account was disabled":      {before: func(w *servertest.World, t *testing.T) { disable(t, w) }, code: "invalid_grant", unburned: true},
		"with a verifier and no challenge": {
			asked: []string{"code_challenge", "-", "code_challenge_method", "-", "scope", "openid", "nonce", "n"}, code: "invalid_grant",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := servertest.New(t)
			code := w.SignedIn(t, servertest.Ann).Code(t, web, c.asked...)
			if c.before != nil {
				c.before(w, t)
			}
			client := web
			if c.client != "" {
				client = c.client
			}
			a := w.Redeem(t, client, code, c.pairs...)
			if a.Text("error") != c.code || a.Text("access_token") != "" {
				t.Errorf("got %d %s, want %s", a.Status, a.Body, c.code)
			}
			if c.unburned {
				return
			}
			good := []string{}
			if c.asked != nil {
				good = []string{"code_verifier", "-"}
			}
			refused(t, w.Redeem(t, web, code, good...), 400, "invalid_grant")
		})
	}
}

func suspendWeb(w *servertest.World, t *testing.T) {
	w.Declared.Applications[web].Suspended = true
	w.Publish(t)
}

func withoutRoles(w *servertest.World, t *testing.T) {
	delete(w.Declared.Holdings["acme"], servertest.Ann.Email)
	w.Publish(t)
}

func TestACodeThatIsNoneIsRefused(t *testing.T) {
	w := servertest.New(t)
	refused(t, w.Redeem(t, web, "nobody made this"), 400, "invalid_grant")
	refused(t, w.Redeem(t, web, "", "code", "-"), 400, "invalid_request")
	code := w.SignedIn(t, servertest.Ann).Code(t, web)
	refused(t, w.Redeem(t, web, code[:len(code)-1]), 400, "invalid_grant")
}

// RFC 9700 section 2.1.1: who sends a nonce in place of a challenge needs no verifier.
func TestANonceServesInPlaceOfAChallengeWhereDeclared(t *testing.T) {
	w := servertest.New(t)
	code := w.SignedIn(t, servertest.Ann).Code(t, web, "code_challenge", "-", "code_challenge_method", "-", "scope", "openid", "nonce", "n")
	if a := w.Redeem(t, web, code, "code_verifier", "-"); a.Status != redeemed {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// ASVS 10.4.2: the second use is refused, and ends what the first one got.
func TestAReplayedCodeEndsWhatTheFirstUseGot(t *testing.T) {
	for name, thief := range map[string]string{"by its own client": web, "by another client": site} {
		t.Run(name, func(t *testing.T) {
			w := servertest.New(t)
			code := w.SignedIn(t, servertest.Ann).Code(t, web)
			first := w.Redeem(t, web, code)
			active(t, w, first.Text("access_token"), "org:read project:read project:write")
			w.Pass(time.Hour / 6) // long after the code has expired
			refused(t, w.Redeem(t, thief, code), 400, "invalid_grant")
			inactive(t, w, first.Text("access_token"))
			refused(t, w.Refresh(t, web, first.Text("refresh_token")), 400, "invalid_grant")
		})
	}
}

// ASVS 10.4.2: of fifty that redeem one code at once one wins, and what it won dies with the
// replay of the others.
func TestOfFiftyRedemptionsAtOnceOneWinsAndIsRevoked(t *testing.T) {
	w := servertest.New(t)
	code := w.SignedIn(t, servertest.Ann).Code(t, web)
	answers := make([]servertest.Answer, 50)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = w.Redeem(t, web, code) })
	}
	all.Wait()
	var won []servertest.Answer
	for _, a := range answers {
		if a.Status == redeemed {
			won = append(won, a)
		} else {
			refused(t, a, 400, "invalid_grant")
		}
	}
	if len(won) != 1 {
		t.Fatalf("%d redemptions won", len(won))
	}
	inactive(t, w, won[0].Text("access_token"))
}

// OpenID Connect Core section 11: what the refresh token of a code flow depends on.
func TestWhatACodeIsRedeemedForEndsWhenItShould(t *testing.T) {
	const oneScope = "project:read"
	for name, c := range map[string]struct {
		scope     string
		refresh   bool
		afterward bool // it works after the session has ended
	}{
		"no OpenID request":                     {oneScope, true, false},
		"an OpenID request":                     {"openid " + oneScope, false, false},
		"an OpenID request with offline_access": {"openid offline_access " + oneScope, true, true},
		"offline_access without openid":         {"offline_access " + oneScope, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := servertest.New(t)
			b := w.SignedIn(t, servertest.Ann)
			a := w.Redeem(t, web, b.Code(t, web, "scope", c.scope))
			if (a.Text("refresh_token") != "") != c.refresh {
				t.Fatalf("refresh token given: %s", a.Body)
			}
			form := b.Visit(t, "/logout/").Form(t, "/logout/")
			if out := b.Send(t, http.MethodPost, "/logout/", form); out.Status != http.StatusSeeOther {
				t.Fatalf("sign out: %d %s", out.Status, out.Body)
			}
			if got := w.Introspect(t, machine, a.Text("access_token")).JSON()["active"]; got != c.afterward {
				t.Errorf("after sign-out active: %v", got)
			}
			if c.refresh {
				if got := w.Refresh(t, web, a.Text("refresh_token")).Status == redeemed; got != c.afterward {
					t.Errorf("after sign-out it refreshes: %v", got)
				}
			}
		})
	}
}

// ASVS 10.4.8: a grant without offline access ends with the absolute limit of its session,
// not with idle time.
func TestAGrantWithoutOfflineAccessEndsWithTheLongestSession(t *testing.T) {
	w := servertest.New(t)
	w.Declared.Organizations["acme"].Tokens.RefreshIdle = 8000 * time.Hour
	w.Declared.Organizations["acme"].Tokens.RefreshAbsolute = 8000 * time.Hour
	w.Publish(t)
	b := w.SignedIn(t, servertest.Ann)
	token := w.Redeem(t, web, b.Code(t, web)).Text("refresh_token")
	for range 29 {
		w.Pass(24 * time.Hour)
		a := w.Refresh(t, web, token)
		if token = a.Text("refresh_token"); a.Status != redeemed {
			t.Fatalf("within the session's limit: %d %s", a.Status, a.Body)
		}
	}
	w.Pass(24 * time.Hour)
	refused(t, w.Refresh(t, web, token), 400, "invalid_grant")
}

// A code that was given before the person signed out is worth nothing after.
func TestACodeEndsWithItsSession(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	code := b.Code(t, web, "scope", "openid offline_access")
	b.SignIn(t, servertest.Bob)
	refused(t, w.Redeem(t, web, code), 400, "invalid_grant")
}

// An application that asks for a fresh sign-in ends nothing of others: the person's session
// goes on under another identifier (ASVS 7.2.4). Somebody else's sign-in ends it.
func TestAFreshSignInOfTheSamePersonKeepsWhatIsBoundToTheSession(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	token := w.Redeem(t, site, b.Code(t, site)).Text("access_token")
	before := b.Copy()
	w.Pass(time.Second)
	back := b.Authorize(t, web, "prompt", "login").Location(t).Query().Get("next")
	w.Pass(time.Second)
	b.SignIn(t, servertest.Ann)
	if page := b.Visit(t, back); page.Status != http.StatusOK {
		t.Fatalf("%d %s", page.Status, page.Body)
	}
	active(t, w, token, "org:read project:read project:write")
	if before.Authorize(t, web).Location(t).Path != "/login/" {
		t.Error("the identifier of before is still good")
	}
	b.SignIn(t, servertest.Bob)
	inactive(t, w, token)
}

func TestRevokingTheConsentEndsItsGrants(t *testing.T) {
	w := servertest.New(t)
	a := w.Redeem(t, site, w.SignedIn(t, servertest.Ann).Code(t, site, "scope", "openid offline_access project:read"))
	app := w.Declared.Applications[site]
	ended, err := w.Store.RevokeConsent(t.Context(), servertest.Ann.ID, app.UID, w.Declared.Organizations["acme"].ID, w.Now(), store.Event{Time: w.Now(), Action: "consent.revoked"})
	if err != nil || !ended {
		t.Fatalf("%v %v", ended, err)
	}
	inactive(t, w, a.Text("access_token"))
	refused(t, w.Refresh(t, site, a.Text("refresh_token")), 400, "invalid_grant")
}

// RFC 9700 B-2.2.2: the refresh token is bound to scope, resource and client.
func TestARefreshTokenOfACodeIsBound(t *testing.T) {
	w := servertest.New(t)
	const api = "https://api.example.com"
	w.Declared.Applications[web].Resources = []string{api}
	w.Declared.Applications[machine].Audiences = []string{api}
	w.Publish(t)
	a := w.Redeem(t, web, w.SignedIn(t, servertest.Ann).Code(t, web, "scope", "project:read", "resource", api))
	token := a.Text("refresh_token")
	if got := w.Introspect(t, machine, a.Text("access_token")).Text("aud"); got != api {
		t.Errorf("the token is for %q", got)
	}
	// ASVS 10.3.1: it is for that API, and for none of ours.
	if got := w.Get(t, "/api/0/user/", a.Text("access_token")); got.Status != http.StatusUnauthorized {
		t.Errorf("our own API takes it: %d", got.Status)
	}
	refused(t, w.Refresh(t, site, token), 400, "invalid_grant")
	refused(t, w.Refresh(t, web, token, "scope", "project:write"), 400, "invalid_scope")
	refused(t, w.Refresh(t, web, token, "resource", w.HTTP.URL+"/organizations/acme"), 400, "invalid_target")
	again := w.Refresh(t, web, token, "resource", api)
	if got := w.Introspect(t, machine, again.Text("access_token")).Text("aud"); again.Status != redeemed || got != api {
		t.Errorf("refreshed: %d for %q", again.Status, got)
	}
}

// A resource server is told about the tokens for its audience, whoever got them, and about
// no other.
func TestAResourceServerIntrospectsTheTokensForItsAudience(t *testing.T) {
	w := servertest.New(t)
	const api = "https://api.example.com"
	w.Declared.Applications[web].Resources = []string{api}
	w.Declared.Applications[servertest.Gateway].Audiences = []string{api}
	w.Publish(t)
	b := w.SignedIn(t, servertest.Ann)
	forIt, other := w.Redeem(t, web, b.Code(t, web, "resource", api)).Text("access_token"), w.Redeem(t, web, b.Code(t, web)).Text("access_token")
	if got := w.Introspect(t, servertest.Gateway, forIt); got.JSON()["active"] != true {
		t.Errorf("for it: %s", got.Body)
	}
	if got := w.Introspect(t, servertest.Gateway, other); string(got.Body) != `{"active":false}` {
		t.Errorf("for the organization: %s", got.Body)
	}
	if got := w.Introspect(t, site, forIt); string(got.Body) != `{"active":false}` {
		t.Errorf("a neighbour: %s", got.Body)
	}
}

// RFC 9068: a JWT is believed by us only while its grant is in force.
func TestAJWTAccessTokenIsDecidedAboutLikeAnyOther(t *testing.T) {
	w := servertest.New(t)
	for _, id := range []string{web, machine} {
		w.Declared.Applications[id].JWTAccessTokens = true
	}
	w.Publish(t)
	a := w.Redeem(t, web, w.SignedIn(t, servertest.Ann).Code(t, web))
	token := a.Text("access_token")
	if strings.Count(token, ".") != 2 || a.JSON()["expires_in"] != 600.0 {
		t.Fatalf("%s", a.Body)
	}
	active(t, w, token, "org:read project:read project:write")
	if got := w.Get(t, "/api/0/user/", token); got.Text("id") != servertest.Ann.ID {
		t.Errorf("our API: %d %s", got.Status, got.Body)
	}
	own := w.Post(t, tokenAt, machine, "grant_type", "client_credentials").Text("access_token")
	active(t, w, own, "org:read project:read")
	w.Post(t, revokeAt, machine, "token", own)
	inactive(t, w, own)
	w.Declared.Roles["acme developer"].Scopes = oauth.NewScopeSet("org:read")
	w.Publish(t)
	active(t, w, token, "org:read")
	w.Post(t, revokeAt, web, "token", a.Text("refresh_token"))
	inactive(t, w, token)
}

// ASVS 9.2.2: an ID token is no access token, and an access token no hint.
func TestATokenOfOneKindIsNotTakenForAnother(t *testing.T) {
	w := servertest.New(t)
	w.Declared.Applications[web].JWTAccessTokens = true
	w.Publish(t)
	b := w.SignedIn(t, servertest.Ann)
	a := w.Redeem(t, web, b.Code(t, web, "scope", "openid offline_access"))
	id, access := a.Text("id_token"), a.Text("access_token")
	inactive(t, w, id)
	inactive(t, w, a.Text("refresh_token"))
	if got := w.Get(t, "/oauth/userinfo/", id); got.Status != http.StatusUnauthorized {
		t.Errorf("userinfo takes an ID token: %d", got.Status)
	}
	refused(t, w.Refresh(t, web, access), 400, "invalid_grant")
	refused(t, w.Redeem(t, web, id), 400, "invalid_grant")
	sentBack(t, w, b.Authorize(t, web, "id_token_hint", access), web, "invalid_request")
	other := w.Redeem(t, site, b.Code(t, site, "scope", "openid")).Text("id_token")
	sentBack(t, w, b.Authorize(t, web, "id_token_hint", other), web, "invalid_request")
}

func TestAnIDTokenHintNamesWhoIsExpected(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	hint := w.Redeem(t, web, b.Code(t, web, "scope", "openid")).Text("id_token")
	if a := b.Authorize(t, web, "id_token_hint", hint); a.Status != http.StatusOK {
		t.Errorf("for herself: %d", a.Status)
	}
	b.SignIn(t, servertest.Bob)
	sentBack(t, w, b.Authorize(t, web, "id_token_hint", hint, "prompt", "none"), web, "login_required")
	back := b.Authorize(t, web, "id_token_hint", hint).Location(t).Query().Get("next")
	w.Pass(time.Second)
	b.SignIn(t, servertest.Bob)
	sentBack(t, w, b.Visit(t, back), web, "login_required")
}

// OpenID Connect Core section 12.2: the ID token of a refresh has the time of the sign-in,
// and no nonce.
func TestTheIDTokenOfARefreshKeepsTheTimeOfTheSignIn(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	a := w.Redeem(t, web, b.Code(t, web, "scope", "openid offline_access", "nonce", "the nonce"))
	first := claims(t, w, a.Text("id_token"))
	w.Pass(time.Hour)
	again := claims(t, w, w.Refresh(t, web, a.Text("refresh_token")).Text("id_token"))
	if first["nonce"] != "the nonce" || again["nonce"] != nil || first["auth_time"] != again["auth_time"] || first["iat"] == again["iat"] {
		t.Errorf("first %v, then %v", first, again)
	}
	if first["acr"] != "1" || first["amr"].([]any)[0] != "pwd" || first["org"] != "acme" || first["aud"] != web || first["at_hash"] == nil || first["email"] != nil {
		t.Errorf("%v", first)
	}
}

func TestUserinfoNeedsOpenIDAndAPerson(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	plain := w.Redeem(t, web, b.Code(t, web, "scope", "project:read")).Text("access_token")
	if a := w.Get(t, "/oauth/userinfo/", plain); a.Status != 403 || !strings.Contains(a.Header.Get("WWW-Authenticate"), `error="insufficient_scope"`) {
		t.Errorf("without openid: %d %s", a.Status, a.Header.Get("WWW-Authenticate"))
	}
	own := w.Post(t, tokenAt, machine, "grant_type", "client_credentials").Text("access_token")
	if a := w.Get(t, "/oauth/userinfo/", own); a.Status != 403 {
		t.Errorf("a machine: %d", a.Status)
	}
	if a := w.Get(t, "/oauth/userinfo/", ""); a.Status != 401 || a.Header.Get("WWW-Authenticate") != `Bearer realm="`+w.HTTP.URL+`"` {
		t.Errorf("without a token: %d %s", a.Status, a.Header.Get("WWW-Authenticate"))
	}
	id := w.Redeem(t, web, b.Code(t, web, "scope", "openid")).Text("access_token")
	post := w.Request(t, http.MethodPost, "/oauth/userinfo/", "")
	post.Header.Del("Content-Type") // some clients post nothing but the token
	post.Header.Set("Authorization", "Bearer "+id)
	if a := w.Do(t, post); a.Text("sub") != servertest.Ann.ID {
		t.Errorf("by POST: %d %s", a.Status, a.Body)
	}
	if a := w.Get(t, "/oauth/userinfo/?access_token="+id, ""); a.Status != 400 {
		t.Errorf("the token in the query (RFC 9700 B-4.3): %d", a.Status)
	}
	if a := w.Get(t, "/oauth/userinfo/", id); a.Text("sub") != servertest.Ann.ID || a.JSON()["email"] != nil || a.JSON()["name"] != nil || a.JSON()["groups"] != nil {
		t.Errorf("it tells more than openid: %s", a.Body)
	}
}
