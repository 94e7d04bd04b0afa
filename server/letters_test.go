package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/mail"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
	"github.com/gatehouse-dev/gatehouse/test/mailbox"
)

// withMail is a town that sends letters by a real mail server.
func withMail(t *testing.T) (*town, *mailbox.Mailbox) {
	t.Helper()
	w, box := newTown(t), mailbox.New(t)
	w.local.Local.ResetEnabled = true
	w.publish(t)
	postbox, err := mail.New(mail.Options{
		Server: mail.Server{URL: "smtp://" + box.Address, From: "no-reply@example.com", CAFile: box.CAFile}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: time.Now,
	})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = postbox.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	w.Mail = postbox
	return w, box
}

// asks fills in the page at path, which asks for an address alone.
func (b *tab) asks(t *testing.T, path, address string) *httptest.ResponseRecorder {
	t.Helper()
	form := fields(t, b.get(path), path)
	form.Set("email", address)
	return b.post(path, form)
}

// linkIn takes the link out of a letter, as a path of ours.
func linkIn(t *testing.T, l mailbox.Letter) string {
	t.Helper()
	u, err := url.Parse(l.Link())
	if err != nil || u.Scheme+"://"+u.Host != "https://id.example" || u.Query().Get(linkParameter) == "" {
		t.Fatalf("no link in the letter %q:\n%s", l.Header.Get("Subject"), l.Text)
	}
	leaks.Remember(u.Query().Get(linkParameter))
	return u.RequestURI()
}

// nothing fails if a letter is there that nobody has taken. Whatever was to be sent has been
// handed over by the letter that comes after it.
func nothing(t *testing.T, w *town, box *mailbox.Mailbox) {
	t.Helper()
	w.errands.wait()
	w.Mail.Send(mail.Letter{Kind: "last", To: "last@example.com", Subject: "last"})
	for l := box.Next(t); l.To != "last@example.com"; l = box.Next(t) {
		t.Errorf("a letter to %s: %s", l.To, l.Header.Get("Subject"))
	}
}

// ASVS 6.4.1, 6.4.3
func TestAForgottenPasswordIsSetByALinkThatIsMailed(t *testing.T) {
	w, box := withMail(t)
	old := w.signedIn(t, "ann@example.com")
	b := w.open()
	want(t, "sign-in", b.get("/login/"), http.StatusOK, `href="/forgot/"`)
	want(t, "asking", b.asks(t, forgotPath, " Ann@Example.com "), http.StatusOK, "on its way")
	first := linkIn(t, box.Next(t))
	b.asks(t, forgotPath, "ann@example.com")
	l := box.Next(t)
	link := linkIn(t, l)
	if l.To != "ann@example.com" || !strings.Contains(l.Text, "192.0.2.1") || !strings.Contains(l.Text, "If this was not you") {
		t.Errorf("a letter to %s:\n%s", l.To, l.Text)
	}
	want(t, "the first link", b.get(first), http.StatusNotFound, "no longer good")
	form := fields(t, b.get(link), resetPath)
	form.Set("new", newPassword)
	form.Set("again", newPassword)
	want(t, "the link", b.post(resetPath, form), http.StatusOK, "Your password is set")
	want(t, "the link again", b.get(link), http.StatusNotFound, "no longer good")
	wantTo(t, "a session from before", old.get(accountPath), "/login/?next=%2Faccount%2F")
	wantTo(t, "the new password", b.signIn(t, "ann@example.com", newPassword), "/")
	if notice := box.Next(t); notice.Link() != "" || !strings.Contains(notice.Text, "A new password was set by a link") {
		t.Errorf("the notice:\n%s", notice.Text)
	}
	nothing(t, w, box)
}

