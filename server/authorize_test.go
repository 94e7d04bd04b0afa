package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

const (
	web    = servertest.Web
	site   = servertest.Site
	spa    = servertest.SPA
	native = servertest.Native
	abroad = servertest.Abroad
)

// sentBack checks that a refusal reached the client with state and issuer (RFC 6749 section
// 4.1.2.1, RFC 9207), and nothing else.
func sentBack(t *testing.T, w *servertest.World, a servertest.Answer, client, code string) {
	t.Helper()
	to := a.Location(t)
	query := to.Query()
	if query.Get("error") != code || query.Get("state") != "the state" || query.Get("iss") != w.HTTP.URL || query.Has("code") {
		t.Errorf("sent back to %s, want error %s with state and iss", to, code)
	}
	if !strings.HasPrefix(to.String(), servertest.Redirects[client][0]) {
		t.Errorf("sent to %s, which is not the client's", to)
	}
}

// onlyAPage checks that a request went no further than to the person: there is no redirect
// (RFC 9700 section 4.11).
func onlyAPage(t *testing.T, a servertest.Answer) {
	t.Helper()
	if a.Status != http.StatusBadRequest || a.Header.Get("Location") != "" || !strings.Contains(string(a.Body), "<h1>") {
		t.Errorf("got %d to %q, want a page with 400: %.200s", a.Status, a.Header.Get("Location"), a.Body)
	}
}

// RFC 9700 B-2.1b, ASVS 10.4.1: until application and redirect URI are proven, a refusal is
// a page.
func TestWhoeverIsNotProvenGetsNoRedirect(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*servertest.World)
		client string
		pairs  []string
	}{
		"an unknown client":                            {nil, web, []string{"client_id", "acme.nobody"}},
		"a client of an unknown organization":          {nil, web, []string{"client_id", "nobody.web"}},
		"no client_id":                                 {nil, web, []string{"client_id", "-"}},
		"a suspended application":                      {func(w *servertest.World) { w.Declared.Applications[web].Suspended = true }, web, nil},
		"an application that has expired":              {func(w *servertest.World) { w.Declared.Applications[web].ExpiresAt = w.Now() }, web, nil},
		"a suspended organization":                     {func(w *servertest.World) { w.Declared.Organizations["acme"].Suspended = true }, web, nil},
		"an unregistered redirect_uri":                 {nil, web, []string{"redirect_uri", "https://evil.example/callback"}},
		"another application's redirect_uri":           {nil, web, []string{"redirect_uri", servertest.Redirects[site][0]}},
		"an empty redirect_uri":                        {nil, site, []string{"redirect_uri", ""}},
		"no redirect_uri where two are registered":     {nil, web, []string{"redirect_uri", "-"}},
		"no redirect_uri in an OpenID request":         {nil, site, []string{"redirect_uri", "-", "scope", "openid"}},
		"no redirect_uri and none registered":          {func(w *servertest.World) { w.Declared.Applications[site].RedirectURIs = nil }, site, []string{"redirect_uri", "-"}},
		"a bad response_type of an unproven client":    {nil, web, []string{"client_id", "acme.nobody", "response_type", "token"}},
		"a device application, which has no redirects": {nil, cli, []string{"redirect_uri", "https://web.example.com/callback"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := servertest.New(t)
			if c.change != nil {
				c.change(w)
				w.Publish(t)
			}
			b := w.SignedIn(t, servertest.Ann)
			if len(servertest.Redirects[c.client]) == 0 {
				onlyAPage(t, b.Visit(t, "/oauth/authorize/?response_type=code&client_id="+c.client+"&redirect_uri="+url.QueryEscape(c.pairs[1])))
				return
			}
			onlyAPage(t, b.Authorize(t, c.client, c.pairs...))
		})
	}
}

