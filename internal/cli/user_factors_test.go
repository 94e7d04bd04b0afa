package cli

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/store/storetest"
)

// ASVS 6.4.4, 6.5.6: an administrator takes factors away, and it is written down.
func TestAnOperatorListsAndResetsSecondFactors(t *testing.T) {
	dir := t.TempDir()
	db, u := withAnn(t, dir)
	if code, out := gatehouse(t, dir, "user", "factors", u.Email); code != exitOK || !strings.Contains(out, "recovery codes left: 0") {
		t.Errorf("without a factor: %d\n%s", code, out)
	}
	if code, _ := gatehouse(t, dir, "user", "factors", u.Email, "--reset", "--yes"); code == exitOK {
		t.Error("nothing was reset, and nobody was told")
	}
	s, f := storetest.SessionOf(u), storetest.FactorOf(u)
	f.Name = "Phone\x1b[2J"
	_, err := db.AddFactor(t.Context(), f, storetest.Act("factor.added"))
	key := storetest.KeyOf(u)
	if _, err := db.AddFactor(t.Context(), key, storetest.Act("factor.added")); err != nil {
		t.Fatal(err)
	}
	s.AMR = []string{"pwd", "otp", "mfa"}
	if err := errors.Join(err, db.CreateSession(t.Context(), s, storetest.Act("session.started"))); err != nil {
		t.Fatal(err)
	}
	for _, output := range []string{"text", "json"} {
		code, out := gatehouse(t, dir, "user", "factors", u.Email, "--output", output)
		if code != exitOK || !strings.Contains(out, f.ID) || !strings.Contains(out, "totp") || !strings.Contains(out, "2") || strings.Contains(out, "\x1b") {
			t.Errorf("%s: %d\n%s", output, code, out)
		}
		if strings.Contains(out, string(f.Secret)) {
			t.Errorf("%s shows the secret", output)
		}
	}
	if _, out := gatehouse(t, dir, "user", "factors", u.Email); !strings.Contains(out, "webauthn   alone ") {
		t.Errorf("a passkey:\n%s", out)
	}
	copied := store.KeyUse{UserID: u.ID, FactorID: key.ID, SignCount: 1}
	if err := db.UseKey(t.Context(), copied, storetest.Act("factor.used")); !errors.Is(err, store.ErrCopied) {
		t.Fatal(err)
	}
	if _, out := gatehouse(t, dir, "user", "factors", u.Email); !strings.Contains(out, "webauthn   blocked ") {
		t.Errorf("a blocked key:\n%s", out)
	}
	if _, out := gatehouse(t, dir, "user", "factors", u.Email, "--output", "json"); !strings.Contains(out, `"blockedAt"`) || strings.Contains(out, "passwordless") {
		t.Errorf("a blocked key:\n%s", out)
	}
	for what, args := range map[string][]string{
		"no terminal": {"--reset"}, "--yes alone": {"--yes"}, "another output": {"--output", "xml"},
	} {
		if code, _ := gatehouse(t, dir, append([]string{"user", "factors", u.Email}, args...)...); code != exitUsage {
			t.Errorf("%s: exit code %d", what, code)
		}
	}
	var told bytes.Buffer
	Main([]string{"user", "factors", u.Email, "--reset", "--data-dir", dir}, strings.NewReader(""), io.Discard, &told)
	if !strings.Contains(told.String(), "--yes to remove the second factors of ann@acme.com") {
		t.Errorf("told %q", told.String())
	}
	if code, out := gatehouse(t, dir, "user", "factors", u.Email, "--reset", "--yes"); code != exitOK || !strings.Contains(out, "removed 2 of ann@acme.com") {
		t.Fatalf("reset: %d\n%s", code, out)
	}
	if _, err := db.FactorByCredential(t.Context(), key.Key.CredentialID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the key: %v", err)
	}
	if _, err := db.Session(t.Context(), s.Hash); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the session: %v", err)
	}
	events, err := db.Events(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"session.ended " + s.ID + " second factors reset", "factors.reset " + u.ID + " "} {
		if got := events[i]; got.Action+" "+got.Target+" "+got.Reason != want || got.Actor != "operator" || got.Outcome != "ok" {
			t.Errorf("got %+v, want %s", got, want)
		}
	}
}
