package people

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

func (a accounts) CreateUsers(_ context.Context, users []store.User, _ store.Event) error {
	for _, u := range users {
		if _, taken := a[u.Email]; taken {
			return store.ErrConflict
		}
	}
	for _, u := range users {
		a[u.Email] = u
	}
	return nil
}

func bcrypted(t *testing.T, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}

func imported(t *testing.T, hash string) (accounts, *Directory) {
	t.Helper()
	a := accounts{}
	line := fmt.Sprintf(`{"email": "Ann@Example.com", "name": "Ann Lee", "passwordHash": %q}`, hash)
	if n, err := Import(t.Context(), a, strings.NewReader(line), "operator", start); n != 1 || err != nil {
		t.Fatalf("imported %d, %v", n, err)
	}
	return a, NewDirectory(a)
}

func TestEveryBadLineOfAnImportIsNamedAndNobodyIsImported(t *testing.T) {
	a, _ := ann(t)
	hash := bcrypted(t, right)
	good := func(email string) string { return fmt.Sprintf(`{"email": %q, "passwordHash": %q}`, email, hash) }
	lines := []string{
		good("bob@example.com"),
		good("ANN@example.com"),
		"",
		good("Bob@Example.com"),
		"email,passwordHash",
		good("cleo@example.com") + " " + good("dan@example.com"),
		good("dan@example.com") + "}",
		fmt.Sprintf(`{"email": "eve@example.com", "passwordHash": %q, "role": "admin"}`, hash),
		fmt.Sprintf(`{"email": %q, "passwordHash": "eve@example.com"}`, hash),
		`{"email": "eve@example.com"}`,
		`{"email": "eve@example.com", "passwordHash": "` + right + `"}`,
		`{"email": "eve@example.com", "passwordHash": 12345678}`,
		fmt.Sprintf(`{"email": "eve@example.com", "name": "Eve\u001b[31m", "passwordHash": %q}`, hash),
		"{\"email\": \"eve@example.com\", \"name\": \"E\xff\"}",
		`[]`,
		`null`,
	}
	n, err := Import(t.Context(), a, strings.NewReader(strings.Join(lines, "\n")), "operator", start)
	if n != 0 || err == nil || len(a) != 1 {
		t.Fatalf("imported %d, now %d, %v", n, len(a), err)
	}
	got := strings.Split(err.Error(), "\n")
	want := []string{
		"line 2: ann@example.com already exists",
		"line 4: bob@example.com is on line 1 too",
		"line 5: must be one JSON object", "line 6: must be one JSON object", "line 7: must be one JSON object",
		"line 8: must be one JSON object",
		"line 9: email: not an address",
		"line 10: passwordHash: missing",
		"line 11: passwordHash: neither bcrypt",
		"line 12: must be one JSON object",
		"line 13: the name must be",
		"line 14: must be one JSON object", "line 15: must be one JSON object",
		"line 16: email: not an address",
	}
	if len(got) != len(want) {
		t.Fatalf("got %d lines:\n%v", len(got), err)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("got %q, want %q", got[i], want[i])
		}
	}
	if strings.Contains(err.Error(), hash[7:]) || strings.Contains(err.Error(), right) || strings.Contains(err.Error(), "1234567") {
		t.Errorf("a hash or a password is printed:\n%v", err)
	}
}

func TestHashesThatCannotBeReadOrCostTooMuchAreNotImported(t *testing.T) {
	b, a := bcrypted(t, right), Hash(right)
	if err := errors.Join(checkHash(b), checkHash(a), checkHash(strings.Replace(b, "$2a$", "$2y$", 1)),
		checkHash(strings.Replace(b, "$04$", "$14$", 1))); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		"", right, "$2$" + b[4:], "$2x$" + b[4:], "$1$abc$def", b[:59], b + "a", b[:59] + "=", b[:59] + "\n", "$2a$",
		strings.Replace(b, "$04$", "$03$", 1), strings.Replace(b, "$04$", "$15$", 1), strings.Replace(b, "$04$", "$31$", 1),
		strings.Replace(b, "$04$", "$-4$", 1), strings.Replace(b, "$04$", "$+4$", 1), strings.Replace(b, "$04$", "$044", 1),
		strings.Replace(a, "m=19456", "m=131073", 1), strings.Replace(a, "m=19456", "m=7", 1), strings.Replace(a, "t=2", "t=11", 1),
		strings.Replace(a, "m=19456", "m=4294967297", 1), strings.Replace(a, "p=1", "p=17", 1), strings.Replace(a, "p=1", "p=0", 1),
		strings.Replace(a, "p=1", "p=1,x", 1), strings.Replace(a, "t=2", "t=02", 1), a + "\n", a + "=", a[:len(a)-4],
		strings.Replace(a, "argon2id", "argon2i", 1), strings.Replace(a, "v=19", "v=16", 1), "$argon2id$",
	} {
		err := checkHash(bad)
		if err == nil {
			t.Errorf("%q may be imported", bad)
			continue
		}
		if len(bad) > 40 && strings.Contains(err.Error(), bad[40:]) || strings.Contains(err.Error(), right) {
			t.Errorf("%q is printed: %v", bad, err)
		}
		if right, _ := verify(bad, right); right {
			t.Errorf("%q is taken at sign-in", bad)
		}
	}
}

