package server

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/upstream"
)

// A second factor here does not make new what was proven elsewhere long ago.
func TestASecondFactorDoesNotRenewTheSignInElsewhere(t *testing.T) {
	w := newSSOTown(t)
	w.link(t, "ann", "works", "4711")
	app := w.signedIn(t, "ann@example.com").enrols(t, "others", "end")
	w.pass(time.Minute)
	long := w.Now().Add(-7 * 24 * time.Hour)
	w.works.says["code"] = upstream.Proof{Claims: map[string]any{"sub": "4711"}, AuthTime: long}
	b := w.open()
	form := fields(t, b.by(t, "works", "code", ""), secondPath)
	wantTo(t, "the second factor", b.second(form, app.code()), "/")
	if s := w.newest(t); s.ProviderUID != "works" || !s.AuthTime.Equal(long) {
		t.Errorf("the sign-in by %s counts as one of %v, want %v", s.ProviderUID, s.AuthTime, long)
	}
	wantTo(t, "what needs a fresh sign-in", b.get(newFactorPath), "/login/?again=&next="+url.QueryEscape(newFactorPath))
}

// What an application demands of the sign-in is asked of the provider, whoever is signed in.
func TestWhatAnApplicationDemandsIsAskedOfTheProvider(t *testing.T) {
	for query, want := range map[string]upstream.Attempt{
		"":             {},
		"prompt=login": {Again: true},
		"max_age=0":    {Again: true},
		"max_age=3600": {MaxAge: time.Hour},
	} {
		w := newSSOTown(t)
		w.app.Type, w.app.GrantTypes = "Web", []oauth.GrantType{oauth.AuthorizationCode}
		w.app.RedirectURIs = []string{"https://app.example/cb"}
		w.publish(t)
		next := "/oauth/authorize/?response_type=code&client_id=acme.apps.cli&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&scope=org%3Aread" +
			"&code_challenge=" + strings.Repeat("a", 43) + "&code_challenge_method=S256&" + query
		b := w.open()
		b.begin(t, b.get("/login/?"+url.Values{"next": {next}}.Encode()), "works")
		got := w.works.begun[len(w.works.begun)-1]
		if got.Again != want.Again || got.MaxAge != want.MaxAge {
			t.Errorf("%q: again %v, max age %v", query, got.Again, got.MaxAge)
		}
	}
}

// Whoever is between two steps of a sign-in goes no further by a way that is none any more.
func TestASignInUnderWayEndsWithItsWay(t *testing.T) {
	w := newSSOTown(t)
	w.link(t, "ann", "works", "4711")
	app := w.signedIn(t, "ann@example.com").enrols(t)
	w.pass(time.Minute)
	w.works.says["code"] = upstream.Proof{Claims: map[string]any{"sub": "4711"}}
	b := w.open()
	form := fields(t, b.by(t, "works", "code", ""), secondPath)
	err := w.Store.UnlinkIdentity(t.Context(), annID(), "works", "4711", store.Event{Time: w.Now(), Action: "identity.unlinked"})
	if err != nil {
		t.Fatal(err)
	}
	w.refused(t, "the code after the identity was disconnected", b, b.second(form, app.code()), http.StatusForbidden, "took too long")
}

// A provider that is suspended, or asked in another way, signs nobody in by what came from it before.
func TestAnArrivalEndsWithItsProvider(t *testing.T) {
	for name, change := range map[string]func(*model.Provider){
		"suspended": func(p *model.Provider) { p.Suspended = true },
		"asks otherwise": func(p *model.Provider) {
			p.SAML = &model.SAMLSettings{AllowIdPInitiated: true, EntityID: "https://other.example"}
		},
		"moved": func(p *model.Provider) { p.OrganizationID = "org-2" },
	} {
		w := newSAMLTown(t, true)
		b := w.open()
		at := b.posts("works", url.Values{"code": {"code"}, "RelayState": {"x"}})
		page := b.get(at.Header().Get("Location"))
		form := fields(t, page, "/login/arrival/")
		changed := *w.works.of
		change(&changed)
		w.works.of = &changed
		w.more = []*model.Provider{&changed}
		w.org.Providers[1] = &changed
		w.publish(t)
		w.refused(t, name, b, b.post("/login/arrival/", form), http.StatusForbidden, "cannot go on")
	}
}

