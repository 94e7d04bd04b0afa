package servertest

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/gatehouse-dev/gatehouse/server/sessions"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// The code verifier of RFC 7636 appendix B, and its challenge.
const (
	Verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	Challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// Browser is a person's browser: it keeps cookies, and follows nothing by itself.
type Browser struct {
	*World
	cookies map[string]*http.Cookie
}

// Browser opens one in which nobody is signed in.
func (w *World) Browser() *Browser { return &Browser{w, map[string]*http.Cookie{}} }

// SignedIn opens a browser in which the person has just signed in; no password is hashed.
func (w *World) SignedIn(t testing.TB, person store.User) *Browser {
	t.Helper()
	b := w.Browser()
	b.SignIn(t, person)
	return b
}

// SignIn begins a session in the browser, in place of the one it has.
func (b *Browser) SignIn(t testing.TB, person store.User) {
	t.Helper()
	b.SignInBy(t, person, b.Declared.Local.UID, "pwd")
}

// SignInBy is SignIn by another provider, or by more than a password (amr).
func (b *Browser) SignInBy(t testing.TB, person store.User, providerUID string, amr ...string) {
	t.Helper()
	manager, err := sessions.NewManager(b.Store, b.Keys, b.HTTP.URL)
	if err != nil {
		t.Fatal(err)
	}
	cookie, err := manager.Begin(context.Background(), b.With(b.Request(t, http.MethodGet, "/", "")), b.Now(), sessions.SignIn{
		User: person, ProviderUID: providerUID, AMR: amr, IP: "192.0.2.7", UserAgent: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	b.cookies[cookie.Name] = cookie
}

// Copy is the same browser in another hand: what one is told the other does not hear of.
func (b *Browser) Copy() *Browser { return &Browser{b.World, maps.Clone(b.cookies)} }

// With adds the browser's cookies to a request.
func (b *Browser) With(r *http.Request) *http.Request {
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	return r
}

// Visit opens a page or a link of this installation.
func (b *Browser) Visit(t testing.TB, path string) Answer {
	t.Helper()
	return b.Send(t, http.MethodGet, path, nil)
}

// Send sends a request with the cookies, as a page of ours does.
func (b *Browser) Send(t testing.TB, method, path string, form url.Values) Answer {
	t.Helper()
	path = strings.TrimPrefix(path, b.HTTP.URL)
	a := b.Do(t, b.With(b.Request(t, method, path, form.Encode())))
	for _, c := range (&http.Response{Header: a.Header}).Cookies() {
		if b.cookies[c.Name] = c; c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	return a
}

// Form returns the hidden fields of the form of a page with this action.
func (a Answer) Form(t testing.TB, action string) url.Values {
	t.Helper()
	_, rest, found := strings.Cut(string(a.Body), `action="`+action+`"`)
	if !found {
		t.Fatalf("no form for %s: %d %s", action, a.Status, a.Body)
	}
	rest, _, _ = strings.Cut(rest, "</form>")
	form := url.Values{}
	for _, m := range hiddenField.FindAllStringSubmatch(rest, -1) {
		form.Add(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
	}
	return form
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// Location is where a redirect leads.
func (a Answer) Location(t testing.TB) *url.URL {
	t.Helper()
	u, err := url.Parse(a.Header.Get("Location"))
	if err != nil || a.Status != http.StatusSeeOther {
		t.Fatalf("no redirect: %d %s %.300s", a.Status, a.Header.Get("Location"), a.Body)
	}
	return u
}

// AuthorizationRequest is a good one of the client, changed by pairs of names and values; a
// value "-" leaves the parameter out.
func AuthorizationRequest(client string, pairs ...string) string {
	query := url.Values{
		"client_id": {client}, "redirect_uri": {Redirects[client][0]}, "response_type": {"code"}, "state": {"the state"},
		"code_challenge": {Challenge}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if query.Del(pairs[i]); pairs[i+1] != "-" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	return "/oauth/authorize/?" + query.Encode()
}

// Authorize sends an authorization request.
func (b *Browser) Authorize(t testing.TB, client string, pairs ...string) Answer {
	t.Helper()
	return b.Visit(t, AuthorizationRequest(client, pairs...))
}

// Decide presses a button of a consent page: approve or deny.
func (b *Browser) Decide(t testing.TB, page Answer, decision string) Answer {
	t.Helper()
	form := page.Form(t, "/oauth/consent/")
	form.Set("decision", decision)
	return b.Send(t, http.MethodPost, "/oauth/consent/", form)
}

// Code goes through the whole flow, and agrees if asked.
func (b *Browser) Code(t testing.TB, client string, pairs ...string) string {
	t.Helper()
	a := b.Authorize(t, client, pairs...)
	if a.Status == http.StatusOK {
		a = b.Decide(t, a, "approve")
	}
	code := a.Location(t).Query().Get("code")
	if code == "" {
		t.Fatalf("no code: %s", a.Header.Get("Location"))
	}
	return code
}

// Redeem exchanges a code; pairs as for AuthorizationRequest.
func (w *World) Redeem(t testing.TB, client, code string, pairs ...string) Answer {
	t.Helper()
	form := Form("grant_type", "authorization_code", "code", code, "redirect_uri", Redirects[client][0], "code_verifier", Verifier)
	for i := 0; i+1 < len(pairs); i += 2 {
		if form.Del(pairs[i]); pairs[i+1] != "-" {
			form.Set(pairs[i], pairs[i+1])
		}
	}
	var flat []string
	for name := range form {
		flat = append(flat, name, form.Get(name))
	}
	return w.Post(t, "/oauth/token/", client, flat...)
}
