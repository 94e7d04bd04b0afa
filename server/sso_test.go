package server

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/upstream"
)

func TestSomebodySignsInElsewhere(t *testing.T) {
	w := newSSOTown(t)
	w.works.knows("code", "4711", "eve@example.com")
	b := w.open()
	page := b.get("/login/?next=%2Faccount%2F")
	want(t, "the page", page, http.StatusOK, "Continue with Works")
	if text := page.Body.String(); strings.Contains(text, "Acme") || !strings.Contains(text, "Password") {
		t.Errorf("without an organization: %s", text)
	}
	answer := b.back("works", b.begin(t, page, "works"), "code")
	wantTo(t, "back", answer, "/account/")
	u, err := w.Store.UserByIdentity(t.Context(), "works", "4711")
	if err != nil || w.who(t, b) != u.ID || u.Email != "eve@example.com" || u.Login != "" {
		t.Errorf("signed in as %q, want the new account %+v (%v)", w.who(t, b), u, err)
	}
	want(t, "the account", b.get("/account/"), http.StatusOK, "eve@example.com")
	for name := range b.cookies {
		if strings.Contains(name, "sso") {
			t.Errorf("the browser still carries %s", name)
		}
	}
	if again := w.open(); again.by(t, "works", "code", "").Code != http.StatusSeeOther || w.who(t, again) != u.ID {
		t.Error("the second sign-in leads elsewhere")
	}
}

