package server_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

// tampered changes one character in the middle.
func tampered(text string) string {
	i := len(text) / 2
	c := byte('A')
	if text[i] == c {
		c = 'B'
	}
	return text[:i] + string(c) + text[i+1:]
}

// ASVS 10.7.1, RFC 9700 B-4.7: a consent page is worth something in its own session, for its
// own request, for ten minutes, and once.
func TestAConsentFormIsWorthNothingElsewhere(t *testing.T) {
	for name, steal := range map[string]func(*testing.T, *servertest.Browser, servertest.Answer) (*servertest.Browser, string, string){
		"in another person's session": func(t *testing.T, b *servertest.Browser, page servertest.Answer) (*servertest.Browser, string, string) {
			other := b.SignedIn(t, servertest.Bob)
			theirs := other.Authorize(t, web).Form(t, "/oauth/consent/")
			return other, page.Form(t, "/oauth/consent/").Get("request"), theirs.Get("token")
		},
		"in another session of the same person": func(t *testing.T, b *servertest.Browser, page servertest.Answer) (*servertest.Browser, string, string) {
			other := b.SignedIn(t, servertest.Ann)
			theirs := other.Authorize(t, web).Form(t, "/oauth/consent/")
			return other, page.Form(t, "/oauth/consent/").Get("request"), theirs.Get("token")
		},
		"without the session's token": func(t *testing.T, b *servertest.Browser, page servertest.Answer) (*servertest.Browser, string, string) {
			return b, page.Form(t, "/oauth/consent/").Get("request"), ""
		},
		"with the token of another form": func(t *testing.T, b *servertest.Browser, page servertest.Answer) (*servertest.Browser, string, string) {
			return b, page.Form(t, "/oauth/consent/").Get("request"), page.Form(t, "/logout/").Get("token")
		},
		"changed": func(t *testing.T, b *servertest.Browser, page servertest.Answer) (*servertest.Browser, string, string) {
			form := page.Form(t, "/oauth/consent/")
			return b, tampered(form.Get("request")), form.Get("token")
		},
		"without a request": func(t *testing.T, b *servertest.Browser, page servertest.Answer) (*servertest.Browser, string, string) {
			return b, "", page.Form(t, "/oauth/consent/").Get("token")
		},
		"ten minutes later": func(t *testing.T, b *servertest.Browser, page servertest.Answer) (*servertest.Browser, string, string) {
			form := page.Form(t, "/oauth/consent/")
			b.Pass(10 * time.Minute)
			return b, form.Get("request"), form.Get("token")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := servertest.New(t)
			b := w.SignedIn(t, servertest.Ann)
			other, request, token := steal(t, b, b.Authorize(t, web))
			a := other.Send(t, http.MethodPost, "/oauth/consent/", servertest.Form("request", request, "token", token, "decision", "approve"))
			if a.Status != http.StatusForbidden || a.Header.Get("Location") != "" {
				t.Errorf("got %d to %q, want 403", a.Status, a.Header.Get("Location"))
			}
		})
	}
}

// Two tabs: each approval is for what its own tab shows.
func TestTwoTabsDoNotApproveEachOther(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	small := b.Authorize(t, web, "scope", "org:read", "state", "small")
	large := b.Authorize(t, site, "scope", "openid email project:write", "state", "large")
	first := b.Decide(t, small, "approve").Location(t)
	if first.Query().Get("state") != "small" || first.Host != "web.example.com" {
		t.Fatalf("the first tab leads to %s", first)
	}
	if got := w.Redeem(t, web, first.Query().Get("code")).Text("scope"); got != "org:read" {
		t.Errorf("the first tab gives %q", got)
	}
	second := b.Decide(t, large, "approve").Location(t)
	if second.Query().Get("state") != "large" || second.Host != "site.example.com" {
		t.Errorf("the second tab leads to %s", second)
	}
}

