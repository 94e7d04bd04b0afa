package server

import (
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/factors"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
)

// app is what somebody has on the phone, and the recovery codes in the drawer.
type app struct {
	town   *town
	secret factors.Secret
	codes  []string
}

func (a *app) code() string { return a.at(0) }

// at is the code of so many steps from now.
func (a *app) at(steps int64) string { return a.secret.Code(factors.StepAt(a.town.Now()) + steps) }

var (
	keyShown  = regexp.MustCompile(`<p class="key">([A-Z2-7 ]+)</p>`)
	codeShown = regexp.MustCompile(`<li><code>([-A-Z2-7]+)</code></li>`)
)

// read takes the secret from the page, as somebody does who types it.
func (w *town) read(t *testing.T, page *httptest.ResponseRecorder) *app {
	t.Helper()
	shown := keyShown.FindStringSubmatch(page.Body.String())
	if shown == nil {
		t.Fatalf("no key on the page: %d\n%s", page.Code, page.Body)
	}
	typed := strings.ReplaceAll(shown[1], " ", "")
	raw, err := base32.StdEncoding.DecodeString(typed)
	if err != nil {
		t.Fatal(err)
	}
	leaks.Remember(typed, string(raw))
	secret, ok := factors.ParseSecret(base64.RawURLEncoding.EncodeToString(raw))
	if !ok {
		t.Fatal("the key is none")
	}
	return &app{town: w, secret: secret}
}

func shownCodes(page *httptest.ResponseRecorder) (codes []string) {
	for _, m := range codeShown.FindAllStringSubmatch(page.Body.String(), -1) {
		codes = append(codes, m[1])
	}
	leaks.Remember(codes...)
	return codes
}

// enrols adds an app in a tab that is signed in, in the step of now.
func (b *tab) enrols(t *testing.T, pairs ...string) *app {
	t.Helper()
	page := b.get(newFactorPath)
	a := b.town.read(t, page)
	form := fields(t, page, newFactorPath)
	form.Set("code", a.code())
	form.Set("name", "Phone")
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	answer := b.post(newFactorPath, form)
	if answer.Code != http.StatusOK && answer.Code != http.StatusSeeOther {
		t.Fatalf("enrolment: %d\n%s", answer.Code, answer.Body)
	}
	a.codes = shownCodes(answer)
	return a
}

// withApp is a town where Ann has an app; the code that confirmed it is behind her.
func withApp(t *testing.T) (*town, *app) {
	t.Helper()
	w := newTown(t)
	a := w.signedIn(t, "ann@example.com").enrols(t, "others", "end")
	w.pass(time.Minute)
	return w, a
}

// password goes to the page that asks for a code.
func (b *tab) password(t *testing.T) url.Values {
	t.Helper()
	page := b.signIn(t, "ann@example.com", rightPassword)
	want(t, "the second page", page, http.StatusOK, "One more step")
	if b.cookies[sessionCookie] != nil {
		t.Fatal("there is a session before the second factor")
	}
	return fields(t, page, secondPath)
}

func (b *tab) second(form url.Values, code string) *httptest.ResponseRecorder {
	form = maps.Clone(form)
	form.Set("code", code)
	return b.post(secondPath, form)
}

// ASVS 6.3.3, 7.2.4
func TestSomebodyWithASecondFactorSignsInByBoth(t *testing.T) {
	w, a := withApp(t)
	b := w.open()
	page := b.signIn(t, "ann@example.com", rightPassword)
	want(t, "the second page", page, http.StatusOK, "ann@example.com")
	if b.cookies[sessionCookie] != nil {
		t.Fatal("there is a session before the second factor")
	}
	wantTo(t, "the account before", b.get(accountPath), "/login/?next=%2Faccount%2F")
	form := fields(t, page, secondPath)
	want(t, "a wrong code", b.second(form, "000000"), http.StatusForbidden, "does not fit")
	want(t, "no code", b.second(form, ""), http.StatusForbidden, "does not fit")
	wantTo(t, "the right one", b.second(form, " "+a.code()[:3]+" "+a.code()[3:]), "/")
	want(t, "the account", b.get(accountPath), http.StatusOK, "ann@example.com")
	for _, s := range w.sessionsOfAnn(t) {
		if !slices.Equal(s.AMR, []string{"pwd", "otp", "mfa"}) {
			t.Errorf("amr %q", s.AMR)
		}
	}
	wantTo(t, "the page by its address", w.open().get(secondPath), loginPath)
	if bob := w.open().signIn(t, "bob@example.com", rightPassword); bob.Code != http.StatusSeeOther {
		t.Errorf("somebody without: %d", bob.Code)
	}
}

