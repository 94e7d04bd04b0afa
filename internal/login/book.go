package login

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// ErrNone means that no such login is kept.
var ErrNone = errors.New("nobody is signed in")

// Where tokens can be kept.
const (
	InKeyring = "keyring" // of the operating system
	InFile    = "file"
)

// Login is one login that is kept, without its secrets.
type Login struct {
	Issuer   string    `json:"issuer"`
	ClientID string    `json:"clientID"`
	Store    string    `json:"store"` // InKeyring or InFile
	At       time.Time `json:"signedInAt"`
}

// name is what the files of a login are called. It has nothing of the issuer's or the
// client's characters in it.
func (l Login) name() string {
	sum := sha256.Sum256([]byte(l.Issuer + "\x00" + l.ClientID))
	return hex.EncodeToString(sum[:12])
}

// Vault keeps the secrets of logins. Get of a login that it does not have is an error that
// is fs.ErrNotExist.
type Vault interface {
	Get(ctx context.Context, l Login) ([]byte, error)
	Set(ctx context.Context, l Login, secret []byte) error
	Delete(ctx context.Context, l Login) error
}

// Book is what one person keeps on one machine: a directory of mode 0700 with a record, a
// lock, and maybe the secrets of each login. Any number of processes may use it at once.
type Book struct {
	Dir     string
	Keyring Vault
}

const (
	recordSuffix = ".json"
	lockSuffix   = ".lock"
)

// Path is the file that holds the secrets of a login that is kept in a file.
func (b *Book) Path(l Login) string { return fileVault(b.Dir).path(l) }

func (b *Book) vault(store string) Vault {
	if store == InKeyring {
		return b.Keyring
	}
	return fileVault(b.Dir)
}

// List returns the logins that are kept, the newest first.
func (b *Book) List() ([]Login, error) {
	found, err := filepath.Glob(filepath.Join(escapeGlob(b.Dir), "*"+recordSuffix))
	if err != nil {
		return nil, fmt.Errorf("list logins: %w", err)
	}
	var all []Login
	for _, path := range found {
		data, err := readPrivate(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // signed out meanwhile
		}
		if err != nil {
			return nil, err
		}
		var l Login
		if err := json.Unmarshal(data, &l); err != nil || l.name()+recordSuffix != filepath.Base(path) {
			return nil, fmt.Errorf("%s cannot be understood: delete it and sign in again", path)
		}
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b Login) int {
		return cmp.Or(b.At.Compare(a.At), strings.Compare(a.name(), b.name()))
	})
	return all, nil
}

// Find returns the login with this issuer and client ID; "" means any, the newest then.
func (b *Book) Find(issuer, clientID string) (Login, error) {
	all, err := b.List()
	if err != nil {
		return Login{}, err
	}
	for _, l := range all {
		if (issuer == "" || l.Issuer == issuer) && (clientID == "" || l.ClientID == clientID) {
			return l, nil
		}
	}
	return Login{}, ErrNone
}

// Tokens returns what is kept of a login.
func (b *Book) Tokens(ctx context.Context, l Login) (Tokens, error) {
	data, err := b.vault(l.Store).Get(ctx, l)
	if errors.Is(err, fs.ErrNotExist) {
		return Tokens{}, ErrNone
	}
	if err != nil {
		return Tokens{}, err
	}
	var t Tokens
	if json.Unmarshal(data, &t) != nil {
		return Tokens{}, errors.New("what is kept of the login cannot be understood: sign in again")
	}
	return t, nil
}

// Add keeps a new login. What was kept of the same issuer and client ID is returned, so that
// it can be revoked: nobody will use it any more.
func (b *Book) Add(ctx context.Context, l Login, t Tokens) (before Tokens, err error) {
	if err := privateDir(b.Dir); err != nil {
		return Tokens{}, err
	}
	unlock, err := b.lock(ctx, l)
	if err != nil {
		return Tokens{}, err
	}
	defer unlock()
	old, err := b.Find(l.Issuer, l.ClientID)
	known := err == nil
	if known {
		before, _ = b.Tokens(ctx, old) // what cannot be read is replaced all the same
	}
	if err := b.keep(ctx, l, t); err != nil {
		return Tokens{}, err
	}
	record, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return Tokens{}, err
	}
	if err := replace(filepath.Join(b.Dir, l.name()+recordSuffix), record); err != nil {
		return Tokens{}, fmt.Errorf("keep the login: %w", err)
	}
	if known && old.Store != l.Store {
		err = b.vault(old.Store).Delete(ctx, old)
	}
	return before, err
}

// keep writes the tokens of a login. Some keyrings take no more than 2.5 kB: of what does not
// fit, the access and the ID token are the ones that can be had again.
func (b *Book) keep(ctx context.Context, l Login, t Tokens) error {
	without := t
	without.Access, without.ID = "", ""
	for _, t := range []Tokens{t, without} {
		data, err := json.Marshal(t) //nolint:gosec // the vault is where the secrets belong
		if err != nil {
			return err
		}
		err = b.vault(l.Store).Set(ctx, l, data)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, errTooBig):
			return fmt.Errorf("keep the login: %w", err)
		case t.Refresh == "": // nothing to have the others again with
			return fmt.Errorf("keep the login: %w; sign in with --store file", err)
		}
	}
	return fmt.Errorf("keep the login: %w; sign in with --store file", errTooBig)
}

// Remove forgets a login. The record goes last: until then a second try finds it.
func (b *Book) Remove(ctx context.Context, l Login) error {
	unlock, err := b.lock(ctx, l)
	if err != nil {
		return err
	}
	defer unlock()
	if err := b.vault(l.Store).Delete(ctx, l); err != nil {
		return fmt.Errorf("forget the login: %w", err)
	}
	if err := os.Remove(filepath.Join(b.Dir, l.name()+recordSuffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget the login: %w", err)
	}
	return nil
}

// How long a process waits for another one that uses the same login: longer than that may
// take to refresh.
const (
	lockPatience = 45 * time.Second
	lockRetry    = 20 * time.Millisecond
)

// lock keeps other processes from using the login until unlock. It ends with the process,
// however that ends. The file stays: removing it would let two hold the lock.
func (b *Book) lock(ctx context.Context, l Login) (unlock func(), err error) {
	limited, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	f := flock.New(filepath.Join(b.Dir, l.name()+lockSuffix), flock.SetPermissions(0o600))
	if _, err := f.TryLockContext(limited, lockRetry); err != nil {
		if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
			return nil, fmt.Errorf("another process holds %s for longer than %v: end it and try again", f.Path(), lockPatience)
		}
		return nil, fmt.Errorf("lock the login: %w", err)
	}
	return func() { _ = f.Close() }, nil
}

func escapeGlob(dir string) string {
	return strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}