// Names in directories are compared without regard to case: whoever guesses does not get a
// hundred tries by writing the name in a hundred ways, nor by a restart of this process.
func TestGuessesAtADirectoryAreCountedForThePerson(t *testing.T) {
	w := newSSOTown(t)
	w.works.asks = true
	at := inSSOTurn(t, w)
	looked := 0
	for i := range 40 {
		b := at(i).open()
		form := fields(t, b.get("/login/sso/works/"), "/login/sso/works/")
		form.Set("username", strings.ToUpper("annabel"[:1+i%7])+"annabel"[1+i%7:])
		form.Set("password", "guess")
		switch answer := b.post("/login/sso/works/", form); answer.Code {
		case http.StatusForbidden:
			looked++
		case http.StatusTooManyRequests:
		default:
			t.Fatalf("guess %d: %d\n%s", i, answer.Code, answer.Body)
		}
	}
	if looked != 5 {
		t.Errorf("%d of 40 guesses at once were looked at, want 5", looked)
	}
}

// inSSOTurn is a town whose process restarts in between.
func inSSOTurn(t *testing.T, w *ssoTown) func(i int) *ssoTown {
	return func(i int) *ssoTown {
		if i%3 == 2 {
			w.restart(t)
			w.backends = w.idps
			w.publish(t)
		}
		return w
	}
}

// A provider makes accounts no faster than people come: whoever runs one does not fill the
// store with subjects.
func TestAProviderMakesAccountsNoFasterThanPeopleCome(t *testing.T) {
	w := newSSOTown(t)
	old := newcomers
	newcomers.Burst = 3
	t.Cleanup(func() { newcomers = old })
	come := func(uid, subject, organization string) *httptest.ResponseRecorder {
		w.idps[uid].knows(subject, subject, "")
		return w.open().by(t, uid, subject, organization)
	}
	for _, subject := range []string{"a", "b", "c"} {
		wantTo(t, subject, come("acme-sso", subject, "acme"), "/")
	}
	answer := come("acme-sso", "d", "acme")
	want(t, "one too many", answer, http.StatusTooManyRequests, "too many")
	if answer.Header().Get("Retry-After") == "" {
		t.Error("it is not said when to come again")
	}
	if _, err := w.Store.UserByIdentity(t.Context(), "acme-sso", "d"); err == nil {
		t.Error("an account was made")
	}
	wantTo(t, "somebody who was there before", come("acme-sso", "a", "acme"), "/")
	wantTo(t, "by another provider", come("works", "d", ""), "/")
	w.pass(newcomers.Interval)
	wantTo(t, "later", come("acme-sso", "d", "acme"), "/")
}

// A sign-in elsewhere of long ago is asked for anew, and is no session that ends at once.
func TestASignInElsewhereThatIsTooOldForASessionIsAskedForAnew(t *testing.T) {
	w := newSSOTown(t)
	w.works.says["code"] = upstream.Proof{Claims: map[string]any{"sub": "4711"}, AuthTime: w.Now().Add(-31 * 24 * time.Hour)}
	b := w.open()
	answer := b.by(t, "works", "code", "")
	to, err := url.Parse(answer.Header().Get("Location"))
	if err != nil || answer.Code != http.StatusSeeOther || to.Host != "works.example" || !w.works.begun[len(w.works.begun)-1].Again {
		t.Fatalf("%d to %q", answer.Code, to)
	}
	w.works.says["code"] = upstream.Proof{Claims: map[string]any{"sub": "4711"}, AuthTime: w.Now()}
	wantTo(t, "by a new one", b.back("works", to.Query().Get("state"), "code"), "/")
	if w.who(t, b) == "" {
		t.Error("not signed in")
	}
}