func (w *town) sessionsOfAnn(t *testing.T) []store.Session {
	t.Helper()
	all, err := w.Store.SessionsOf(t.Context(), w.ann(t).ID)
	if err != nil || len(all) == 0 {
		t.Fatalf("%d sessions, %v", len(all), err)
	}
	return all
}

// The page leads on to where the sign-in was for, and to nowhere else.
func TestTheSecondPageLeadsOn(t *testing.T) {
	w, a := withApp(t)
	for next, to := range map[string]string{
		"/oauth/device/?user_code=ABCD-EFGH": "/oauth/device/?user_code=ABCD-EFGH", "https://evil.example/": "/", "//evil.example": "/",
	} {
		w.pass(time.Minute)
		b := w.open()
		login := fields(t, b.get("/login/?next="+url.QueryEscape(next)), "/login/")
		login.Set("email", "ann@example.com")
		login.Set("password", rightPassword)
		form := fields(t, b.post("/login/", login), secondPath)
		if to == "/" {
			form.Set("next", next) // whatever the browser makes of it
		}
		wantTo(t, next, b.second(form, a.code()), to)
	}
}

// ASVS 6.5.5: the clock may be a step off, and no more.
func TestACodeOfTwoStepsAwayIsRefused(t *testing.T) {
	w, a := withApp(t)
	for steps, status := range map[int64]int{-2: 403, 2: 403, 5: 403} {
		b := w.open()
		if answer := b.second(b.password(t), a.at(steps)); answer.Code != status {
			t.Errorf("%+d: %d", steps, answer.Code)
		}
	}
	for _, steps := range []int64{-1, 0, 1} {
		w.pass(time.Minute)
		b := w.open()
		wantTo(t, fmt.Sprintf("%+d", steps), b.second(b.password(t), a.at(steps)), "/")
	}
}

// ASVS 6.5.1
func TestACodeOfAnAppSignsInOnce(t *testing.T) {
	w, a := withApp(t)
	b, other := w.open(), w.open()
	form, again := b.password(t), other.password(t)
	next := a.at(1)
	wantTo(t, "a code", b.second(form, next), "/")
	want(t, "the same elsewhere", other.second(again, next), http.StatusForbidden, "was used before")
	want(t, "one before it", other.second(again, a.code()), http.StatusForbidden, "does not fit")
	w.pass(time.Minute)
	wantTo(t, "a later one", other.second(again, a.code()), "/")
}

// The code that confirmed the app is used up with it.
func TestTheCodeOfAnEnrolmentSignsNobodyIn(t *testing.T) {
	w := newTown(t)
	a := w.signedIn(t, "ann@example.com").enrols(t)
	b := w.open()
	want(t, "the code that confirmed it", b.second(b.password(t), a.code()), http.StatusForbidden, "was used before")
}

// twin is another process on the same store and keyring.
func (w *town) twin(t *testing.T) *town {
	t.Helper()
	db, err := store.OpenSQLite(t.Context(), w.path)
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	config := w.Config
	config.Store = db
	two := &town{path: w.path, clock: w.Now(), app: w.app, org: w.org, roles: w.roles, local: w.local}
	two.Server, err = New(t.Context(), config)
	must(t, err)
	two.publish(t)
	return two
}

// ASVS 6.5.1: of many at once one is let in, on whatever process.
func TestACodeInParallelOnTwoProcessesSignsInOnce(t *testing.T) {
	w, a := withApp(t)
	two := w.twin(t)
	for what, code := range map[string]string{"app": a.code(), "recovery": a.codes[0]} {
		var tabs []*tab
		var forms []url.Values
		for i := range 4 { // as many as one person may try at once
			b := []*town{w, two}[i%2].open()
			tabs, forms = append(tabs, b), append(forms, b.password(t))
		}
		status := make(chan int)
		for i, b := range tabs {
			go func() { status <- b.second(forms[i], code).Code }()
		}
		got := map[int]int{}
		for range tabs {
			got[<-status]++
		}
		if got[http.StatusSeeOther] != 1 || got[http.StatusForbidden] != 3 {
			t.Errorf("%s: %v, want one let in and three refused", what, got)
		}
	}
}

