package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

const goodbye = "https://web.example.com/bye"

// leave is an application's request to sign out.
func leave(pairs ...string) string { return "/oauth/logout/?" + servertest.Form(pairs...).Encode() }

func signedInStill(t *testing.T, b *servertest.Browser) bool {
	t.Helper()
	return b.Authorize(t, web).Status == http.StatusOK
}

// ASVS 10.6.2: an application that proves whom it means signs that person out, and nobody
// else.
func TestAnIDTokenHintSignsOutWhomItNames(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	hint := w.Redeem(t, web, b.Code(t, web, "scope", "openid")).Text("id_token")
	bob := w.SignedIn(t, servertest.Bob)
	if page := bob.Visit(t, leave("id_token_hint", hint)); page.Status != http.StatusOK || !signedInStill(t, bob) {
		t.Errorf("somebody else is not asked: %d", page.Status)
	}
	w.Pass(20 * time.Minute) // the hint has expired long since: it names somebody, it proves nothing
	b.SignIn(t, servertest.Ann)
	to := b.Visit(t, leave("id_token_hint", hint, "post_logout_redirect_uri", goodbye, "state", "s & t")).Location(t)
	if to.String() != goodbye+"?state=s+%26+t" {
		t.Errorf("sent to %s", to)
	}
	if signedInStill(t, b) {
		t.Error("still signed in")
	}
}

// ASVS 10.6.2, 7.6.2: without a hint the person is asked, and may stay.
func TestSignOutWithoutAHintAsks(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		page := b.Visit(t, leave("client_id", web, "post_logout_redirect_uri", goodbye, "state", "s"))
		if method == http.MethodPost { // from the application's own page
			to := b.Send(t, method, "/oauth/logout/", servertest.Form("client_id", web, "post_logout_redirect_uri", goodbye, "state", "s")).Location(t)
			page = b.Visit(t, to.String())
		}
		if page.Status != http.StatusOK || !strings.Contains(string(page.Body), "acme.web") || !signedInStill(t, b) {
			t.Fatalf("%s: %d %s", method, page.Status, page.Body)
		}
		form := page.Form(t, "/oauth/logout/")
		form.Set("decision", "stay")
		if to := b.Send(t, http.MethodPost, "/oauth/logout/", form).Location(t); to.Path != "/" || !signedInStill(t, b) {
			t.Errorf("stay leads to %s", to)
		}
		form.Set("decision", "signout")
		if to := b.Send(t, http.MethodPost, "/oauth/logout/", form).Location(t); to.String() != goodbye+"?state=s" || signedInStill(t, b) {
			t.Errorf("sign out leads to %s", to)
		}
		b.SignIn(t, servertest.Ann)
	}
}

func TestTheSignOutFormIsBoundToItsSessionAndRequest(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	form := b.Visit(t, leave("client_id", web)).Form(t, "/oauth/logout/")
	form.Set("decision", "signout")
	changed := url.Values{}
	for name, values := range form {
		changed[name] = values
	}
	changed.Set("post_logout_redirect_uri", goodbye)
	forged := url.Values{}
	for name, values := range form {
		forged[name] = values
	}
	forged.Del("token")
	for name, f := range map[string]url.Values{"with another request": changed, "without its token": forged} {
		if a := b.Send(t, http.MethodPost, "/oauth/logout/", f); a.Status != http.StatusForbidden || !signedInStill(t, b) {
			t.Errorf("%s: %d", name, a.Status)
		}
	}
}

// RFC 9700 B-2.1b: nothing is sent to an address that the application did not register.
func TestSignOutLeadsToRegisteredAddressesOnly(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	hint := w.Redeem(t, web, b.Code(t, web, "scope", "openid")).Text("id_token")
	for name, pairs := range map[string][]string{
		"another address":               {"id_token_hint", hint, "post_logout_redirect_uri", "https://evil.example/"},
		"almost the address":            {"id_token_hint", hint, "post_logout_redirect_uri", goodbye + "/"},
		"no application":                {"post_logout_redirect_uri", goodbye},
		"another application":           {"client_id", site, "post_logout_redirect_uri", goodbye},
		"an unknown application":        {"client_id", "acme.nobody", "post_logout_redirect_uri", goodbye},
		"a hint of another application": {"client_id", site, "id_token_hint", hint},
		"an address twice":              {"id_token_hint", hint, "post_logout_redirect_uri", goodbye, "post_logout_redirect_uri", "https://evil.example/"},
	} {
		a := b.Visit(t, leave(pairs...))
		onlyAPage(t, a)
		if !signedInStill(t, b) {
			t.Errorf("%s: signed out", name)
			b.SignIn(t, servertest.Ann)
		}
	}
	w.Declared.Applications[web].Suspended = true
	w.Publish(t)
	onlyAPage(t, b.Visit(t, leave("id_token_hint", hint, "post_logout_redirect_uri", goodbye)))
}

// A hint whose key is gone is no dead end: it counts for nothing.
func TestAHintThatCannotBeReadAsks(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	hint := tampered(w.Redeem(t, web, b.Code(t, web, "scope", "openid")).Text("id_token"))
	for name, c := range map[string]struct {
		pairs []string
		to    string
	}{
		"of nobody":              {[]string{"id_token_hint", hint, "post_logout_redirect_uri", goodbye}, "/logout/"},
		"of a named application": {[]string{"id_token_hint", hint, "client_id", web, "post_logout_redirect_uri", goodbye}, goodbye},
		"alone":                  {[]string{"id_token_hint", "x.y.z"}, "/logout/"},
	} {
		page := b.Visit(t, leave(c.pairs...))
		if page.Status != http.StatusOK || !signedInStill(t, b) {
			t.Fatalf("%s: not asked: %d", name, page.Status)
		}
		form := page.Form(t, "/oauth/logout/")
		form.Set("decision", "signout")
		if to := b.Send(t, http.MethodPost, "/oauth/logout/", form).Location(t); to.String() != c.to {
			t.Errorf("%s: sent to %s", name, to)
		}
		b.SignIn(t, servertest.Ann)
	}
}

func TestSignOutWithoutASessionGoesOn(t *testing.T) {
	w := servertest.New(t)
	b := w.Browser()
	if to := b.Visit(t, leave("client_id", web, "post_logout_redirect_uri", goodbye)).Location(t); to.String() != goodbye {
		t.Errorf("sent to %s", to)
	}
	to := b.Visit(t, leave()).Location(t)
	if page := b.Visit(t, to.String()); !strings.Contains(string(page.Body), "signed out") {
		t.Errorf("%s: %s", to, page.Body)
	}
}