func TestAParameterThatIsThereTwiceIsRefusedBeforeAnythingElse(t *testing.T) {
	w := servertest.New(t)
	for _, name := range []string{"client_id", "redirect_uri", "state", "scope", "response_type", "nonce", "code_challenge", "prompt", "unknown"} {
		onlyAPage(t, w.SignedIn(t, servertest.Ann).Visit(t, servertest.AuthorizationRequest(web, name, "x")+"&"+name+"=y"))
	}
}

// ASVS 10.4.1, RFC 9700 B-2.1a: eight ways of writing almost the registered URI.
func TestTwistedRedirectURIsAreRefused(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	for name, uri := range map[string]string{
		"another path below":       "https://web.example.com/callback/evil",
		"a trailing slash":         "https://web.example.com/callback/",
		"another case of the host": "https://WEB.example.com/callback",
		"the default port":         "https://web.example.com:443/callback",
		"a dot segment":            "https://web.example.com/x/../callback",
		"an added query":           "https://web.example.com/callback?x=1",
		"a fragment":               "https://web.example.com/callback#x",
		"user information":         "https://web.example.com@evil.example/callback",
		"another scheme":           "http://web.example.com/callback",
		"an encoded character":     "https://web.example.com/%63allback",
		"a host that begins alike": "https://web.example.com.evil.example/callback",
		"a space before":           " https://web.example.com/callback",
		"a line end after":         "https://web.example.com/callback\r\n",
		"a backslash":              `https://web.example.com\@evil.example/callback`,
		"without its own query":    "https://web.example.com/other",
		"another port":             "https://web.example.com:8443/callback",
	} {
		t.Run(name, func(t *testing.T) { onlyAPage(t, b.Authorize(t, web, "redirect_uri", uri)) })
	}
	if to := b.Code(t, web, "redirect_uri", servertest.Redirects[web][1]); to == "" {
		t.Error("a registered URI with a query is refused")
	}
}

// RFC 8252 section 7.3, RFC 9700 B-2.1a: of a native application on loopback the port alone
// varies.
func TestOnlyTheLoopbackPortOfANativeApplicationVaries(t *testing.T) {
	w := servertest.New(t)
	w.Declared.Applications[web].RedirectURIs = []string{"http://127.0.0.1:8000/callback", "https://web.example.com/callback"}
	w.Publish(t)
	b := w.SignedIn(t, servertest.Ann)
	for uri, good := range map[string]bool{
		"http://127.0.0.1/callback": true, "http://127.0.0.1:1/callback": true, "http://127.0.0.1:54321/callback": true,
		"http://[::1]:54321/callback": true, "com.example.app:/callback": true,
		"http://localhost:54321/callback": false, "http://127.0.0.1:54321/callback/": false, "http://127.0.0.1:/callback": false,
		"http://127.0.0.1:123456/callback": false, "http://127.0.0.1:80@evil.example/callback": false, "http://127.0.0.2:1/callback": false,
		"https://127.0.0.1:1/callback": false, "http://127.0.0.1:1/callback?x": false, "http://127.0.0.1:1/callback#x": false,
		"com.example.app:/other": false, "com.example.app://callback": false, "http://127.0.0.1.evil.example/callback": false, "http://127.0.0.1:1x/callback": false,
	} {
		a := b.Authorize(t, native, "redirect_uri", uri)
		if got := a.Status == http.StatusOK; got != good {
			t.Errorf("%s: %d, want it taken: %v", uri, a.Status, good)
		}
	}
	if a := b.Authorize(t, web, "redirect_uri", "http://127.0.0.1:8000/callback"); a.Status != http.StatusOK {
		t.Errorf("a web application's exact loopback URI: %d", a.Status)
	}
	onlyAPage(t, b.Authorize(t, web, "redirect_uri", "http://127.0.0.1:8001/callback"))
}

