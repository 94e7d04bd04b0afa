package cli

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/pflag"

	"github.com/gatehouse-dev/gatehouse/internal/login"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// How long a keyring may take to answer: a person may have to unlock it first. Where it was
// not asked for, a keyring that does not answer soon counts as none.
const (
	keyringPatience = time.Minute
	probePatience   = 10 * time.Second
)

// loginBook is where this person's logins are kept on this machine.
func loginBook() (*login.Book, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return nil, fmt.Errorf("find the directory for logins: %w; set HOME, or XDG_CONFIG_HOME to a directory of yours", err)
	}
	return &login.Book{
		Dir:     filepath.Join(dir, "gatehouse", "logins"),
		Keyring: login.SystemKeyring{Patience: keyringPatience},
	}, nil
}

func loginClient(issuer, clientID string) *login.Client {
	return &login.Client{
		Issuer: issuer, ClientID: clientID, HTTP: login.NewHTTP(),
		UserAgent: "gatehouse/" + version + " (" + runtime.GOOS + ")",
		Now:       time.Now, Wait: login.Sleep,
	}
}

// which selects a login that is kept.
type which struct{ issuer, clientID string }

func whichFlags(flags *pflag.FlagSet) *which {
	var w which
	flags.StringVar(&w.issuer, "issuer", "", "use the login to this server; default: the newest")
	flags.StringVar(&w.clientID, "client-id", "", "use the login with this client ID; default: the newest")
	return &w
}

// open returns the login that is selected.
func (w *which) open() (*login.Session, error) {
	book, err := loginBook()
	if err != nil {
		return nil, err
	}
	l, err := book.Find(w.issuer, w.clientID)
	if err != nil {
		return nil, signInCure(err, login.Login{Issuer: w.issuer, ClientID: w.clientID})
	}
	return &login.Session{Client: loginClient(l.Issuer, l.ClientID), Book: book, Login: l}, nil
}

// signInCure says how to sign in where that is the cure, and gives it an exit code of its own.
func signInCure(err error, l login.Login) error {
	var refused *login.Refusal
	if errors.As(err, &refused) && refused.Code == oauth.InvalidClient {
		return fmt.Errorf("%w; ask whoever declares the ApiApplication %s whether it is Ready, or suspended or deleted", err, l.ClientID)
	}
	if !errors.Is(err, login.ErrNone) && !errors.Is(err, login.ErrEnded) {
		return err
	}
	return &exitError{exitSignIn, fmt.Errorf("%w; run `gatehouse login --issuer %s --client-id %s`", err, cmp.Or(l.Issuer, "URL"), cmp.Or(l.ClientID, "ID"))}
}

// who names a person and where the login works.
func who(p login.Person, o login.Organization) string {
	name := cmp.Or(p.Name, p.Email, p.ID, "somebody whom the server does not name")
	if p.Email != "" && p.Email != name {
		name += " <" + p.Email + ">"
	}
	if o.Slug != "" {
		name += " at " + o.Slug
	}
	return printable(name)
}