func TestAMailedLinkSkipsNoSecondFactor(t *testing.T) {
	w, box := withMail(t)
	b := w.signedIn(t, "ann@example.com")
	a := b.enrols(t)
	w.pass(time.Minute)
	box.Next(t) // of the factor
	c := w.open()
	c.asks(t, forgotPath, "ann@example.com")
	form := fields(t, c.get(linkIn(t, box.Next(t))), resetPath)
	form.Set("new", newPassword)
	form.Set("again", newPassword)
	want(t, "the link", c.post(resetPath, form), http.StatusOK, "Your password is set")
	page := c.signIn(t, "ann@example.com", newPassword)
	want(t, "the new password", page, http.StatusOK, `action="/login/code/"`)
	wantTo(t, "with the code", c.second(fields(t, page, secondPath), a.code()), "/")
}

var formToken = regexp.MustCompile(`name="token" value="[^"]*"`)

// ASVS 6.3.8: by the words and the status; for the time see measure in test/bench.
func TestWhoForgotIsAnsweredAlikeWhoeverTheyAre(t *testing.T) {
	w, box := withMail(t)
	for i, u := range []store.User{
		{Login: "disabled@example.com", PasswordHash: rightHash(), Disabled: true},
		{Login: "nopassword@example.com"},
		{Login: "", Email: "elsewhere@example.com"},
	} {
		u.ID, u.Name, u.CreatedAt = "usr_"+strings.Repeat(fmt.Sprint(i), 22), "x", w.Now()
		must(t, w.Store.CreateUser(t.Context(), u, store.Event{Time: w.Now(), Action: "user.created"}))
	}
	var first string
	for i, address := range []string{"ann@example.com", "nobody@example.com", "disabled@example.com", "nopassword@example.com", "elsewhere@example.com"} {
		answer := w.open().asks(t, forgotPath, address)
		body := formToken.ReplaceAllString(answer.Body.String(), "")
		if i == 0 {
			first = body
		}
		if answer.Code != http.StatusOK || body != first {
			t.Errorf("%s: %d\n%s", address, answer.Code, body)
		}
		w.errands.wait()
		switch i {
		case 0:
			linkIn(t, box.Next(t))
		case 3:
			if l := box.Next(t); l.Link() != "" || !strings.Contains(l.Text, "It has none") {
				t.Errorf("to an account without a password:\n%s", l.Text)
			}
		default:
			nothing(t, w, box)
		}
	}
	events, err := w.Store.Events(t.Context(), 5)
	must(t, err)
	for _, ev := range events {
		if ev.Action != "user.reset-requested" || strings.Contains(ev.Reason+ev.Target, "@") {
			t.Errorf("event %+v", ev)
		}
	}
}

func TestLettersAreSentOnlySoOften(t *testing.T) {
	w, box := withMail(t)
	var answers []string
	for i := range 6 {
		b := w.open()
		b.ip = fmt.Sprintf("203.0.113.%d", i+1)
		answers = append(answers, formToken.ReplaceAllString(b.asks(t, forgotPath, "ann@example.com").Body.String(), ""))
		w.restart(t)
	}
	for range 3 {
		linkIn(t, box.Next(t))
	}
	nothing(t, w, box)
	if answers[5] != answers[0] {
		t.Error("who asks too often is told so, and that there is an account")
	}
	w.pass(21 * time.Minute)
	w.open().asks(t, forgotPath, "ann@example.com")
	linkIn(t, box.Next(t))

	asked := 0
	for i := range 40 {
		if w.open().asks(t, forgotPath, fmt.Sprintf("user%d@example.com", i)).Code == http.StatusOK {
			asked++
		}
	}
	if asked > 20 {
		t.Errorf("one source asks for %d letters at once", asked)
	}
}