// RFC 6749 section 4.1.2.1 and OpenID Connect Core section 3.1.2.6: the table of refusals,
// each sent to the client with state and iss.
func TestAuthorizationRefusesWithTheWordOfItsTable(t *testing.T) {
	for name, c := range map[string]struct {
		client string
		pairs  []string
		code   string
	}{
		"no response_type": {web, []string{"response_type", "-"}, "invalid_request"},
		"the implicit flow (ASVS 10.4.4, RFC 9700 B-2.1.2)": {spa, []string{"response_type", "token"}, "unsupported_response_type"},
		"the hybrid flow": {web, []string{"response_type", "code id_token"}, "unsupported_response_type"},
		"the answer in the fragment (ASVS 10.4.12)":           {web, []string{"response_mode", "fragment"}, "invalid_request"},
		"the answer by a form":                                {web, []string{"response_mode", "form_post"}, "invalid_request"},
		"an empty response_mode":                              {web, []string{"response_mode", ""}, "invalid_request"},
		"no challenge (ASVS 10.4.6)":                          {spa, []string{"code_challenge", "-", "code_challenge_method", "-"}, "invalid_request"},
		"an empty challenge (ASVS 10.4.6)":                    {spa, []string{"code_challenge", ""}, "invalid_request"},
		"an empty challenge where none is needed":             {web, []string{"code_challenge", "", "scope", "openid", "nonce", "n"}, "invalid_request"},
		"the challenge plain (ASVS 10.4.6)":                   {spa, []string{"code_challenge_method", "plain"}, "invalid_request"},
		"no challenge method, which means plain":              {spa, []string{"code_challenge_method", "-"}, "invalid_request"},
		"the method in another case":                          {spa, []string{"code_challenge_method", "s256"}, "invalid_request"},
		"a short challenge":                                   {spa, []string{"code_challenge", "short"}, "invalid_request"},
		"a challenge that is no base64url":                    {spa, []string{"code_challenge", strings.Repeat("+", 43)}, "invalid_request"},
		"a method without a challenge":                        {web, []string{"code_challenge", "-", "scope", "openid", "nonce", "n"}, "invalid_request"},
		"neither challenge nor nonce":                         {web, []string{"code_challenge", "-", "code_challenge_method", "-", "scope", "openid"}, "invalid_request"},
		"a nonce without openid in place of a challenge":      {web, []string{"code_challenge", "-", "code_challenge_method", "-", "nonce", "n"}, "invalid_request"},
		"a request object":                                    {web, []string{"request", "e30.e30."}, "request_not_supported"},
		"a request object by reference":                       {web, []string{"request_uri", "urn:x"}, "request_uri_not_supported"},
		"an application that describes itself":                {web, []string{"registration", "{}"}, "registration_not_supported"},
		"a scope that the catalogue lacks":                    {web, []string{"scope", "org:none"}, "invalid_scope"},
		"a scope beyond the ceiling (ASVS 10.4.11)":           {web, []string{"scope", "project:admin"}, "invalid_scope"},
		"a malformed scope":                                   {web, []string{"scope", "org:\"read"}, "invalid_scope"},
		"prompt none with another":                            {web, []string{"prompt", "none login"}, "invalid_request"},
		"an unknown prompt":                                   {web, []string{"prompt", "create"}, "invalid_request"},
		"max_age that is no number":                           {web, []string{"max_age", "-1"}, "invalid_request"},
		"prompt none where consent is needed":                 {web, []string{"prompt", "none"}, "consent_required"},
		"prompt none on a native application (ASVS 10.7.1)":   {native, []string{"prompt", "none"}, "consent_required"},
		"another organization than the application's own":     {web, []string{"organization", "globex"}, "access_denied"},
		"an organization that does not exist":                 {web, []string{"organization", "nobody"}, "access_denied"},
		"prompt none where an organization is to be chosen":   {abroad, []string{"prompt", "none"}, "interaction_required"},
		"a resource that it may not ask for (RFC 9700 B-2.3)": {web, []string{"resource", "https://api.example.com"}, "invalid_target"},
		"an id_token_hint that is none":                       {web, []string{"id_token_hint", "x.y.z"}, "invalid_request"},
		"a nonce without end":                                 {web, []string{"nonce", strings.Repeat("n", 4097)}, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			w := servertest.New(t)
			sentBack(t, w, w.SignedIn(t, servertest.Ann).Authorize(t, c.client, c.pairs...), c.client, c.code)
		})
	}
}

