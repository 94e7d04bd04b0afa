package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

// Nobody makes us keep, or browsers carry, what is longer than requests are.
func TestWhatIsTooLongIsNeitherKeptNorSentBack(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	to := b.Authorize(t, web, "state", strings.Repeat("s", 4097)).Location(t)
	if query := to.Query(); query.Get("error") != "invalid_request" || query.Has("state") {
		t.Errorf("a long state: sent to %.200s", to)
	}
	for _, path := range []string{"/oauth/authorize/", "/oauth/logout/"} {
		if a := b.Send(t, http.MethodPost, path, servertest.Form("client_id", web, "state", strings.Repeat("s", 9000))); a.Status != http.StatusBadRequest || a.Header.Get("Location") != "" {
			t.Errorf("a long post to %s: %d", path, a.Status)
		}
	}
}

// Whoever may work nowhere is offered nothing, and is told of no organization.
func TestOnlyOrganizationsThatAreWorthAChoiceAreOffered(t *testing.T) {
	unproven := store.User{ID: "usr_evaevaevaevaevaevaevae", Email: "eva@example.com", Name: "Eva"}
	for name, c := range map[string]struct {
		change func(*servertest.Declared)
		person store.User
		text   string
	}{
		"both":                                 {func(*servertest.Declared) {}, servertest.Ann, "Choose an organization"},
		"one is suspended":                     {func(d *servertest.Declared) { d.Organizations["acme"].Suspended = true }, servertest.Ann, "globex"},
		"the sign-in does not count in one":    {func(d *servertest.Declared) { d.Organizations["acme"].Providers = nil }, servertest.Ann, "globex"},
		"one does not admit the application":   {func(d *servertest.Declared) { d.Organizations["acme"].External.ClientIDs = nil }, servertest.Ann, "globex"},
		"the person has not proven an address": {func(*servertest.Declared) {}, unproven, "None of your organizations"},
	} {
		t.Run(name, func(t *testing.T) {
			w := servertest.New(t)
			w.Declared.Applications[abroad].Consent = model.Consent{}
			w.Declared.Holdings["acme"][unproven.Email] = []string{"acme reader"}
			w.Declared.Holdings["globex"][unproven.Email] = []string{"globex reader"}
			if err := w.Store.CreateUser(t.Context(), unproven, store.Event{Time: w.Now(), Action: "user.created"}); err != nil {
				t.Fatal(err)
			}
			c.change(w.Declared)
			w.Publish(t)
			b := w.SignedIn(t, c.person)
			page := string(b.Authorize(t, abroad, "scope", "org:read").Body)
			if !strings.Contains(strings.ToLower(page), strings.ToLower(c.text)) {
				t.Errorf("the page lacks %q: %s", c.text, page)
			}
			if name == "both" {
				return
			}
			if strings.Contains(page, "Acme") {
				t.Errorf("the page names an organization that is no choice: %s", page)
			}
			if strings.Contains(name, "suspended") {
				sentBack(t, w, b.Authorize(t, abroad, "organization", "acme"), abroad, "access_denied")
			}
		})
	}
}

// What proves when a request came first is not kept for a day on which nobody looks.
func TestADetourToTheSignInTakesAnHourAtMost(t *testing.T) {
	w := servertest.New(t)
	b := w.Browser()
	back := b.Authorize(t, web, "prompt", "login").Location(t).Query().Get("next")
	w.Pass(time.Minute)
	b.SignIn(t, servertest.Ann)
	w.Pass(58 * time.Minute)
	if a := b.Visit(t, back); a.Status != http.StatusOK {
		t.Errorf("59 minutes later: %d", a.Status)
	}
	w.Pass(time.Minute)
	if to := b.Visit(t, back).Location(t); to.Path != "/login/" {
		t.Errorf("an hour later: sent to %s", to)
	}
}