// Nobody begins anything at a provider that is suspended: neither a sign-in nor, where it
// asks for a password here and no answer comes back later, to connect an identity.
func TestASuspendedProviderIsOfferedNowhere(t *testing.T) {
	w := newSSOTown(t)
	w.works.asks = true
	w.works.says["ann secret-of-ann"] = upstream.Proof{Claims: map[string]any{"sub": "ann"}}
	b := w.signedIn(t, "ann@example.com")
	form := fields(t, b.get("/login/sso/works/?intent=connect"), "/login/sso/works/")
	form.Set("username", "ann")
	form.Set("password", "secret-of-ann")
	w.works.of.Suspended = true
	w.publish(t)
	for _, path := range []string{"/login/?again=1", "/login/?again=1&organization=acme", identitiesPath} {
		if strings.Contains(b.get(path).Body.String(), "/login/sso/works/") {
			t.Errorf("%s offers it", path)
		}
	}
	want(t, "its page", b.get("/login/sso/works/"), http.StatusNotFound, "no such way to sign in")
	want(t, "to connect it", b.post("/login/sso/works/", form), http.StatusNotFound, "no such way to sign in")
	if u := w.user(t, annID()); len(u.Identities) != 0 {
		t.Errorf("connected %+v", u.Identities)
	}
}

// Whatever links somebody follows, and however often they begin anew: what their browser
// carries of that fits into the header of a request, or they would be shut out of every page.
func TestSignInsUnderWayDoNotShutABrowserOut(t *testing.T) {
	for _, length := range []int{0, 2000, 5000} {
		w := newSAMLTown(t, false)
		b := w.open()
		next := "/oauth/authorize/?state=" + strings.Repeat("s", length)
		for i := range 12 {
			handle := b.begin(t, b.get("/login/?"+url.Values{"next": {next}}.Encode()), "works")
			size := 0
			for name, c := range b.cookies {
				size += len(name) + len(c.Value) + len("; =")
			}
			if size > 11<<10 {
				t.Fatalf("%d sign-ins with a request of %d bytes: the browser sends %d bytes of cookies", i+1, length, size)
			}
			if i < 11 {
				continue
			}
			at := b.posts("works", url.Values{"RelayState": {handle}, "code": {"code"}}).Header().Get("Location")
			wantTo(t, "the last one", b.get(at), next)
		}
	}
	w := newSAMLTown(t, false)
	b := w.open()
	page := b.get("/login/?" + url.Values{"next": {"/oauth/authorize/?state=" + strings.Repeat("s", 9000)}}.Encode())
	want(t, "more than fits", b.post("/login/sso/works/", fields(t, page, "/login/sso/works/")), http.StatusBadRequest, "too long")
}

// What somebody may do is asked again when they come back to connect an identity: the
// account, and what they belong to, may be others by then.
func TestConnectingEndsWithTheRightToConnect(t *testing.T) {
	w := newSSOTown(t)
	w.acme.knows("code", "4711", "")
	w.works.knows("code", "4711", "")
	b := w.signedIn(t, "ann@example.com")
	handle := b.begin(t, b.get("/login/sso/acme-sso/?intent=connect"), "acme-sso")
	roles := w.roles
	w.roles = nil
	w.publish(t)
	want(t, "no member any more", b.back("acme-sso", handle, "code"), http.StatusForbidden, "cannot go on")
	w.roles = roles
	w.publish(t)

	eve := w.open() // whose account is Acme's alone, until it has another way in
	w.acme.knows("eve", "eve", "")
	eve.by(t, "acme-sso", "eve", "acme")
	handle = eve.begin(t, eve.get("/login/sso/works/?intent=connect"), "works")
	id := w.who(t, eve)
	err := w.Store.LinkIdentity(t.Context(), store.Identity{
		ProviderUID: "elsewhere", Subject: "eve", UserID: id, CreatedAt: w.Now(), LastUsedAt: w.Now(), CheckedAt: w.Now(),
	}, store.Event{Time: w.Now(), Action: "identity.linked"})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "by a way that does not open the account any more", eve.back("works", handle, "code"), http.StatusForbidden, "cannot go on")
	for _, uid := range []string{"works", "acme-sso"} {
		if _, err := w.Store.UserByIdentity(t.Context(), uid, "4711"); err == nil {
			t.Errorf("the identity of %s is connected", uid)
		}
	}
}