func TestAnApplicationWithoutTheCodeFlowIsUnauthorized(t *testing.T) {
	w := servertest.New(t)
	w.Declared.Applications[web].GrantTypes = []oauth.GrantType{oauth.ClientCredentials}
	w.Publish(t)
	sentBack(t, w, w.SignedIn(t, servertest.Ann).Authorize(t, web), web, "unauthorized_client")
}

// RFC 9700 B-2.3: a token is for one audience.
func TestTwoResourcesAreOneTooMany(t *testing.T) {
	w := servertest.New(t)
	own := url.QueryEscape(w.HTTP.URL + "/organizations/acme")
	sentBack(t, w, w.SignedIn(t, servertest.Ann).Visit(t, servertest.AuthorizationRequest(web)+"&resource="+own+"&resource="+own), web, "invalid_target")
}

// The answer to a good request names the issuer and keeps the query of the redirect URI (RFC
// 9700 B-2.1c, RFC 9207 section 2).
func TestTheAnswerNamesTheIssuer(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	page := b.Authorize(t, web, "redirect_uri", servertest.Redirects[web][1])
	to := b.Decide(t, page, "approve").Location(t)
	query := to.Query()
	if query.Get("iss") != w.HTTP.URL || query.Get("state") != "the state" || query.Get("code") == "" || query.Get("kept") != "1" || query.Has("error") || to.Fragment != "" {
		t.Errorf("answered at %s", to)
	}
	sentBack(t, w, b.Decide(t, b.Authorize(t, web), "deny"), web, "access_denied")
}

func TestTheOnlyRegisteredRedirectURIMayBeLeftOut(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	code := b.Code(t, site, "redirect_uri", "-")
	if a := w.Redeem(t, site, code, "redirect_uri", "-"); a.Status != http.StatusOK {
		t.Errorf("redeemed with %d %s", a.Status, a.Body)
	}
}

// OpenID Connect Core section 3.1.2.1: a request in a body is the same in a URL.
func TestARequestByPostGoesOnByGet(t *testing.T) {
	w := servertest.New(t)
	path, query, _ := strings.Cut(servertest.AuthorizationRequest(web, "scope", "openid"), "?")
	r := w.Request(t, http.MethodPost, path, query)
	r.Header.Set("Origin", "https://web.example.com") // from the client's own page
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	to := w.Do(t, r).Location(t)
	if to.Path != "/oauth/authorize/" || to.Query().Get("scope") != "openid" {
		t.Errorf("sent to %s", to)
	}
}

func TestWhoeverIsNotSignedInIsSentToDoSoAndBack(t *testing.T) {
	w := servertest.New(t)
	b := w.Browser()
	to := b.Authorize(t, web, "login_hint", "ann@example.com").Location(t)
	if to.Path != "/login/" {
		t.Fatalf("sent to %s", to)
	}
	page := b.Visit(t, to.String())
	for _, part := range []string{`value="ann@example.com"`, "acme.web"} {
		if !strings.Contains(string(page.Body), part) {
			t.Errorf("the page to sign in lacks %q: %s", part, page.Body)
		}
	}
	if policy := page.Header.Get("Content-Security-Policy"); !strings.HasSuffix(policy, "form-action 'self' https:") {
		t.Errorf("the form may not lead to the application: %s", policy)
	}
	b.SignIn(t, servertest.Ann)
	if a := b.Visit(t, to.Query().Get("next")); a.Status != http.StatusOK || !strings.Contains(string(a.Body), "acme.web") {
		t.Errorf("back at the request: %d %s", a.Status, a.Body)
	}
}

func TestPromptNoneWithoutASessionSaysLoginRequired(t *testing.T) {
	w := servertest.New(t)
	sentBack(t, w, w.Browser().Authorize(t, web, "prompt", "none"), web, "login_required")
}

