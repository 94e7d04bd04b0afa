package login

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/zalando/go-keyring"
)

// SystemKeyring keeps secrets in the keyring of the operating system: the Secret Service of
// Linux desktops, the macOS Keychain, the Windows Credential Manager. A keyring that is
// locked asks its owner to unlock it, which takes a while, and on a machine without a
// display for ever.
type SystemKeyring struct {
	Patience time.Duration // how long it may take to answer
}

// keyringService is what entries are filed under; a person sees it in the keyring's viewer.
const keyringService = "gatehouse"

var (
	errTooBig    = errors.New("the keyring takes no secret of this size")
	errNoAnswer  = errors.New("the keyring did not answer; is it locked?")
	errNoSession = errors.New("there is no D-Bus session")
)

func account(l Login) string { return l.Issuer + " " + l.ClientID }

// Get returns the secret of a login.
func (k SystemKeyring) Get(ctx context.Context, l Login) (secret []byte, err error) {
	text, err := k.ask(ctx, func() (string, error) { return keyring.Get(keyringService, account(l)) })
	return []byte(text), err
}

// Set replaces the secret of a login.
func (k SystemKeyring) Set(ctx context.Context, l Login, secret []byte) error {
	_, err := k.ask(ctx, func() (string, error) { return "", keyring.Set(keyringService, account(l), string(secret)) })
	return err
}

// Delete forgets the secret of a login, if there is one.
func (k SystemKeyring) Delete(ctx context.Context, l Login) error {
	_, err := k.ask(ctx, func() (string, error) { return "", keyring.Delete(keyringService, account(l)) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Answers is nil if there is a keyring and it keeps what it is given.
func (k SystemKeyring) Answers(ctx context.Context) error {
	probe := Login{Issuer: "probe", ClientID: rand.Text()}
	if err := k.Set(ctx, probe, []byte(probe.ClientID)); err != nil {
		return err
	}
	got, err := k.Get(ctx, probe)
	if err == nil && string(got) != probe.ClientID {
		err = errors.New("the keyring did not keep what it was given")
	}
	return errors.Join(err, k.Delete(ctx, probe))
}

// ask calls the keyring, which cannot be interrupted, and waits no longer than patience. A
// call that is given up goes on until the process ends.
func (k SystemKeyring) ask(ctx context.Context, call func() (string, error)) (string, error) {
	if err := sessionBus(); err != nil {
		return "", err
	}
	type answer struct {
		text string
		err  error
	}
	ctx, cancel := context.WithTimeout(ctx, k.Patience)
	defer cancel()
	answered := make(chan answer, 1)
	go func() {
		text, err := call()
		answered <- answer{text, err}
	}()
	select {
	case a := <-answered:
		return a.text, translate(a.err)
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return "", errNoAnswer
		}
		return "", ctx.Err()
	}
}

func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, keyring.ErrNotFound):
		return fs.ErrNotExist
	case errors.Is(err, keyring.ErrSetDataTooBig):
		return errTooBig
	}
	return fmt.Errorf("ask the keyring: %w", err)
}

// sessionBus is nil where a Secret Service could be. Without this look the D-Bus library
// would start a bus of its own, with nothing on it.
func sessionBus() error {
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" || os.Getenv("DBUS_SESSION_BUS_ADDRESS") != "" {
		return nil
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		if _, err := os.Stat(filepath.Join(dir, "bus")); err == nil { //nolint:gosec // the person's own environment; nothing is read
			return nil
		}
	}
	return errNoSession
}
