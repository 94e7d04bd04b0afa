package server

import (
	"html"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/passkeys"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/test/authenticator"
)

const issuer = "https://id.example"

// asked is what the page asks of a key, in its form for the action.
func asked(t *testing.T, page *httptest.ResponseRecorder, action string) string {
	t.Helper()
	m := regexp.MustCompile(`action="` + action + `" data-webauthn="[a-z]+" data-options="([^"]*)"`).FindStringSubmatch(page.Body.String())
	if m == nil {
		t.Fatalf("%s asks for no key: %d\n%s", action, page.Code, page.Body)
	}
	return html.UnescapeString(m[1])
}

// newKey is a key that asks who it is.
func newKey() *authenticator.Key { return authenticator.New(issuer, authenticator.ES256) }

// adds adds the key in a tab that is signed in, and returns the recovery codes.
func (b *tab) adds(t *testing.T, k *authenticator.Key) []string {
	t.Helper()
	page := b.get(newKeyPath)
	form := fields(t, page, newKeyPath)
	form.Set("credential", k.Create(asked(t, page, newKeyPath)))
	form.Set("name", "Blue key")
	answer := b.post(newKeyPath, form)
	if answer.Code != http.StatusOK && answer.Code != http.StatusSeeOther {
		t.Fatalf("enrolment: %d\n%s", answer.Code, answer.Body)
	}
	return shownCodes(answer)
}

// withKey is a town where Ann has a key.
func withKey(t *testing.T) (*town, *authenticator.Key, []string) {
	t.Helper()
	w, k := newTown(t), newKey()
	codes := w.signedIn(t, "ann@example.com").adds(t, k)
	w.pass(time.Minute)
	return w, k, codes
}

// alone fills the form that signs in with a passkey.
func (b *tab) alone(t *testing.T, k *authenticator.Key) url.Values {
	t.Helper()
	page := b.get("/login/?again=")
	form := fields(t, page, alonePath)
	form.Set("credential", k.Get(asked(t, page, alonePath)))
	return form
}

// byPasskey signs in with a passkey alone.
func (b *tab) byPasskey(t *testing.T, k *authenticator.Key) *httptest.ResponseRecorder {
	t.Helper()
	return b.post(alonePath, b.alone(t, k))
}

// byBoth signs in with the password and the key, up to the form of the second page.
func (b *tab) byBoth(t *testing.T, k *authenticator.Key) url.Values {
	t.Helper()
	page := b.signIn(t, "ann@example.com", rightPassword)
	want(t, "the second page", page, http.StatusOK, "Use your security key")
	form := fields(t, page, keyPath)
	form.Set("credential", k.Get(asked(t, page, keyPath)))
	return form
}

// filled is the form of either.
func (b *tab) filled(t *testing.T, path string, k *authenticator.Key) url.Values {
	t.Helper()
	if path == keyPath {
		return b.byBoth(t, k)
	}
	return b.alone(t, k)
}

func (w *town) events(t *testing.T) (all []string) {
	t.Helper()
	events, err := w.Store.EventsOf(t.Context(), w.ann(t).ID, 100)
	must(t, err)
	for _, ev := range events {
		all = append(all, ev.Action+" "+ev.Outcome+" "+ev.Reason)
	}
	return all
}

func (w *town) wantEvent(t *testing.T, event string) {
	t.Helper()
	if all := w.events(t); !slices.Contains(all, event) {
		t.Errorf("no event %q in %q", event, all)
	}
}

// refused wants neither a session nor a word about why, and the reason in the audit log.
func (b *tab) refused(t *testing.T, what string, answer *httptest.ResponseRecorder, why string) {
	t.Helper()
	want(t, what, answer, http.StatusForbidden, keyRefused)
	if b.cookies[sessionCookie] != nil {
		t.Errorf("%s: there is a session", what)
	}
	events, err := b.town.Store.Events(t.Context(), 1)
	must(t, err)
	if ev := events[0]; ev.Action != "session.started" || ev.Outcome != "refused" || ev.Reason != why {
		t.Errorf("%s: recorded as %s %s %q, want %q", what, ev.Action, ev.Outcome, ev.Reason, why)
	}
}