// OpenID Connect Core section 3.1.2.1: what was signed in before the request came is not
// fresh, however the way back is written.
func TestAFreshSignInIsOneAfterTheRequest(t *testing.T) {
	for name, pairs := range map[string][]string{
		"prompt=login": {"prompt", "login"}, "prompt=select_account": {"prompt", "select_account"}, "max_age=0": {"max_age", "0"}, "max_age=60": {"max_age", "60"},
	} {
		t.Run(name, func(t *testing.T) {
			w := servertest.New(t)
			b := w.SignedIn(t, servertest.Ann)
			w.Pass(2 * time.Minute)
			to := b.Authorize(t, web, pairs...).Location(t)
			if to.Path != "/login/" {
				t.Fatalf("sent to %s", to)
			}
			if page := b.Visit(t, to.String()); page.Status != http.StatusOK {
				t.Fatalf("the page to sign in again: %d to %s", page.Status, page.Header.Get("Location"))
			}
			back := to.Query().Get("next")
			w.Pass(time.Second)
			if again := b.Visit(t, back).Location(t); again.Path != "/login/" {
				t.Errorf("without a sign-in it goes on to %s", again)
			}
			w.Pass(time.Minute)
			b.SignIn(t, servertest.Ann)
			w.Pass(time.Minute)
			page := b.Visit(t, back)
			if page.Status != http.StatusOK {
				t.Fatalf("after the sign-in: %d %s", page.Status, page.Header.Get("Location"))
			}
			if to := b.Decide(t, page, "approve").Location(t); to.Query().Get("code") == "" {
				t.Errorf("approved, and sent to %s", to)
			}
		})
	}
}

// The proof of when a request came is worth nothing for another request, in another browser
// or changed.
func TestAnOldSignInIsNotMadeFreshByAProofFromElsewhere(t *testing.T) {
	w := servertest.New(t)
	thief := w.Browser()
	old := thief.Authorize(t, web, "prompt", "login").Location(t).Query().Get("next")
	w.Pass(time.Minute)
	b := w.SignedIn(t, servertest.Ann)
	w.Pass(time.Minute)
	if to := b.Visit(t, old).Location(t); to.Path != "/login/" {
		t.Errorf("with a proof of another browser: %s", to)
	}
	mine := b.Authorize(t, web, "prompt", "login").Location(t).Query().Get("next")
	u, err := url.Parse(mine)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	_, mac, _ := strings.Cut(query.Get("asked"), ".")
	query.Set("asked", fmt.Sprint(w.Now().Add(-time.Hour).UnixMilli())+"."+mac)
	if to := b.Visit(t, "/oauth/authorize/?"+query.Encode()).Location(t); to.Path != "/login/" {
		t.Errorf("with a proof that was changed: %s", to)
	}
}

// ASVS 10.7.1: prompt=none on the strength of a remembered consent, and what does not
// suffice for it.
func TestARememberedConsentSparesTheQuestionWithinItsBounds(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	if a := b.Authorize(t, site, "scope", "openid project:read"); a.Status != http.StatusOK {
		t.Fatalf("the first time: %d", a.Status)
	}
	b.Code(t, site, "scope", "openid project:read")
	for name, c := range map[string]struct {
		pairs []string
		asked bool
	}{
		"the same again":         {[]string{"scope", "openid project:read"}, false},
		"less":                   {[]string{"scope", "project:read"}, false},
		"more":                   {[]string{"scope", "openid project:write"}, true},
		"another protocol scope": {[]string{"scope", "openid email project:read"}, true},
		"prompt=consent":         {[]string{"scope", "openid project:read", "prompt", "consent"}, true},
	} {
		if a := b.Authorize(t, site, c.pairs...); (a.Status == http.StatusOK) != c.asked {
			t.Errorf("%s: %d, want asked %v", name, a.Status, c.asked)
		}
	}
	if to := b.Authorize(t, site, "scope", "openid", "prompt", "none").Location(t); to.Query().Get("code") == "" {
		t.Errorf("prompt=none: %s", to)
	}
	sentBack(t, w, w.SignedIn(t, servertest.Bob).Authorize(t, site, "scope", "openid project:read", "prompt", "none"), site, "consent_required")
	w.Pass(23 * time.Hour)
	b.SignIn(t, servertest.Ann)
	w.Declared.Applications[site].Consent.MaxAge = time.Hour
	w.Publish(t)
	if a := b.Authorize(t, site, "scope", "openid"); a.Status != http.StatusOK {
		t.Errorf("after the declaration shortened it: %d", a.Status)
	}
	b.Code(t, site, "scope", "openid")
	w.Declared.Applications[site].Consent.Mode = model.ConsentExplicit
	w.Publish(t)
	if a := b.Authorize(t, site, "scope", "openid"); a.Status != http.StatusOK {
		t.Errorf("after the declaration wants to ask each time: %d", a.Status)
	}
}

