// Package upstreamtest holds what every backend must do, whatever its type, and a provider
// for tests that does what it is told, right or wrong. It is never a part of Gatehouse.
//
// Start reading at Run.
package upstreamtest

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/upstream"
)

// World is one provider with a backend of it, and somebody who can sign in there.
type World struct {
	Provider *model.Provider
	Env      upstream.Env
	// Return does what a person does at the provider, and is what the browser brings back.
	// Nil: the backend asks for credentials.
	Return func(t testing.TB, step upstream.Step) url.Values
	Right  upstream.Attempt // the credentials, where it asks; Now is set by the suite
	// Faults put the provider out of order; the empty name puts it right. Each must make a
	// sign-in at a backend that has never asked it fail.
	Faults map[string]func()
	// Refusal is an answer by which the provider says no. Nil: its protocol has none.
	Refusal url.Values
	// Handle is the parameter of an answer that carries Step.Handle: "state", "RelayState".
	Handle string
	// Secrets returns what no error may show.
	Secrets func() []string
}

func (w *World) backend(t testing.TB) upstream.Backend {
	t.Helper()
	b, err := upstream.New(w.Provider, w.Env)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// signIn is a whole sign-in.
func (w *World) signIn(ctx context.Context, t testing.TB, b upstream.Backend) (upstream.Proof, error) {
	t.Helper()
	a := w.Right
	a.Now = Now
	step, err := b.Authenticate(ctx, a)
	if err != nil {
		return upstream.Proof{}, err
	}
	if step.Proof != nil {
		return *step.Proof, nil
	}
	return b.Validate(ctx, upstream.Answer{Now: Now, State: step.State, Form: w.Return(t, step)})
}

// Run checks that the backends of a type do what is expected of all of them. Each test has a
// world of its own.
func Run(t *testing.T, fresh func(t *testing.T) *World) {
	type check struct {
		name string
		run  func(*testing.T, *World)
	}
	checks := []check{
		{"it describes itself without asking anybody", describes},
		{"somebody signs in", signsIn},
		{"many sign in at the same time", inParallel},
		{"who hangs up is not waited for", hangsUp},
		{"a provider that is out of order", outOfOrder},
		{"an address that may not be reached is not", refusedAddress},
		{"nobody is found who is not known", findsNobody},
	}
	if fresh(t).Return == nil {
		checks = append(checks, check{"only the right credentials prove something", refusesCredentials})
	} else {
		checks = append(checks, check{"each sign-in is its own", random}, check{"what proves nothing is refused", refusesAnswers})
	}
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) { c.run(t, fresh(t)) })
	}
}

func describes(t *testing.T, w *World) {
	if down := w.Faults[Down]; down != nil {
		down()
	}
	d := w.backend(t).Describe()
	asks := w.Return == nil
	if d.Asks != asks || (d.CallbackURL == "") != asks {
		t.Errorf("%+v", d)
	}
	if want := Issuer + "/login/callback/" + w.Provider.UID + "/"; !asks && d.CallbackURL != want {
		t.Errorf("callback %s, not %s", d.CallbackURL, want)
	}
}

