package server

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/tokens"
)

// restart is the same process anew: all that it had in memory is gone.
func (w *town) restart(t *testing.T) {
	t.Helper()
	w.errands.wait()
	var err error
	w.Server, err = New(t.Context(), w.Config)
	must(t, err)
	w.errands.within = 0
	w.publish(t)
}

// inTurn are two processes on one store that take requests in turn, and restart in between.
func inTurn(t *testing.T, w *town) func(i int) *town {
	two := w.twin(t)
	return func(i int) *town {
		at := []*town{w, two}[i%2]
		if i%7 == 6 {
			at.restart(t)
		}
		two.mu.Lock()
		two.clock = w.Now()
		two.mu.Unlock()
		return at
	}
}

// ASVS 6.1.1, 6.3.1: whatever restarts in between, and on whichever process of one store.
func TestAHundredWrongPasswordsAreSlowedOverRestartsAndProcesses(t *testing.T) {
	w := newTown(t)
	home := w.signedIn(t, "ann@example.com") // at the same address as who guesses
	at := inTurn(t, w)
	looked := 0
	for i := range 100 {
		b := at(i).open()
		if answer := b.signIn(t, "ann@example.com", "guess"); answer.Code == http.StatusForbidden {
			looked++
		} else if answer.Code != http.StatusTooManyRequests || answer.Header().Get("Retry-After") == "" {
			t.Fatalf("guess %d: %d", i, answer.Code)
		}
		w.pass(time.Second)
	}
	if looked < 5 || looked > 12 {
		t.Errorf("%d of 100 guesses within 100 s were looked at, want 5 and one after 1, 2, 4, … s", looked)
	}
	w.restart(t)
	elsewhere := w.open()
	elsewhere.ip = "198.51.100.9"
	wantTo(t, "the owner elsewhere", elsewhere.signIn(t, "ann@example.com", rightPassword), "/")
	delete(home.cookies, "__Host-gatehouse")
	wantTo(t, "the owner's device at the guesser's address", home.signIn(t, "ann@example.com", rightPassword), "/")
}

// crowd guesses at ann's account, once from each of many sources, and returns how many
// guesses were looked at.
func crowd(t *testing.T, at func(int) *town, n int, pause time.Duration) (looked int) {
	t.Helper()
	for i := range n {
		w := at(i)
		b := w.open()
		b.ip = fmt.Sprintf("203.0.%d.%d", i/250, i%250+1)
		if b.signIn(t, "ann@example.com", "guess").Code == http.StatusForbidden {
			looked++
		}
		at(0).pass(pause)
	}
	return looked
}

// ASVS 6.1.1, 6.3.1: an attack from everywhere goes slower and slower, and the owner gets in
// from where they have been before, by their device, and by an act of theirs or an
// administrator's.
func TestAGuessingCrowdIsSlowedMoreAndMoreAndLocksNobodyOut(t *testing.T) {
	w := newTown(t)
	home := w.open()
	home.ip = "198.51.100.9"
	wantTo(t, "before", home.signIn(t, "ann@example.com", rightPassword), "/")
	at := inTurn(t, w)
	if looked := crowd(t, at, 300, 10*time.Second); looked < 90 || looked > 100 {
		t.Errorf("%d guesses within 50 minutes were looked at, want 50, ten in each of 100, 200, 400 and 800 s, and a few", looked)
	}
	w.restart(t)
	stranger := w.open()
	stranger.ip = "192.0.2.200"
	answer := stranger.signIn(t, "ann@example.com", rightPassword)
	want(t, "a stranger with the right password meanwhile", answer, http.StatusTooManyRequests, "too many")
	usual := w.open()
	usual.ip = home.ip
	wantTo(t, "the owner's usual address", usual.signIn(t, "ann@example.com", rightPassword), "/")
	delete(home.cookies, "__Host-gatehouse")
	home.ip = "192.0.2.201"
	wantTo(t, "the owner's device on the way", home.signIn(t, "ann@example.com", rightPassword), "/")

	another := w.open()
	another.ip = "192.0.2.202"
	want(t, "another person's account", another.signIn(t, "bob@example.com", "guess"), http.StatusForbidden, "do not match")
	key := w.Keyring.LookupKey()
	must(t, people.Unlock(t.Context(), w.Store, key, w.ann(t), store.Event{Time: w.Now(), Actor: "operator", Action: "user.unlocked"}))
	wantTo(t, "a new place after an administrator unlocked", stranger.signIn(t, "ann@example.com", rightPassword), "/")

	crowd(t, at, 80, 10*time.Second)
	late := w.open()
	late.ip = "192.0.2.203"
	want(t, "a new place while it goes on", late.signIn(t, "ann@example.com", rightPassword), http.StatusTooManyRequests, "too many")
	if code := w.open().reset(t, w.link(t), newPassword); code != http.StatusOK {
		t.Fatalf("reset: %d", code)
	}
	wantTo(t, "a new place after the owner's reset", late.signIn(t, "ann@example.com", newPassword), "/")
}

