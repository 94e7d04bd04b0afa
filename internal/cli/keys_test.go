package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/test/keyringtest"
)

func TestEveryRotationIsInTheAuditLog(t *testing.T) {
	dir := t.TempDir()
	db, err := openStore(t.Context(), dir, true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := openKeyring(t.Context(), dir, db); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		var out, complaints bytes.Buffer
		if code := Main(append([]string{"keys", "--data-dir", dir}, args...), strings.NewReader(""), &out, &complaints); code != exitOK {
			t.Fatalf("%v: %d %s", args, code, complaints.String())
		}
		return out.String()
	}
	run("rotate")
	run("rotate", "--compromised", "--yes")
	events, err := db.Events(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	var keys []keyring.Status
	if err := json.Unmarshal([]byte(run("list", "--output", "json")), &keys); err != nil || len(keys) != 3 {
		t.Fatalf("%v, %v", keys, err)
	}
	want := []store.Event{
		{Actor: "operator", Action: "keys.rotated", Target: keys[0].ID + " " + keys[1].ID + " " + keys[2].ID, Outcome: "ok", Reason: "compromised"},
		{Actor: "operator", Action: "keys.rotated", Outcome: "ok"},
	}
	if len(events) != len(want) {
		t.Fatalf("%d events", len(events))
	}
	want[1].Target = events[1].Target // gone since
	for i := range want {
		if want[i].ID, want[i].Time = events[i].ID, events[i].Time; events[i] != want[i] || len(events[i].Target) != 8+1+43+1+43 {
			t.Errorf("event %d is %+v", i, events[i])
		}
	}
}

func TestKeysOfAnotherStoreAreNotRotated(t *testing.T) {
	dir := t.TempDir()
	db, err := openStore(t.Context(), dir, true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.RememberKey(t.Context(), "0123456789abcdef"); err != nil {
		t.Fatal(err)
	}
	if _, err := keyring.Open(dir, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, keyring.FileName))
	if err != nil {
		t.Fatal(err)
	}
	var out, complaints bytes.Buffer
	code := Main([]string{"keys", "rotate", "--data-dir", dir}, strings.NewReader(""), &out, &complaints)
	after, err := os.ReadFile(filepath.Join(dir, keyring.FileName))
	if code != exitFindings || !strings.Contains(complaints.String(), "restore the matching file") || !bytes.Equal(before, after) || err != nil {
		t.Errorf("%d %s %v", code, complaints.String(), err)
	}
}

// What was made before there were signing keys is given some at the start, once.
func TestAnOldKeyringIsGivenSigningKeysAtTheStart(t *testing.T) {
	dir := t.TempDir()
	db, err := openStore(t.Context(), dir, true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	path := filepath.Join(dir, keyring.FileName)
	old := `{"installation": "4c9f3c1e-1111-4222-8333-444455556666",
		"root": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "tokenKeys": ["MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDI="]}`
	if err := os.WriteFile(path, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	first, err := openKeyring(t.Context(), dir, db)
	if err != nil {
		t.Fatal(err)
	}
	again, err := openKeyring(t.Context(), dir, db)
	if err != nil {
		t.Fatal(err)
	}
	for _, alg := range []string{keyring.RS256, keyring.ES256} {
		a, b := first.SigningKeys(alg), again.SigningKeys(alg)
		if len(a) != 1 || len(b) != 1 || a[0].KID != b[0].KID {
			t.Errorf("%s: %d and then %d keys", alg, len(a), len(b))
		}
	}
}

// Whoever serves files with the data directory of a cluster's server has the same keys, and
// from then on they live there.
func TestTheCopyOfAClustersKeysIsTakenOverByWhoServesFiles(t *testing.T) {
	dir := t.TempDir()
	db, err := openStore(t.Context(), dir, true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	keys, err := keyringtest.New()
	if err != nil {
		t.Fatal(err)
	}
	if err := keyring.WriteCopy(dir, keys, "gatehouse-system/gatehouse-keyring"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", filepath.Join(dir, "none"))
	var out bytes.Buffer
	args := []string{"keys", "list", "--data-dir", dir}
	if code := Main(args, nil, &out, &out); code != exitFindings || !strings.Contains(out.String(), "the keys are in Secret gatehouse-system/gatehouse-keyring, but there is no cluster") {
		t.Errorf("%d %s", code, out.String())
	}
	opened, err := openKeyring(t.Context(), dir, db)
	if err != nil || !opened.Same(keys) {
		t.Fatalf("other keys: %v", err)
	}
	out.Reset()
	if code := Main(args, nil, &out, &out); code != exitOK || !strings.Contains(out.String(), "The keys live in "+filepath.Join(dir, keyring.FileName)) {
		t.Errorf("%d %s", code, out.String())
	}
}