// RFC 9700 section 4.7: an answer counts in the browser that asked for it, at the provider
// that was asked, once, and for ten minutes.
func TestAnswersThatNobodyHereAskedForSignNobodyIn(t *testing.T) {
	const cannot = "cannot go on"
	for name, try := range map[string]func(*testing.T, *ssoTown, *tab, string) *httptest.ResponseRecorder{
		"another browser": func(_ *testing.T, w *ssoTown, _ *tab, handle string) *httptest.ResponseRecorder {
			return w.open().back("works", handle, "code")
		},
		"no state": func(_ *testing.T, _ *ssoTown, b *tab, _ string) *httptest.ResponseRecorder {
			return b.back("works", "", "code")
		},
		"another state": func(_ *testing.T, _ *ssoTown, b *tab, handle string) *httptest.ResponseRecorder {
			return b.back("works", handle+"x", "code")
		},
		"the state twice": func(_ *testing.T, _ *ssoTown, b *tab, handle string) *httptest.ResponseRecorder {
			return b.get("/login/callback/works/?code=code&state=" + handle + "&state=" + handle)
		},
		"the answer of one provider at the callback of another": func(t *testing.T, w *ssoTown, b *tab, handle string) *httptest.ResponseRecorder {
			w.acme.says = w.works.says
			return b.back("acme-sso", handle, "code")
		},
		"the state of another provider's attempt": func(t *testing.T, w *ssoTown, b *tab, handle string) *httptest.ResponseRecorder {
			b.begin(t, b.get("/login/?organization=acme"), "acme-sso")
			return b.back("acme-sso", handle, "code")
		},
		"a cookie that was renamed for another provider's state": func(t *testing.T, w *ssoTown, b *tab, handle string) *httptest.ResponseRecorder {
			other := b.begin(t, b.get("/login/?organization=acme"), "acme-sso")
			one, two := w.sessions.Carry(attemptCookie+handleName(handle), "", 0)[0].Name, w.sessions.Carry(attemptCookie+handleName(other), "", 0)[0].Name
			b.cookies[two] = &http.Cookie{Name: two, Value: b.cookies[one].Value}
			return b.back("acme-sso", other, "code")
		},
		"eleven minutes later": func(_ *testing.T, w *ssoTown, b *tab, handle string) *httptest.ResponseRecorder {
			w.pass(ssoFor)
			return b.back("works", handle, "code")
		},
		"a provider that was suspended": func(t *testing.T, w *ssoTown, b *tab, handle string) *httptest.ResponseRecorder {
			w.works.of.Suspended = true
			w.publish(t)
			return b.back("works", handle, "code")
		},
		"a provider that was changed": func(t *testing.T, w *ssoTown, b *tab, handle string) *httptest.ResponseRecorder {
			w.works.of.OIDC = &model.OIDCSettings{Issuer: "https://evil.example"}
			w.publish(t)
			return b.back("works", handle, "code")
		},
		"a provider that was gone meanwhile": func(t *testing.T, w *ssoTown, b *tab, handle string) *httptest.ResponseRecorder {
			w.pass(time.Second)
			w.more = nil
			was := w.org.Providers
			w.org.Providers = was[:1]
			w.publish(t)
			w.more, w.org.Providers = []*model.Provider{w.works.of}, was
			w.publish(t)
			return b.back("works", handle, "code")
		},
		"a posted answer": func(_ *testing.T, w *ssoTown, b *tab, handle string) *httptest.ResponseRecorder {
			return b.post("/login/callback/works/", url.Values{"RelayState": {handle}, "code": {"code"}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newSSOTown(t)
			w.works.knows("code", "4711", "eve@example.com")
			b := w.open()
			answer := try(t, w, b, b.begin(t, b.get("/login/"), "works"))
			w.refused(t, name, b, answer, http.StatusForbidden, cannot)
		})
	}
}

func TestAnAnswerIsUsedOnce(t *testing.T) {
	w := newSSOTown(t)
	w.works.knows("code", "4711", "")
	b := w.open()
	handle := b.begin(t, b.get("/login/"), "works")
	kept := map[string]*http.Cookie{}
	for name, c := range b.cookies {
		kept[name] = c
	}
	if answer := b.back("works", handle, "code"); answer.Code != http.StatusSeeOther {
		t.Fatalf("the first time: %d", answer.Code)
	}
	again := w.open()
	again.cookies = kept // whoever kept the cookie, and the answer
	w.refused(t, "the second time", again, again.back("works", handle, "code"), http.StatusForbidden, "cannot go on")
}

// An assertion is proven by whoever has it: it counts once, whatever request it came for.
func TestAnAssertionIsUsedOnce(t *testing.T) {
	w := newSSOTown(t)
	w.works.knows("code", "4711", "")
	proof := w.works.says["code"]
	proof.Once, proof.Until = "_assertion-1", w.Now().Add(time.Minute)
	w.works.says["code"] = proof
	if b := w.open(); b.by(t, "works", "code", "").Code != http.StatusSeeOther {
		t.Fatal("the first time is refused")
	}
	b := w.open()
	w.refused(t, "the second time", b, b.by(t, "works", "code", ""), http.StatusForbidden, "proves nothing here")
}

// ASVS 7.6.2, 10.2.1
func TestNothingButAFormOfOursBeginsASignIn(t *testing.T) {
	w := newSSOTown(t)
	b := w.open()
	form := fields(t, b.get("/login/"), "/login/sso/works/")
	for name, token := range map[string]string{"none": "", "forged": "x", "the password's": fields(t, b.get("/login/"), "/login/").Get("token")} {
		stale := url.Values{"next": {"/"}, "token": {token}}
		want(t, name, b.post("/login/sso/works/", stale), http.StatusForbidden, "no longer valid")
	}
	other := fields(t, b.get("/login/?organization=acme"), "/login/sso/acme-sso/")
	other.Del("organization")
	want(t, "another provider's", b.post("/login/sso/works/", other), http.StatusForbidden, "no longer valid")
	want(t, "another browser's", w.open().post("/login/sso/works/", form), http.StatusForbidden, "no longer valid")
	b.header = http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}}
	want(t, "another site", b.post("/login/sso/works/", form), http.StatusForbidden, "from another site")
	if len(w.works.begun) > 0 {
		t.Errorf("%d sign-ins were begun", len(w.works.begun))
	}
	b.header = http.Header{}
	if answer := b.get("/login/sso/works/"); answer.Code != http.StatusOK || len(w.works.begun) > 0 {
		t.Errorf("following a link: %d, %d begun", answer.Code, len(w.works.begun))
	}
}