// ASVS 6.5.1
func TestARecoveryCodeSignsInOnce(t *testing.T) {
	w, a := withApp(t)
	if len(a.codes) != 10 {
		t.Fatalf("%d recovery codes", len(a.codes))
	}
	b, other := w.open(), w.open()
	form, again := b.password(t), other.password(t)
	typed := strings.ToLower(strings.ReplaceAll(a.codes[3], "-", " "))
	wantTo(t, "a recovery code", b.second(form, typed), "/")
	want(t, "the same again", other.second(again, a.codes[3]), http.StatusForbidden, "does not fit")
	wantTo(t, "another", other.second(again, a.codes[4]), "/")
	want(t, "what is left", b.get(factorsPath), http.StatusOK, "8 are left")
	want(t, "the activity", b.get(activityPath), http.StatusOK, "A recovery code was used")
	want(t, "the activity", b.get(activityPath), http.StatusOK, "A sign-in was refused (wrong recovery code)")
}

func TestThePageOfAnotherBrowserIsWorthNothing(t *testing.T) {
	w, a := withApp(t)
	b, thief := w.open(), w.open()
	form := b.password(t)
	if answer := thief.second(form, a.code()); answer.Code != http.StatusForbidden || thief.cookies[sessionCookie] != nil {
		t.Errorf("without the cookie: %d", answer.Code)
	}
	own := thief.password(t)
	stolen := maps.Clone(own)
	stolen.Set("signin", form.Get("signin"))
	if answer := thief.second(stolen, a.code()); answer.Code != http.StatusForbidden || thief.cookies[sessionCookie] != nil {
		t.Errorf("in a form of its own: %d", answer.Code)
	}
	for what, signin := range map[string]string{"nothing": "", "an altered one": strings.ToUpper(form.Get("signin"))} {
		f := maps.Clone(form)
		f.Set("signin", signin)
		if answer := b.second(f, a.code()); answer.Code != http.StatusForbidden {
			t.Errorf("%s: %d", what, answer.Code)
		}
	}
	b.header.Set("Sec-Fetch-Site", "cross-site")
	if answer := b.second(form, a.code()); answer.Code != http.StatusForbidden || b.cookies[sessionCookie] != nil {
		t.Errorf("a post of another site: %d", answer.Code)
	}
	b.header.Set("Sec-Fetch-Site", "same-origin")
	wantTo(t, "its own page", b.second(form, a.code()), "/")
}

