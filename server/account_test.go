package server

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
)

const (
	newPassword = "harbour-lentil-magnet-58"
	accountUA   = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
)

// change fills in the form of the password page.
func (b *tab) change(t *testing.T, old, next, again string, pairs ...string) int {
	t.Helper()
	form := fields(t, b.get(passwordPath), passwordPath)
	form.Set("password", old)
	form.Set("new", next)
	form.Set("again", again)
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	leaks.Remember(next)
	return b.post(passwordPath, form).Code
}

func (w *town) ann(t *testing.T) store.User {
	t.Helper()
	u, err := w.Store.UserByEmail(context.WithoutCancel(t.Context()), "ann@example.com")
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestNobodySeesAnAccountButItsOwner(t *testing.T) {
	w := newTown(t)
	for _, path := range []string{accountPath, passwordPath, factorsPath, newFactorPath, sessionsPath, applicationsPath, activityPath} {
		wantTo(t, path, w.open().get(path), "/login/?"+url.Values{"next": {path}}.Encode())
		if path != activityPath {
			wantTo(t, "a post to "+path, w.open().post(path, url.Values{"token": {"x"}}), "/login/?"+url.Values{"next": {path}}.Encode())
		}
		if got := ownPath(path); got != path {
			t.Errorf("sign-in for %s leads to %s", path, got)
		}
		answer := w.signedIn(t, "bob@example.com").get(path)
		if answer.Code != http.StatusOK || strings.Contains(answer.Body.String(), "ann@example.com") {
			t.Errorf("%s: %d, or it shows somebody else", path, answer.Code)
		}
	}
}

// ASVS 7.6.2: what a form of another page, session or site asks for is not done.
func TestAccountFormsAreBoundToTheirPageAndSession(t *testing.T) {
	w := newTown(t)
	b := w.signedIn(t, "ann@example.com")
	others := fields(t, w.signedIn(t, "ann@example.com").get(accountPath), accountPath).Get("token")
	for path, form := range map[string]url.Values{
		accountPath: {"name": {"Mallory"}}, passwordPath: {"password": {rightPassword}, "new": {newPassword}, "again": {newPassword}},
		sessionsPath: {"others": {"end"}}, applicationsPath: {"application": {"app-1"}, "organization": {"org-1"}},
		factorsPath: {"act": {"codes"}},
	} {
		elsewhere := accountPath
		if path == accountPath {
			elsewhere = passwordPath
		}
		for what, token := range map[string]string{"no token": "", "another page's": fields(t, b.get(elsewhere), elsewhere).Get("token"), "another session's": others} {
			form.Set("token", token)
			if answer := b.post(path, form); answer.Code != http.StatusForbidden {
				t.Errorf("%s with %s: %d", path, what, answer.Code)
			}
		}
	}
	b.header.Set("Sec-Fetch-Site", "cross-site")
	form := fields(t, b.get(accountPath), accountPath)
	form.Set("name", "Mallory")
	if answer := b.post(accountPath, form); answer.Code != http.StatusForbidden {
		t.Errorf("a post of another site: %d", answer.Code)
	}
	if name := w.ann(t).Name; name != "ann@example.com" {
		t.Errorf("the name is %q", name)
	}
}

// ASVS 6.2.2, 6.2.3
func TestAPasswordIsChangedByWhoKnowsIt(t *testing.T) {
	w := newTown(t)
	b := w.signedIn(t, "ann@example.com")
	for what, c := range map[string]struct {
		old, next, again string
		status           int
	}{
		"a wrong old one":       {"not-the-password-1", newPassword, newPassword, http.StatusForbidden},
		"no old one":            {"", newPassword, newPassword, http.StatusForbidden},
		"two different new":     {rightPassword, newPassword, newPassword + "!", http.StatusBadRequest},
		"a short one":           {rightPassword, "abcdefgh", "abcdefgh", http.StatusBadRequest},
		"a common one":          {rightPassword, "password12345", "password12345", http.StatusBadRequest},
		"the organization's":    {rightPassword, "acmeacmeacme2026!", "acmeacmeacme2026!", http.StatusBadRequest},
		"one with the old name": {rightPassword, "ann@example.com!", "ann@example.com!", http.StatusBadRequest},
	} {
		if got := b.change(t, c.old, c.next, c.again); got != c.status {
			t.Errorf("%s: %d, want %d", what, got, c.status)
		}
	}
	old := maps.Clone(b.cookies)
	if got := b.change(t, rightPassword, newPassword, newPassword); got != http.StatusSeeOther {
		t.Fatalf("a good one: %d", got)
	}
	if b.cookies[sessionCookie].Value == old[sessionCookie].Value { // ASVS 7.2.4
		t.Error("the session keeps its identifier")
	}
	before := &tab{w, old, b.ip, b.header}
	if answer := before.get(accountPath); answer.Code != http.StatusSeeOther {
		t.Error("the old identifier still works")
	}
	want(t, "the page after it", b.get(passwordPath+"?done=password"), http.StatusOK, "Your password is changed")
	if answer := w.open().signIn(t, "ann@example.com", rightPassword); answer.Code != http.StatusForbidden {
		t.Errorf("the old password: %d", answer.Code)
	}
	if answer := w.open().signIn(t, "ann@example.com", newPassword); answer.Code != http.StatusSeeOther {
		t.Errorf("the new password: %d", answer.Code)
	}
}

// ASVS 7.4.3
func TestAChangedPasswordEndsTheOtherSessionsIfAsked(t *testing.T) {
	w := newTown(t)
	b, other := w.signedIn(t, "ann@example.com"), w.signedIn(t, "ann@example.com")
	if got := b.change(t, rightPassword, newPassword, newPassword); got != http.StatusSeeOther {
		t.Fatal(got)
	}
	want(t, "another session that was let be", other.get(accountPath), http.StatusOK, "ann@example.com")
	if got := b.change(t, newPassword, rightPassword, rightPassword, "others", "end"); got != http.StatusSeeOther {
		t.Fatal(got)
	}
	want(t, "the session that did it", b.get(accountPath), http.StatusOK, "ann@example.com")
	if answer := other.get(accountPath); answer.Code != http.StatusSeeOther {
		t.Errorf("the other session: %d", answer.Code)
	}
}

// ASVS 6.3.1: the password page is no way around the throttle.
func TestThePasswordInUseIsNotGuessedMoreOftenThanAtSignIn(t *testing.T) {
	w := newTown(t)
	b := w.signedIn(t, "ann@example.com")
	var last int
	for range 8 {
		last = b.change(t, "not-the-password-1", newPassword, newPassword)
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("the eighth guess: %d", last)
	}
}

// ASVS 7.5.2, 7.4.1
func TestSomebodySeesAndEndsTheirSessions(t *testing.T) {
	w := newTown(t)
	b := w.signedIn(t, "ann@example.com")
	away := w.open()
	away.header.Set("User-Agent", accountUA)
	away.ip = "198.51.100.9"
	away.signIn(t, "ann@example.com", rightPassword)
	third := w.signedIn(t, "ann@example.com")
	bobs := w.signedIn(t, "bob@example.com")
	list := b.get(sessionsPath)
	want(t, "the list", list, http.StatusOK, "Firefox on Linux")
	want(t, "the list", list, http.StatusOK, "198.51.100.9")
	if n := strings.Count(list.Body.String(), `class="entry"`); n != 3 {
		t.Errorf("%d sessions are listed", n)
	}
	all, err := w.Store.SessionsOf(t.Context(), w.ann(t).ID)
	if err != nil {
		t.Fatal(err)
	}
	form := fields(t, list, sessionsPath)
	for _, s := range all {
		if s.IP == "198.51.100.9" {
			form.Set("session", s.ID)
		}
	}
	stale := maps.Clone(form)
	bob, err := w.Store.UserByEmail(t.Context(), "bob@example.com")
	if err != nil {
		t.Fatal(err)
	}
	bobsSessions, err := w.Store.SessionsOf(t.Context(), bob.ID)
	if err != nil {
		t.Fatal(err)
	}
	foreign := maps.Clone(form)
	foreign["session"] = []string{bobsSessions[0].ID}
	b.post(sessionsPath, foreign)
	want(t, "somebody else's session", bobs.get(accountPath), http.StatusOK, "bob@example.com")

	wantTo(t, "ending one", b.post(sessionsPath, form), sessionsPath+"?done=session")
	if answer := away.get(accountPath); answer.Code != http.StatusSeeOther {
		t.Errorf("the session that was ended: %d", answer.Code)
	}
	want(t, "one that was not", third.get(accountPath), http.StatusOK, "ann@example.com")

	w.pass(freshFor)
	stale.Set("others", "end")
	again := b.post(sessionsPath, stale)
	if to := again.Header().Get("Location"); !strings.HasPrefix(to, "/login/?again=") { // ASVS 7.5.1
		t.Errorf("a session that is not fresh: %d to %q", again.Code, to)
	}
	want(t, "a session that nobody ended", third.get(accountPath), http.StatusOK, "ann@example.com")
	login := fields(t, b.get("/login/?again=&next="+url.QueryEscape(sessionsPath)), "/login/")
	login.Set("email", "ann@example.com")
	login.Set("password", rightPassword)
	wantTo(t, "signing in again", b.post("/login/", login), sessionsPath)
	form = fields(t, b.get(sessionsPath), sessionsPath)
	form.Del("session")
	form.Set("others", "end")
	wantTo(t, "ending all others", b.post(sessionsPath, form), sessionsPath+"?done=others")
	if answer := third.get(accountPath); answer.Code != http.StatusSeeOther {
		t.Errorf("another session: %d", answer.Code)
	}
	want(t, "the session that did it", b.get(sessionsPath), http.StatusOK, "this one")
}

func TestANameIsCheckedAndEscaped(t *testing.T) {
	w := newTown(t)
	b := w.signedIn(t, "ann@example.com")
	for name, status := range map[string]int{"": 400, "a\nb": 400, strings.Repeat("x", 129): 400, "<b>Ann</b>": 303, " Ann Lee ": 303} {
		form := fields(t, b.get(accountPath), accountPath)
		form.Set("name", name)
		if answer := b.post(accountPath, form); answer.Code != status {
			t.Errorf("%q: %d, want %d", name, answer.Code, status)
		}
	}
	form := fields(t, b.get(accountPath), accountPath)
	form.Set("name", "<b>Ann</b>")
	b.post(accountPath, form)
	if body := b.get(accountPath).Body.String(); strings.Contains(body, "<b>Ann") || !strings.Contains(body, "&lt;b&gt;Ann") {
		t.Error("a name became markup")
	}
}

// What the person sees is their own, in words, and never what is nobody's business.
func TestActivityTellsWhatHappened(t *testing.T) {
	w := newTown(t)
	w.open().signIn(t, "ann@example.com", "not-the-password-1")
	w.open().signIn(t, "bob@example.com", "not-the-password-1")
	b := w.signedIn(t, "ann@example.com")
	b.change(t, rightPassword, newPassword, newPassword)
	page := b.get(activityPath)
	want(t, "activity", page, http.StatusOK, "A sign-in was refused (wrong password)")
	want(t, "activity", page, http.StatusOK, "Password changed")
	if n := strings.Count(page.Body.String(), "refused"); n != 1 {
		t.Errorf("%d refusals are shown, want one", n)
	}
}

func (w *town) link(t *testing.T) string {
	t.Helper()
	link, err := people.NewResetLink(t.Context(), w.Store, w.Keyring.LookupKey(), w.ann(t).ID, store.Event{Time: w.Now(), Action: "user.reset-link-created"})
	if err != nil {
		t.Fatal(err)
	}
	leaks.Remember(link)
	return link
}

func (b *tab) reset(t *testing.T, link, next string) int {
	t.Helper()
	form := fields(t, b.get(resetPath+"?link="+link), resetPath)
	form.Set("new", next)
	form.Set("again", next)
	leaks.Remember(next)
	return b.post(resetPath, form).Code
}

// ASVS 6.4.1, 6.4.6
func TestAResetLinkWorksOnceAndForAnHour(t *testing.T) {
	w := newTown(t)
	b := w.signedIn(t, "ann@example.com")
	first := w.link(t)
	link := w.link(t)
	want(t, "a link that was replaced", w.open().get(resetPath+"?link="+first), http.StatusNotFound, "no longer good")
	want(t, "a link that never was", w.open().get(resetPath+"?link=x"), http.StatusNotFound, "no longer good")
	want(t, "no link", w.open().get(resetPath), http.StatusNotFound, "no longer good")
	for range 3 { // mail scanners open links
		want(t, "the link", w.open().get(resetPath+"?link="+link), http.StatusOK, "ann@example.com")
	}
	thief := w.open()
	form := fields(t, thief.get(resetPath+"?link="+link), resetPath)
	form.Set("new", newPassword)
	form.Set("again", newPassword)
	if answer := w.open().post(resetPath, form); answer.Code != http.StatusForbidden {
		t.Errorf("the form in another browser: %d", answer.Code)
	}
	if got := w.open().reset(t, link, "short"); got != http.StatusBadRequest {
		t.Errorf("a bad password: %d", got)
	}
	if got := w.open().reset(t, link, newPassword); got != http.StatusOK {
		t.Fatalf("the link: %d", got)
	}
	want(t, "the link again", w.open().get(resetPath+"?link="+link), http.StatusNotFound, "no longer good")
	if answer := thief.post(resetPath, form); answer.Code != http.StatusNotFound {
		t.Errorf("a form that stood open: %d", answer.Code)
	}
	if answer := b.get(accountPath); answer.Code != http.StatusSeeOther {
		t.Error("a session outlives the reset")
	}
	if answer := w.open().signIn(t, "ann@example.com", newPassword); answer.Code != http.StatusSeeOther {
		t.Errorf("the new password: %d", answer.Code)
	}
	old := w.link(t)
	w.pass(people.ResetFor)
	want(t, "a link of an hour ago", w.open().get(resetPath+"?link="+old), http.StatusNotFound, "no longer good")
}

func TestAResetLinkIsWorthNothingForADisabledAccountOrAfterAChange(t *testing.T) {
	w := newTown(t)
	link := w.link(t)
	if got := w.signedIn(t, "ann@example.com").change(t, rightPassword, newPassword, newPassword); got != http.StatusSeeOther {
		t.Fatal(got)
	}
	want(t, "a link from before the change", w.open().get(resetPath+"?link="+link), http.StatusNotFound, "no longer good")
	link = w.link(t)
	ann := w.ann(t)
	if err := w.Store.SetDisabled(t.Context(), ann.ID, true, store.Event{Time: w.Now()}); err != nil {
		t.Fatal(err)
	}
	want(t, "a link of a disabled account", w.open().get(resetPath+"?link="+link), http.StatusNotFound, "no longer good")
	if _, err := people.NewResetLink(t.Context(), w.Store, w.Keyring.LookupKey(), ann.ID, store.Event{Time: w.Now()}); err == nil {
		t.Error("a disabled account gets a link")
	}
}

// Of any number of posts of one link one sets the password.
func TestAResetLinkIsUsedOnceInParallel(t *testing.T) {
	w := newTown(t)
	row, err := w.Store.ResetLink(t.Context(), people.ResetHash(w.Keyring.LookupKey(), w.link(t)))
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan error)
	for range 20 {
		go func() {
			results <- w.Store.UseResetLink(t.Context(), row, "hash", store.Event{Time: w.Now().Add(time.Minute)})
		}()
	}
	used := 0
	for range 20 {
		if <-results == nil {
			used++
		}
	}
	if used != 1 {
		t.Errorf("used %d times", used)
	}
}

