package server_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

// RFC 9700 B-2.2.2, B-2.3: what an application may ask for is looked at on each use, the
// resource like the scopes.
func TestAResourceThatWasTakenBackIsInNoFurtherToken(t *testing.T) {
	w := servertest.New(t)
	const api = "https://api.example.com"
	w.Declared.Applications[web].Resources = []string{api}
	w.Declared.Applications[servertest.Gateway].Audiences = []string{api}
	w.Publish(t)
	b := w.SignedIn(t, servertest.Ann)
	a := w.Redeem(t, web, b.Code(t, web, "scope", "project:read", "resource", api))
	code := b.Code(t, web, "scope", "project:read", "resource", api)
	w.Declared.Applications[web].Resources = nil
	// Now the name is another tenant's.
	w.Declared.Applications[servertest.Gateway].Audiences = nil
	w.Declared.Applications[servertest.GlobexBot].Audiences = []string{api}
	w.Publish(t)
	refused(t, w.Refresh(t, web, a.Text("refresh_token")), 400, "invalid_target")
	refused(t, w.Redeem(t, web, code), 400, "invalid_target")
	if got := w.Introspect(t, servertest.GlobexBot, a.Text("access_token")); string(got.Body) != `{"active":false}` {
		t.Errorf("another tenant is told about a token from before: %s", got.Body)
	}
}

// A page that says why there is nothing to allow allows nothing, also if there is something
// by the time it is posted.
func TestAPageWithNothingToAllowAllowsNothing(t *testing.T) {
	w := servertest.New(t)
	delete(w.Declared.Holdings["acme"], servertest.Bob.Email)
	w.Publish(t)
	b := w.SignedIn(t, servertest.Bob)
	page := b.Authorize(t, web)
	w.Declared.Holdings["acme"][servertest.Bob.Email] = []string{"acme reader"}
	w.Publish(t)
	a := b.Decide(t, page, "approve")
	if a.Status != http.StatusOK || !strings.Contains(string(a.Body), "See projects") {
		t.Fatalf("got %d to %q, want the page with what there is now", a.Status, a.Header.Get("Location"))
	}
	if code := b.Decide(t, a, "approve").Location(t).Query().Get("code"); code == "" {
		t.Error("the second page gives no code")
	}
}

// A consent is remembered for as long as was said when it was given; agreeing to something
// else does not prolong it.
func TestAgreeingToSomethingElseProlongsNoConsent(t *testing.T) {
	const day = 24 * time.Hour
	w := servertest.New(t)
	agree := func(scope string) {
		t.Helper()
		w.SignedIn(t, servertest.Ann).Code(t, site, "scope", scope)
	}
	asks := func(scope string) bool {
		t.Helper()
		return w.SignedIn(t, servertest.Ann).Authorize(t, site, "scope", scope).Status == http.StatusOK
	}
	agree("project:write")
	w.Pass(29 * day)
	agree("org:read")
	if asks("project:write") || asks("org:read") {
		t.Error("what was agreed to is asked for again at once")
	}
	w.Pass(2 * day)
	if !asks("project:write") {
		t.Error("31 days after project:write was agreed to, nobody is asked")
	}
	agree("project:write org:read")
	w.Pass(29 * day)
	if asks("project:write") || asks("org:read") {
		t.Error("agreeing to all of it again does not count from then on")
	}
}

// ASVS 10.6.2: only an application that is served speaks for itself.
func TestAHintOfAnApplicationThatIsNotServedSignsNobodyOut(t *testing.T) {
	for name, end := range map[string]func(*servertest.Declared){
		"it is suspended":             func(d *servertest.Declared) { d.Applications[web].Suspended = true },
		"its organization is":         func(d *servertest.Declared) { d.Organizations["acme"].Suspended = true },
		"it is not declared any more": func(d *servertest.Declared) { delete(d.Applications, web) },
	} {
		w := servertest.New(t)
		b := w.SignedIn(t, servertest.Ann)
		hint := w.Redeem(t, web, b.Code(t, web, "scope", "openid")).Text("id_token")
		end(w.Declared)
		w.Publish(t)
		page := b.Visit(t, leave("id_token_hint", hint))
		if home := b.Visit(t, "/"); page.Status != http.StatusOK || !strings.Contains(string(home.Body), "You are signed in") {
			t.Errorf("%s: got %d to %q, want to be asked", name, page.Status, page.Header.Get("Location"))
		}
		onlyAPage(t, b.Visit(t, leave("id_token_hint", hint, "post_logout_redirect_uri", goodbye)))
	}
}