// What a sign-in under way rests on may be gone when the code comes.
func TestASignInUnderWayEndsWithWhatItRestsOn(t *testing.T) {
	for what, change := range map[string]func(*testing.T, *town){
		"it is too old": func(_ *testing.T, w *town) { w.pass(pendingFor) },
		"the account is disabled": func(t *testing.T, w *town) {
			must(t, w.Store.SetDisabled(t.Context(), w.ann(t).ID, true, store.Event{Time: w.Now()}))
		},
		"the account is deleted": func(t *testing.T, w *town) {
			must(t, w.Store.DeleteUser(t.Context(), w.ann(t).ID, store.Event{Time: w.Now()}))
		},
		"the password is another": func(t *testing.T, w *town) {
			if got := w.open().reset(t, w.link(t), newPassword); got != http.StatusOK {
				t.Fatal(got)
			}
		},
		"the factors are reset": func(t *testing.T, w *town) {
			_, err := w.Store.ResetFactors(t.Context(), w.ann(t).ID, store.Event{Time: w.Now()})
			must(t, err)
		},
		"the provider is suspended": func(t *testing.T, w *town) {
			suspended := *w.local
			suspended.Suspended = true
			w.local = &suspended
			w.publish(t)
		},
		"the provider is gone": func(t *testing.T, w *town) {
			w.local, w.org.Providers = nil, nil
			w.publish(t)
		},
	} {
		w, a := withApp(t)
		b := w.open()
		form := b.password(t)
		change(t, w)
		if answer := b.second(form, a.code()); answer.Code == http.StatusSeeOther || b.cookies[sessionCookie] != nil {
			t.Errorf("%s: %d", what, answer.Code)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A hash that the sign-in itself replaces is no new password.
func TestAnImportedHashDoesNotEndTheSignInThatReplacesIt(t *testing.T) {
	w, a := withApp(t)
	const password, hash = "a nine legged owl at dawn", "$2a$04$qMiNBGxEdRXKwKueqpX8meIVnfNpJj2pOCihE9Irb8S15j8LWRAqe"
	must(t, w.Store.SetPassword(t.Context(), w.ann(t).ID, w.ann(t).PasswordHash, hash, store.Event{Time: w.Now()}))
	b := w.open()
	page := b.signIn(t, "ann@example.com", password)
	if w.ann(t).PasswordHash == hash {
		t.Fatal("the hash is the old one")
	}
	wantTo(t, "the code", b.second(fields(t, page, secondPath), a.code()), "/")
}

// ASVS 6.4.3
func TestAResetPasswordSkipsNoSecondFactor(t *testing.T) {
	w, a := withApp(t)
	if got := w.open().reset(t, w.link(t), newPassword); got != http.StatusOK {
		t.Fatal(got)
	}
	b := w.open()
	page := b.signIn(t, "ann@example.com", newPassword)
	want(t, "after the reset", page, http.StatusOK, "One more step")
	wantTo(t, "with the code", b.second(fields(t, page, secondPath), a.code()), "/")
}

// ASVS 6.3.1: eleven wrong codes.
func TestGuessingCodesOfAnAppIsSlowedAndARecoveryCodeGetsIn(t *testing.T) {
	w, a := withApp(t)
	thief := w.open()
	thief.ip = "203.0.113.66"
	form := thief.password(t)
	var refused, slowed int
	for range 11 {
		switch answer := thief.second(form, "000000"); answer.Code {
		case http.StatusForbidden:
			refused++
		case http.StatusTooManyRequests:
			slowed++
			if answer.Header().Get("Retry-After") == "" {
				t.Fatal("no Retry-After")
			}
		}
	}
	if refused != 5 || slowed != 6 {
		t.Errorf("%d refused and %d slowed of 11 wrong codes, want 5 and 6", refused, slowed)
	}
	if answer := thief.second(form, a.code()); answer.Code != http.StatusTooManyRequests {
		t.Errorf("the right one then: %d", answer.Code)
	}
	for range 100 { // patient, from many places
		w.pass(10 * time.Second)
		thief.ip = fmt.Sprintf("203.0.113.%d", refused)
		if pending := w.Now().Unix() % 240; pending < 10 {
			form = thief.password(t)
		}
		if answer := thief.second(form, "000000"); answer.Code == http.StatusForbidden {
			refused++
		}
	}
	if refused > 5+15+6 {
		t.Errorf("%d guesses within 17 minutes", refused)
	}
	events, err := w.Store.Events(t.Context(), 1000)
	must(t, err)
	audited := 0
	for _, ev := range events {
		if ev.Reason == "wrong code of an app" && ev.Target == w.ann(t).ID && ev.Outcome == "refused" && ev.IP != "" {
			audited++
		}
	}
	if audited != refused {
		t.Errorf("%d of %d wrong codes are in the audit log", audited, refused)
	}
	owner := w.open()
	owner.ip = "198.51.100.9"
	own := owner.password(t)
	want(t, "the owner's app meanwhile", owner.second(own, a.code()), http.StatusTooManyRequests, "too many")
	wantTo(t, "the owner's recovery code", owner.second(own, a.codes[0]), "/")
}

// Who knows the password alone has not signed in from there.
func TestARightPasswordAloneMakesNoPlaceAUsualOne(t *testing.T) {
	w, a := withApp(t)
	thief := w.open()
	thief.ip = "203.0.113.66"
	thief.password(t)
	for i := range 60 {
		crowd := w.open()
		crowd.ip = fmt.Sprintf("192.0.2.%d", 100+i)
		crowd.signIn(t, "ann@example.com", "guess")
	}
	if answer := thief.signIn(t, "ann@example.com", rightPassword); answer.Code != http.StatusTooManyRequests {
		t.Errorf("it is let past the others: %d", answer.Code)
	}
	w.pass(25 * time.Hour)
	owner := w.open()
	owner.ip = "198.51.100.9"
	wantTo(t, "the owner", owner.second(owner.password(t), a.code()), "/")
	for i := range 60 {
		crowd := w.open()
		crowd.ip = fmt.Sprintf("192.0.2.%d", 100+i)
		crowd.signIn(t, "ann@example.com", "guess")
	}
	owner.cookies = map[string]*http.Cookie{}
	if answer := owner.signIn(t, "ann@example.com", rightPassword); answer.Code != http.StatusOK {
		t.Errorf("the owner at a usual place: %d", answer.Code)
	}
}

// ASVS 7.5.1: neither the password nor an old session is a fresh sign-in of somebody with
// both.
func TestAFreshSignInIsByBothFactors(t *testing.T) {
	w := newTown(t)
	before, b := w.signedIn(t, "ann@example.com"), w.signedIn(t, "ann@example.com")
	page := fields(t, before.get(sessionsPath), sessionsPath)
	a := b.enrols(t)
	w.pass(time.Minute)
	form := fields(t, before.get(factorsPath), factorsPath)
	form.Set("act", "remove")
	if to := before.post(factorsPath, form).Header().Get("Location"); !strings.HasPrefix(to, "/login/?again=") {
		t.Errorf("a session from before removes the factor: to %q", to)
	}
	page.Set("others", "end")
	if to := before.post(sessionsPath, page).Header().Get("Location"); !strings.HasPrefix(to, "/login/?again=") {
		t.Errorf("a session from before ends the others: to %q", to)
	}
	for what, path := range map[string]string{"password": passwordPath, "another factor": newFactorPath} {
		if to := before.get(path).Header().Get("Location"); !strings.HasPrefix(to, "/login/?again=") {
			t.Errorf("%s: to %q", what, to)
		}
	}
	// The password alone leads to the second page, and changes nothing.
	login := fields(t, before.get("/login/?again=&next="+url.QueryEscape(passwordPath)), "/login/")
	login.Set("email", "ann@example.com")
	login.Set("password", rightPassword)
	second := before.post("/login/", login)
	want(t, "the second page", second, http.StatusOK, "One more step")
	if to := before.get(passwordPath).Header().Get("Location"); !strings.HasPrefix(to, "/login/?again=") {
		t.Error("the password alone makes the session fresh")
	}
	wantTo(t, "with the code", before.second(fields(t, second, secondPath), a.code()), passwordPath)

	w.pass(freshFor - time.Minute)
	authTime := w.newest(t).AuthTime
	if got := before.change(t, rightPassword, newPassword, newPassword); got != http.StatusSeeOther {
		t.Fatalf("the change: %d", got)
	}
	if now := w.newest(t); !now.AuthTime.Equal(authTime) || !now.MultiFactor() {
		t.Errorf("the password alone made the sign-in of %v one of %v by %v", authTime, now.AuthTime, now.AMR)
	}
	stale := fields(t, before.get(passwordPath), passwordPath)
	w.pass(2 * time.Minute)
	if to := before.get(passwordPath).Header().Get("Location"); !strings.HasPrefix(to, "/login/?again=") {
		t.Errorf("a stale session: to %q", to)
	}
	stale.Set("password", newPassword)
	stale.Set("new", rightPassword)
	stale.Set("again", rightPassword)
	if to := before.post(passwordPath, stale).Header().Get("Location"); !strings.HasPrefix(to, "/login/?again=") {
		t.Errorf("a form of a stale session: to %q", to)
	}
}

// newest is the session that was used last.
func (w *town) newest(t *testing.T) store.Session {
	t.Helper()
	return slices.MaxFunc(w.sessionsOfAnn(t), func(a, b store.Session) int { return a.LastUsedAt.Compare(b.LastUsedAt) })
}

// What a device is given says how the person signed in who approved it.
func TestApprovalsSayHowThePersonSignedIn(t *testing.T) {
	w, a := withApp(t)
	b := w.open()
	wantTo(t, "sign-in", b.second(b.password(t), a.code()), "/")
	code := w.ask(t, "project:read")
	b.decide(t, code, "approve")
	if row := w.state(t, code); !slices.Equal(row.AMR, []string{"pwd", "otp", "mfa"}) || !row.AuthTime.Equal(w.Now()) {
		t.Errorf("approved by %v at %v", row.AMR, row.AuthTime)
	}
}