// ASVS 6.3.1
func TestAThousandWrongPasswordsSpreadOverAccountsAreSlowedOverRestartsAndProcesses(t *testing.T) {
	w := newTown(t)
	at := inTurn(t, w)
	looked := 0
	for i := range 1000 {
		b := at(i).open()
		b.ip = fmt.Sprintf("2001:db8::%x", i) // one customer's network
		if b.signIn(t, fmt.Sprintf("user%d@example.com", i), "guess").Code == http.StatusForbidden {
			looked++
		}
	}
	if looked != 20 {
		t.Errorf("%d of 1000 guesses at once were looked at, want 20", looked)
	}
	b := at(0).open()
	b.ip = "2001:db8:1::1"
	want(t, "somebody else", b.signIn(t, "user1@example.com", "guess"), http.StatusForbidden, "do not match")
}

// ASVS 6.6.2-3
func TestTwentyWrongDeviceCodesAreSlowedOverRestartsAndProcesses(t *testing.T) {
	w := newTown(t)
	b := w.signedIn(t, "ann@example.com")
	at := inTurn(t, w)
	looked := 0
	for i := range 20 {
		b.town = at(i)
		b.ip = fmt.Sprintf("203.0.113.%d", i+1) // the session and the person stay
		switch answer := b.get("/oauth/device/?user_code=" + tokens.NewUserCode().String()); answer.Code {
		case http.StatusBadRequest:
			looked++
		case http.StatusTooManyRequests:
		default:
			t.Fatalf("guess %d: %d", i, answer.Code)
		}
	}
	if looked != 10 {
		t.Errorf("%d of 20 codes at once were looked at, want 10", looked)
	}
	b.town = w
	code := w.ask(t, "org:read")
	other := w.signedIn(t, "bob@example.com")
	want(t, "another person", other.get("/oauth/device/?user_code="+code.String()), http.StatusOK, code.String())
	w.pass(time.Minute)
	want(t, "after a minute", b.get("/oauth/device/?user_code="+code.String()), http.StatusOK, code.String())
}

// ASVS 6.3.1: codes of an app.
func TestElevenWrongCodesOfAnAppAreSlowedOverRestartsAndProcesses(t *testing.T) {
	w, a := withApp(t)
	home := w.open()
	home.ip = "198.51.100.9"
	wantTo(t, "before", home.second(home.password(t), a.code()), "/")
	w.pass(30 * time.Second)
	at := inTurn(t, w)
	thief := w.open()
	thief.ip = "203.0.113.66"
	form := thief.password(t)
	looked := 0
	for i := range 11 {
		thief.town = at(i)
		if thief.second(form, "000000").Code == http.StatusForbidden {
			looked++
		}
	}
	if looked != 5 {
		t.Errorf("%d of 11 codes at once were looked at, want 5", looked)
	}
	w.restart(t)
	w.pass(30 * time.Second)
	stranger := w.open()
	stranger.ip = "192.0.2.77"
	for range 5 { // one in 4 s came back meanwhile
		stranger.second(stranger.password(t), "000000")
	}
	want(t, "a new place", stranger.second(stranger.password(t), a.code()), http.StatusTooManyRequests, "too many")
	delete(home.cookies, "__Host-gatehouse")
	home.ip = "192.0.2.78"
	wantTo(t, "the owner's device meanwhile", home.second(home.password(t), a.code()), "/")
}

// A clock that was wrong for a moment, or a row that somebody made up, locks nobody out.
func TestATryInTheFutureHoldsNobodyForLonger(t *testing.T) {
	w := newTown(t)
	w.pass(365 * 24 * time.Hour)
	b := w.open()
	for range 10 {
		b.signIn(t, "ann@example.com", "guess")
	}
	w.pass(-365 * 24 * time.Hour)
	w.restart(t)
	answer := b.signIn(t, "ann@example.com", rightPassword)
	want(t, "then", answer, http.StatusTooManyRequests, "Try again in a second")
}