// What an account offers to connect are ways in that are some.
func TestOnlyWaysInAreConnected(t *testing.T) {
	for name, change := range map[string]func(*ssoTown){
		"makes and keeps no accounts": func(w *ssoTown) { w.acme.of.Provisioning.Mode = model.ProvisionDeny },
		"of a suspended organization": func(w *ssoTown) { w.org.Suspended = true },
	} {
		w := newSSOTown(t)
		b := w.signedIn(t, "ann@example.com")
		want(t, name+", before", b.get("/login/sso/acme-sso/?intent=connect"), http.StatusOK, "Acme SSO")
		change(w)
		w.publish(t)
		want(t, name, b.get("/login/sso/acme-sso/?intent=connect"), http.StatusNotFound, "no such way to sign in")
		if w.org.Suspended {
			want(t, "its sign-in", w.open().get("/login/?organization=acme"), http.StatusNotFound, "no organization of this name")
		}
	}
}

// A way in that is suspended is none: the last one besides it stays.
func TestASuspendedProviderIsNoOtherWayIn(t *testing.T) {
	w := newSSOTown(t)
	w.works.knows("code", "4711", "")
	w.acme.knows("code", "4711", "")
	b := w.open()
	b.by(t, "works", "code", "")
	id := w.who(t, b)
	err := w.Store.LinkIdentity(t.Context(), store.Identity{
		ProviderUID: "acme-sso", Subject: "4711", UserID: id, CreatedAt: w.Now(), LastUsedAt: w.Now(), CheckedAt: w.Now(),
	}, store.Event{Time: w.Now(), Action: "identity.linked"})
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"provider": {"works"}, "subject": {"4711"}, "token": {tokenOf(t, w, b)}}
	w.acme.of.Suspended = true
	w.publish(t)
	want(t, "the other one is suspended", b.post(identitiesPath, form), http.StatusConflict, "only way in")
	w.acme.of.Suspended = false
	w.publish(t)
	wantTo(t, "the other one is served", b.post(identitiesPath, form), identitiesPath+"?done=unlinked")
}

// What was given by an object that was away since gives nothing.
func TestWhatWasAwayOpensNoAccountAndInvitesNobody(t *testing.T) {
	w := newSSOTown(t)
	w.works.knows("code", "4711", "")
	b := w.open()
	b.by(t, "works", "code", "")
	link := w.invite(t, "eve@example.com")
	want(t, "the account", b.get(sessionsPath), http.StatusOK, "Sessions")
	want(t, "the invitation", b.get(link), http.StatusOK, "Acme")
	w.pass(time.Second)
	if err := w.Publish(t.Context(), model.NewSnapshot("other", nil, []*model.Provider{w.local}, nil)); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Second)
	w.publish(t)
	want(t, "the account, after its provider was away", b.get(sessionsPath), http.StatusForbidden, "Sign in another way")
	want(t, "the invitation, after its organization was away", b.get(link), http.StatusNotFound, "no longer good")
}

// A provider's clock, or its word, makes no sign-in of the future, which would be fresh for as
// long as it likes.
func TestASignInElsewhereIsNeverOfTheFuture(t *testing.T) {
	w := newSSOTown(t)
	w.works.says["code"] = upstream.Proof{Claims: map[string]any{"sub": "4711"}, AuthTime: w.Now().Add(365 * 24 * time.Hour)}
	b := w.open()
	wantTo(t, "the sign-in", b.by(t, "works", "code", ""), "/")
	all, err := w.Store.SessionsOf(t.Context(), w.who(t, b))
	if err != nil || len(all) != 1 || !all[0].AuthTime.Equal(w.Now()) {
		t.Errorf("%+v, %v, want a sign-in of now", all, err)
	}
}