func TestAPasskeySignsInAlone(t *testing.T) {
	for name, test := range map[string]struct {
		flags byte
		amr   []string
	}{
		"of one device":  {0, []string{"hwk", "user", "mfa"}},
		"that is copied": {authenticator.BackupEligible | authenticator.BackedUp, []string{"swk", "user", "mfa"}},
	} {
		t.Run(name, func(t *testing.T) {
			w, k := newTown(t), newKey()
			k.Flags |= test.flags
			w.signedIn(t, "ann@example.com").adds(t, k)
			w.pass(time.Minute)
			b := w.open()
			wantTo(t, "sign-in", b.byPasskey(t, k), "/")
			want(t, "the account", b.get(accountPath), http.StatusOK, "ann@example.com")
			if s := w.newest(t); !slices.Equal(s.AMR, test.amr) || s.ProviderUID != "provider-1" {
				t.Errorf("by %v at %s", s.AMR, s.ProviderUID)
			}
			w.pass(time.Minute)
			wantTo(t, "again", w.open().byPasskey(t, k), "/")
			want(t, "the list", b.get(factorsPath), http.StatusOK, "signs you in without the password")
		})
	}
}

// The sign-in goes on to where it was for, and is a step-up where one is asked for.
func TestAPasskeyLeadsOnAndIsAFreshSignIn(t *testing.T) {
	w, k, _ := withKey(t)
	b := w.open()
	page := b.get("/login/?next=" + url.QueryEscape(factorsPath))
	form := fields(t, page, alonePath)
	form.Set("credential", k.Get(asked(t, page, alonePath)))
	wantTo(t, "with a next", b.post(alonePath, form), factorsPath)
	w.pass(freshFor)
	wantTo(t, "stale", b.get(newKeyPath), "/login/?again=&next=%2Faccount%2Ffactors%2Fkey%2F")
	page = b.get("/login/?again=&next=" + url.QueryEscape(newKeyPath))
	form = fields(t, page, alonePath)
	form.Set("credential", k.Get(asked(t, page, alonePath)))
	before := b.cookies[sessionCookie].Value
	wantTo(t, "once more", b.post(alonePath, form), newKeyPath)
	if b.cookies[sessionCookie].Value == before { // ASVS 7.2.4
		t.Error("the session keeps its identifier")
	}
	want(t, "fresh", b.get(newKeyPath), http.StatusOK, "Add a security key or passkey")
	form = b.alone(t, k)
	form.Set("next", "https://evil.example/")
	wantTo(t, "elsewhere", b.post(alonePath, form), "/")
}

func TestAKeyIsASecondFactor(t *testing.T) {
	w, k := newTown(t), newKey()
	k.Flags = authenticator.Present // a key without a PIN
	codes := w.signedIn(t, "ann@example.com").adds(t, k)
	if len(codes) != 10 {
		t.Errorf("%d recovery codes come with the first factor", len(codes))
	}
	if s := w.newest(t); !slices.Equal(s.AMR, []string{"pwd", "hwk", "mfa"}) {
		t.Errorf("the session of the enrolment was proven by %v", s.AMR)
	}
	w.pass(time.Minute)
	b := w.open()
	page := b.signIn(t, "ann@example.com", rightPassword)
	if b.cookies[sessionCookie] != nil {
		t.Fatal("there is a session before the second factor")
	}
	want(t, "the other way", page, http.StatusOK, "Without your key, type one of your recovery codes")
	form := fields(t, page, keyPath)
	form.Set("credential", k.Get(asked(t, page, keyPath)))
	wantTo(t, "the key", b.post(keyPath, form), "/")
	if s := w.newest(t); !slices.Equal(s.AMR, []string{"pwd", "hwk", "mfa"}) || !s.MultiFactor() {
		t.Errorf("proven by %v", s.AMR)
	}
	want(t, "the list", b.get(factorsPath), http.StatusOK, "Security key")

	other := w.open()
	wantTo(t, "a recovery code", other.second(other.password(t), codes[0]), "/")
	wantTo(t, "the page by its address", w.open().get(keyPath), loginPath)
	wantTo(t, "the page by its address", w.open().get(alonePath), loginPath)
	b.refusedAlone(t, k, "passkey: the key did not ask who it is")
}