func TestWithoutMailThePagesSaySo(t *testing.T) {
	w := newTown(t)
	w.local.Local.ResetEnabled, w.local.Local.Registration = true, model.RegistrationOpen
	w.publish(t)
	b := w.open()
	if page := b.get("/login/").Body.String(); strings.Contains(page, "/forgot/") || strings.Contains(page, "/register/") {
		t.Error("the sign-in page leads to letters that nobody sends")
	}
	want(t, "forgot", b.get(forgotPath), http.StatusNotFound, "gatehouse user reset-link")
	want(t, "forgot, posted", b.post(forgotPath, url.Values{"email": {"ann@example.com"}}), http.StatusNotFound, "gatehouse user reset-link")
	want(t, "register", b.get("/register/"), http.StatusNotFound, "Ask your administrator")
	want(t, "the address", w.signedIn(t, "ann@example.com").get(addressPath), http.StatusOK, "No letters are sent here")
	if got := b.reset(t, w.link(t), newPassword); got != http.StatusOK {
		t.Errorf("an administrator's link: %d", got)
	}

	m, box := withMail(t)
	m.local.Local.ResetEnabled = false
	m.publish(t)
	want(t, "resets switched off", m.open().get(forgotPath), http.StatusNotFound, "gatehouse user reset-link")
	want(t, "resets switched off, posted", m.open().post(forgotPath, url.Values{"email": {"ann@example.com"}}), http.StatusNotFound, "gatehouse user reset-link")
	nothing(t, m, box)
}

func wantLetter(t *testing.T, box *mailbox.Mailbox, to, subject string) mailbox.Letter {
	t.Helper()
	l := box.Next(t)
	if l.To != to || !strings.Contains(l.Header.Get("Subject"), subject) {
		t.Errorf("a letter to %s about %q, want %q", l.To, l.Header.Get("Subject"), subject)
	}
	return l
}

// ASVS 6.3.5, 6.3.7
func TestPeopleAreToldWhatHappensToTheirAccount(t *testing.T) {
	w, box := withMail(t)
	const ann = "ann@example.com"
	b := w.signedIn(t, ann)
	nothing(t, w, box) // the first place of all is no news
	other := w.open()
	other.ip = "198.51.100.9"
	wantTo(t, "from elsewhere", other.signIn(t, ann, rightPassword), "/")
	if l := wantLetter(t, box, ann, "New sign-in"); !strings.Contains(l.Text, "198.51.100.9") || l.Link() != "" {
		t.Errorf("the letter:\n%s", l.Text)
	}
	other = w.open()
	other.ip = "198.51.100.9"
	wantTo(t, "from there again", other.signIn(t, ann, rightPassword), "/")
	if got := b.change(t, rightPassword, newPassword, newPassword); got != http.StatusSeeOther {
		t.Fatal(got)
	}
	wantLetter(t, box, ann, "Your password was changed")
	a := b.enrols(t)
	wantLetter(t, box, ann, "A second factor was added")
	w.pass(time.Minute)

	thief := w.open()
	thief.ip = "203.0.113.66"
	page := thief.signIn(t, ann, newPassword)
	form := fields(t, page, secondPath)
	for range 5 {
		thief.second(form, "000000")
		w.pass(10 * time.Second)
	}
	wantLetter(t, box, ann, "Somebody may know your password")
	form = fields(t, thief.signIn(t, ann, newPassword), secondPath)
	for range 3 {
		thief.second(form, "000000")
		w.pass(10 * time.Second)
	}
	nothing(t, w, box) // once is enough

	b = w.open()
	wantTo(t, "by a recovery code", b.second(fields(t, b.signIn(t, ann, newPassword), secondPath), a.codes[0]), "/")
	wantLetter(t, box, ann, "A recovery code was used")
	page = b.get(factorsPath)
	form = fields(t, page, factorsPath)
	form.Set("act", "remove")
	form.Set("factor", regexp.MustCompile(`fac_[\w-]+`).FindString(page.Body.String()))
	want(t, "removal", b.post(factorsPath, form), http.StatusSeeOther, "")
	wantLetter(t, box, ann, "A second factor was removed")
}

