package server

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// newSAMLTown is an ssoTown whose provider has the browser post its answers.
func newSAMLTown(t *testing.T, allowIdPInitiated bool) *ssoTown {
	t.Helper()
	w := newSSOTown(t)
	w.works.of.OIDC, w.works.of.SAML = nil, &model.SAMLSettings{AllowIdPInitiated: allowIdPInitiated}
	w.publish(t)
	w.works.knows("code", "4711", "eve@example.com")
	return w
}

// posts is what a page of the provider makes the browser do: no cookie goes with it but
// those that say so.
func (b *tab) posts(uid string, form url.Values) *httptest.ResponseRecorder {
	site, cookies := b.header, b.cookies
	b.header = http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://" + uid + ".example"}}
	b.cookies = map[string]*http.Cookie{}
	for name, c := range cookies {
		if c.SameSite == http.SameSiteNoneMode {
			b.cookies[name] = c
		}
	}
	answer := b.post("/login/callback/"+uid+"/", form)
	b.header = site
	for name, c := range b.cookies {
		cookies[name] = c
	}
	for _, c := range answer.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(cookies, c.Name)
		}
	}
	b.cookies = cookies
	return answer
}

func TestAPostedAnswerSignsInWhereTheSessionIs(t *testing.T) {
	w := newSAMLTown(t, false)
	b := w.open()
	handle := b.begin(t, b.get("/login/?next=%2Faccount%2F"), "works")
	answer := b.posts("works", url.Values{"RelayState": {handle}, "code": {"code"}})
	to := answer.Header().Get("Location")
	if answer.Code != http.StatusSeeOther || !strings.HasPrefix(to, "/login/callback/works/?arrived=") || w.who(t, b) != "" {
		t.Fatalf("posted: %d to %q", answer.Code, to)
	}
	other := w.open()
	w.refused(t, "in another browser", other, other.get(to), http.StatusForbidden, "cannot go on")
	wantTo(t, "arrived", b.get(to), "/account/")
	if w.who(t, b) == "" {
		t.Error("not signed in")
	}
	b = w.open()
	w.refused(t, "again", b, b.get(to), http.StatusForbidden, "cannot go on")
}

func TestCookiesOfAPostedAnswerCarryNothingElse(t *testing.T) {
	w := newSAMLTown(t, false)
	b := w.signedIn(t, "ann@example.com")
	b.begin(t, b.get("/login/?again=1"), "works")
	crossing := 0
	for name, c := range b.cookies {
		if c.SameSite != http.SameSiteNoneMode {
			continue
		}
		crossing++
		if !strings.HasPrefix(name, "__Host-"+postedCookie) || !c.Secure || !c.HttpOnly || c.MaxAge != int(ssoFor/time.Second) || len(c.Value) > 4000 {
			t.Errorf("a cookie that other sites' posts carry: %s %+v", name, c)
		}
	}
	if crossing != 1 {
		t.Errorf("%d cookies go with posts of other sites, want one", crossing)
	}
}

func TestAPostedAnswerThatNobodyAskedForIsRefused(t *testing.T) {
	for name, form := range map[string]url.Values{
		"unasked": {"code": {"code"}}, "of another browser": {"code": {"code"}, "RelayState": {"x"}}, "twice": {"code": {"code"}, "RelayState": {"x", "y"}},
	} {
		w := newSAMLTown(t, false)
		b := w.open()
		w.refused(t, name, b, b.posts("works", form), http.StatusForbidden, "cannot go on")
		if _, err := w.Store.UserByIdentity(t.Context(), "works", "4711"); err == nil {
			t.Errorf("%s: an account was made", name)
		}
	}
}