func signsIn(t *testing.T, w *World) {
	p, err := w.signIn(t.Context(), t, w.backend(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Claims) == 0 {
		t.Error("nothing was proven")
	}
	if _, err := json.Marshal(p.Claims); err != nil {
		t.Errorf("the claims are not in JSON's types: %v", err)
	}
}

func random(t *testing.T, w *World) {
	b := w.backend(t)
	seen := map[string]bool{}
	for range 20 {
		step, err := b.Authenticate(t.Context(), upstream.Attempt{Now: Now})
		if err != nil {
			t.Fatal(err)
		}
		if len(step.Handle) < 22 || seen[step.Handle] || seen[step.Redirect] || seen[string(step.State)] {
			t.Fatalf("%q is not new, or too short", step.Handle)
		}
		if !strings.HasPrefix(step.Redirect, "https://") || step.Proof != nil {
			t.Errorf("%+v", step)
		}
		seen[step.Handle], seen[step.Redirect], seen[string(step.State)] = true, true, true
	}
}

func refusesAnswers(t *testing.T, w *World) {
	b := w.backend(t)
	other := *w.Provider
	other.UID = "another-uid"
	elsewhere, err := upstream.New(&other, w.Env)
	if err != nil {
		t.Fatal(err)
	}
	begin := func() upstream.Answer {
		step, err := b.Authenticate(t.Context(), upstream.Attempt{Now: Now})
		if err != nil {
			t.Fatal(err)
		}
		return upstream.Answer{Now: Now, State: step.State, Form: w.Return(t, step)}
	}
	refuses := func(name string, by upstream.Backend, a upstream.Answer) {
		t.Helper()
		p, err := by.Validate(t.Context(), a)
		if !errors.Is(err, upstream.ErrRefused) || p.Claims != nil {
			t.Errorf("%s: %v, %v", name, p.Claims, err)
		}
		w.unseen(t, err)
	}
	// Each is right but for one thing: what was refused before may be used up.
	for name, change := range map[string]func(*upstream.Answer){
		"without a state":              func(a *upstream.Answer) { a.State = nil },
		"with a state that is none":    func(a *upstream.Answer) { a.State = json.RawMessage(`{}`) },
		"with a state that is no JSON": func(a *upstream.Answer) { a.State = json.RawMessage(`{`) },
		"with a handle of nobody":      func(a *upstream.Answer) { a.Form = With(a.Form, w.Handle, "nobody") },
		"without a handle":             func(a *upstream.Answer) { a.Form = With(a.Form, w.Handle) },
		"with an empty handle":         func(a *upstream.Answer) { a.Form = With(a.Form, w.Handle, "") },
		"with two handles":             func(a *upstream.Answer) { a.Form = With(a.Form, w.Handle, a.Form.Get(w.Handle), a.Form.Get(w.Handle)) },
		"too late":                     func(a *upstream.Answer) { a.Now = Now.Add(2 * time.Hour) },
		"before it began":              func(a *upstream.Answer) { a.Now = Now.Add(-2 * time.Hour) },
		"with nothing but the handle":  func(a *upstream.Answer) { a.Form = url.Values{w.Handle: a.Form[w.Handle]} },
		"with nothing":                 func(a *upstream.Answer) { a.Form = nil },
	} {
		a := begin()
		change(&a)
		refuses(name, b, a)
	}
	one, two := begin(), begin()
	refuses("with the state of another sign-in", b, upstream.Answer{Now: Now, State: two.State, Form: one.Form})
	refuses("at another provider", elsewhere, begin())
	if w.Refusal != nil {
		form := url.Values{w.Handle: two.Form[w.Handle]}
		for name, values := range w.Refusal {
			form[name] = values
		}
		refuses("that says no", b, upstream.Answer{Now: Now, State: two.State, Form: form})
	}
	p, err := b.Validate(t.Context(), two)
	if err != nil {
		t.Fatalf("an answer that is right: %v", err)
	}
	if p.Once == "" { // else the caller takes it once
		refuses("a second time", b, two)
	}
}

func refusesCredentials(t *testing.T, w *World) {
	b := w.backend(t)
	for name, change := range map[string]func(*upstream.Attempt){
		"another password":            func(a *upstream.Attempt) { a.Password += "x" },
		"no password":                 func(a *upstream.Attempt) { a.Password = "" },
		"a zero byte":                 func(a *upstream.Attempt) { a.Password = "\x00" },
		"a password with white space": func(a *upstream.Attempt) { a.Password = " " + a.Password },
		"another name":                func(a *upstream.Attempt) { a.Username = "nobody-" + a.Username },
		"no name":                     func(a *upstream.Attempt) { a.Username = "" },
		"a pattern":                   func(a *upstream.Attempt) { a.Username = "*" },
		"neither":                     func(a *upstream.Attempt) { a.Username, a.Password = "", "" },
	} {
		a := w.Right
		a.Now = Now
		change(&a)
		step, err := b.Authenticate(t.Context(), a)
		if !errors.Is(err, upstream.ErrRefused) || step.Proof != nil {
			t.Errorf("%s: %v, %v", name, step.Proof, err)
		}
		w.unseen(t, err)
	}
	if p, err := b.Validate(t.Context(), upstream.Answer{Now: Now, State: json.RawMessage(`{}`), Form: url.Values{"code": {"x"}, "state": {"x"}}}); !errors.Is(err, upstream.ErrRefused) || p.Claims != nil {
		t.Errorf("an answer where none is awaited: %v, %v", p.Claims, err)
	}
}

func inParallel(t *testing.T, w *World) {
	b := w.backend(t)
	var people sync.WaitGroup
	for range 8 {
		people.Go(func() {
			if _, err := w.signIn(t.Context(), t, b); err != nil {
				t.Error(err)
			}
			b.Describe()
		})
	}
	if p, ok := b.(upstream.Prober); ok {
		people.Go(func() {
			if err := p.Probe(t.Context(), Now); err != nil {
				t.Error(err)
			}
		})
	}
	people.Wait()
}

func hangsUp(t *testing.T, w *World) {
	slow := w.Faults[Slow]
	if slow == nil {
		return // nobody is asked
	}
	slow()
	for name, patience := range map[string]time.Duration{"at once": 0, "while it waits": 50 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		began := time.Now()
		if p, err := w.signIn(ctx, t, w.backend(t)); err == nil {
			t.Errorf("%s: a sign-in for nobody: %v", name, p.Claims)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%s: waited %v", name, took)
		}
		cancel()
	}
}

func outOfOrder(t *testing.T, w *World) {
	for name, fault := range w.Faults {
		if name == "" || name == Slow {
			continue
		}
		fault()
		p, err := w.signIn(t.Context(), t, w.backend(t))
		if !errors.Is(err, upstream.ErrUnavailable) && !errors.Is(err, upstream.ErrRefused) || p.Claims != nil {
			t.Errorf("%s: %v, %v", name, p.Claims, err)
		}
		w.unseen(t, err)
		if prober, ok := w.backend(t).(upstream.Prober); ok {
			w.unseen(t, prober.Probe(t.Context(), Now))
		}
		if right := w.Faults[""]; right != nil {
			right()
		}
	}
	if _, err := w.signIn(t.Context(), t, w.backend(t)); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

// Whoever writes a declaration chooses an address; the process reaches only those that may
// be.
func refusedAddress(t *testing.T, w *World) {
	if len(w.Faults) == 0 {
		return // nobody is asked
	}
	strict := *w
	strict.Env.Outbound = Env().Outbound
	if p, err := strict.signIn(t.Context(), t, strict.backend(t)); !errors.Is(err, upstream.ErrUnavailable) || p.Claims != nil {
		t.Errorf("%v, %v", p.Claims, err)
	}
}

func findsNobody(t *testing.T, w *World) {
	b := w.backend(t)
	for _, subject := range []string{"", "nobody", "nobody@acme.example", "' OR 1=1 --"} {
		if u, err := b.FindUser(t.Context(), subject); err == nil {
			t.Errorf("%q is %s", subject, u.ID)
		}
	}
}

// unseen: errors are for the log, where no secret may be.
func (w *World) unseen(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	secrets := []string{Inner}
	if w.Secrets != nil {
		secrets = append(secrets, w.Secrets()...)
	}
	for _, s := range secrets {
		if s != "" && strings.Contains(err.Error(), s) {
			t.Errorf("an error shows what it should not: %v", err)
		}
	}
}
