package keyring

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func fresh(t *testing.T) *Keyring {
	t.Helper()
	k, err := newKeyring(cheap)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeyringSurvivesItsFile(t *testing.T) {
	dir := t.TempDir()
	made, err := Open(dir, func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	read, err := Open(dir, func() error { return errors.New("asked to make keys though there are some") })
	if err != nil {
		t.Fatal(err)
	}
	if read.Installation != made.Installation || read.Fingerprint() != made.Fingerprint() ||
		!read.LookupKey().Equal(made.LookupKey()) || !read.DigestKey().Equal(made.DigestKey()) ||
		read.TokenKeys()[0].ID != made.TokenKeys()[0].ID || !read.TokenKeys()[0].Secret.Equal(made.TokenKeys()[0].Secret) {
		t.Error("the keyring that was read differs from the one that was made")
	}
	info, err := os.Stat(filepath.Join(dir, FileName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v), want 0600", info.Mode(), err)
	}
}

func TestNoKeysAreMadeAgainstTheCallersWill(t *testing.T) {
	dir := t.TempDir()
	no := errors.New("the store knows other keys")
	if _, err := Open(dir, func() error { return no }); !errors.Is(err, no) {
		t.Errorf("got %v, want the caller's error", err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("left %v behind", files)
	}
}

func TestKeysAreNeverReplaced(t *testing.T) {
	dir := t.TempDir()
	// Another process makes its keys while this one is asked whether it may.
	_, err := Open(dir, func() error {
		_, err := Open(dir, func() error { return nil })
		return err
	})
	if !errors.Is(err, os.ErrExist) {
		t.Errorf("got %v, want the second one to fail", err)
	}
}

func TestBrokenKeyringIsRefusedWithoutShowingIt(t *testing.T) {
	good, err := fresh(t).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	secret := base64.StdEncoding.EncodeToString([]byte("short"))
	for name, data := range map[string]string{
		"not JSON":        secret,
		"empty":           "{}",
		"cut off":         string(good[:len(good)/2]),
		"short root":      `{"installation":"4c9f3c1e-1111-4222-8333-444455556666","root":"` + secret + `","tokenKeys":["` + secret + `"]}`,
		"no installation": strings.Replace(string(good), `"installation"`, `"other"`, 1),
	} {
		k, err := Parse([]byte(data))
		if err == nil || k != nil || !strings.Contains(err.Error(), "backup") || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: got %v, %v; want an error with the cure and without the content", name, k, err)
		}
	}
}

func TestEachPurposeAndInstallationHasItsOwnKey(t *testing.T) {
	a, b := fresh(t), fresh(t)
	if a.LookupKey().Equal(a.DigestKey()) || a.LookupKey().Equal(b.LookupKey()) || a.Fingerprint() == b.Fingerprint() || a.Installation == b.Installation {
		t.Error("keys are shared")
	}
}

func TestPrintingAKeyringShowsNoKey(t *testing.T) {
	k := fresh(t)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("keyring", "keys", k, "token", k.TokenKeys()[0])
	asJSON, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	printed := fmt.Sprintf("%v %+v %#v %s", k, k, k, k) + string(asJSON) + log.String() + fmt.Sprintf("%v %+v %#v", k.TokenKeys(), k.TokenKeys(), k.TokenKeys())
	for _, key := range [][]byte{k.root, k.TokenKeys()[0].Secret.Reveal()} {
		for _, form := range []string{string(key), hex.EncodeToString(key), base64.StdEncoding.EncodeToString(key), strings.Trim(fmt.Sprintf("%v", key), "[]")} {
			if strings.Contains(printed, form) {
				t.Errorf("a key was printed:\n%s", printed)
			}
		}
	}
}