func (b *tab) refusedAlone(t *testing.T, k *authenticator.Key, why string) {
	t.Helper()
	other := b.town.open()
	other.refused(t, why, other.byPasskey(t, k), why)
}

// Who finds a key without a PIN may give it one. It still opens nothing alone.
func TestAKeyThatWasAddedWithoutAPINNeverSignsInAlone(t *testing.T) {
	w, k := newTown(t), newKey()
	k.Flags = authenticator.Present
	w.signedIn(t, "ann@example.com").adds(t, k)
	k.Flags |= authenticator.Verified
	w.open().refusedAlone(t, k, "key did not ask who it is when it was added")
	b := w.open()
	wantTo(t, "as a second factor", b.post(keyPath, b.byBoth(t, k)), "/")
	w.open().refusedAlone(t, k, "key did not ask who it is when it was added")
}

// ASVS 6.5.7
func TestAPasskeyThatDidNotAskWhoItIsIsRefused(t *testing.T) {
	w, k, _ := withKey(t)
	k.Flags &^= authenticator.Verified
	w.open().refusedAlone(t, k, "passkey: the key did not ask who it is")
	b := w.open()
	wantTo(t, "as a second factor it is enough", b.post(keyPath, b.byBoth(t, k)), "/")
}

// Every lie that a browser or a key could tell, on each of the three forms.
func TestAnAnswerThatDoesNotFitIsRefusedOnEveryForm(t *testing.T) {
	for what, test := range map[string]struct {
		lie authenticator.Lie
		why string
	}{
		"another origin":    {authenticator.Lie{Origin: "https://evil.example"}, "the key was used on another site"},
		"another RP ID":     {authenticator.Lie{RPID: "example"}, "the key was used for another site"},
		"a frame":           {authenticator.Lie{CrossOrigin: true}, "the key was used inside of another site"},
		"another challenge": {authenticator.Lie{Challenge: passkeys.NewChallenge()}, "the answer is to another challenge"},
		"a wrong type":      {authenticator.Lie{Type: "webauthn.other"}, "the answer is to something else"},
		"a long answer":     {authenticator.Lie{Padding: 14 << 10}, "the answer is too long"},
		"a flipped bit":     {authenticator.Lie{Flip: true}, "the signature of the key does not fit"},
		"nobody there":      {authenticator.Lie{}, "nobody touched the key"},
	} {
		t.Run(what, func(t *testing.T) {
			w, k, _ := withKey(t)
			k.Lie = test.lie
			if what == "nobody there" {
				k.Flags &^= authenticator.Present
			}
			w.open().refusedAlone(t, k, "passkey: "+test.why)
			b := w.open()
			b.refused(t, what, b.post(keyPath, b.byBoth(t, k)), "key: "+test.why)
			if what == "a flipped bit" {
				return // an enrolment has no signature
			}
			other := newKey()
			other.Lie, other.Flags = k.Lie, k.Flags
			bobs := w.signedIn(t, "bob@example.com")
			page := bobs.get(newKeyPath)
			form := fields(t, page, newKeyPath)
			form.Set("credential", other.Create(asked(t, page, newKeyPath)))
			form.Set("name", "Key")
			want(t, "an enrolment", bobs.post(newKeyPath, form), http.StatusBadRequest, "It was not added: "+test.why)
			if n := len(w.factorsOf(t, "bob@example.com")); n != 0 {
				t.Errorf("%d factors", n)
			}
		})
	}
}

