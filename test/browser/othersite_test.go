package browser

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// serveAttack adds pages to an application that turn on another site: /post sends its
// query's fields to the address in "to", /frame shows that address inside itself.
func (a *application) serveAttack() {
	a.mux.HandleFunc("/post", func(w http.ResponseWriter, r *http.Request) {
		var form strings.Builder
		fmt.Fprintf(&form, `<form method="post" action="%s">`, template.HTMLEscapeString(r.URL.Query().Get("to")))
		for name, values := range r.URL.Query() {
			fmt.Fprintf(&form, `<input type="hidden" name="%s" value="%s">`, template.HTMLEscapeString(name), template.HTMLEscapeString(values[0]))
		}
		plain(w, form.String()+`<button id="attack">Win a prize</button></form>`)
	})
	a.mux.HandleFunc("/frame", func(w http.ResponseWriter, r *http.Request) {
		plain(w, fmt.Sprintf(`<iframe src="%s"></iframe>`, template.HTMLEscapeString(r.URL.Query().Get("to"))))
	})
}

// RFC 9700 section 4.7, ASVS 7.6.2: what another site makes a browser send decides nothing,
// whether it is another host or only another port, which cookies do not tell apart.
func TestOtherSitesDecideNothing(t *testing.T) {
	in := install(t)
	attacker := serveApplication(t)
	attacker.serveAttack()
	code := in.ask(t)
	for _, origin := range []string{attacker.url, strings.Replace(attacker.url, "127.0.0.1", "localhost", 1)} {
		w := in.window(t, origin)
		attack := func(path string, fields url.Values) {
			fields.Set("to", in.url+path)
			w.open(origin + "/post?" + fields.Encode())
			w.press("#attack")
		}
		attack("/login/", url.Values{"email": {annEmail}, "password": {password}})
		w.wantText("The request came from another site")
		w.open("/")
		w.wantText("Applications send you here to sign in")

		w.open("/login/")
		w.signIn(annEmail, password)
		for path, fields := range map[string]url.Values{
			"/oauth/device/":  {"user_code": {code.String()}, "decision": {"approve"}},
			"/oauth/consent/": {"decision": {"approve"}},
			"/logout/":        {},
		} {
			attack(path, fields)
			w.wantText("That did not work")
		}
		// An application may send people here. They are not signed out, but asked.
		attack("/oauth/logout/", url.Values{"decision": {"signout"}})
		in.wantState(t, code, "pending")
		w.forgive("status of 403")
		w.open("/")
		w.wantText("You are signed in")

		// What applications may post is shown as a question.
		attack("/oauth/logout/", url.Values{"client_id": {webID}})
		w.wantText("Sign out?", "Acme Web")
		attack("/oauth/authorize/", url.Values{"client_id": {webID}, "response_type": {"code"}, "redirect_uri": {in.app.url + "/callback"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}})
		w.wantText("Allow access?", "Acme Web")
	}
}

// RFC 9700 section 4.16
func TestNoPageIsShownInsideAnother(t *testing.T) {
	in := install(t)
	in.app.serveAttack()
	w := in.window(t, in.app.url)
	w.open("/login/")
	w.signIn(annEmail, password)
	for _, path := range []string{"/", "/logout/", "/oauth/logout/", "/oauth/device/", in.app.request(webID, nil)} {
		w.open(in.app.url + "/frame?" + url.Values{"to": {in.url + path}}.Encode())
		w.forgive("frame")
		if !run(w, chromedp.Evaluate[bool](`(() => { try { return frames[0].document === null } catch { return true } })()`)) {
			t.Errorf("%s is shown inside another page", path)
		}
	}
}