// ASVS 6.2.8: bcrypt looks at 72 bytes and takes "a" and "a\x00a" for the same.
func TestBcryptNeverCutsAPassword(t *testing.T) {
	long := strings.Repeat("k7-Zq…", 9) // 72 bytes
	for _, c := range []struct{ set, tried string }{
		{long, long + "x"}, {long, long + "\x00"}, {long, long[:71]}, {long, strings.Repeat("k", 71)},
		{right, right + "\x00" + right}, {right, right + "\x00"}, {right, right + " "}, {right, strings.ToUpper(right)}, {right, ""},
	} {
		_, d := imported(t, bcrypted(t, c.set))
		if _, err := d.SignIn(t.Context(), start, "ann@example.com", c.tried); !errors.Is(err, ErrRefused) {
			t.Errorf("%q is taken for %q: %v", c.tried, c.set, err)
		}
	}
	_, d := imported(t, bcrypted(t, long))
	if _, err := d.SignIn(t.Context(), start, "ann@example.com", long); err != nil {
		t.Errorf("all 72 bytes: %v", err)
	}
}

func TestImportedPeopleSignInAndTheirHashIsRenewed(t *testing.T) {
	hash := bcrypted(t, right)
	for name, hash := range map[string]string{
		"$2a$": hash, "$2b$": "$2b$" + hash[4:], "$2y$": "$2y$" + hash[4:],
		"argon2id": params{memory: 8 << 10, time: 3, threads: 2}.hash(right),
	} {
		a, d := imported(t, hash)
		if _, err := d.SignIn(t.Context(), start, "ann@example.com", "wrong"); !errors.Is(err, ErrRefused) || a["ann@example.com"].PasswordHash != hash {
			t.Errorf("%s: a wrong password: %v", name, err)
		}
		for range 2 {
			u, err := d.SignIn(t.Context(), start, "ann@example.com", right)
			if err != nil || u.Name != "Ann Lee" || u.EmailProvenBy != "operator" || !u.EmailProvenAt.Equal(start) {
				t.Errorf("%s: %+v, %v", name, u.ID, err)
			}
			if p, _, _, err := parse(a["ann@example.com"].PasswordHash); err != nil || p != today {
				t.Errorf("%s: renewed as %+v, %v", name, p, err)
			}
		}
	}
}

func (p params) hash(password string) string {
	salt := []byte("0123456789abcdef")
	return p.format(salt, p.derive(password, salt))
}

func TestWhoIsImportedDisabledDoesNotSignIn(t *testing.T) {
	a := accounts{}
	line := fmt.Sprintf(`{"email": "ann@example.com", "passwordHash": %q, "disabled": true}`, bcrypted(t, right))
	if _, err := Import(t.Context(), a, strings.NewReader(line+"\r\n\n"), "operator", start); err != nil {
		t.Fatal(err)
	}
	if _, err := NewDirectory(a).SignIn(t.Context(), start, "ann@example.com", right); !errors.Is(err, ErrRefused) {
		t.Errorf("got %v", err)
	}
	if name := a["ann@example.com"].Name; name != "ann@example.com" {
		t.Errorf("named %q", name)
	}
}

func TestAnImportIsBounded(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "nobody",
		strings.Repeat("\n", maxImport+1):   "split the file",
		"\n" + strings.Repeat("x", maxLine): "line 2: longer",
	} {
		if n, err := Import(t.Context(), accounts{}, strings.NewReader(text), "operator", start); n != 0 || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d bytes: %d, %v; want %s", len(text), n, err, want)
		}
	}
}

// gone is a store that somebody deletes the account from while its hash is computed.
type gone struct{ accounts }

func (gone) SetPassword(context.Context, string, string, string, store.Event) error {
	return store.ErrNotFound
}

func TestWhoIsDeletedWhileSigningInIsRefused(t *testing.T) {
	a, _ := imported(t, bcrypted(t, right))
	if _, err := NewDirectory(gone{a}).SignIn(t.Context(), start, "ann@example.com", right); !errors.Is(err, ErrRefused) {
		t.Errorf("got %v", err)
	}
}

// resetMeanwhile is an account whose password is reset while a sign-in looks at it.
type resetMeanwhile struct{ accounts }

func (a resetMeanwhile) UserByEmail(ctx context.Context, email string) (store.User, error) {
	u, err := a.accounts.UserByEmail(ctx, email)
	after := u
	after.PasswordHash = "$reset$"
	a.accounts[email] = after
	return u, err
}

// A sign-in that makes an imported hash anew must not bring the old password back.
func TestAHashMadeAnewUndoesNoReset(t *testing.T) {
	a, u := ann(t)
	u.PasswordHash = bcrypted(t, right)
	a[u.Email] = u
	if _, err := NewDirectory(resetMeanwhile{a}).SignIn(t.Context(), start, u.Email, right); !errors.Is(err, ErrRefused) {
		t.Errorf("the password from before the reset: %v", err)
	}
	if got := a[u.Email].PasswordHash; got != "$reset$" {
		t.Errorf("the hash is %s", got)
	}
}