func TestWhatIsNoAnswerOfAKeyIsRefused(t *testing.T) {
	w, k, _ := withKey(t)
	b := w.open()
	for _, credential := range []string{"", "{}", "null", strings.Repeat("a", 30<<10), `{"id":"AA","rawId":"AA","type":"public-key","response":{}}`} {
		form := b.alone(t, k)
		form.Set("credential", credential)
		if answer := b.post(alonePath, form); answer.Code != http.StatusForbidden || b.cookies[sessionCookie] != nil {
			t.Errorf("%.20q: %d", credential, answer.Code)
		}
	}
	form := b.alone(t, k)
	form.Set("credential", strings.Repeat("x", 65<<10))
	if answer := b.post(alonePath, form); answer.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a large body: %d", answer.Code)
	}
}

// ASVS 6.7.2: a challenge is answered once, however often and where it comes.
func TestAnAnswerOfAKeyIsTakenOnce(t *testing.T) {
	w, k, _ := withKey(t)
	k.Step, k.Count = 0, 0 // most passkeys do not count: the challenge alone decides
	must(t, w.Store.RemoveFactor(t.Context(), w.ann(t).ID, w.factorsOf(t, "ann@example.com")[0].ID, store.Event{}))
	w.signedIn(t, "ann@example.com").adds(t, k)
	b := w.open()
	form := b.alone(t, k)
	wantTo(t, "once", b.post(alonePath, form), "/")
	delete(b.cookies, sessionCookie)
	b.refused(t, "twice", b.post(alonePath, form), "key was used with this challenge before, or may not be used")
	other := w.open()
	second := other.byBoth(t, k)
	wantTo(t, "once", other.post(keyPath, second), "/")
	delete(other.cookies, sessionCookie)
	other.refused(t, "twice", other.post(keyPath, second), "key was used with this challenge before, or may not be used")
	if f := w.factorsOf(t, "ann@example.com")[0]; !f.Key.BlockedAt.IsZero() {
		t.Error("an answer that comes twice is taken for a copy")
	}
	page := b.get("/login/")
	if again := asked(t, page, alonePath); again == asked(t, b.get("/login/"), alonePath) {
		t.Error("two pages ask the same")
	}
}

// ASVS 6.7.2: of many at once one is let in, on whatever process.
func TestAnAnswerOfAKeyInParallelOnTwoProcessesSignsInOnce(t *testing.T) {
	for what, path := range map[string]string{"alone": alonePath, "second": keyPath} {
		w, k, _ := withKey(t)
		two := w.twin(t)
		b := w.open()
		form := b.filled(t, path, k)
		status := make(chan int)
		for i := range 8 {
			in := &tab{[]*town{w, two}[i%2], maps.Clone(b.cookies), b.ip, b.header}
			go func() { status <- in.post(path, form).Code }()
		}
		got := map[int]int{}
		for range 8 {
			got[<-status]++
		}
		if got[http.StatusSeeOther] != 1 || got[http.StatusForbidden] != 7 {
			t.Errorf("%s: %v, want one let in and seven refused", what, got)
		}
		if f := w.factorsOf(t, "ann@example.com")[0]; !f.Key.BlockedAt.IsZero() {
			t.Errorf("%s: the key is blocked", what)
		}
	}
}

