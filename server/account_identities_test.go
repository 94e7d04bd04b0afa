package server

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/upstream"
)

// connects goes to a provider to connect it, and comes back.
func (b *tab) connects(t *testing.T, uid, code string) *httptest.ResponseRecorder {
	t.Helper()
	return b.back(uid, b.begin(t, b.get("/login/sso/"+uid+"/?intent=connect"), uid), code)
}

func annID() string { return "usr_" + strings.Repeat("a", 22) }
func bobID() string { return "usr_" + strings.Repeat("b", 22) }

func TestSomebodyConnectsAnIdentityAndDisconnectsIt(t *testing.T) {
	w := newSSOTown(t)
	w.works.knows("code", "4711", "ann@works.example")
	b := w.signedIn(t, "ann@example.com")
	want(t, "before", b.get("/account/identities/"), http.StatusOK, "Connect Works")
	wantTo(t, "connected", b.connects(t, "works", "code"), "/account/identities/?done=linked")
	want(t, "after", b.get("/account/identities/?done=linked"), http.StatusOK, "ann@works.example")
	if !w.works.begun[0].Again {
		t.Error("the provider is not told to ask again: whoever sits at this screen may be signed in there")
	}
	other := w.open()
	other.by(t, "works", "code", "")
	if w.who(t, other) != annID() {
		t.Fatalf("the identity signs in %q", w.who(t, other))
	}
	wantTo(t, "connected twice", b.connects(t, "works", "code"), "/account/identities/?done=linked")
	wantTo(t, "disconnected", b.post("/account/identities/", fields(t, b.get("/account/identities/"), "/account/identities/")), "/account/identities/?done=unlinked")
	if w.who(t, other) != "" {
		t.Error("the session that it opened goes on")
	}
	if got := w.lastEvents(t, 3); !strings.Contains(got, "identity.unlinked ok system/works") {
		t.Errorf("recorded %q", got)
	}
	other.by(t, "works", "code", "")
	if who := w.who(t, other); who == annID() || who == "" {
		t.Errorf("afterwards it signs in %q, want a new account", who)
	}
}

// No path joins accounts but the owner's own act, and an identity that has an owner stays
// with them.
func TestAnIdentityOfSomebodyElseIsNotConnected(t *testing.T) {
	w := newSSOTown(t)
	w.works.knows("bobs", "4711", "bob@works.example")
	w.link(t, "bob", "works", "4711")
	b := w.signedIn(t, "ann@example.com")
	want(t, "Bob's", b.connects(t, "works", "bobs"), http.StatusConflict, "belongs to another account")
	u, err := w.Store.UserByIdentity(t.Context(), "works", "4711")
	if err != nil || u.ID != bobID() || w.who(t, b) != annID() {
		t.Errorf("it is of %s (%v), Ann is signed in as %s", u.ID, err, w.who(t, b))
	}
}

func TestConnectingNeedsAFreshSessionAndStaysInIt(t *testing.T) {
	w := newSSOTown(t)
	w.works.knows("code", "4711", "")
	wantTo(t, "nobody", w.open().get("/login/sso/works/?intent=connect"), "/login/?next=%2Faccount%2Fidentities%2F")
	b := w.signedIn(t, "ann@example.com")
	form := fields(t, b.get("/login/sso/works/?intent=connect"), "/login/sso/works/")
	w.pass(freshFor)
	wantTo(t, "an old session", b.post("/login/sso/works/", form), "/login/?again=&next=%2Faccount%2Fidentities%2F")
	wantTo(t, "its page", b.get("/login/sso/works/?intent=connect"), "/login/?again=&next=%2Faccount%2Fidentities%2F")

	// A form that another site, or another session, had made connects nothing.
	b, bob := w.signedIn(t, "ann@example.com"), w.signedIn(t, "bob@example.com")
	foreign := fields(t, bob.get("/login/sso/works/?intent=connect"), "/login/sso/works/")
	want(t, "Bob's form", b.post("/login/sso/works/", foreign), http.StatusForbidden, "no longer valid")
	signIn := fields(t, b.get("/login/?again=1"), "/login/sso/works/")
	signIn.Set("intent", "connect")
	want(t, "the form of a sign-in", b.post("/login/sso/works/", signIn), http.StatusForbidden, "no longer valid")

	// Whoever signs in as somebody else on the way connects nothing to them.
	handle := b.begin(t, b.get("/login/sso/works/?intent=connect"), "works")
	again := fields(t, b.get("/login/?again=1"), "/login/")
	again.Set("email", "bob@example.com")
	again.Set("password", rightPassword)
	wantTo(t, "as Bob", b.post("/login/", again), "/")
	want(t, "Ann's answer in Bob's session", b.back("works", handle, "code"), http.StatusForbidden, "cannot go on")
	if _, err := w.Store.UserByIdentity(t.Context(), "works", "4711"); err == nil {
		t.Error("it was connected")
	}
}