func TestWhatAnOrganizationDeclaresIsOfferedNowhereElse(t *testing.T) {
	w := newSSOTown(t)
	b := w.open()
	page := b.get("/login/?organization=acme")
	want(t, "for Acme", page, http.StatusOK, "Continue with Acme SSO")
	form := fields(t, page, "/login/sso/acme-sso/")
	form.Del("organization")
	want(t, "without the organization", b.post("/login/sso/acme-sso/", form), http.StatusNotFound, "no such way")
	want(t, "no such organization", b.get("/login/?organization=nobody"), http.StatusNotFound, "no organization of this name")
	for _, path := range []string{"/login/sso/provider-1/", "/login/sso/none/", "/login/callback/provider-1/?state=x", "/login/callback/none/?state=x", "/login/metadata/none/"} {
		want(t, path, b.get(path), http.StatusNotFound, "no such way")
	}
	w.org.Providers = []*model.Provider{w.acme.of, w.works.of} // the password does not count
	w.publish(t)
	page = b.get("/login/?organization=acme")
	want(t, "without a password", page, http.StatusOK, "Continue with Acme SSO")
	if text := page.Body.String(); strings.Contains(text, `name="password"`) || strings.Index(text, "Acme SSO") > strings.Index(text, "with Works") {
		t.Errorf("it asks for a password, or has another order: %s", text)
	}
	typed := fields(t, b.get("/login/"), "/login/")
	typed.Set("organization", "acme")
	typed.Set("email", "ann@example.com")
	typed.Set("password", rightPassword)
	w.refused(t, "a password where none counts", b, b.post("/login/", typed), http.StatusForbidden, "Continue with Acme SSO")
}

func TestWhatAProviderSaysNoToIsToldInOurWords(t *testing.T) {
	w := newSSOTown(t)
	for code, text := range map[string]string{
		"access_denied": "did not sign you in", "temporarily_unavailable": "has a problem now", "<b>call 555-0100</b>": "could not sign you in",
	} {
		b := w.open()
		handle := b.begin(t, b.get("/login/"), "works")
		answer := b.get("/login/callback/works/?" + url.Values{"state": {handle}, "error": {code}, "error_description": {"call 555-0100"}}.Encode())
		w.refused(t, code, b, answer, http.StatusForbidden, text)
		if strings.Contains(answer.Body.String(), "555-0100") {
			t.Errorf("%s: the page repeats what anybody can write into a link", code)
		}
		if events := w.lastEvents(t, 1); !strings.HasPrefix(events, "session.started refused") || strings.Contains(events, "555") {
			t.Errorf("%s: recorded %q", code, events)
		}
	}
}

func TestWhatProvesNothingIsRefusedAndRecorded(t *testing.T) {
	w := newSSOTown(t)
	w.works.says["stranger"] = upstream.Proof{Claims: map[string]any{"sub": "1", "stranger": true}}
	w.works.says["nobody"] = upstream.Proof{Claims: map[string]any{"email": "secret@example.com"}}
	for code, c := range map[string]struct{ text, recorded string }{
		"forged": {"proves nothing here", "answer of the provider refused"}, "stranger": {"you may not sign in here with it", "the mapping requires something else"},
		"nobody": {"cannot be read", "what the provider says cannot be read"},
	} {
		b := w.open()
		w.refused(t, code, b, b.by(t, "works", code, ""), http.StatusForbidden, c.text)
		if got := w.lastEvents(t, 1); got != "session.started refused "+c.recorded+" (system/works)" {
			t.Errorf("%s: recorded %q", code, got)
		}
	}
	b := w.open()
	handle := b.begin(t, b.get("/login/"), "works")
	w.works.fault = upstream.ErrUnavailable
	w.refused(t, "out of reach", b, b.back("works", handle, "code"), http.StatusServiceUnavailable, "Works cannot be reached")
	want(t, "begun out of reach", b.post("/login/sso/works/", fields(t, b.get("/login/"), "/login/sso/works/")), http.StatusServiceUnavailable, "cannot be reached")
	w.works.fault = errors.New("a fault of ours")
	b = w.open()
	want(t, "a fault", b.post("/login/sso/works/", fields(t, b.get("/login/"), "/login/sso/works/")), http.StatusInternalServerError, "not your fault")
}

