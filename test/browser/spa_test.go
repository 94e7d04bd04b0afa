package browser

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/gatehouse-dev/gatehouse/test/leaks"
)

// serveSPA serves the single-page application in testdata, from its own origin.
func (in *installation) serveSPA(w *window) {
	w.t.Helper()
	library := module(w, "oidc-client-ts/dist/browser/oidc-client-ts.min.js")
	in.app.mux.Handle("/spa/", http.StripPrefix("/spa/", http.FileServer(http.Dir("testdata/spa"))))
	in.app.mux.HandleFunc("/spa/oidc-client-ts.min.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = w.Write(library)
	})
	in.app.mux.HandleFunc("/spa/settings.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprintf(w, "const settings = {authority: %q, client_id: %q};", in.url, singleID)
	})
}

// held is what the application holds of its user.
type held struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
	Scope        string
	Profile      struct {
		Sub, Name, Email, Org string
		Groups                []string
	}
}

// state waits until the application is done with what it was told, and returns what it
// holds now.
func (w *window) state(want string) held {
	w.t.Helper()
	said := run(w, chromedp.Poll[string](`(() => {
		const state = document.getElementById("state")?.textContent ?? "";
		return /^(Signed|Renewed|Failed)/.test(state) && state;
	})()`))
	if said != want {
		w.t.Fatalf("the application says %q, want %q", said, want)
	}
	h := run(w, chromedp.Evaluate[held](`user ?? {}`))
	leaks.Remember(h.AccessToken, h.RefreshToken, h.IDToken)
	return h
}

// enterSPA signs Ann in to the single-page application.
func (in *installation) enterSPA(w *window) held {
	w.t.Helper()
	in.serveSPA(w)
	w.open(in.app.url + "/spa/")
	w.state("Signed out")
	w.press("#sign-in")
	w.signIn(annEmail, password)
	w.wantText("Acme Single Page", in.app.url)
	w.press("button[value=approve]")
	return w.state("Signed in")
}

// A single-page application with the library that most of them use: sign-in by redirect,
// user information, renewal with its refresh token, sign-out; all from another origin.
func TestSinglePageApplication(t *testing.T) {
	in := install(t)
	w := in.window(t, in.app.url)
	first := in.enterSPA(w)
	if p := first.Profile; p.Email != annEmail || p.Name != "Ann Lee" || p.Org != "acme" || len(p.Groups) != 1 || p.Groups[0] != "role:developer" {
		t.Errorf("the application knows %+v", p)
	}
	if w.requested(in.url+"/oauth/userinfo/") == "" {
		t.Error("user information was not asked for")
	}

	w.do(chromedp.Click(chromedp.CSS("#renew")))
	second := w.state("Renewed")
	if second.AccessToken == "" || second.AccessToken == first.AccessToken || second.RefreshToken == "" || second.RefreshToken == first.RefreshToken {
		t.Error("renewal gave no new tokens")
	}
	if second.Profile.Sub != first.Profile.Sub {
		t.Errorf("renewal is for %q, sign-in was for %q", second.Profile.Sub, first.Profile.Sub)
	}

	w.press("#sign-out") // with an ID token as a hint, so nobody is asked
	w.state("Signed out")
	w.open("/")
	w.wantText("Applications send you here to sign in")
}

// Some applications sign people in beside themselves, in a window that tells them when it
// is done.
func TestSinglePageApplicationWithAWindowBeside(t *testing.T) {
	in := install(t)
	w := in.window(t, in.app.url)
	in.serveSPA(w)
	w.open(in.app.url + "/spa/")
	w.state("Signed out")
	beside := w.opened(chromedp.Click(chromedp.CSS("#pop-up")))
	beside.do(chromedp.WaitVisible(chromedp.CSS("#email")))
	beside.signIn(annEmail, password)
	beside.wantText("Acme Single Page", in.app.url)
	beside.do(chromedp.Click(chromedp.CSS("button[value=approve]")))
	if h := w.state("Signed in"); h.Profile.Email != annEmail {
		t.Errorf("the application knows %+v", h.Profile)
	}
}

// RFC 9700 section 2.6: scripts of other origins read nothing but what everybody may, not
// even with live tokens in hand.
func TestScriptsOfOtherOriginsReadNothing(t *testing.T) {
	in := install(t)
	stranger := serveApplication(t)
	w := in.window(t, in.app.url, stranger.url)
	tokens := in.enterSPA(w)
	reads := func(path, options string) bool {
		return run(w, chromedp.Evaluate[bool](fmt.Sprintf("fetch(%q, %s).then(() => true, () => false)", in.url+path, options), chromedp.EvalAwaitPromise))
	}
	userinfo := fmt.Sprintf(`{headers: {Authorization: "Bearer %s"}}`, tokens.AccessToken)
	if !reads("/oauth/userinfo/", userinfo) {
		t.Error("the application does not read user information")
	}
	w.open(stranger.url + "/bye")
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/oauth/jwks.json"} {
		if !reads(path, "{}") {
			t.Errorf("%s is not for everybody", path)
		}
	}
	post := `{method: "POST", body: new URLSearchParams(%s)}`
	for path, options := range map[string]string{
		"/oauth/userinfo/":    userinfo,
		"/api/0/user/":        userinfo,
		"/oauth/authorize/":   `{credentials: "include"}`,
		"/oauth/device/code/": fmt.Sprintf(post, `{client_id: "acme.tools.cli"}`),
		"/oauth/revoke/":      fmt.Sprintf(post, `{client_id: "acme.single", token: "none"}`),
		"/oauth/token/":       fmt.Sprintf(post, fmt.Sprintf(`{client_id: "acme.single", grant_type: "refresh_token", refresh_token: %q}`, tokens.RefreshToken)),
	} {
		if reads(path, options) {
			t.Errorf("a stranger reads %s", path)
		}
	}
	w.forgive("CORS policy")
	w.forgive("CorsIssue")
	w.forgive("Failed to load resource")
}