func TestAnApprovalCountsOnce(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	page := b.Authorize(t, web)
	var mu sync.Mutex
	var codes []string
	var all sync.WaitGroup
	form := page.Form(t, "/oauth/consent/")
	form.Set("decision", "approve")
	for range 10 {
		all.Go(func() {
			tab := b.Copy()
			a := tab.Send(t, http.MethodPost, "/oauth/consent/", form)
			mu.Lock()
			defer mu.Unlock()
			if a.Status == http.StatusSeeOther {
				codes = append(codes, a.Location(t).Query().Get("code"))
			} else if a.Status != http.StatusConflict {
				t.Errorf("got %d %s", a.Status, a.Body)
			}
		})
	}
	all.Wait()
	if len(codes) != 1 {
		t.Fatalf("%d codes for one approval", len(codes))
	}
	if a := w.Redeem(t, web, codes[0]); a.Status != http.StatusOK {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := b.Decide(t, page, "approve"); a.Status != http.StatusConflict {
		t.Errorf("after the code was redeemed: %d", a.Status)
	}
}

// What changed while the page was open is checked again when it is posted.
func TestAnApprovalIsJudgedWhenItIsPosted(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*servertest.World)
		status int
		text   string
	}{
		"the application is suspended": {func(w *servertest.World) { w.Declared.Applications[web].Suspended = true }, 400, "not known, or is not served"},
		"the redirect URI is taken back": {func(w *servertest.World) {
			w.Declared.Applications[web].RedirectURIs = []string{"https://new.example.com/"}
		}, 400, "did not register"},
		"the role is gone":    {func(w *servertest.World) { delete(w.Declared.Holdings["acme"], servertest.Ann.Email) }, 200, "not a member"},
		"the role has shrunk": {func(w *servertest.World) { w.Declared.Roles["acme developer"].Scopes = oauth.NewScopeSet("org:read") }, 200, "See the organization"},
		"another application took the name": {func(w *servertest.World) {
			w.Declared.Applications[web].UID = "5f0e8a0e-0000-4000-8000-00000000ffff"
		}, 403, "no longer valid"},
		"the provider does not count any more": {func(w *servertest.World) { w.Declared.Organizations["acme"].Providers = nil }, 403, "Sign in another way"},
	} {
		t.Run(name, func(t *testing.T) {
			w := servertest.New(t)
			b := w.SignedIn(t, servertest.Ann)
			page := b.Authorize(t, web)
			c.change(w)
			w.Publish(t)
			a := b.Decide(t, page, "approve")
			if a.Status != c.status || !strings.Contains(string(a.Body), c.text) || a.Header.Get("Location") != "" {
				t.Errorf("got %d to %q, want %d with %q: %s", a.Status, a.Header.Get("Location"), c.status, c.text, a.Body)
			}
		})
	}
}

// A role that grew while the page was open gives no more than the page showed.
func TestAnApprovalGivesNoMoreThanThePageShowed(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Bob)
	page := b.Authorize(t, web)
	w.Declared.Roles["acme reader"].Scopes = oauth.NewScopeSet("org:read", "project:read", "project:write")
	w.Publish(t)
	code := b.Decide(t, page, "approve").Location(t).Query().Get("code")
	if got := w.Redeem(t, web, code).Text("scope"); got != "org:read project:read" {
		t.Errorf("scope %q", got)
	}
}

// prompt=login is met by a sign-in after the request alone, also when the page is posted
// later.
func TestAConsentPageOfAFreshSignInGoesWithIt(t *testing.T) {
	w := servertest.New(t)
	b := w.Browser()
	back := b.Authorize(t, web, "prompt", "login").Location(t).Query().Get("next")
	w.Pass(time.Second)
	b.SignIn(t, servertest.Ann)
	page := b.Visit(t, back)
	w.Pass(5 * time.Minute)
	if to := b.Decide(t, page, "approve").Location(t); to.Query().Get("code") == "" {
		t.Errorf("sent to %s", to)
	}
}

// RFC 9700 B-4.7, B-4.16: the page cannot be framed, loads nothing, leads nowhere but to the
// application; another site's post is refused.
func TestTheConsentPageIsGuarded(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	page := b.Authorize(t, web)
	want := "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' https:"
	if got := page.Header.Get("Content-Security-Policy"); got != want || page.Header.Get("X-Frame-Options") != "DENY" ||
		page.Header.Get("Referrer-Policy") != "no-referrer" || page.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", page.Header)
	}
	form := page.Form(t, "/oauth/consent/")
	form.Set("decision", "approve")
	r := w.Request(t, http.MethodPost, "/oauth/consent/", form.Encode())
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if a := b.Do(t, b.With(r)); a.Status != http.StatusForbidden {
		t.Errorf("a post from another site: %d", a.Status)
	}
	private := b.Authorize(t, native, "redirect_uri", "com.example.app:/callback")
	if got := private.Header.Get("Content-Security-Policy"); !strings.HasSuffix(got, "form-action 'self' com.example.app:") {
		t.Errorf("a private-use scheme: %s", got)
	}
}