func TestWhoMayHaveNoAccountIsTold(t *testing.T) {
	w := newSSOTown(t)
	w.works.knows("code", "4711", "eve@example.com")
	only := w.provider(t, &model.Provider{
		UID: "only", Namespace: "system", Name: "only", Type: "OIDC", OIDC: &model.OIDCSettings{}, Provisioning: model.Provisioning{Mode: model.ProvisionLinkOnly},
	})
	only.knows("code", "1", "ann@example.com")
	w.more = append(w.more, only.of)
	w.publish(t)
	b := w.open()
	w.refused(t, "an identity that nobody has", b, b.by(t, "only", "code", ""), http.StatusForbidden, "Nobody here has an account with this identity")
	b.by(t, "works", "code", "")
	eve := w.who(t, b)
	if err := w.Store.SetDisabled(t.Context(), eve, true, store.Event{Time: w.Now(), Action: "user.disabled"}); err != nil {
		t.Fatal(err)
	}
	b = w.open()
	w.refused(t, "a disabled account", b, b.by(t, "works", "code", ""), http.StatusForbidden, "account here is disabled")
}

// The class of fault that was CVE-2026-42354 and CVE-2026-27197 elsewhere.
func TestTwoProvidersThatSayTheSameGiveTwoAccounts(t *testing.T) {
	w := newSSOTown(t)
	w.works.knows("code", "4711", "ann@example.com")
	w.acme.knows("code", "4711", "ann@example.com")
	seen := map[string]bool{"usr_" + strings.Repeat("a", 22): true} // Ann, who has a password
	for uid, organization := range map[string]string{"works": "", "acme-sso": "acme"} {
		b := w.open()
		b.by(t, uid, "code", organization)
		if who := w.who(t, b); who == "" || seen[who] {
			t.Errorf("%s: signed in as %q", uid, who)
		} else {
			seen[who] = true
		}
	}
}

// Another sign-in of the same person goes on with their session, under a new identifier;
// somebody else's ends it.
func TestSignInsOfOnePersonAddUpInOneSession(t *testing.T) {
	w := newSSOTown(t)
	w.works.knows("code", "4711", "")
	w.works.knows("other", "4712", "")
	b := w.signedIn(t, "ann@example.com")
	w.link(t, "ann", "works", "4711")
	before := b.cookies[sessionCookie].Value
	b.by(t, "works", "code", "")
	ann := "usr_" + strings.Repeat("a", 22)
	if w.who(t, b) != ann || b.cookies[sessionCookie].Value == before {
		t.Fatalf("signed in as %q, with the identifier from before: %v", w.who(t, b), b.cookies[sessionCookie].Value == before)
	}
	all, err := w.Store.SessionsOf(t.Context(), ann)
	if err != nil || len(all) != 1 {
		t.Fatalf("%d sessions (%v), want one", len(all), err)
	}
	found, err := w.Store.Session(t.Context(), all[0].Hash)
	if err != nil || len(found.SignIns()) != 2 {
		t.Errorf("sign-ins %+v (%v), want two", found.SignIns(), err)
	}
	b.by(t, "works", "other", "")
	if who := w.who(t, b); who == ann || who == "" {
		t.Errorf("signed in as %q", who)
	}
	if all, err := w.Store.SessionsOf(t.Context(), ann); err != nil || len(all) != 0 {
		t.Errorf("%d sessions of Ann are left (%v)", len(all), err)
	}
}

