package people

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

// maxNameLength bounds the name shown to others, in characters.
const maxNameLength = 128

// NewUser is somebody to create.
type NewUser struct {
	Email    string
	Name     string // empty: the address
	Password string
	Policy   Policy // the zero value is the strictest
	By       string // who proved that the address is theirs: "operator"
	Now      time.Time
}

// Creator is what Create needs of the store.
type Creator interface {
	CreateUser(ctx context.Context, u store.User, ev store.Event) error
}

// Create adds an account. It returns a message with the cure when the address, the name
// or the password will not do, and store.ErrConflict when the address is taken.
func Create(ctx context.Context, db Creator, n NewUser) (store.User, error) {
	email := Address(n.Email)
	if err := CheckAddress(email); err != nil {
		return store.User{}, err
	}
	name := cmp.Or(strings.TrimSpace(n.Name), email)
	if err := CheckName(name); err != nil {
		return store.User{}, err
	}
	if err := n.Policy.Check(n.Password, email, name); err != nil {
		return store.User{}, err
	}
	u := store.User{
		ID: NewID(), Email: email, Login: email, Name: name, PasswordHash: Hash(n.Password),
		CreatedAt: n.Now, EmailProvenBy: n.By, EmailProvenAt: n.Now,
	}
	ev := store.Event{Time: n.Now, Actor: n.By, Action: "user.created", Target: u.ID, Outcome: "ok"}
	if err := db.CreateUser(ctx, u, ev); err != nil {
		return store.User{}, fmt.Errorf("create %s: %w", email, err)
	}
	return u, nil
}

// CheckName says what is wrong with the name of a person.
func CheckName(name string) error {
	if name == "" {
		return errors.New("the name is empty; type one")
	}
	if utf8.RuneCountInString(name) > maxNameLength || strings.ContainsFunc(name, isControl) || !utf8.ValidString(name) {
		return fmt.Errorf("the name must be at most %d characters on one line", maxNameLength)
	}
	return nil
}

// NewID is the ID of a new account.
func NewID() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	return "usr_" + base64.RawURLEncoding.EncodeToString(id)
}