// ASVS 7.6.2: where a provider may begin a sign-in, nobody is signed in without a yes.
func TestWhoComesUnaskedIsAskedFirst(t *testing.T) {
	w := newSAMLTown(t, true)
	b := w.signedIn(t, "ann@example.com")
	ann := w.who(t, b)
	answer := b.posts("works", url.Values{"code": {"code"}})
	to := answer.Header().Get("Location")
	if answer.Code != http.StatusSeeOther || w.who(t, b) != ann {
		t.Fatalf("posted: %d to %q, signed in as %q", answer.Code, to, w.who(t, b))
	}
	page := b.get(to)
	want(t, "the question", page, http.StatusOK, "<strong>Somebody</strong> (eve@example.com)")
	want(t, "whom it replaces", page, http.StatusOK, "ann@example.com")
	if w.who(t, b) != ann {
		t.Fatal("to look at the question signs in")
	}
	form := fields(t, page, "/login/arrival/")
	victim := w.open() // who is led to the question and posts nothing of their own
	stolen := url.Values{"arrival": form["arrival"], "token": form["token"]}
	w.refused(t, "the form of another browser", victim, victim.post("/login/arrival/", stolen), http.StatusForbidden, "no longer valid")
	victim.header = http.Header{"Sec-Fetch-Site": {"cross-site"}}
	w.refused(t, "from another site", victim, victim.post("/login/arrival/", stolen), http.StatusForbidden, "from another site")
	wantTo(t, "yes", b.post("/login/arrival/", form), "/")
	if who := w.who(t, b); who == ann || who == "" {
		t.Errorf("signed in as %q", who)
	}
	want(t, "yes again", b.post("/login/arrival/", form), http.StatusForbidden, "cannot go on")
	late := w.open()
	page = late.get(late.posts("works", url.Values{"code": {"code"}}).Header().Get("Location"))
	form = fields(t, page, "/login/arrival/")
	w.pass(ssoFor)
	w.refused(t, "ten minutes later", late, late.post("/login/arrival/", form), http.StatusForbidden, "cannot go on")
}

// An arrival that somebody asked for is not taken by the form for those who came unasked,
// nor the other way round.
func TestTheTwoKindsOfArrivalsAreNotMixedUp(t *testing.T) {
	w := newSAMLTown(t, true)
	b := w.open()
	handle := b.begin(t, b.get("/login/"), "works")
	to := b.posts("works", url.Values{"RelayState": {handle}, "code": {"code"}}).Header().Get("Location")
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	form := fields(t, b.get(b.posts("works", url.Values{"code": {"code"}}).Header().Get("Location")), "/login/arrival/")
	form.Set("arrival", u.Query().Get("arrived"))
	w.refused(t, "an asked one", b, b.post("/login/arrival/", form), http.StatusForbidden, "no longer valid")
}

func TestOurMetadataIsServed(t *testing.T) {
	w := newSAMLTown(t, false)
	answer := w.open().get("/login/metadata/works/")
	want(t, "metadata", answer, http.StatusOK, "<EntityDescriptor/>")
	if kind := answer.Header().Get("Content-Type"); kind != "application/samlmetadata+xml" {
		t.Errorf("it is %q", kind)
	}
}

// What an application asks for may be long; a browser keeps no cookie above 4096 bytes.
func TestALongRequestSurvivesTheWayElsewhere(t *testing.T) {
	w := newSSOTown(t)
	w.works.knows("code", "4711", "")
	long := "/oauth/authorize/?state=" + strings.Repeat("s", 6000)
	b := w.open()
	page := b.get("/login/?" + url.Values{"next": {long}}.Encode())
	handle := b.begin(t, page, "works")
	for name, c := range b.cookies {
		if len(name)+len(c.Value) > 4000 {
			t.Errorf("%s has %d bytes", name, len(c.Value))
		}
	}
	wantTo(t, "back", b.back("works", handle, "code"), long)
	for name := range b.cookies {
		if strings.Contains(name, attemptCookie) {
			t.Errorf("%s stays", name)
		}
	}
	b.begin(t, b.get("/login/?again=1"), "works")
	for range 3 * ssoAtOnce {
		b.begin(t, b.get("/login/?again=1"), "works")
	}
	carried := 0
	for name := range b.cookies {
		if strings.Contains(name, attemptCookie) {
			carried++
		}
	}
	if carried > ssoAtOnce {
		t.Errorf("the browser carries %d attempts", carried)
	}
}
