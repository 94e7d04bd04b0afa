package keyring

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func decode(t *testing.T, s string) []byte {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// RFC 7638 section 3.1.
func TestThumbprintIsThatOfRFC7638(t *testing.T) {
	n := decode(t, `0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs
		tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbI
		SD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw`)
	got := thumbprint(rsaMembers(&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}))
	if got != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Errorf("got %s", got)
	}
}

func TestPublicHalvesReadAsJWKsInAnotherLibrary(t *testing.T) {
	k := fresh(t)
	for _, alg := range []string{RS256, ES256} {
		key := k.SigningKeys(alg)[0]
		var read jose.JSONWebKey
		if err := json.Unmarshal([]byte(key.JWK()), &read); err != nil {
			t.Fatal(err)
		}
		sum, err := read.Thumbprint(crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		if read.KeyID != key.KID || read.Algorithm != alg || read.Use != "sig" || !read.IsPublic() || base64url(sum) != key.KID {
			t.Errorf("%s is read as %+v, thumbprint %x", key.JWK(), read, sum)
		}
		if public, ok := key.Private.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(read.Key) {
			t.Errorf("%s is read as another key", alg)
		}
	}
	if short := p256Members(append([]byte{4}, make([]byte, 64)...)); !strings.Contains(short, `"x":"`+strings.Repeat("A", 43)+`"`) {
		t.Errorf("%s: leading zeros are missing (RFC 7518 section 6.2.1.2)", short)
	}
}

func TestSigningKeysSurviveTheFile(t *testing.T) {
	k := rotate(t, fresh(t), noon)
	read := reread(t, k)
	for _, alg := range []string{RS256, ES256} {
		before, after := k.SigningKeys(alg), read.SigningKeys(alg)
		if len(before) != 2 || len(after) != 2 {
			t.Fatalf("%s: %d and %d keys", alg, len(before), len(after))
		}
		for i := range before {
			if before[i].KID != after[i].KID || before[i].Span != after[i].Span || after[i].Alg != alg {
				t.Errorf("%s: %v and %v", alg, before[i], after[i])
			}
			if signs(t, after[i]) != before[i].KID {
				t.Errorf("%s: the key that was read signs otherwise", alg)
			}
		}
	}
	if len(read.SigningKeys("HS256")) != 0 {
		t.Error("there are keys for HS256")
	}
}

// signs signs something and returns the KID of the public half that verifies it.
func signs(t *testing.T, k SigningKey) string {
	t.Helper()
	digest := sha256.Sum256([]byte("something"))
	signature, err := k.Private.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	ok := false
	switch public := k.Private.Public().(type) {
	case *rsa.PublicKey:
		ok = rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil
	case *ecdsa.PublicKey:
		ok = ecdsa.VerifyASN1(public, digest[:], signature)
	}
	if !ok {
		t.Fatal("it does not verify")
	}
	return k.KID
}

func TestSigningKeysThatAreNotWhatTheyShouldBeAreRefused(t *testing.T) {
	k := fresh(t)
	pkcs8 := func(private any) []byte {
		raw, err := x509.MarshalPKCS8PrivateKey(private)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func(*file){
		"an ES256 key for RS256": func(f *file) { f.RS256Keys = f.ES256Keys },
		"an RS256 key for ES256": func(f *file) { f.ES256Keys = f.RS256Keys },
		"cut off":                func(f *file) { f.ES256Keys[0].Key = f.ES256Keys[0].Key[:40] },
		"empty":                  func(f *file) { f.RS256Keys[0].Key = nil },
		"a short one":            func(f *file) { f.RS256Keys[0].Key = pkcs8(short) },
		"on another curve":       func(f *file) { f.ES256Keys[0].Key = pkcs8(curve) },
		"out of order":           func(f *file) { f.ES256Keys = append(f.ES256Keys, f.ES256Keys[0]) },
	} {
		raw, err := k.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		var changed file
		if err := json.Unmarshal(raw, &changed); err != nil {
			t.Fatal(err)
		}
		f(&changed)
		if raw, err = json.Marshal(changed); err != nil {
			t.Fatal(err)
		}
		if got, err := Parse(raw); err == nil || got != nil || !strings.Contains(err.Error(), "backup") || len(err.Error()) > 100 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestPrintingASigningKeyShowsNoPrivateHalf(t *testing.T) {
	k := fresh(t)
	for _, alg := range []string{RS256, ES256} {
		key := k.SigningKeys(alg)[0]
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("key", "key", key, "private", key.Private, "all", k.SigningKeys(alg))
		slog.New(slog.NewTextHandler(&log, nil)).Info("key", "key", key, "private", key.Private, "all", k.SigningKeys(alg))
		asJSON, err := json.Marshal([]any{key, key.Private})
		if err != nil {
			t.Fatal(err)
		}
		printed := log.String() + string(asJSON)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
			printed += fmt.Sprintf(verb, key) + fmt.Sprintf(verb, key.Private) + fmt.Sprintf(verb, k.SigningKeys(alg)) + fmt.Sprintf(verb, k)
		}
		for _, secret := range secrets(t, key) {
			for _, form := range []string{
				string(secret), fmt.Sprintf("%x", secret), base64.StdEncoding.EncodeToString(secret), base64url(secret),
				strings.Trim(fmt.Sprintf("%d", secret), "[]"), new(big.Int).SetBytes(secret).String(),
			} {
				if strings.Contains(printed, form) {
					t.Fatalf("%s: a private half was printed:\n%s", alg, printed)
				}
			}
		}
	}
}

// secrets are the numbers of a private key, and its encoding.
func secrets(t *testing.T, k SigningKey) [][]byte {
	t.Helper()
	pkcs8 := k.pkcs8.Reveal()
	parsed, err := x509.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		t.Fatal(err)
	}
	switch private := parsed.(type) {
	case *rsa.PrivateKey:
		return [][]byte{pkcs8, private.D.Bytes(), private.Primes[0].Bytes(), private.Primes[1].Bytes()}
	case *ecdsa.PrivateKey:
		raw, err := private.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		return [][]byte{pkcs8, raw}
	}
	t.Fatal("not a key")
	return nil
}

// before is a keyring from before there were signing keys.
const before = `{"installation": "4c9f3c1e-1111-4222-8333-444455556666",
	"root": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "tokenKeys": ["MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDI="]}`

func writeBefore(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, FileName), []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func opened(t *testing.T, dir string) *Keyring {
	t.Helper()
	k, err := Open(dir, func() error { return errors.New("it is gone") })
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func kids(k *Keyring) string {
	var all []string
	for _, alg := range []string{RS256, ES256} {
		for _, key := range k.SigningKeys(alg) {
			all = append(all, alg+" "+key.KID)
		}
	}
	return strings.Join(all, ", ")
}

func TestAKeyringFromBeforeSigningKeysIsGivenSomeOnce(t *testing.T) {
	dir := writeBefore(t)
	old := opened(t, dir)
	if kids(old) != "" {
		t.Fatal("reading makes keys")
	}
	whole, err := Complete(dir, old)
	if err != nil {
		t.Fatal(err)
	}
	if len(whole.rs256) != 1 || len(whole.es256) != 1 || statesOf(whole, noon, RS256) != "current" || statesOf(whole, noon, ES256) != "current" {
		t.Fatalf("%v", whole.States(noon))
	}
	again, err := Complete(dir, old) // by a process that has read the file before the first one wrote it
	if err != nil {
		t.Fatal(err)
	}
	if kids(again) != kids(whole) || kids(opened(t, dir)) != kids(whole) {
		t.Error("two processes sign with different keys")
	}
	if whole.tokens[0].ID != old.tokens[0].ID || whole.Fingerprint() != old.Fingerprint() || whole.Installation != old.Installation {
		t.Error("the other keys have changed")
	}
	if info, err := os.Stat(filepath.Join(dir, FileName)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v), want 0600", info.Mode(), err)
	}
}

// completing makes this program complete the keyring in its working directory and say what
// it signs with.
const completing = "GATEHOUSE_TEST_COMPLETING"

func completeAndTell() error {
	k, err := Open(".", func() error { return errors.New("it is gone") })
	if err == nil {
		k, err = Complete(".", k)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Print(kids(k))
	return err
}

func TestProcessesThatStartAtOnceAgreeOnTheSigningKeys(t *testing.T) {
	dir := writeBefore(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	told := make([]bytes.Buffer, 3)
	var all []*exec.Cmd
	for i := range told {
		cmd := exec.Command(self)
		cmd.Dir, cmd.Env, cmd.Stdout = dir, append(os.Environ(), completing+"=1"), &told[i]
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		all = append(all, cmd)
	}
	for i, cmd := range all {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		if got, want := told[i].String(), kids(opened(t, dir)); got != want || got == "" {
			t.Errorf("a process signs with %q, the file says %q", got, want)
		}
	}
}

// A file from before signing keys that is put back under a running server is completed too,
// and no other installation's is touched.
func TestAFollowerGivesAnOlderFileSigningKeys(t *testing.T) {
	dir := writeBefore(t)
	k, err := Complete(dir, opened(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	f := Follow(dir, k)
	if got, err := f.Reload(); err != nil || got == nil || kids(got) != kids(k) {
		t.Fatalf("%v, %v", got, err)
	}
	path := filepath.Join(dir, FileName)
	if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := f.Reload()
	if err != nil || got == nil || kids(got) == "" || kids(got) == kids(k) || kids(got) != kids(opened(t, dir)) {
		t.Fatalf("%v, %v", got, err)
	}
	foreign := strings.Replace(before, "4c9f3c1e", "00000000", 1)
	if err := os.WriteFile(path, []byte(foreign), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Reload(); err == nil || got != nil {
		t.Errorf("%v, %v", got, err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != foreign {
		t.Errorf("the file of another installation has changed (%v)", err)
	}
}

// A rotation completes what it finds: the first keys sign at once, the next ones wait.
func TestARotationOfAnOldKeyringMakesFirstAndNextKeys(t *testing.T) {
	old, err := Parse([]byte(before))
	if err != nil {
		t.Fatal(err)
	}
	k := reread(t, rotate(t, old, noon))
	for _, use := range []string{"token-mac", RS256, ES256} {
		if got := statesOf(k, noon, use); got != "current next" {
			t.Errorf("%s: %s", use, got)
		}
	}
	var made []string
	for _, s := range k.Made(noon) {
		made = append(made, s.Use+" "+string(s.State))
	}
	if want := []string{"token-mac next", "RS256 next", "ES256 next"}; !slices.Equal(made, want) {
		t.Errorf("%q", made)
	}
}

func BenchmarkParseKeyring(b *testing.B) {
	k, err := newKeyring(cheap)
	if err != nil {
		b.Fatal(err)
	}
	raw, err := k.Marshal()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(raw); err != nil {
			b.Fatal(err)
		}
	}
}
