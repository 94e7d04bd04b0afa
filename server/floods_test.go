package server

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// Who reads somebody's mail does not get more guesses at the second factor by it, however
// often they have a link mailed.
func TestAMailedLinkBringsNoMoreTriesAtTheSecondFactor(t *testing.T) {
	w, a := withApp(t)
	u := w.ann(t)
	thief := w.open()
	thief.ip = "203.0.113.66"
	guesses := 0
	guess := func(form url.Values) {
		for range 30 {
			if thief.second(form, "000000").Code == http.StatusForbidden {
				guesses++
			}
		}
	}
	guess(thief.password(t))
	for i := range 3 {
		link := w.link(t)
		thief.ip = fmt.Sprintf("203.0.113.%d", i)
		password := fmt.Sprintf("%s %d", newPassword, i)
		if code := thief.reset(t, link, password); code != http.StatusOK {
			t.Fatalf("reset: %d", code)
		}
		page := thief.signIn(t, u.Login, password)
		want(t, "the new password", page, http.StatusOK, "One more step")
		guess(fields(t, page, secondPath))
	}
	if guesses != 5 {
		t.Errorf("%d guesses at once were looked at, want 5", guesses)
	}
	must(t, people.Unlock(t.Context(), w.Store, w.Keyring.LookupKey(), u, store.Event{Time: w.Now(), Action: "user.unlocked", Outcome: "ok"}))
	page := thief.signIn(t, u.Login, newPassword+" 2")
	wantTo(t, "unlocked by an administrator", thief.second(fields(t, page, secondPath), a.code()), "/")
}

// Whoever is at an unlocked screen does not fill the owner's mailbox by asking on and on.
func TestAskingOnForAnotherAddressWritesToNobody(t *testing.T) {
	w, box := withMail(t)
	b := w.signedIn(t, "ann@example.com")
	for i := range 10 {
		answer := b.act(t, addressPath, "act", "change", "email", fmt.Sprintf("ann%d@elsewhere.example", i))
		if want := i >= 3; (answer.Code == http.StatusTooManyRequests) != want {
			t.Errorf("the request %d: %d", i, answer.Code)
		}
	}
	for range 6 { // to the new addresses, and to the one in use
		box.Next(t)
	}
	nothing(t, w, box)
}

// Letters are few, and for all: nobody uses them up by doing one thing over and over, nor fills
// the log and the owner's mailbox.
func TestTheSameActOverAndOverIsSlowedAndWrittenOfAFewTimes(t *testing.T) {
	w, box := withMail(t)
	b := w.signedIn(t, "ann@example.com")
	b.enrols(t)
	wantLetter(t, box, "ann@example.com", "A second factor was added")
	form := fields(t, b.get(factorsPath), factorsPath)
	form.Set("act", "codes")
	form.Del("factor")
	made := 0
	for range 200 {
		answer := b.post(factorsPath, form)
		shownCodes(answer)
		if answer.Code == http.StatusOK {
			made++
		}
	}
	if made < 20 || made > 60 {
		t.Errorf("%d of 200 acts at once were done", made)
	}
	for range noticesAtOnce {
		wantLetter(t, box, "ann@example.com", "New recovery codes were made")
	}
	nothing(t, w, box)
	w.pass(time.Minute)
	w.signedIn(t, "bob@example.com").enrols(t)
	wantLetter(t, box, "bob@example.com", "A second factor was added")
}

// An address may read as a link, which programs that show letters make of it: nobody has us
// bring theirs to somebody else.
func TestALetterBringsNoLinkThatSomebodyHasForAnAddress(t *testing.T) {
	w, box := withMail(t)
	const lure = "www.evil.example/reset@evil.example"
	must(t, w.Store.CreateUser(t.Context(), store.User{
		ID: people.NewID(), Email: lure, Login: lure, Name: "x", PasswordHash: rightHash(), CreatedAt: w.Now(), EmailProvenBy: "mail", EmailProvenAt: w.Now(),
	}, store.Event{Time: w.Now(), Action: "user.created"}))
	b := w.signedIn(t, lure)
	wantTo(t, "asking", b.act(t, addressPath, "act", "change", "email", "victim@elsewhere.example"), "/account/address/?done=changing")
	for l := box.Next(t); ; l = box.Next(t) {
		if l.To != "victim@elsewhere.example" {
			continue
		}
		if linkIn(t, l); strings.Contains(l.Text, "www.evil") || !strings.Contains(l.Text, "signed in to another account") {
			t.Errorf("it brings the lure:\n%s", l.Text)
		}
		return
	}
}
