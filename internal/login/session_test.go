package login_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/login"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

func fresh(t *testing.T, s *login.Session) login.Tokens {
	t.Helper()
	got, err := s.Fresh(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestAnAccessTokenIsReusedUntilShortlyBeforeItsEnd(t *testing.T) {
	w := servertest.New(t)
	s, between := signedIn(t, w, servertest.CLI)
	first := fresh(t, s)
	w.Pass(13*time.Minute + 59*time.Second)
	asked := len(between.asked)
	if got := fresh(t, s); got.Access != first.Access || len(between.asked) != asked {
		t.Error("a token that lasts was thrown away")
	}
	w.Pass(2 * time.Second)
	second := fresh(t, s)
	if second.Access == first.Access || second.Refresh == first.Refresh {
		t.Error("a token that ends within a minute was handed out")
	}
	if got := fresh(t, another(s)); got.Access != second.Access || got.Person.Name != "Ann" {
		t.Error("another process does not see what was refreshed")
	}
}

func TestManyAtOnceRefreshOnceAndAllGoOn(t *testing.T) {
	w := servertest.New(t)
	s, between := signedIn(t, w, servertest.CLI)
	for range 3 {
		w.Pass(15 * time.Minute)
		before := between.count(tokenPath)
		var all sync.WaitGroup
		got := make([]login.Tokens, 8)
		for i := range got {
			all.Go(func() {
				var err error
				if got[i], err = another(s).Fresh(t.Context(), false); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for _, one := range got {
			if one.Access != got[0].Access {
				t.Fatal("different tokens")
			}
		}
		if n := between.count(tokenPath) - before; n != 1 {
			t.Errorf("%d refreshes, want 1", n)
		}
	}
}

// The server takes a used refresh token for stolen, but for 10 s it takes it for one whose
// answer was lost.
func TestALostAnswerIsAskedForAgain(t *testing.T) {
	w := servertest.New(t)
	s, between := signedIn(t, w, servertest.CLI)
	w.Pass(15 * time.Minute)
	lost := 0
	between.after = func(r *http.Request, _ *http.Response) error {
		if r.URL.Path == tokenPath && lost < 2 {
			lost++
			return errWire
		}
		return nil
	}
	fresh(t, s)
	w.Pass(15 * time.Minute)
	fresh(t, s)
}

func TestAfterAWhileALostAnswerIsNotAskedForAgain(t *testing.T) {
	w := servertest.New(t)
	s, between := signedIn(t, w, servertest.CLI)
	w.Pass(15 * time.Minute)
	begun := w.Now()
	between.after = func(r *http.Request, _ *http.Response) error {
		if r.URL.Path == tokenPath {
			return errWire
		}
		return nil
	}
	var away *login.Away
	if _, err := s.Fresh(t.Context(), false); !errors.As(err, &away) {
		t.Fatal(err)
	}
	if took := w.Now().Sub(begun); took > 7*time.Second {
		t.Errorf("the last try began %v after the first", took)
	}
	// Whoever tries again soon enough still finds the login alive.
	between.after = nil
	fresh(t, s)
}

// Killed between the answer and its keeping: the next use has the predecessor.
func TestAProcessThatDiesWithTheSuccessorCostsNothingForTenSeconds(t *testing.T) {
	w := servertest.New(t)
	for _, c := range []struct {
		pass  time.Duration
		alive bool
	}{{9 * time.Second, true}, {11 * time.Second, false}} {
		s, _ := signedIn(t, w, servertest.CLI)
		kept := fresh(t, s)
		w.Pass(15 * time.Minute)
		if _, err := s.Refresh(t.Context(), discover(t, s.Client), kept); err != nil {
			t.Fatal(err)
		}
		w.Pass(c.pass)
		_, err := another(s).Fresh(t.Context(), false)
		if c.alive && err != nil || !c.alive && !errors.Is(err, login.ErrEnded) {
			t.Errorf("after %v: %v", c.pass, err)
		}
	}
}

func TestAnInterruptionDoesNotLoseTheSuccessor(t *testing.T) {
	w := servertest.New(t)
	s, between := signedIn(t, w, servertest.CLI)
	w.Pass(15 * time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	between.before = func(r *http.Request) error {
		if r.URL.Path == tokenPath {
			cancel()
		}
		return nil
	}
	if _, err := s.Fresh(ctx, false); err != nil {
		t.Fatal(err)
	}
	w.Pass(15 * time.Minute)
	fresh(t, s)
}

func TestALoginThatTheServerEndedSaysSo(t *testing.T) {
	w := servertest.New(t)
	s, _ := signedIn(t, w, servertest.CLI)
	w.Pass(25 * time.Hour) // idle for longer than the organization allows
	if _, err := s.Fresh(t.Context(), false); !errors.Is(err, login.ErrEnded) {
		t.Error(err)
	}
	s, _ = signedIn(t, w, servertest.OtherCLI) // has no refresh tokens
	fresh(t, s)
	w.Pass(15 * time.Minute)
	if _, err := s.Fresh(t.Context(), false); !errors.Is(err, login.ErrEnded) {
		t.Error(err)
	}
}

func TestSigningOutEndsTheLoginAtTheServer(t *testing.T) {
	w := servertest.New(t)
	s, _ := signedIn(t, w, servertest.CLI)
	kept := fresh(t, s)
	if unrevoked, err := s.End(t.Context()); unrevoked != nil || err != nil {
		t.Fatal(unrevoked, err)
	}
	if _, err := s.Whoami(t.Context(), kept); !errors.Is(err, login.ErrEnded) {
		t.Errorf("the access token lives on: %v", err)
	}
	if _, err := s.Fresh(t.Context(), false); !errors.Is(err, login.ErrNone) {
		t.Error(err)
	}
}

func TestSigningOutWithoutTheServerForgetsTheLoginAllTheSame(t *testing.T) {
	w := servertest.New(t)
	s, between := signedIn(t, w, servertest.CLI)
	ctx, interrupt := context.WithCancel(t.Context())
	between.before = func(*http.Request) error { interrupt(); return errWire }
	if unrevoked, err := s.End(ctx); unrevoked == nil || err != nil {
		t.Fatal(unrevoked, err)
	}
	if left, _ := filepath.Glob(s.Book.Dir + "/*[^k]"); len(left) > 0 { // but locks
		t.Errorf("left: %v", left)
	}
}

func TestASecretThatOthersCanReadIsRefused(t *testing.T) {
	w := servertest.New(t)
	s, _ := signedIn(t, w, servertest.CLI)
	path := s.Book.Path(s.Login)
	for _, open := range []struct {
		path       string
		mode, good os.FileMode
	}{{path, 0o644, 0o600}, {path, 0o640, 0o600}, {path, 0o602, 0o600}, {s.Book.Dir, 0o755, 0o700}} {
		if err := os.Chmod(open.path, open.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Fresh(t.Context(), false); err == nil || !strings.Contains(err.Error(), open.path+" is open to others") {
			t.Errorf("%s with mode %o: %v", open.path, open.mode, err)
		}
		if err := os.Chmod(open.path, open.good); err != nil {
			t.Fatal(err)
		}
	}
	fresh(t, s)
}

func TestWhatIsKeptIsForItsOwnerOnly(t *testing.T) {
	w := servertest.New(t)
	s, _ := signedIn(t, w, servertest.CLI)
	w.Pass(15 * time.Minute)
	fresh(t, s)
	entries, err := os.ReadDir(s.Book.Dir)
	if err != nil || len(entries) != 3 {
		t.Fatal(entries, err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", e.Name(), info.Mode(), err)
		}
	}
	record, err := os.ReadFile(strings.TrimSuffix(s.Book.Path(s.Login), ".secret") + ".json")
	if got := fresh(t, s); err != nil || strings.Contains(string(record), string(got.Refresh)) || strings.Contains(string(record), string(got.Access)) {
		t.Error("the record has a secret in it", err)
	}
}

func TestLoginsLieSideBySideAndTheNewestIsTheDefault(t *testing.T) {
	w := servertest.New(t)
	s, _ := signedIn(t, w, servertest.CLI)
	other, _ := signedIn(t, w, servertest.GlobexCLI)
	w.Pass(time.Second)
	other.Login.At = w.Now()
	if _, err := s.Book.Add(t.Context(), other.Login, fresh(t, other)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ issuer, client, want string }{
		{"", "", servertest.GlobexCLI}, {w.HTTP.URL, "", servertest.GlobexCLI}, {"", servertest.CLI, servertest.CLI},
		{w.HTTP.URL, servertest.CLI, servertest.CLI}, {"https://auth.example.com", "", ""},
	} {
		if got, _ := s.Book.Find(c.issuer, c.client); got.ClientID != c.want {
			t.Errorf("%+v: %q", c, got.ClientID)
		}
	}
	again := s.Login
	again.At = w.Now().Add(time.Second)
	before, err := s.Book.Add(t.Context(), again, login.Tokens{})
	if err != nil || before.Refresh == "" {
		t.Errorf("the login before is not returned, so that nobody can revoke it: %v", err)
	}
	if got, _ := s.Book.Find("", ""); got.ClientID != servertest.CLI {
		t.Errorf("signing in again did not make it the newest, that is %q", got.ClientID)
	}
}

func TestALoginMovesFromOneStoreToTheOther(t *testing.T) {
	w := servertest.New(t)
	s, _ := signedIn(t, w, servertest.CLI)
	s.Book.Keyring = memory{}
	moved := s.Login
	moved.Store = login.InKeyring
	if _, err := s.Book.Add(t.Context(), moved, fresh(t, s)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.Book.Path(s.Login)); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
	s.Login = moved
	fresh(t, s)
}
