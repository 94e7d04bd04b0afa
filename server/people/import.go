package people

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

const (
	// maxImport bounds one import: it is one transaction, and others wait for it.
	maxImport = 10_000
	maxLine   = 64 << 10 // bytes
)

// Importer is what Import needs of the store.
type Importer interface {
	UserByEmail(ctx context.Context, email string) (store.User, error)
	CreateUsers(ctx context.Context, users []store.User, ev store.Event) error
}

// Import adds the people that the lines of r describe, each a JSON object, and returns how
// many. It adds all or none: the error joins one for each bad line, with its number. An
// error never contains a value that may be a hash. by says who proved the addresses.
func Import(ctx context.Context, db Importer, r io.Reader, by string, now time.Time) (int, error) {
	im := &importing{db: db, by: by, now: now, lineOf: map[string]int{}}
	if err := im.read(ctx, r); err != nil {
		return 0, err
	}
	if len(im.wrong) > 0 {
		return 0, errors.Join(im.wrong...)
	}
	if len(im.users) == 0 {
		return 0, errors.New("there is nobody to import")
	}
	ev := store.Event{Time: now, Actor: by, Action: "user.imported", Outcome: "ok"}
	err := db.CreateUsers(ctx, im.users, ev)
	if errors.Is(err, store.ErrConflict) {
		return 0, errors.New("somebody created one of these addresses just now; try again")
	}
	if err != nil {
		return 0, fmt.Errorf("import: %w", err)
	}
	return len(im.users), nil
}

// importing is what has been read so far.
type importing struct {
	db     Importer
	by     string
	now    time.Time
	users  []store.User
	lineOf map[string]int // by address
	wrong  []error
}

// read judges every line; its error is a fault of the store or of the reader.
func (im *importing) read(ctx context.Context, r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	n := 0
	for lines.Scan() {
		if n++; n > maxImport {
			return fmt.Errorf("more than %d lines; split the file", maxImport)
		}
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		if err := im.line(ctx, n, lines.Bytes()); err != nil {
			return err
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		im.wrong = append(im.wrong, fmt.Errorf("line %d: longer than %d bytes; what follows was not read", n+1, maxLine))
	case err != nil:
		return fmt.Errorf("read line %d: %w", n+1, err)
	}
	return nil
}

// line judges one line.
func (im *importing) line(ctx context.Context, n int, text []byte) error {
	u, err := im.user(text)
	if err != nil {
		im.wrong = append(im.wrong, fmt.Errorf("line %d: %w", n, err))
		return nil
	}
	if first := im.lineOf[u.Email]; first > 0 {
		im.wrong = append(im.wrong, fmt.Errorf("line %d: %s is on line %d too", n, u.Email, first))
		return nil
	}
	im.lineOf[u.Email] = n
	_, err = im.db.UserByEmail(ctx, u.Email)
	switch {
	case err == nil:
		im.wrong = append(im.wrong, fmt.Errorf("line %d: %s already exists", n, u.Email))
	case !errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("look for %s: %w", u.Email, err)
	}
	im.users = append(im.users, u)
	return nil
}

func (im *importing) user(text []byte) (store.User, error) {
	var in struct {
		Email        string `json:"email"`
		Name         string `json:"name"`
		PasswordHash string `json:"passwordHash"`
		Disabled     bool   `json:"disabled"`
	}
	// The decoder's own errors may quote what was meant to be a hash.
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(&in)
	if _, end := d.Token(); err != nil || !errors.Is(end, io.EOF) || !utf8.Valid(text) {
		return store.User{}, errors.New(`must be one JSON object like {"email": "…", "name": "…", "passwordHash": "…", "disabled": false}, with no other field`)
	}
	email := Address(in.Email)
	if CheckAddress(email) != nil {
		return store.User{}, errors.New("email: not an address; write it like ann@example.com")
	}
	name := cmp.Or(strings.TrimSpace(in.Name), email)
	if err := CheckName(name); err != nil {
		return store.User{}, err
	}
	if err := checkHash(in.PasswordHash); err != nil {
		return store.User{}, fmt.Errorf("passwordHash: %w", err)
	}
	return store.User{
		ID: NewID(), Email: email, Login: email, Name: name, PasswordHash: in.PasswordHash, Disabled: in.Disabled,
		CreatedAt: im.now, EmailProvenBy: im.by, EmailProvenAt: im.now,
	}, nil
}

// checkHash says what is wrong with a hash from elsewhere, without showing it.
func checkHash(hash string) error {
	switch {
	case hash == "":
		return errors.New("missing; without one nobody could sign in")
	case isBcrypt(hash):
		return checkBcrypt(hash)
	case strings.HasPrefix(hash, "$argon2id$"):
		_, _, _, err := parse(hash)
		return err
	}
	return errors.New("neither bcrypt ($2a$, $2b$, $2y$) nor argon2id in PHC format")
}