// ASVS 6.7.2: a challenge is for one browser, one session, one purpose.
func TestAChallengeIsWorthNothingElsewhere(t *testing.T) {
	w, k, _ := withKey(t)
	b, thief := w.open(), w.open()
	form := b.alone(t, k)
	if answer := thief.post(alonePath, form); answer.Code != http.StatusForbidden || thief.cookies[sessionCookie] != nil {
		t.Errorf("in another browser: %d", answer.Code)
	}
	own := thief.alone(t, k)
	own.Set("ceremony", form.Get("ceremony"))
	if answer := thief.post(alonePath, own); answer.Code != http.StatusForbidden || thief.cookies[sessionCookie] != nil {
		t.Errorf("in a form of its own: %d", answer.Code)
	}
	// The challenge for a passkey at the second page, and of one sign-in in another.
	second, another := b.byBoth(t, k), thief.byBoth(t, k)
	for what, from := range map[string]url.Values{"of a passkey": form, "of another sign-in": another} {
		f := maps.Clone(second)
		f.Set("ceremony", from.Get("ceremony"))
		f.Set("credential", from.Get("credential"))
		if answer := b.post(keyPath, f); answer.Code != http.StatusForbidden || b.cookies[sessionCookie] != nil {
			t.Errorf("the challenge %s: %d", what, answer.Code)
		}
	}
	for _, path := range []string{alonePath, keyPath} {
		f := maps.Clone(map[string]url.Values{alonePath: form, keyPath: second}[path])
		b.header.Set("Sec-Fetch-Site", "cross-site")
		if answer := b.post(path, f); answer.Code != http.StatusForbidden || b.cookies[sessionCookie] != nil {
			t.Errorf("a post of another site to %s: %d", path, answer.Code)
		}
		b.header.Set("Sec-Fetch-Site", "same-origin")
	}
	// An enrolment of another session, and of another person.
	bobs, elsewhere := w.signedIn(t, "bob@example.com"), w.signedIn(t, "bob@example.com")
	page := bobs.get(newKeyPath)
	f := fields(t, elsewhere.get(newKeyPath), newKeyPath)
	f.Set("ceremony", fields(t, page, newKeyPath).Get("ceremony"))
	f.Set("credential", newKey().Create(asked(t, page, newKeyPath)))
	f.Set("name", "Key")
	if answer := elsewhere.post(newKeyPath, f); answer.Code != http.StatusBadRequest || len(w.factorsOf(t, "bob@example.com")) != 0 {
		t.Errorf("an enrolment of another session: %d", answer.Code)
	}
}

// The seal itself knows what it is for, whatever the form says.
func TestAChallengeOpensForItsPurposeAndHolderOnly(t *testing.T) {
	w := newTown(t)
	r := &request{now: w.Now()}
	_, sealed, err := w.newCeremony(r, keyEnrolment, "ses_one")
	must(t, err)
	if w.openCeremony(r, keyEnrolment, "ses_one", sealed) == nil {
		t.Error("it does not open")
	}
	for _, other := range [][2]string{{passkeySignIn, "ses_one"}, {keyAsSecond, "ses_one"}, {keyEnrolment, "ses_two"}, {keyEnrolment, ""}} {
		if w.openCeremony(r, other[0], other[1], sealed) != nil {
			t.Errorf("it opens for %s of %q", other[0], other[1])
		}
	}
	r.now = r.now.Add(passkeys.AnswerFor)
	if w.openCeremony(r, keyEnrolment, "ses_one", sealed) != nil {
		t.Error("it opens after five minutes")
	}
}

func TestAChallengeEndsAfterFiveMinutes(t *testing.T) {
	w, k, _ := withKey(t)
	for _, path := range []string{alonePath, keyPath} {
		for wait, status := range map[time.Duration]int{passkeys.AnswerFor - 1: http.StatusSeeOther, passkeys.AnswerFor: http.StatusForbidden} {
			b := w.open()
			form := b.filled(t, path, k)
			w.pass(wait)
			if answer := b.post(path, form); answer.Code != status || status == http.StatusForbidden && !strings.Contains(answer.Body.String(), "took too long") {
				t.Errorf("%s after %v: %d", path, wait, answer.Code)
			}
		}
	}
	b := w.signedIn(t, "bob@example.com")
	page := b.get(newKeyPath)
	form := fields(t, page, newKeyPath)
	form.Set("credential", newKey().Create(asked(t, page, newKeyPath)))
	form.Set("name", "Key")
	w.pass(passkeys.AnswerFor)
	want(t, "an enrolment", b.post(newKeyPath, form), http.StatusBadRequest, "took too long")
}
