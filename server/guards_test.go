package server_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
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
	unproven := store.User{ID: "usr_evaevaevaevaevaevaevae", Email: "eva@example.com", Login: "eva@example.com", Name: "Eva"}
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

// ASVS 10.7.1: neither a declaration nor an agreement for another address spares the
// question where any program on the device may receive the answer.
func TestConsentIsNeverSkippedForAnyProgram(t *testing.T) {
	const loopback = "http://localhost:8000/callback"
	for _, mode := range []model.Consent{{Mode: model.ConsentSkip}, {Mode: model.ConsentRemember, MaxAge: time.Hour}} {
		w := servertest.New(t)
		w.Declared.Applications[site].Consent = mode
		w.Declared.Applications[site].RedirectURIs = []string{servertest.Redirects[site][0], loopback}
		w.Publish(t)
		b := w.SignedIn(t, servertest.Ann)
		b.Code(t, site)
		if a := b.Authorize(t, site); a.Status != http.StatusSeeOther {
			t.Fatalf("%s: asked again: %d", mode.Mode, a.Status)
		}
		if a := b.Authorize(t, site, "redirect_uri", loopback); a.Status != http.StatusOK {
			t.Errorf("%s: nobody is asked: %d to %s", mode.Mode, a.Status, a.Header.Get("Location"))
		}
		to := b.Authorize(t, site, "redirect_uri", loopback, "prompt", "none").Location(t)
		if to.Query().Get("error") != "consent_required" || to.Query().Has("code") {
			t.Errorf("%s: prompt none: sent to %s", mode.Mode, to)
		}
	}
}

// A longer memory that is declared later is not what the person agreed to; a shorter one
// counts at once.
func TestAConsentLastsAsLongAsWasSaidWhenItWasGiven(t *testing.T) {
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		later time.Duration
		after time.Duration
		asked bool
	}{
		"longer, before the end": {365 * day, 29 * day, false},
		"longer, after it":       {365 * day, 30 * day, true},
		"shorter, before it":     {day, 23 * time.Hour, false},
		"shorter, after it":      {day, day, true},
	} {
		w := servertest.New(t)
		w.SignedIn(t, servertest.Ann).Code(t, site)
		w.Declared.Applications[site].Consent.MaxAge = c.later
		w.Publish(t)
		w.Pass(c.after)
		if got := w.SignedIn(t, servertest.Ann).Authorize(t, site).Status == http.StatusOK; got != c.asked {
			t.Errorf("%s: asked: %t, want %t", name, got, c.asked)
		}
	}
}

// An agreement that any program on the device may have received spares no other question.
func TestAConsentToAnyProgramIsNotRemembered(t *testing.T) {
	const loopback = "http://localhost:8000/callback"
	w := servertest.New(t)
	w.Declared.Applications[site].RedirectURIs = []string{servertest.Redirects[site][0], loopback}
	w.Publish(t)
	b := w.SignedIn(t, servertest.Ann)
	b.Code(t, site, "redirect_uri", loopback)
	if a := b.Authorize(t, site); a.Status != http.StatusOK {
		t.Errorf("nobody is asked: %d to %s", a.Status, a.Header.Get("Location"))
	}
}

// What was agreed to with an application or an organization that was gone since is not
// agreed to with the one of the same name, nor with the same one come back.
func TestAConsentEndsWithTheIncarnation(t *testing.T) {
	for _, kind := range []string{"ApiApplication", "Organization"} {
		w := servertest.New(t)
		w.SignedIn(t, servertest.Ann).Code(t, site)
		w.Pass(time.Minute)
		uid := map[string]string{"ApiApplication": w.Declared.Applications[site].UID, "Organization": w.Declared.Organizations["acme"].ID}[kind]
		now := w.Declared.Snapshot()
		without := slices.DeleteFunc(slices.Clone(now.Objects), func(o model.ObjectID) bool { return o.UID == uid })
		if err := w.Server.Publish(t.Context(), model.NewSnapshot("without", slices.Collect(now.Organizations()), now.Providers, without)); err != nil {
			t.Fatal(err)
		}
		w.Pass(time.Minute)
		w.Publish(t)
		if a := w.SignedIn(t, servertest.Ann).Authorize(t, site); a.Status != http.StatusOK {
			t.Errorf("%s: nobody is asked: %d %s", kind, a.Status, a.Header.Get("Location"))
		}
	}
}