// resetting is a directory of accounts in which a password is reset right after it was looked
// up: when a sign-in has begun, and nothing is proven yet.
type resetting struct {
	*store.DB
	reset func()
}

func (a *resetting) UserByEmail(ctx context.Context, email string) (store.User, error) {
	u, err := a.DB.UserByEmail(ctx, email)
	a.reset()
	return u, err
}

// Whoever the reset is to put out knows the old password, and has a session: what they have
// under way gives them neither back.
func TestWhatIsUnderWayDoesNotUndoAReset(t *testing.T) {
	for name, act := range map[string]func(*testing.T, *town, *tab) int{
		"a sign-in": func(t *testing.T, w *town, b *tab) int {
			*b = *w.open()
			return b.signIn(t, "ann@example.com", rightPassword).Code
		},
		"a sign-in again": func(t *testing.T, _ *town, b *tab) int {
			form := fields(t, b.get(loginPath+"?"+againParameter), loginPath)
			form.Set("email", "ann@example.com")
			form.Set("password", rightPassword)
			return b.post(loginPath, form).Code
		},
		"a change": func(t *testing.T, _ *town, b *tab) int { return b.change(t, rightPassword, newPassword, newPassword) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t)
			b := w.signedIn(t, "ann@example.com")
			row, err := w.Store.ResetLink(t.Context(), people.ResetHash(w.Keyring.LookupKey(), w.link(t)))
			if err != nil {
				t.Fatal(err)
			}
			w.directory = people.NewDirectory(&resetting{w.Store, func() {
				if err := w.Store.UseResetLink(t.Context(), row, "$reset$", store.Event{Time: w.Now()}); err != nil {
					t.Error(err)
				}
			}})
			if got := act(t, w, b); got != http.StatusForbidden && got != http.StatusSeeOther {
				t.Errorf("the answer is %d", got)
			}
			if answer := b.get(accountPath); answer.Code != http.StatusSeeOther {
				t.Errorf("somebody is signed in: %d", answer.Code)
			}
			if u := w.ann(t); u.PasswordHash != "$reset$" {
				t.Error("the password is not the one of the reset")
			}
			if left, err := w.Store.SessionsOf(t.Context(), w.ann(t).ID); err != nil || len(left) > 0 {
				t.Errorf("sessions %v, %v", left, err)
			}
		})
	}
}

// A link cannot be guessed; those who try are held back all the same.
func TestGuessesAtResetLinksAreLimited(t *testing.T) {
	w := newTown(t)
	b, last := w.open(), 0
	for range 150 {
		if last = b.get(resetPath + "?link=x").Code; last != http.StatusNotFound {
			break
		}
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("the last guess of many: %d", last)
	}
}

// An address that a provider vouches for is proven, and its to change.
func TestAnAddressOfAProviderIsShownAsProvenAndNotChangedHere(t *testing.T) {
	w := newSSOTown(t)
	w.works.knows("code", "eve", "eve@example.com")
	b := w.open()
	b.by(t, "works", "code", "")
	answer := b.get(accountPath)
	want(t, "the account", answer, http.StatusOK, "eve@example.com, proven")
	if strings.Contains(answer.Body.String(), "/account/address/\">change") {
		t.Error("a change is offered")
	}
	want(t, "of who signs in here", w.signedIn(t, "ann@example.com").get(accountPath), http.StatusOK, "ann@example.com, proven (<a href=\"/account/address/\">change</a>)")
}