func TestTheLastWayInStays(t *testing.T) {
	w := newSSOTown(t)
	w.works.knows("code", "4711", "eve@example.com")
	b := w.open()
	b.by(t, "works", "code", "")
	page := b.get("/account/identities/")
	want(t, "the page", page, http.StatusOK, "It is your only way in")
	form := url.Values{"token": {tokenOf(t, w, b)}, "provider": {"works"}, "subject": {"4711"}}
	want(t, "posted all the same", b.post("/account/identities/", form), http.StatusConflict, "only way in")
	// One whose provider is gone is no way in.
	if err := w.Store.LinkIdentity(t.Context(), store.Identity{ProviderUID: "gone", Subject: "1", UserID: w.who(t, b), CreatedAt: w.Now()}, store.Event{Time: w.Now()}); err != nil {
		t.Fatal(err)
	}
	want(t, "with one that is gone", b.post("/account/identities/", form), http.StatusConflict, "only way in")
	want(t, "somebody else's", b.post("/account/identities/", url.Values{"token": form["token"], "provider": {"works"}, "subject": {"4712"}}), http.StatusForbidden, "no longer valid")
	w.pass(freshFor)
	wantTo(t, "not fresh", b.post("/account/identities/", form), "/login/?again=&next=%2Faccount%2Fidentities%2F")
}

// tokenOf is what the form of the page would have, if it were there.
func tokenOf(t *testing.T, w *ssoTown, b *tab) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "https://id.example/", nil)
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	session, err := w.sessions.Find(t.Context(), r, w.Now())
	if err != nil {
		t.Fatal(err)
	}
	return w.sessions.Form(session).Token(identitiesPath)
}

// A provider that is deleted and declared again has another UID, and inherits nothing.
func TestAProviderThatComesBackInheritsNothing(t *testing.T) {
	w := newSSOTown(t)
	w.works.knows("code", "4711", "ann@example.com")
	b := w.open()
	b.by(t, "works", "code", "")
	eve := w.who(t, b)
	again := w.provider(t, &model.Provider{UID: "works-2", Namespace: "system", Name: "works", Type: "OIDC", DisplayName: "Works", OIDC: &model.OIDCSettings{}})
	again.knows("code", "4711", "ann@example.com")
	w.org.Providers, w.more = []*model.Provider{w.local, again.of}, []*model.Provider{again.of}
	w.publish(t)
	if answer := b.get("/account/sessions/"); answer.Code != http.StatusForbidden {
		t.Errorf("a sign-in by the one that is gone opens the account: %d", answer.Code)
	}
	other := w.open()
	other.by(t, "works-2", "code", "")
	if who := w.who(t, other); who == eve || who == "" {
		t.Errorf("the new one signs in %q", who)
	}
}

func TestOnlyWhoIsAMemberConnectsTheProviderOfAnOrganization(t *testing.T) {
	w := newSSOTown(t)
	want(t, "Ann, a member", w.signedIn(t, "ann@example.com").get("/account/identities/"), http.StatusOK, "Connect Acme SSO")
	bob := w.signedIn(t, "bob@example.com")
	if text := bob.get("/account/identities/").Body.String(); strings.Contains(text, "Acme SSO") {
		t.Error("Bob is offered it")
	}
	want(t, "Bob", bob.get("/login/sso/acme-sso/?intent=connect"), http.StatusNotFound, "no such way")
}

func TestAVerifiedAddressLinksOnlyWhereTheInstallationSaysSo(t *testing.T) {
	w := newSSOTown(t)
	for uid, owner := range map[string]bool{"works": true, "acme-sso": false} {
		one := w.idps[uid]
		one.of.Provisioning.LinkBy = model.LinkByVerifiedEmail
		one = w.provider(t, one.of)
		one.knows("code", "1", "ann@example.com")
		one.says["unverified"] = upstream.Proof{Claims: map[string]any{"sub": "2", "email": "bob@example.com"}}
		w.publish(t)
		for code, id := range map[string]string{"code": annID(), "unverified": bobID()} {
			b := w.open()
			organization := ""
			if !owner {
				organization = "acme"
			}
			b.by(t, uid, code, organization)
			if who := w.who(t, b); who == "" || (who == id) != (owner && code == "code") {
				t.Errorf("%s, %s: signed in as %q", uid, code, who)
			}
		}
	}
}
