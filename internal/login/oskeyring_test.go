package login

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// small is a keyring that takes no more than so many bytes.
type small struct {
	kept  []byte
	limit int
}

func (s *small) Get(context.Context, Login) ([]byte, error) { return s.kept, nil }
func (s *small) Delete(context.Context, Login) error        { return nil }
func (s *small) Set(_ context.Context, _ Login, secret []byte) error {
	if len(secret) > s.limit {
		return errTooBig
	}
	s.kept = secret
	return nil
}

func TestAKeyringThatTakesLittleKeepsWhatCannotBeHadAgain(t *testing.T) {
	l := Login{Issuer: "https://auth.example.com", ClientID: "cli", Store: InKeyring}
	long := Tokens{Refresh: "refresh", Access: Secret(strings.Repeat("a", 3000)), ID: "id", Scopes: oauth.NewScopeSet("openid")}
	b := &Book{Dir: t.TempDir() + "/logins", Keyring: &small{limit: 2500}}
	if _, err := b.Add(t.Context(), l, long); err != nil {
		t.Fatal(err)
	}
	got, err := b.Tokens(t.Context(), l)
	if err != nil || got.Refresh != "refresh" || got.Access != "" || !got.Scopes.Has("openid") || got.AccessFresh(time.Time{}) {
		t.Errorf("%v", err)
	}
	long.Refresh = "" // nothing to have it again with
	if _, err := b.Add(t.Context(), l, long); !errors.Is(err, errTooBig) || !strings.Contains(err.Error(), "--store file") {
		t.Error(err)
	}
}

func TestWithoutASessionThereIsNoKeyring(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	if err := (SystemKeyring{Patience: time.Minute}).Answers(t.Context()); !errors.Is(err, errNoSession) {
		t.Error(err)
	}
}

func TestAKeyringThatDoesNotAnswerIsGivenUp(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
	forever := make(chan struct{})
	defer close(forever)
	wait := func() (string, error) { <-forever; return "", nil }
	if _, err := (SystemKeyring{Patience: time.Millisecond}).ask(t.Context(), wait); !errors.Is(err, errNoAnswer) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (SystemKeyring{Patience: time.Minute}).ask(ctx, wait); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// This one needs gnome-keyring and runs where it is installed. It starts this test again on
// a bus and in a home of its own, and never touches anybody's keyring.
func TestTheKeyringOfADesktopKeepsALogin(t *testing.T) {
	if os.Getenv("GATEHOUSE_TEST_KEYRING") == "" {
		for _, program := range []string{"dbus-run-session", "gnome-keyring-daemon"} {
			if _, err := exec.LookPath(program); err != nil {
				t.Skip(program + " is not installed: apt-get install dbus gnome-keyring")
			}
		}
		home := t.TempDir()
		const script = `printf secret | gnome-keyring-daemon --unlock --components=secrets --control-directory="$HOME" >/dev/null && exec "$@"`
		cmd := exec.CommandContext(t.Context(), "dbus-run-session", "--", "sh", "-c", script, "sh",
			os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), "GATEHOUSE_TEST_KEYRING=1", "HOME="+home, "XDG_RUNTIME_DIR="+home, "XDG_DATA_HOME="+home, "XDG_CONFIG_HOME="+home)
		cmd.WaitDelay = 10 * time.Second
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS: "+t.Name()) {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	k := SystemKeyring{Patience: 20 * time.Second}
	if err := k.Answers(t.Context()); err != nil {
		t.Fatal(err)
	}
	one, other := Login{Issuer: "https://auth.example.com", ClientID: "one"}, Login{Issuer: "https://auth.example.com", ClientID: "other"}
	for _, l := range []Login{one, other, one} { // the second write replaces
		if err := k.Set(t.Context(), l, []byte("of "+l.ClientID)); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Delete(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if got, err := k.Get(t.Context(), one); err != nil || string(got) != "of one" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := k.Get(t.Context(), other); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := k.Delete(t.Context(), other); err != nil {
		t.Errorf("deleting what is not there: %v", err)
	}
}