// The organization that a page named is the one where its approval counts, whatever else
// would be chosen by the time it is posted.
func TestAnApprovalCountsWhereThePageSaid(t *testing.T) {
	for name, end := range map[string]func(acme *model.Organization){
		"it does not admit the application any more": func(acme *model.Organization) { acme.External.ClientIDs = nil },
		"it is suspended": func(acme *model.Organization) { acme.Suspended = true },
	} {
		w := servertest.New(t)
		delete(w.Declared.Holdings["globex"], servertest.Ann.Email)
		w.Publish(t)
		b := w.SignedIn(t, servertest.Ann)
		page := b.Authorize(t, abroad, "scope", "org:read")
		if !strings.Contains(string(page.Body), "<dd>Acme</dd>") {
			t.Fatalf("%s: the page is about somewhere else: %s", name, page.Body)
		}
		end(w.Declared.Organizations["acme"])
		w.Declared.Holdings["globex"][servertest.Ann.Email] = []string{"globex reader"}
		w.Publish(t)
		if a := b.Decide(t, page, "approve"); a.Status != http.StatusForbidden || a.Header.Get("Location") != "" {
			t.Errorf("%s: got %d to %q, want 403", name, a.Status, a.Header.Get("Location"))
		}
	}
}

// A role names an address; whoever merely says that it is theirs holds nothing by it.
func TestAnAddressThatIsNotProvenHoldsNoRole(t *testing.T) {
	w := servertest.New(t)
	eva := store.User{ID: "usr_evaevaevaevaevaevaevae", Email: "eva@example.com", Login: "eva@example.com", Name: "Eva"}
	if err := w.Store.CreateUser(t.Context(), eva, store.Event{Time: w.Now(), Action: "user.created"}); err != nil {
		t.Fatal(err)
	}
	w.Declared.Holdings["acme"][eva.Email] = []string{"acme developer"}
	w.Publish(t)
	b := w.SignedIn(t, eva)
	if page := b.Authorize(t, web); !strings.Contains(string(page.Body), "You are not a member of Acme") {
		t.Errorf("authorize: %d %s", page.Status, page.Body)
	}
	code := w.StartDevice(t, cli).Text("user_code")
	if page := b.Visit(t, "/oauth/device/?user_code="+code); !strings.Contains(string(page.Body), "You are not a member of Acme") {
		t.Errorf("device: %d %s", page.Status, page.Body)
	}
}

// The ceiling of an application counts when the person looks, not when the device asked.
func TestADeviceIsShownWithWhatItsApplicationMayHaveNow(t *testing.T) {
	w := servertest.New(t)
	code := w.StartDevice(t, cli, "scope", "project:write offline_access").Text("user_code")
	w.Declared.Applications[cli].Scopes = oauth.NewScopeSet("project:read")
	w.Declared.Applications[cli].ProtocolScopes = nil
	w.Publish(t)
	page := string(w.SignedIn(t, servertest.Ann).Visit(t, "/oauth/device/?user_code="+code).Body)
	if strings.Contains(page, "Change projects") || strings.Contains(page, "Stay connected") || !strings.Contains(page, "See projects") {
		t.Errorf("the page: %s", page)
	}
}

// Scopes of the protocol are the application's to list, now as when it asked.
func TestWhatAnApplicationMayNotLearnAnyMoreItIsNotTold(t *testing.T) {
	w := servertest.New(t)
	a := w.Redeem(t, web, w.SignedIn(t, servertest.Ann).Code(t, web, "scope", "openid profile email groups offline_access"))
	w.Declared.Applications[web].ProtocolScopes = oauth.NewScopeSet(oauth.OpenID, oauth.OfflineAccess)
	w.Publish(t)
	told := w.Get(t, "/oauth/userinfo/", a.Text("access_token")).JSON()
	if told["sub"] != servertest.Ann.ID || told["email"] != nil || told["name"] != nil || told["groups"] != nil {
		t.Errorf("userinfo: %v", told)
	}
	if got := w.Refresh(t, web, a.Text("refresh_token")).Text("scope"); got != "offline_access openid" {
		t.Errorf("refreshed: %q", got)
	}
}