// RFC 8252 section 8.6: a loopback or private-use redirect proves nobody, so the person is
// asked each time.
func TestANativeApplicationAsksEachTime(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	for range 2 {
		if a := b.Authorize(t, native); a.Status != http.StatusOK {
			t.Fatalf("not asked: %d", a.Status)
		}
		b.Code(t, native)
	}
}

func TestConsentIsSkippedForAConfidentialApplicationInItsOwnOrganizationOnly(t *testing.T) {
	w := servertest.New(t)
	w.Declared.Applications[web].Consent.Mode = model.ConsentSkip
	w.Declared.Applications[spa].Consent.Mode = model.ConsentSkip
	w.Publish(t)
	b := w.SignedIn(t, servertest.Ann)
	if to := b.Authorize(t, web).Location(t); to.Query().Get("code") == "" {
		t.Errorf("skipped: %s", to)
	}
	if a := b.Authorize(t, spa); a.Status != http.StatusOK {
		t.Errorf("a public application skips: %d", a.Status)
	}
	if a := b.Authorize(t, abroad, "organization", "acme"); a.Status != http.StatusOK || !strings.Contains(string(a.Body), "Globex") {
		t.Errorf("a stranger in an organization skips, or does not say whose it is: %d", a.Status)
	}
	if a := b.Authorize(t, abroad, "organization", "globex", "scope", "org:read"); a.Location(t).Query().Get("code") == "" {
		t.Error("in its own organization it is asked")
	}
}

// ASVS 10.7.2: the page names who gets what, where and for how long, and escapes names.
func TestTheConsentPageNamesWhatItIsAbout(t *testing.T) {
	w := servertest.New(t)
	w.Declared.Applications[web].DisplayName = "<script>Web</script>"
	w.Publish(t)
	page := string(w.SignedIn(t, servertest.Ann).Authorize(t, web, "scope", "openid email groups offline_access project:write").Body)
	for _, part := range []string{
		"&lt;script&gt;Web", "Acme", "https://web.example.com", "Change projects", "Your email address", "Your roles in Acme", "for 3 days at most", "Stay connected",
	} {
		if !strings.Contains(page, part) {
			t.Errorf("the page lacks %q", part)
		}
	}
	for _, part := range []string{"<script>", "See projects"} {
		if strings.Contains(page, part) {
			t.Errorf("the page has %q", part)
		}
	}
}

func TestWhoMayNotApproveCanOnlyGoBack(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*servertest.World)
		pairs  []string
		text   string
	}{
		"no member":          {func(w *servertest.World) { delete(w.Declared.Holdings["acme"], servertest.Bob.Email) }, nil, "not a member"},
		"no role that helps": {func(*servertest.World) {}, []string{"scope", "project:write"}, ""},
		"nothing at all":     {func(w *servertest.World) { w.Declared.Roles["acme reader"].Scopes = nil }, nil, "allow nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			w := servertest.New(t)
			c.change(w)
			w.Publish(t)
			b := w.SignedIn(t, servertest.Bob)
			a := b.Authorize(t, web, c.pairs...)
			if c.text == "" { // the rest of what was asked for is given
				if got := w.Redeem(t, web, b.Code(t, web, c.pairs...)).Text("scope"); got != "project:read" {
					t.Errorf("scope %q", got)
				}
				return
			}
			if !strings.Contains(string(a.Body), c.text) {
				t.Errorf("got %d %s", a.Status, a.Body)
			}
			sentBack(t, w, b.Decide(t, a, "deny"), web, "access_denied")
			if forged := b.Decide(t, a, "approve"); forged.Status == http.StatusSeeOther && forged.Location(t).Query().Has("code") {
				t.Error("approved by a forged button")
			}
			sentBack(t, w, b.Authorize(t, web, append(c.pairs, "prompt", "none")...), web, "access_denied")
		})
	}
}