// claimant is somebody whose address nobody has proven.
func (w *town) claimant(t *testing.T, address string) {
	t.Helper()
	must(t, w.Store.CreateUser(t.Context(), store.User{
		ID: people.NewID(), Email: address, Login: address, Name: "x", PasswordHash: rightHash(), CreatedAt: w.Now(),
	}, store.Event{Time: w.Now(), Action: "user.created"}))
}

func (w *town) find(t *testing.T, address string) store.User {
	t.Helper()
	u, err := w.Store.UserByEmail(t.Context(), address)
	must(t, err)
	return u
}

func (b *tab) act(t *testing.T, path string, pairs ...string) *httptest.ResponseRecorder {
	t.Helper()
	form := fields(t, b.get(path), strings.SplitN(path, "?", 2)[0])
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return b.post(strings.SplitN(path, "?", 2)[0], form)
}

func TestAnAddressIsProvenByItsOwnerInTheirOwnSession(t *testing.T) {
	w, box := withMail(t)
	w.claimant(t, "eve@example.com")
	w.roles["eve@example.com"] = w.roles["ann@example.com"]
	w.publish(t)
	holds := func() int {
		u := w.find(t, "eve@example.com")
		for o := range w.world.Load().Organizations() {
			return len(o.RolesOf(u.Person(), w.Now()))
		}
		return 0
	}
	if holds() != 0 {
		t.Fatal("an address that nobody proved counts")
	}
	eve := w.signedIn(t, "eve@example.com")
	want(t, "the page", eve.get(addressPath), http.StatusOK, "Verify this address")
	wantTo(t, "asking", eve.act(t, addressPath, "act", "verify"), "/account/address/?done=verifying")
	old := linkIn(t, wantLetter(t, box, "eve@example.com", "Prove that this address is yours"))
	eve.act(t, addressPath, "act", "verify")
	link := linkIn(t, box.Next(t))
	want(t, "a link that was replaced", eve.get(old), http.StatusNotFound, "not good here")
	want(t, "whoever is signed in otherwise", w.signedIn(t, "ann@example.com").get(link), http.StatusNotFound, "not good here")
	if answer := w.open().get(link); answer.Code != http.StatusSeeOther || !strings.HasPrefix(answer.Header().Get("Location"), "/login/?next=%2Faccount%2Faddress%2Fconfirm") {
		t.Errorf("whoever is not signed in: %d to %s", answer.Code, answer.Header().Get("Location"))
	}
	for range 3 { // programs that look into mails open links
		want(t, "the link", eve.get(link), http.StatusOK, "Is this your address?")
	}
	if holds() != 0 {
		t.Error("to open the link proves the address")
	}
	wantTo(t, "the act", eve.act(t, link), "/account/address/?done=address")
	if holds() != 1 || w.find(t, "eve@example.com").EmailProvenBy != store.ProvenByMail {
		t.Error("the address is not proven")
	}
	want(t, "the link again", eve.get(link), http.StatusNotFound, "not good here")
}

func TestALinkThatProvesAnAddressEndsAfterADay(t *testing.T) {
	w, box := withMail(t)
	w.claimant(t, "eve@example.com")
	eve := w.signedIn(t, "eve@example.com")
	eve.act(t, addressPath, "act", "verify")
	link := linkIn(t, box.Next(t))
	w.pass(people.MailLinkFor - time.Second)
	eve = w.signedIn(t, "eve@example.com")
	form := fields(t, eve.get(link), confirmPath)
	w.pass(time.Second)
	want(t, "a form that stood open", eve.post(confirmPath, form), http.StatusNotFound, "not good here")
}