// Neither beyond its grant, nor beyond the ceiling of the organization where it works.
func TestNoAccessTokenIsSaidToLastLongerThanItDoes(t *testing.T) {
	w := servertest.New(t)
	a := w.Redeem(t, web, w.SignedIn(t, servertest.Ann).Code(t, web, "scope", "project:read"))
	for _, d := range []time.Duration{23 * time.Hour, 23 * time.Hour, 23 * time.Hour, 3*time.Hour - 5*time.Minute} {
		w.Pass(d)
		a = w.Refresh(t, web, a.Text("refresh_token"))
	}
	if got := a.JSON()["expires_in"]; got != 300.0 {
		t.Errorf("5 minutes before the end of its grant it lasts %v seconds", got)
	}
	w.Declared.Organizations["acme"].Tokens.AccessToken = 2 * time.Minute
	w.Publish(t)
	a = w.Redeem(t, abroad, w.SignedIn(t, servertest.Ann).Code(t, abroad, "organization", "acme", "scope", "org:read"))
	if got := a.JSON()["expires_in"]; got != 120.0 {
		t.Errorf("where 2 minutes are the ceiling it lasts %v seconds", got)
	}
}

// Both sides have to say so: an organization that admits every application, and an
// application that works in more than its own.
func TestAnOrganizationThatAdmitsAllAdmitsOnlyThoseThatAsk(t *testing.T) {
	w := servertest.New(t)
	w.Declared.Organizations["globex"].External = model.ExternalApplications{All: true}
	w.Publish(t)
	b := w.SignedIn(t, servertest.Ann)
	sentBack(t, w, b.Authorize(t, web, "organization", "globex"), web, "access_denied")
	a := w.Redeem(t, web, b.Code(t, web, "scope", "openid"))
	if told := w.Get(t, "/oauth/userinfo/", a.Text("access_token")); told.Text("org") != "acme" {
		t.Errorf("it works in %s", told.Body)
	}
}

// Whose organization is suspended is nobody that an answer could be for.
func TestScriptsOfASuspendedOrganizationReadNothing(t *testing.T) {
	const origin = "https://spa.example.com"
	w := servertest.New(t)
	token := w.Redeem(t, spa, w.SignedIn(t, servertest.Ann).Code(t, spa, "scope", "openid")).Text("access_token")
	for suspended, want := range map[bool]string{false: origin, true: ""} {
		w.Declared.Organizations["acme"].Suspended = suspended
		w.Publish(t)
		r := w.Request(t, http.MethodGet, "/oauth/userinfo/", "")
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Origin", origin)
		if got := w.Do(t, r).Header.Get("Access-Control-Allow-Origin"); got != want {
			t.Errorf("suspended %t: readable for %q, want %q", suspended, got, want)
		}
	}
}

// RFC 7636 section 4.1: a verifier is 43 to 128 characters of a URL, also if the challenge
// was made from another.
func TestAVerifierHasTheShapeOfOne(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	for verifier, good := range map[string]bool{
		strings.Repeat("a", 43): true, strings.Repeat("~", 128): true,
		strings.Repeat("a", 42): false, strings.Repeat("a", 129): false, "": false,
		strings.Repeat("a", 43) + " ": false, strings.Repeat("+", 43): false, strings.Repeat("ä", 43): false,
	} {
		sum := sha256.Sum256([]byte(verifier))
		code := b.Code(t, spa, "code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]))
		if a := w.Redeem(t, spa, code, "code_verifier", verifier); (a.Status == http.StatusOK) != good {
			t.Errorf("%.50q: %d %s", verifier, a.Status, a.Body)
		}
	}
}

// A code is of the application, the organization and the sign-in as they were when it was
// given: what was gone since does not redeem it, though it is back.
func TestACodeEndsWithTheIncarnation(t *testing.T) {
	for _, kind := range []string{"", "ApiApplication", "Organization", "AuthProvider"} {
		w := servertest.New(t)
		code := w.SignedIn(t, servertest.Ann).Code(t, web)
		uid := map[string]string{
			"ApiApplication": w.Declared.Applications[web].UID, "Organization": w.Declared.Organizations["acme"].ID, "AuthProvider": w.Declared.Local.UID,
		}[kind]
		now := w.Declared.Snapshot()
		without := slices.DeleteFunc(slices.Clone(now.Objects), func(o model.ObjectID) bool { return o.UID == uid })
		w.Pass(time.Second)
		if err := w.Server.Publish(t.Context(), model.NewSnapshot("without", slices.Collect(now.Organizations()), now.Providers, without)); err != nil {
			t.Fatal(err)
		}
		w.Pass(time.Second)
		w.Publish(t)
		w.Pass(time.Second)
		if a := w.Redeem(t, web, code); (a.Status == http.StatusOK) != (kind == "") {
			t.Errorf("gone and back: %q: %d %s", kind, a.Status, a.Body)
		}
	}
}