// Which organizations admit an application is not told to who is not signed in.
func TestAStrangerDoesNotLearnWhichOrganizationsAdmitAnApplication(t *testing.T) {
	w := servertest.New(t)
	w.Declared.Organizations["acme"].External = model.ExternalApplications{}
	w.Publish(t)
	for _, organization := range []string{"acme", "globex", "nobody"} {
		if to := w.Browser().Authorize(t, abroad, "organization", organization).Location(t); to.Path != "/login/" {
			t.Errorf("%s: sent to %s", organization, to)
		}
		sentBack(t, w, w.Browser().Authorize(t, abroad, "organization", organization, "prompt", "none"), abroad, "login_required")
	}
	for _, organization := range []string{"acme", "nobody"} {
		sentBack(t, w, w.SignedIn(t, servertest.Ann).Authorize(t, abroad, "organization", organization), abroad, "access_denied")
	}
}

// The person chooses among the organizations that admit the application.
func TestThePersonChoosesWhereAnApplicationOfAnotherOrganizationWorks(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	page := b.Authorize(t, abroad, "scope", "openid org:read")
	form := page.Form(t, "/oauth/authorize/")
	for _, choice := range []string{`value="acme"`, `value="globex"`} {
		if !strings.Contains(string(page.Body), choice) {
			t.Errorf("no choice %s: %s", choice, page.Body)
		}
	}
	form.Set("organization", "acme")
	consent := b.Visit(t, "/oauth/authorize/?"+form.Encode())
	code := b.Decide(t, consent, "approve").Location(t).Query().Get("code")
	token := w.Redeem(t, abroad, code)
	if org, _ := token.JSON()["organization"].(map[string]any); org["slug"] != "acme" {
		t.Fatalf("got %s", token.Body)
	}
	if got := w.Introspect(t, machine, token.Text("access_token")); got.Text("org") != "acme" {
		t.Errorf("it works elsewhere: %s %s", got.Body, token.Body)
	}
	if got := w.Introspect(t, servertest.GlobexBot, token.Text("access_token")); got.JSON()["active"] != false {
		t.Errorf("the owner's organization may look into it: %s", got.Body)
	}
	// Bob is a member of one of them: there is no choice, but he is asked.
	if a := w.SignedIn(t, servertest.Bob).Authorize(t, abroad); !strings.Contains(string(a.Body), `action="/oauth/consent/"`) {
		t.Errorf("Bob: %d %s", a.Status, a.Body)
	}
	w.Declared.Organizations["globex"].Suspended = true
	w.Publish(t)
	inactive(t, w, token.Text("access_token")) // of an application whose owner is suspended
	w.Declared.Organizations["globex"].Suspended = false
	w.Publish(t)
	active(t, w, token.Text("access_token"), "openid org:read")
	w.Declared.Organizations["acme"].External = model.ExternalApplications{}
	w.Publish(t)
	if got := w.Introspect(t, abroad, token.Text("access_token")); got.JSON()["active"] != false {
		t.Errorf("admitted no more, and its token works: %s", got.Body)
	}
	a := w.SignedIn(t, servertest.Bob).Authorize(t, abroad)
	if !strings.Contains(string(a.Body), "None of your organizations") {
		t.Errorf("Bob, whom nothing is left for: %d %s", a.Status, a.Body)
	}
}