// ASVS 6.3.7, 7.5.1
func TestAnAddressIsChangedWhenTheNewOneIsProven(t *testing.T) {
	w, box := withMail(t)
	const ann, next = "ann@example.com", "ann@elsewhere.example"
	b := w.signedIn(t, ann)
	w.pass(freshFor)
	wantTo(t, "with an old sign-in", b.act(t, addressPath, "act", "change", "email", next), "/login/?again=&next=%2Faccount%2Faddress%2F")
	b = w.signedIn(t, ann)
	want(t, "no address", b.act(t, addressPath, "act", "change", "email", "nobody"), http.StatusBadRequest, "Type an email address")
	want(t, "the same", b.act(t, addressPath, "act", "change", "email", ann), http.StatusBadRequest, "in use")
	wantTo(t, "asking", b.act(t, addressPath, "act", "change", "email", next), "/account/address/?done=changing")
	letters := map[string]mailbox.Letter{}
	for range 2 {
		l := box.Next(t)
		letters[l.To] = l
	}
	if l := letters[ann]; !strings.Contains(l.Text, "Nothing is changed until") || l.Link() != "" {
		t.Errorf("to the address in use:\n%s", l.Text)
	}
	link := linkIn(t, letters[next])
	if u := w.find(t, ann); u.EmailProvenBy == "" {
		t.Error("something changed before the new address was proven")
	}
	bob := w.signedIn(t, "bob@example.com")
	want(t, "somebody who was sent the link", bob.get(link), http.StatusNotFound, "not good here")
	wantTo(t, "the act", b.act(t, link), "/account/address/?done=address")
	wantLetter(t, box, ann, "Your address was changed")
	if u := w.find(t, next); u.ID != "usr_"+strings.Repeat("a", 22) || u.EmailProvenBy != store.ProvenByMail {
		t.Errorf("the account: %+v", u)
	}
	want(t, "the old address", w.open().signIn(t, ann, rightPassword), http.StatusForbidden, "do not match")
	wantTo(t, "the new one", w.open().signIn(t, next, rightPassword), "/")
	u := w.find(t, next)
	for o := range w.world.Load().Organizations() {
		if len(o.RolesOf(u.Person(), w.Now())) != 0 {
			t.Error("roles of the old address stay")
		}
	}
}

func TestAnAddressOfSomebodyElseIsNotTakenAndAClaimIsDropped(t *testing.T) {
	w, box := withMail(t)
	b := w.signedIn(t, "ann@example.com")
	follow := func(address string) *httptest.ResponseRecorder {
		b.act(t, addressPath, "act", "change", "email", address)
		for {
			if l := box.Next(t); l.To == address {
				return b.act(t, linkIn(t, l))
			}
		}
	}
	want(t, "bob's", follow("bob@example.com"), http.StatusConflict, "Another account has this address")
	w.claimant(t, "claimed@example.com")
	squatter := w.signedIn(t, "claimed@example.com")
	wantTo(t, "an address that somebody claims", follow("claimed@example.com"), "/account/address/?done=address")
	if u := w.find(t, "claimed@example.com"); u.ID != "usr_"+strings.Repeat("a", 22) {
		t.Error("the claim stands")
	}
	wantTo(t, "who claimed it", squatter.get(accountPath), "/login/?next=%2Faccount%2F")
}

// Who took over a session for a moment must not keep the account by a letter that comes
// later.
func TestAPendingChangeEndsWithANewPassword(t *testing.T) {
	for name, act := range map[string]func(*testing.T, *town, *tab){
		"reset":  func(t *testing.T, w *town, _ *tab) { w.open().reset(t, w.link(t), newPassword) },
		"change": func(t *testing.T, _ *town, b *tab) { b.change(t, rightPassword, newPassword, newPassword) },
	} {
		t.Run(name, func(t *testing.T) {
			w, box := withMail(t)
			b := w.signedIn(t, "ann@example.com")
			b.act(t, addressPath, "act", "change", "email", "thief@example.com")
			l := box.Next(t)
			for l.To != "thief@example.com" {
				l = box.Next(t)
			}
			link := linkIn(t, l)
			act(t, w, b)
			b = w.open()
			b.signIn(t, "ann@example.com", newPassword)
			want(t, "the link then", b.get(link), http.StatusNotFound, "not good here")
		})
	}
}