// The audit log names the organization where a grant works, not the one that its
// application belongs to: whoever looks after the members there has to find it.
func TestTheAuditOfAGrantAbroadNamesWhereItWorks(t *testing.T) {
	w := servertest.New(t)
	a := w.Redeem(t, abroad, w.SignedIn(t, servertest.Ann).Code(t, abroad, "organization", "acme", "scope", "org:read"))
	again := w.Refresh(t, abroad, a.Text("refresh_token"))
	if again.Status != http.StatusOK {
		t.Fatalf("%d %s", again.Status, again.Body)
	}
	w.Post(t, "/oauth/revoke/", abroad, "token", again.Text("access_token"))
	w.Post(t, "/oauth/revoke/", abroad, "token", again.Text("refresh_token"))
	events, err := w.Store.Events(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for _, ev := range events {
		if ev.ApplicationUID != w.Declared.Applications[abroad].UID {
			continue
		}
		seen = append(seen, ev.Action)
		if ev.OrganizationID != w.Declared.Organizations["acme"].ID {
			t.Errorf("%s is said to be of organization %q", ev.Action, ev.OrganizationID)
		}
	}
	for _, action := range []string{"authorization.approved", "grant.created", "grant.refreshed", "token.revoked", "grant.revoked"} {
		if !slices.Contains(seen, action) {
			t.Errorf("%s is not in the audit log", action)
		}
	}
}

// What looks at links before anybody follows them, a browser that prerenders or a program
// that checks them, neither signs anybody out nor gets a code.
func TestALinkDoesNothingBeforeAPersonFollowsIt(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	hint := w.Redeem(t, site, b.Code(t, site, "scope", "openid")).Text("id_token")
	for _, path := range []string{leave("id_token_hint", hint), servertest.AuthorizationRequest(site, "scope", "openid")} {
		if a := b.Send(t, http.MethodHead, path, nil); a.Status != http.StatusMethodNotAllowed || a.Header.Get("Allow") != "GET, POST" || a.Header.Get("Location") != "" {
			t.Errorf("HEAD of %.40s: %d, Allow %q, to %q", path, a.Status, a.Header.Get("Allow"), a.Header.Get("Location"))
		}
		for _, purpose := range []string{"prefetch", "prefetch;prerender", "prefetch;anonymous-client-ip"} {
			r := b.With(w.Request(t, http.MethodGet, path, ""))
			r.Header.Set("Sec-Purpose", purpose)
			if a := w.Do(t, r); a.Status != http.StatusServiceUnavailable || a.Header.Get("Location") != "" {
				t.Errorf("%s of %.40s: %d to %q", purpose, path, a.Status, a.Header.Get("Location"))
			}
		}
		if !signedInStill(t, b) {
			t.Fatalf("%.40s signed out", path)
		}
	}
	if code := b.Visit(t, servertest.AuthorizationRequest(site, "scope", "openid")).Location(t).Query().Get("code"); code == "" {
		t.Error("the person gets no code")
	}
}

// A link that needs no question makes a row each time; no other limit counts it.
func TestCodesThatNobodyIsAskedForAreLimitedByPerson(t *testing.T) {
	w := servertest.New(t, servertest.RateLimits)
	b, other := w.SignedIn(t, servertest.Ann), w.SignedIn(t, servertest.Bob)
	b.Code(t, site, "scope", "org:read")
	other.Code(t, site, "scope", "org:read")
	given := 0
	for range 60 {
		if a := b.Authorize(t, site, "scope", "org:read"); a.Status == http.StatusSeeOther {
			given++
		} else if a.Status != http.StatusTooManyRequests || a.Header.Get("Retry-After") != "1" {
			t.Fatalf("got %d %s", a.Status, a.Body)
		}
	}
	if given != 50 {
		t.Errorf("%d codes at once, want 50", given)
	}
	if a := other.Authorize(t, site, "scope", "org:read"); a.Status != http.StatusSeeOther {
		t.Errorf("somebody else waits too: %d", a.Status)
	}
}

// What net/http would leave out of a query was still asked for.
func TestAQueryIsReadWholeOrNotAtAll(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	for _, rest := range []string{"&prompt=login;max_age=0", "&prompt=%zz", "&%zz=1"} {
		onlyAPage(t, b.Visit(t, servertest.AuthorizationRequest(web)+rest))
		onlyAPage(t, b.Visit(t, leave("client_id", web)+rest))
	}
}

// What the declaration takes back ends at the next use, offline access too: the person may
// have signed out long since.
func TestOfflineAccessThatWasTakenBackEndsWhatOutlivesTheSession(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	for _, scope := range []string{"openid offline_access", "offline_access org:read"} {
		a := w.Redeem(t, web, b.Code(t, web, "scope", scope))
		w.Declared.Applications[web].ProtocolScopes = oauth.NewScopeSet(oauth.OpenID)
		w.Publish(t)
		refused(t, w.Refresh(t, web, a.Text("refresh_token")), 400, "invalid_grant")
		w.Declared.Applications[web].ProtocolScopes = oauth.ProtocolScopes
		w.Publish(t)
		if again := w.Refresh(t, web, a.Text("refresh_token")); again.Status != http.StatusOK {
			t.Errorf("%s: given back: %d %s", scope, again.Status, again.Body)
		}
	}
}

// ASVS 10.7.1: an address that any program on the device may answer proves nobody, whatever
// its scheme; a loopback address by any name is one.
func TestWhatMayBeAnyProgramIsAskedForEachTime(t *testing.T) {
	for uri, asked := range map[string]bool{
		"https://site.example.com/callback": false, "https://localhost.example.com/callback": false,
		"https://localhost/callback": true, "https://app.localhost:8443/callback": true,
		"https://127.0.0.1/callback": true, "https://[::1]/callback": true, "http://localhost/callback": true,
	} {
		w := servertest.New(t)
		w.Declared.Applications[site].RedirectURIs = []string{uri}
		w.Publish(t)
		b := w.SignedIn(t, servertest.Ann)
		b.Code(t, site, "redirect_uri", uri)
		if got := b.Authorize(t, site, "redirect_uri", uri).Status == http.StatusOK; got != asked {
			t.Errorf("%s: asked again: %t, want %t", uri, got, asked)
		}
	}
	const private = "com.example.app:/callback"
	b := servertest.New(t).SignedIn(t, servertest.Ann)
	b.Code(t, native, "redirect_uri", private)
	if b.Authorize(t, native, "redirect_uri", private).Status != http.StatusOK {
		t.Error("a scheme that any program may take is not asked for again")
	}
}

// Display names are not unique: another tenant may call itself like the organization whose
// member is asked. Its slug is its own.
func TestAnApplicationFromElsewhereIsNamedWithTheSlugOfItsOwner(t *testing.T) {
	w := servertest.New(t)
	w.Declared.Organizations["globex"].DisplayName = "Acme"
	w.Publish(t)
	page := w.SignedIn(t, servertest.Ann).Authorize(t, abroad, "organization", "acme", "scope", "org:read")
	if !strings.Contains(string(page.Body), "belongs to Acme (globex), not to Acme") {
		t.Errorf("the page does not say whose it is: %s", page.Body)
	}
}

// OpenID Connect RP-Initiated Logout section 2: who posts the ID token wants it in no URL,
// which histories and the logs of proxies keep.
func TestAPostedIDTokenIsInNoURL(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	hint := w.Redeem(t, web, b.Code(t, web, "scope", "openid")).Text("id_token")
	post := func() *url.URL {
		t.Helper()
		r := w.Request(t, http.MethodPost, "/oauth/logout/", servertest.Form("id_token_hint", hint, "post_logout_redirect_uri", goodbye, "state", "s").Encode())
		to := w.Do(t, r).Location(t)
		if parts := strings.Split(hint, "."); strings.Contains(to.String(), parts[1]) {
			t.Errorf("sent to %s", to)
		}
		return to
	}
	late, now := post(), post()
	if to := b.Visit(t, now.String()).Location(t); to.String() != goodbye+"?state=s" || signedInStill(t, b) {
		t.Errorf("sent to %s", to)
	}
	b.SignIn(t, servertest.Ann)
	w.Pass(time.Minute)
	onlyAPage(t, b.Visit(t, late.String()))
	onlyAPage(t, b.Visit(t, tampered(now.String())))
	if !signedInStill(t, b) {
		t.Error("a link from a log signs out")
	}
}
