package people

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const right = "tractor-violin-otter-91"

// accounts is a store of accounts by address.
type accounts map[string]store.User

func (a accounts) UserByEmail(_ context.Context, email string) (store.User, error) {
	if u, ok := a[email]; ok {
		return u, nil
	}
	return store.User{}, store.ErrNotFound
}

func (a accounts) SetPassword(_ context.Context, id, was, hash string, _ store.Event) error {
	for email, u := range a {
		if u.ID == id && u.PasswordHash == was {
			u.PasswordHash = hash
			a[email] = u
			return nil
		}
	}
	return store.ErrNotFound
}

func (a accounts) CreateUser(_ context.Context, u store.User, _ store.Event) error {
	if _, taken := a[u.Email]; taken {
		return store.ErrConflict
	}
	a[u.Email] = u
	return nil
}

func ann(t *testing.T) (accounts, store.User) {
	t.Helper()
	a := accounts{}
	u, err := Create(t.Context(), a, NewUser{Email: " Ann@Example.com ", Name: "Ann Lee", Password: right, By: "operator", Now: start})
	if err != nil {
		t.Fatal(err)
	}
	return a, u
}

// ASVS 6.3.8: one refusal, whatever is wrong, and the hash is computed each time.
func TestEveryRefusalIsTheSame(t *testing.T) {
	a, u := ann(t)
	u.Email, u.Disabled = "disabled@example.com", true
	a[u.Email] = u
	u.Email, u.Disabled, u.PasswordHash = "nopassword@example.com", false, ""
	a[u.Email] = u
	u.Email, u.PasswordHash = "broken@example.com", "$argon2id$v=19$m=99999999,t=2,p=1$c2FsdHNhbHQ$AAAA"
	a[u.Email] = u
	d := NewDirectory(a)
	for _, c := range []struct{ email, password string }{
		{"ann@example.com", "wrong"},
		{"ann@example.com", ""},
		{"nobody@example.com", right},
		{"disabled@example.com", right},
		{"nopassword@example.com", right},
		{"nopassword@example.com", ""},
		{"nopassword@example.com", "the password of nobody"},
		{"nobody@example.com", "the password of nobody"},
		{"broken@example.com", right},
		{"", right},
	} {
		if got, err := d.SignIn(t.Context(), start, c.email, c.password); !errors.Is(err, ErrRefused) || err.Error() != ErrRefused.Error() || got.ID != "" {
			t.Errorf("%q: got %v, %v; want ErrRefused", c.email, got.ID, err)
		}
	}
}

// ASVS 6.2.8
func TestPasswordIsComparedByteForByte(t *testing.T) {
	a, u := ann(t)
	d := NewDirectory(a)
	for _, near := range []string{right + " ", " " + right, strings.ToUpper(right), right[:len(right)-1], right + "\x00"} {
		if _, err := d.SignIn(t.Context(), start, u.Email, near); !errors.Is(err, ErrRefused) {
			t.Errorf("%q is taken for the password", near)
		}
	}
	long := strings.Repeat("x", 72)
	if right, _ := verify(Hash(long+"a"), long+"b"); right {
		t.Error("only the first 72 bytes count")
	}
	if right, _ := verify(Hash("é"), "e\u0301"); right {
		t.Error("passwords are normalised")
	}
}

func TestSignInTakesTheAddressInAnyCase(t *testing.T) {
	a, u := ann(t)
	got, err := NewDirectory(a).SignIn(t.Context(), start, "ANN@example.COM", right)
	if err != nil || got.ID != u.ID {
		t.Fatalf("got %q, %v", got.ID, err)
	}
	if !strings.HasPrefix(u.ID, "usr_") || len(u.ID) != 26 || u.Email != "ann@example.com" || u.EmailProvenBy != "operator" {
		t.Errorf("created %+v", u)
	}
}

func TestWaitingForAHashEndsWithTheRequest(t *testing.T) {
	a, u := ann(t)
	d := NewDirectory(a)
	for range cap(d.slots) {
		d.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.SignIn(ctx, start, u.Email, right); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}
}

func TestOldHashIsRenewedAtSignIn(t *testing.T) {
	a, u := ann(t)
	old := params{memory: 8 << 10, time: 1, threads: 1}
	salt := []byte("0123456789abcdef")
	u.PasswordHash = old.format(salt, old.derive(right, salt))
	a[u.Email] = u
	d := NewDirectory(a)
	if _, err := d.SignIn(t.Context(), start, u.Email, "wrong"); !errors.Is(err, ErrRefused) || a[u.Email].PasswordHash != u.PasswordHash {
		t.Fatalf("a wrong password renewed the hash: %v", err)
	}
	if _, err := d.SignIn(t.Context(), start, u.Email, right); err != nil {
		t.Fatal(err)
	}
	if p, _, _, err := parse(a[u.Email].PasswordHash); err != nil || p != today {
		t.Errorf("hash has parameters %+v, %v", p, err)
	}
	if _, err := d.SignIn(t.Context(), start, u.Email, right); err != nil {
		t.Errorf("after the renewal: %v", err)
	}
}

