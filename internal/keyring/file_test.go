package keyring

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func made(t *testing.T) (dir string, k *Keyring) {
	t.Helper()
	dir = t.TempDir()
	k, err := Open(dir, func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return dir, k
}

// addKey rotates as if the last rotation were long ago.
func addKey(k *Keyring) (*Keyring, error) {
	last := k.tokens[len(k.tokens)-1].Since
	if last.IsZero() {
		last = noon
	}
	return k.rotate(cheap, last)
}

func count(t *testing.T, dir string) int {
	t.Helper()
	k, err := Open(dir, func() error { return errors.New("it is gone") })
	if err != nil {
		t.Fatal(err)
	}
	return len(k.tokens)
}

func TestAChangeKeepsTheFileWholeAndSecret(t *testing.T) {
	dir, _ := made(t)
	if err := Change(dir, addKey); err != nil {
		t.Fatal(err)
	}
	if n := count(t, dir); n != 2 {
		t.Errorf("%d keys", n)
	}
	info, err := os.Stat(filepath.Join(dir, FileName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v), want 0600", info.Mode(), err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("left %v behind", files)
	}
}

// The server must go on reading what root has changed.
func TestAChangeKeepsTheOwnerOfTheFile(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root changes owners")
	}
	const uid, gid = 65534, 65533
	dir, _ := made(t)
	path := filepath.Join(dir, FileName)
	if err := os.Chown(path, uid, gid); err != nil {
		t.Fatal(err)
	}
	if err := Change(dir, addKey); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); !ok || owner.Uid != uid || owner.Gid != gid {
		t.Errorf("the file belongs to %+v", owner)
	}
}

func TestARefusedChangeWritesNothing(t *testing.T) {
	dir, _ := made(t)
	no := errors.New("no")
	if err := Change(dir, func(*Keyring) (*Keyring, error) { return nil, no }); !errors.Is(err, no) {
		t.Errorf("got %v", err)
	}
	if n := count(t, dir); n != 1 {
		t.Errorf("%d keys", n)
	}
	if err := Change(t.TempDir(), addKey); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a keyring: got %v", err)
	}
}

// changing makes this program change the keyring in its working directory.
const changing = "GATEHOUSE_TEST_CHANGING"

// Processes of TestProcessesThatChangeAtOnceLoseNoKey and
// TestProcessesThatStartAtOnceAgreeOnTheSigningKeys.
func TestMain(m *testing.M) {
	if os.Getenv(changing) != "" {
		for range 10 {
			if err := Change(".", addKey); err != nil {
				_, _ = os.Stderr.WriteString(err.Error())
				os.Exit(1)
			}
		}
		return
	}
	if os.Getenv(completing) != "" {
		if err := completeAndTell(); err != nil {
			_, _ = os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestProcessesThatChangeAtOnceLoseNoKey(t *testing.T) {
	dir, _ := made(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var all []*exec.Cmd
	for range 3 {
		cmd := exec.Command(self)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), changing+"=1")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		all = append(all, cmd)
	}
	for _, cmd := range all {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	if n := count(t, dir); n != 31 {
		t.Errorf("%d keys, want 31", n)
	}
}

func TestAFollowerSeesEachChangeOnceAndKeepsTheLastGoodKeys(t *testing.T) {
	dir, k := made(t)
	path := filepath.Join(dir, FileName)
	f := Follow(dir, k)
	reload := func(want int, fails bool) {
		t.Helper()
		got, err := f.Reload()
		if (err != nil) != fails {
			t.Fatalf("error %v", err)
		}
		keys := 0 // nothing new
		if got != nil {
			keys = len(got.tokens)
		}
		if keys != want {
			t.Fatalf("%d keys, want %d", keys, want)
		}
	}
	reload(1, false)
	reload(0, false)
	if err := Change(dir, addKey); err != nil {
		t.Fatal(err)
	}
	reload(2, false)
	reload(0, false)

	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other, err := fresh(t).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{"cut off": good[:len(good)/2], "of another installation": other} {
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(name, err)
		}
		reload(0, true)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	reload(0, true)
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	reload(0, false)
}

func TestACopySaysWhereItsKeysLive(t *testing.T) {
	dir := t.TempDir()
	k, err := New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range []string{"a/first", "a/second"} { // new, and in the place of another one
		if err := WriteCopy(dir, k, of); err != nil {
			t.Fatal(err)
		}
		read, where, err := Read(dir)
		if err != nil || !read.Same(k) || where != of {
			t.Errorf("a copy of %q: %v", where, err)
		}
	}
	info, err := os.Stat(filepath.Join(dir, FileName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	data, err := k.Marshal()
	if err != nil || bytes.Contains(data, []byte("copyOf")) {
		t.Errorf("what is no copy says it is one: %v", err)
	}
}

func TestAKeyringIsBounded(t *testing.T) {
	k, err := New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	data, err := k.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	room := MaxBytes - len(data)
	if _, err := Parse(append(data, bytes.Repeat([]byte(" "), room)...)); err != nil {
		t.Errorf("the longest one: %v", err)
	}
	if _, err := Parse(append(data, bytes.Repeat([]byte(" "), room+1)...)); err == nil {
		t.Error("a longer one was read")
	}
	many := *k
	for range MaxBytes / 64 {
		many.tokens = append(many.tokens, many.tokens[0])
	}
	if _, err = many.Marshal(); err == nil || !strings.Contains(err.Error(), "rotate less often") {
		t.Errorf("the error is %v", err)
	}
}

func TestOnlyTheRootKeyAndTheInstallationMakeAKeyringTheSame(t *testing.T) {
	k, err := New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rotated, err := k.Replace(rand.Reader, time.Now())
	if err != nil || !k.Same(rotated) {
		t.Errorf("replaced keys are another keyring: %v", err)
	}
	other := *k
	other.Installation = "another"
	another := *k
	another.root = bytes.Repeat([]byte{1}, keySize)
	if k.Same(&other) || k.Same(&another) {
		t.Error("another keyring is the same")
	}
}