// link connects an identity to Ann or Bob.
func (w *ssoTown) link(t *testing.T, name, uid, subject string) {
	t.Helper()
	err := w.Store.LinkIdentity(t.Context(), store.Identity{
		ProviderUID: uid, Subject: subject, UserID: "usr_" + strings.Repeat(name[:1], 22), CreatedAt: w.Now(), LastUsedAt: w.Now(), CheckedAt: w.Now(),
	}, store.Event{Time: w.Now(), Action: "identity.linked"})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSecondFactorIsAskedAfterASignInElsewhere(t *testing.T) {
	w := newSSOTown(t)
	w.link(t, "ann", "works", "4711")
	w.works.says["code"] = upstream.Proof{Claims: map[string]any{"sub": "4711", "amr": []any{"pwd", "mfa"}}}
	w.signedIn(t, "ann@example.com").enrols(t)
	b := w.open()
	answer := b.by(t, "works", "code", "")
	want(t, "after the provider", answer, http.StatusOK, "Code of your authenticator app")
	if who := w.who(t, b); who != "" {
		t.Errorf("signed in as %q without the second factor", who)
	}
	// What an organization takes for a second factor is not what opens an account.
	w.org.Login.SecondFactor.ProviderAMR = true
	w.publish(t)
	b = w.open()
	want(t, "where the provider's counts", b.by(t, "works", "code", "acme"), http.StatusOK, "Code of your authenticator app")
}

// A tenant's provider that says of somebody what it likes gives its own organization to
// them, and nothing else.
func TestATenantsProviderOpensNoAccount(t *testing.T) {
	w := newSSOTown(t)
	w.acme.knows("ann", "ann", "ann@example.com")
	w.acme.knows("eve", "eve", "eve@example.com")
	w.link(t, "ann", "acme-sso", "ann")
	b := w.open()
	b.by(t, "acme-sso", "ann", "acme")
	if w.who(t, b) != "usr_"+strings.Repeat("a", 22) {
		t.Fatal("not signed in")
	}
	guarded := 0
	for _, rt := range w.Routes() {
		if !strings.HasPrefix(rt.Path, "/account") {
			continue
		}
		guarded++
		want(t, "GET "+rt.Path, b.get(rt.Path+"/"), http.StatusForbidden, "Sign in another way")
		if rt.Posts {
			want(t, "POST "+rt.Path, b.post(rt.Path+"/", url.Values{}), http.StatusForbidden, "Sign in another way")
		}
	}
	if guarded < 6 {
		t.Errorf("%d pages of an account were tried", guarded)
	}
	want(t, "connect", b.get("/login/sso/works/?intent=connect"), http.StatusForbidden, "Sign in another way")

	// Nor is it made fresh by it: the password does that.
	b = w.signedIn(t, "ann@example.com")
	w.pass(freshFor)
	b.by(t, "acme-sso", "ann", "acme")
	wantTo(t, "an old password and a new sign-in by the tenant", b.post("/account/sessions/", fields(t, b.get("/account/sessions/"), "/account/sessions/")),
		"/login/?again=&next=%2Faccount%2Fsessions%2F")

	// An account that is wholly of Acme is its own, until anything else comes to it.
	b = w.open()
	b.by(t, "acme-sso", "eve", "acme")
	eve := w.who(t, b)
	want(t, "an account of Acme alone", b.get("/account/sessions/"), http.StatusOK, "Where you are signed in")
	m := model.Membership{OrganizationID: "org-2", Source: model.MemberByInvitation, At: w.Now()}
	if err := w.Store.AddMembership(context.Background(), eve, m, store.Event{Time: w.Now(), Action: "membership.added"}); err != nil {
		t.Fatal(err)
	}
	want(t, "a member elsewhere too", b.get("/account/sessions/"), http.StatusForbidden, "Sign in another way")
}

// Where a sign-in does not count, another is asked for; it is not refused.
func TestAnOrganizationAsksForASignInThatCountsThere(t *testing.T) {
	w := newSSOTown(t)
	w.org.Providers = []*model.Provider{w.acme.of}
	w.publish(t)
	w.link(t, "ann", "acme-sso", "ann")
	w.acme.knows("code", "ann", "")
	code := w.ask(t, "org:read")
	b := w.signedIn(t, "ann@example.com")
	to := b.get("/oauth/device/?user_code=" + code.String()).Header().Get("Location")
	answer := b.back("acme-sso", b.begin(t, b.get(to), "acme-sso"), "code")
	wantTo(t, "back", answer, "/oauth/device/?user_code="+url.QueryEscape(code.String()))
	answer = b.post("/oauth/device/", func() url.Values {
		form := fields(t, b.get("/oauth/device/?user_code="+code.String()), "/oauth/device/")
		form.Set("decision", "approve")
		return form
	}())
	wantTo(t, "approved", answer, "/oauth/device/?result=approved")
	if row := w.state(t, code); row.ProviderUID != "acme-sso" {
		t.Errorf("approved by %q, want the provider that counts", row.ProviderUID)
	}
	// The password later changes nothing of that.
	form := fields(t, b.get("/login/?again=1"), "/login/")
	form.Set("email", "ann@example.com")
	form.Set("password", rightPassword)
	wantTo(t, "the password", b.post("/login/", form), "/")
	second := w.ask(t, "org:read")
	want(t, "with both", b.get("/oauth/device/?user_code="+second.String()), http.StatusOK, "Acme")
}

func TestWhoIsNotSignedInIsAskedForTheOrganizationOfTheDevice(t *testing.T) {
	w := newSSOTown(t)
	code := w.ask(t, "org:read")
	to := w.open().get("/oauth/device/?user_code=" + code.String()).Header().Get("Location")
	want(t, "a good code", w.open().get(to), http.StatusOK, "Continue with Acme SSO")
	b := w.open()
	for range 10 {
		if text := b.get("/login/?next=%2Foauth%2Fdevice%2F%3Fuser_code%3DBCDF-GHJK").Body.String(); strings.Contains(text, "Acme") {
			t.Fatal("a code that is none leads to an organization")
		}
	}
	if text := b.get(to).Body.String(); strings.Contains(text, "Acme") {
		t.Error("codes can be guessed here without end")
	}
}

func TestAnAddressLeadsToTheProviderOfItsDomain(t *testing.T) {
	w := newSSOTown(t)
	w.org.Domains = []string{"acme.example"}
	w.org.Providers = []*model.Provider{w.local, w.acme.of, w.works.of}
	w.publish(t)
	b := w.open()
	page := b.get("/login/?organization=acme")
	if text := page.Body.String(); strings.Contains(text, `name="password"`) {
		t.Errorf("it asks for a password at once: %s", text)
	}
	ask := func(email string) *httptest.ResponseRecorder {
		form := fields(t, b.get("/login/?organization=acme"), "/login/")
		form.Set("email", email)
		return b.post("/login/", form)
	}
	for _, email := range []string{"ann@acme.example", "Nobody@ACME.example "} { // whether anybody has it or not
		if to := ask(email).Header().Get("Location"); !strings.HasPrefix(to, "https://acme-sso.example/") {
			t.Errorf("%s leads to %q", email, to)
		}
	}
	if got := w.acme.begun[0].Hint; got != "ann@acme.example" {
		t.Errorf("the provider is told %q", got)
	}
	known, unknown := ask("ann@example.com"), ask("nob@example.com")
	want(t, "another domain", known, http.StatusOK, `name="password"`)
	// Challenges for passkeys are new each time.
	plain := regexp.MustCompile(`(value|data-[a-z]+)="[^"]*"`)
	if plain.ReplaceAllString(known.Body.String(), "") != plain.ReplaceAllString(unknown.Body.String(), "") {
		t.Error("an address that has an account is answered in another way")
	}
	w.org.Providers = []*model.Provider{w.acme.of}
	w.publish(t)
	want(t, "another domain, without passwords", ask("ann@example.com"), http.StatusOK, "leads to none of the ways")
}

func TestADirectoryIsAskedOnAPageOfItsOwn(t *testing.T) {
	w := newSSOTown(t)
	w.works.asks = true
	w.works.says["ann secret-of-ann"] = upstream.Proof{Claims: map[string]any{"sub": "ann"}}
	b := w.open()
	page := b.get("/login/")
	if !strings.Contains(page.Body.String(), `method="get" action="/login/sso/works/"`) {
		t.Fatalf("no way there: %s", page.Body)
	}
	page = b.get("/login/sso/works/?next=%2Faccount%2F")
	want(t, "its page", page, http.StatusOK, "Name at Works")
	try := func(password string) *httptest.ResponseRecorder {
		form := fields(t, page, "/login/sso/works/")
		form.Set("username", "ann")
		form.Set("password", password)
		return b.post("/login/sso/works/", form)
	}
	w.refused(t, "a wrong password", b, try("wrong"), http.StatusForbidden, "do not match")
	if got := w.lastEvents(t, 1); got != "session.started refused wrong name or password (system/works)" {
		t.Errorf("recorded %q", got)
	}
	wantTo(t, "the right one", try("secret-of-ann"), "/account/")
	if w.who(t, b) == "" {
		t.Error("not signed in")
	}
	slowed := w.open()
	b = slowed
	slowed.ip = "192.0.2.77"
	page = b.get("/login/sso/works/")
	for range 5 {
		try("wrong")
	}
	want(t, "guessing", try("secret-of-ann"), http.StatusTooManyRequests, "too many attempts")
}