func TestSomebodyMakesAnAccountWhereAnybodyMay(t *testing.T) {
	w, box := withMail(t)
	b := w.open()
	for _, closed := range []string{"", model.RegistrationClosed, model.RegistrationInvitationOnly} {
		w.local.Local.Registration = closed
		w.publish(t)
		want(t, closed, b.get("/register/"), http.StatusNotFound, "Ask your administrator")
		want(t, closed+", posted", b.post("/register/", url.Values{"email": {"new@example.com"}}), http.StatusNotFound, "Ask your administrator")
	}
	w.local.Local.Registration = model.RegistrationOpen
	w.publish(t)
	want(t, "sign-in", b.get("/login/"), http.StatusOK, `href="/register/"`)
	first := b.asks(t, "/register/", "new@example.com")
	want(t, "asking", first, http.StatusOK, "on its way")
	link := linkIn(t, wantLetter(t, box, "new@example.com", "Make your account"))
	if _, err := w.Store.UserByEmail(t.Context(), "new@example.com"); err == nil {
		t.Error("there is an account before its address is proven")
	}
	want(t, "a poor password", b.act(t, link, "name", "New", "new", "short", "again", "short"), http.StatusBadRequest, "use at least 12")
	leaks.Remember(newPassword)
	want(t, "another browser's form", w.open().post(finishPath, fields(t, b.get(link), finishPath)), http.StatusForbidden, "no longer valid")
	want(t, "the account", b.act(t, link, "name", "New", "new", newPassword, "again", newPassword), http.StatusOK, "Your account is made")
	want(t, "the link again", b.get(link), http.StatusNotFound, "no longer good")
	if u := w.find(t, "new@example.com"); u.EmailProvenBy != store.ProvenByMail || u.Name != "New" {
		t.Errorf("the account: %+v", u)
	}
	wantTo(t, "sign-in", b.signIn(t, "new@example.com", newPassword), "/")

	again := w.open().asks(t, "/register/", "ann@example.com")
	if formToken.ReplaceAllString(again.Body.String(), "") != formToken.ReplaceAllString(first.Body.String(), "") || again.Code != first.Code {
		t.Errorf("an address that has an account is answered otherwise: %d", again.Code)
	}
	if l := wantLetter(t, box, "ann@example.com", "You have an account already"); l.Link() != "" {
		t.Error("with a link")
	}
	nothing(t, w, box)
}

// Nobody registers an address before its owner, nor with a link of before.
func TestARegistrationIsByWhoProvesTheAddress(t *testing.T) {
	w, box := withMail(t)
	w.local.Local.Registration = model.RegistrationOpen
	w.publish(t)
	leaks.Remember(newPassword)
	w.claimant(t, "new@example.com")
	squatter := w.signedIn(t, "new@example.com")
	b := w.open()
	b.asks(t, "/register/", "new@example.com")
	link := linkIn(t, wantLetter(t, box, "new@example.com", "Make your account"))
	want(t, "the owner", b.act(t, link, "name", "New", "new", newPassword, "again", newPassword), http.StatusOK, "Your account is made")
	wantTo(t, "who claimed it", squatter.get(accountPath), "/login/?next=%2Faccount%2F")
	wantTo(t, "the owner's password", b.signIn(t, "new@example.com", newPassword), "/")

	b = w.open()
	b.asks(t, "/register/", "late@example.com")
	late := linkIn(t, box.Next(t))
	form := fields(t, b.get(late), finishPath)
	form.Set("name", "Late")
	form.Set("new", newPassword)
	form.Set("again", newPassword)
	w.local.Local.Registration = model.RegistrationClosed
	w.publish(t)
	want(t, "when it was closed meanwhile", b.post(finishPath, form), http.StatusNotFound, "Ask your administrator")
	w.local.Local.Registration = model.RegistrationOpen
	w.publish(t)
	w.pass(people.MailLinkFor)
	want(t, "after a day", b.post(finishPath, form), http.StatusNotFound, "no longer good")
}
