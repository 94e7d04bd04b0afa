package server

import (
	"html"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/server/factors"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

func (w *town) factorsOf(t *testing.T, email string) []store.Factor {
	t.Helper()
	u, err := w.Store.UserByEmail(t.Context(), email)
	must(t, err)
	all, err := w.Store.Factors(t.Context(), u.ID)
	must(t, err)
	return all
}

// A factor that nobody has confirmed does not count: nothing is kept of it.
func TestAnAppIsAddedByItsFirstCode(t *testing.T) {
	w := newTown(t)
	b := w.signedIn(t, "ann@example.com")
	page := b.get(newFactorPath)
	a := w.read(t, page)
	form := fields(t, page, newFactorPath)
	form.Set("name", "Phone")
	for what, code := range map[string]string{"no code": "", "a wrong one": "000000", "an old one": a.at(-2), "one to come": a.at(2)} {
		f := maps.Clone(form)
		f.Set("code", code)
		refused := b.post(newFactorPath, f)
		want(t, what, refused, http.StatusBadRequest, "not the code")
		if again := w.read(t, refused); again.secret.Text() != a.secret.Text() {
			t.Errorf("%s: the page has another secret then", what)
		}
	}
	if n := len(w.factorsOf(t, "ann@example.com")); n != 0 || w.ann(t).SecondFactor {
		t.Fatalf("%d factors before any is confirmed", n)
	}
	if answer := w.open().signIn(t, "ann@example.com", rightPassword); answer.Code != http.StatusSeeOther {
		t.Fatalf("a factor that is not confirmed is asked for: %d", answer.Code)
	}
	other := w.signedIn(t, "ann@example.com")
	old := maps.Clone(b.cookies)
	form.Set("code", a.code())
	form.Set("others", "end")
	answer := b.post(newFactorPath, form)
	want(t, "the right one", answer, http.StatusOK, "Your recovery codes")
	codes := shownCodes(answer)
	if len(codes) != 10 || strings.Contains(b.get(factorsPath).Body.String(), codes[0]) {
		t.Errorf("%d recovery codes, or they are shown again", len(codes))
	}
	if b.cookies[sessionCookie].Value == old[sessionCookie].Value { // ASVS 7.2.4
		t.Error("the session keeps its identifier")
	}
	if answer := other.get(accountPath); answer.Code != http.StatusSeeOther { // ASVS 7.4.3
		t.Errorf("the other session: %d", answer.Code)
	}
	if s := w.newest(t); !slices.Equal(s.AMR, []string{"pwd", "otp", "mfa"}) {
		t.Errorf("the session was proven by %v", s.AMR)
	}
	if again := b.post(newFactorPath, form); again.Code != http.StatusConflict || len(w.factorsOf(t, "ann@example.com")) != 1 {
		t.Errorf("the form once more: %d", again.Code)
	}
	want(t, "the activity", b.get(activityPath), http.StatusOK, "Second factor added (authenticator app)")
}

func TestOtherSessionsGoOnIfAsked(t *testing.T) {
	w := newTown(t)
	b, other := w.signedIn(t, "ann@example.com"), w.signedIn(t, "ann@example.com")
	b.enrols(t)
	want(t, "the other session", other.get(accountPath), http.StatusOK, "ann@example.com")
}

// The secret is made here, for one session and ten minutes, and nothing else is taken back.
func TestAnEnrolmentIsWorthNothingElsewhere(t *testing.T) {
	w := newTown(t)
	b, elsewhere, bobs := w.signedIn(t, "ann@example.com"), w.signedIn(t, "ann@example.com"), w.signedIn(t, "bob@example.com")
	page := b.get(newFactorPath)
	a := w.read(t, page)
	form := fields(t, page, newFactorPath)
	form.Set("name", "Phone")
	form.Set("code", a.code())
	for what, in := range map[string]*tab{"another session": elsewhere, "another person": bobs} {
		own := fields(t, in.get(newFactorPath), newFactorPath)
		own.Set("name", "Phone")
		own.Set("code", a.code())
		own.Set("enrolment", form.Get("enrolment"))
		if answer := in.post(newFactorPath, own); answer.Code != http.StatusForbidden {
			t.Errorf("%s: %d", what, answer.Code)
		}
	}
	for what, enrolment := range map[string]string{"none": "", "an altered one": strings.ToUpper(form.Get("enrolment")), "a secret of one's own": a.secret.Text()} {
		f := maps.Clone(form)
		f.Set("enrolment", enrolment)
		if answer := b.post(newFactorPath, f); answer.Code != http.StatusForbidden {
			t.Errorf("%s: %d", what, answer.Code)
		}
	}
	w.pass(freshFor - 1)
	late := maps.Clone(form)
	late.Set("code", a.code())
	if answer := b.post(newFactorPath, late); answer.Code != http.StatusOK {
		t.Errorf("just in time: %d", answer.Code)
	}
	if n := len(w.factorsOf(t, "ann@example.com")) + len(w.factorsOf(t, "bob@example.com")); n != 1 {
		t.Errorf("%d factors", n)
	}
}

func TestAnEnrolmentEndsAfterTenMinutes(t *testing.T) {
	w := newTown(t)
	b := w.signedIn(t, "ann@example.com")
	page := b.get(newFactorPath)
	a := w.read(t, page)
	form := fields(t, page, newFactorPath)
	form.Set("name", "Phone")
	w.pass(enrolmentFor)
	login := fields(t, b.get("/login/?again="), "/login/") // the session is fresh, the page is not
	login.Set("email", "ann@example.com")
	login.Set("password", rightPassword)
	b.post("/login/", login)
	form.Set("code", a.code())
	answer := b.post(newFactorPath, form)
	want(t, "after ten minutes", answer, http.StatusBadRequest, "took too long")
	if w.read(t, answer).secret.Text() == a.secret.Text() {
		t.Error("the secret goes on")
	}
}

// ASVS 7.5.1
func TestFactorsChangeInAFreshSessionOnly(t *testing.T) {
	w := newTown(t)
	b := w.signedIn(t, "ann@example.com")
	page := b.get(newFactorPath)
	a := w.read(t, page)
	enrolment := fields(t, page, newFactorPath)
	enrolment.Set("name", "Phone")
	w.pass(freshFor)
	enrolment.Set("code", a.code())
	wantTo(t, "enrolment", b.post(newFactorPath, enrolment), "/login/?again=&next=%2Faccount%2Ffactors%2Fnew%2F")
	wantTo(t, "the page", b.get(newFactorPath), "/login/?again=&next=%2Faccount%2Ffactors%2Fnew%2F")
	if n := len(w.factorsOf(t, "ann@example.com")); n != 0 {
		t.Fatalf("%d factors", n)
	}
	b = w.signedIn(t, "ann@example.com")
	b.enrols(t)
	form := fields(t, b.get(factorsPath), factorsPath)
	w.pass(freshFor)
	for _, act := range []string{"rename", "remove", "codes"} {
		form.Set("act", act)
		form.Set("name", "Mine")
		wantTo(t, act, b.post(factorsPath, form), "/login/?again=&next=%2Faccount%2Ffactors%2F")
	}
	if all := w.factorsOf(t, "ann@example.com"); len(all) != 1 || all[0].Name != "Phone" {
		t.Errorf("factors %+v", all)
	}
}

func TestNobodyChangesAFactorButItsOwner(t *testing.T) {
	w, a := withApp(t)
	bobs := w.signedIn(t, "bob@example.com")
	bobs.enrols(t)
	form := fields(t, bobs.get(factorsPath), factorsPath)
	form.Set("factor", w.factorsOf(t, "ann@example.com")[0].ID)
	form.Set("name", "Mine")
	for _, act := range []string{"rename", "remove", "", "other"} {
		form.Set("act", act)
		if answer := bobs.post(factorsPath, form); answer.Code != http.StatusForbidden {
			t.Errorf("%q: %d", act, answer.Code)
		}
	}
	if got := w.factorsOf(t, "ann@example.com"); len(got) != 1 || got[0].Name != "Phone" {
		t.Errorf("ann's: %+v", got)
	}
	// Nor does a code of Bob's app, or of his drawer, sign in Ann.
	b := w.open()
	pending := b.password(t)
	if answer := b.second(pending, bobs.enrolledCodes(t)); answer.Code != http.StatusForbidden {
		t.Errorf("a recovery code of somebody else: %d", answer.Code)
	}
	wantTo(t, "her own", b.second(pending, a.code()), "/")
}

// enrolledCodes makes new recovery codes, and returns one.
func (b *tab) enrolledCodes(t *testing.T) string {
	t.Helper()
	form := fields(t, b.get(factorsPath), factorsPath)
	form.Set("act", "codes")
	codes := shownCodes(b.post(factorsPath, form))
	if len(codes) != factors.RecoveryCodes {
		t.Fatalf("%d recovery codes", len(codes))
	}
	return codes[0]
}

// ASVS 6.5.6
func TestSomebodyRenamesAndRemovesTheirApp(t *testing.T) {
	w, a := withApp(t)
	b := w.open()
	wantTo(t, "sign-in", b.second(b.password(t), a.code()), "/")
	form := fields(t, b.get(factorsPath), factorsPath)
	form.Set("act", "rename")
	for name, status := range map[string]int{"": 400, "a\nb": 400, strings.Repeat("x", 200): 400, "<i>Old</i> phone": 303} {
		form.Set("name", name)
		if answer := b.post(factorsPath, form); answer.Code != status {
			t.Errorf("%q: %d", name, answer.Code)
		}
	}
	want(t, "the list", b.get(factorsPath), http.StatusOK, "&lt;i&gt;Old&lt;/i&gt; phone")

	first := b.enrolledCodes(t)
	second := b.enrolledCodes(t)
	thief := w.open()
	want(t, "a code that was replaced", thief.second(thief.password(t), first), http.StatusForbidden, "does not fit")

	form.Set("act", "remove")
	wantTo(t, "removal", b.post(factorsPath, form), factorsPath+"?done=removed")
	gone := b.get(factorsPath + "?done=removed")
	want(t, "the page then", gone, http.StatusOK, "Sign out everywhere else") // ASVS 7.4.3
	others := fields(t, gone, sessionsPath)
	others.Set("others", "end")
	wantTo(t, "its offer", b.post(sessionsPath, others), sessionsPath+"?done=others")
	if answer := w.open().signIn(t, "ann@example.com", rightPassword); answer.Code != http.StatusSeeOther {
		t.Errorf("sign-in without a factor: %d", answer.Code)
	}
	ann := w.ann(t)
	err := w.Store.UseRecoveryCode(t.Context(), ann.ID, w.factors.HashRecoveryCode(ann.ID, second), store.Event{})
	if err == nil {
		t.Error("a recovery code outlives the factor")
	}
	form.Set("act", "codes")
	if answer := b.post(factorsPath, form); answer.Code != http.StatusForbidden {
		t.Errorf("recovery codes without a factor: %d", answer.Code)
	}
}

func TestThereAreFiveFactorsAtTheMost(t *testing.T) {
	w := newTown(t)
	b := w.signedIn(t, "ann@example.com")
	for i := range store.MaxFactors {
		if a := b.enrols(t); (len(a.codes) > 0) != (i == 0) {
			t.Errorf("app %d comes with %d recovery codes", i+1, len(a.codes))
		}
	}
	page := b.get(newFactorPath)
	a := w.read(t, page)
	form := fields(t, page, newFactorPath)
	form.Set("code", a.code())
	form.Set("name", "One more")
	want(t, "one more", b.post(newFactorPath, form), http.StatusConflict, "too many")
	if n := len(w.factorsOf(t, "ann@example.com")); n != store.MaxFactors {
		t.Errorf("%d factors", n)
	}
}

// The store has the secret sealed, and recovery codes as keyed hashes: whoever has the
// database alone has neither (ASVS 6.5.2).
func TestTheStoreHasNoSecretOfAFactor(t *testing.T) {
	w, a := withApp(t)
	f := w.factorsOf(t, "ann@example.com")[0]
	if strings.Contains(string(f.Secret), a.secret.Text()) || strings.Contains(string(f.Secret), strings.ReplaceAll(a.secret.Groups(), " ", "")) {
		t.Error("the secret is kept as it is")
	}
	if got, err := w.factors.Open(f.UserID, f.ID, f.Secret); err != nil || got.Text() != a.secret.Text() {
		t.Errorf("it cannot be read: %v", err)
	}
}

// The code is drawn in the page, without image, script or style; and leads to this
// installation's name and the person's.
func TestTheQRCodeIsPartOfItsPage(t *testing.T) {
	w := newTown(t)
	body := w.signedIn(t, "ann@example.com").get(newFactorPath).Body.String()
	svg := regexp.MustCompile(`<svg class="qr" viewBox="0 0 (\d+) (\d+)" role="img" aria-label="[^"]+"`).FindString(body)
	if svg == "" || strings.Contains(body, "otpauth:") || strings.Contains(html.UnescapeString(body), "data:") {
		t.Errorf("no drawing, or an address with the secret:\n%s", body)
	}
	if w.hostname() != "id.example" {
		t.Errorf("the issuer is called %q", w.hostname())
	}
}