func TestUnreadableHashesAreNobodys(t *testing.T) {
	good := Hash(right)
	for _, bad := range []string{
		"", "plain", "$2a$10$abc", strings.Replace(good, "argon2id", "argon2i", 1), strings.Replace(good, "v=19", "v=16", 1),
		strings.Replace(good, "m=19456", "m=4194304", 1), strings.Replace(good, "t=2", "t=0", 1), good[:len(good)-4], good + "$",
	} {
		if right, _ := verify(bad, right); right {
			t.Errorf("%q is taken", bad)
		}
	}
}

// ASVS 6.1.2, 6.2.1, 6.2.4, 6.2.11
func TestPoorPasswordsAreRefusedWithTheCure(t *testing.T) {
	p := Policy{Context: []string{"acme", "Globex Corporation", "login.initech.example"}}
	for password, want := range map[string]string{
		"short-otter":             "at least 12",
		strings.Repeat("é", 11):   "at least 12",
		strings.Repeat("x7", 129): "at most 256",
		"password1234":            "",
		"Password12345":           "",
		"123456789012":            "",
		"qwertyuiop123":           "",
		"aaaaaaaaaaaaaaaa":        "",
		"iloveyou1234":            "",
		"acme2026!acme":           "words of this installation",
		"globex2026!!":            "words of this installation",
		"initech-2026":            "words of this installation",
		"gatehouse123":            "words of this installation",
		"ann@example.com":         "words of this installation",
		"AnnLee-AnnLee-1":         "words of this installation",
		"tractor-violin-\xff\xfe": "UTF-8",
	} {
		err := p.Check(password, "ann@example.com", "Ann Lee")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), password) {
			t.Errorf("%q: got %v, want it refused: %s", password, err, want)
		}
	}
}

// ASVS 6.2.5, 6.2.9
func TestGoodPasswordsAreTakenWhateverTheirCharacters(t *testing.T) {
	for _, password := range []string{
		right, "kfqzmwtbxrvplhgjdnsy", "correct horse battery staple orange", "🦦🎻🚜🌵🍋🧭🪁🧶🫐🛶🪗🧊",
		strings.Repeat("k7-Zq", 13), strings.Repeat("kfq zmw tbx rvpw", 16), "x3k7q-m2vzp-t9wbn",
	} {
		if err := (Policy{}).Check(password, "demo@example.com", "Demo Person"); err != nil {
			t.Errorf("%q: %v", password, err)
		}
	}
}

func TestPolicyOfTheProviderCounts(t *testing.T) {
	if (Policy{MinLength: 20}).Check("tractor-violin-otte", "a@b.example", "A") == nil {
		t.Error("19 of 20 characters are enough")
	}
	if err := (Policy{AllowCommon: true}).Check("qwertyuiop123", "a@b.example", "A"); err != nil {
		t.Errorf("common passwords are refused though allowed: %v", err)
	}
}

func TestBadAddressesAndNamesAreRefused(t *testing.T) {
	for _, email := range []string{"", "ann", "ann@", "@example.com", "Ann <ann@example.com>", "a b@example.com", "ann@example.com\nbcc: x@example.com", `"a b"@example.com`, strings.Repeat("a", 250) + "@example.com"} {
		if _, err := Create(t.Context(), accounts{}, NewUser{Email: email, Password: right, Now: start}); err == nil {
			t.Errorf("%q is taken for an address", email)
		}
	}
	for _, name := range []string{"Ann\nLee", "Ann\x1b[31m", strings.Repeat("n", 129), "Ann\xff"} {
		if _, err := Create(t.Context(), accounts{}, NewUser{Email: "ann@example.com", Name: name, Password: right, Now: start}); err == nil {
			t.Errorf("%q is taken for a name", name)
		}
	}
}

func TestAddressThatIsTakenIsAConflict(t *testing.T) {
	a, _ := ann(t)
	if _, err := Create(t.Context(), a, NewUser{Email: "ANN@example.com", Password: right, Now: start}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("got %v, want ErrConflict", err)
	}
}

func TestHashesHaveTheirOwnSaltAndSayTheirParameters(t *testing.T) {
	a, b := Hash(right), Hash(right)
	if a == b || !strings.HasPrefix(a, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hashes %s", fmt.Sprint(a == b, a[:30]))
	}
}
