package keyring

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// cheap makes keys of which only the RSA ones repeat.
var cheap = func() maker {
	once := sync.OnceValues(func() (*rsa.PrivateKey, error) { return makeRSA(rand.Reader) })
	return maker{rand.Reader, func(io.Reader) (*rsa.PrivateKey, error) { return once() }}
}()

// use is a use of keys, as the law of keys sees it.
type use struct {
	name    string
	longest time.Duration
	signing func(*Keyring, time.Time) string // the name of the key that signs
	all     func(*Keyring) []string          // the names of all keys
}

var uses = []use{
	useOf("token-mac", longestRefresh, (*Keyring).TokenKeys),
	useOf(ES256, LongestAccess, func(k *Keyring) Line[SigningKey] { return k.SigningKeys(ES256) }),
}

func useOf[K living[K]](name string, longest time.Duration, line func(*Keyring) Line[K]) use {
	return use{
		name, longest,
		func(k *Keyring, now time.Time) string { return line(k)[line(k).Current(now)].name() },
		func(k *Keyring) (all []string) {
			for _, key := range line(k) {
				all = append(all, key.name())
			}
			return all
		},
	}
}

// life is a keyring in use: its clock only moves on, and it remembers what was signed.
type life struct {
	keys   *Keyring
	now    time.Time
	signed []signature
}

type signature struct {
	use
	key   string
	until time.Time // the token, or the grant that keeps the key, ends
}

func (l *life) change(t *rapid.T, next *Keyring, err error) {
	var pending *PendingError
	if errors.As(err, &pending) {
		if wait := pending.TakesOver.Sub(l.now); wait <= 0 || wait > Lead+time.Second {
			t.Fatalf("a next key that takes over in %v is waited for", wait)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	l.keys = next
}

// The law of keys, whatever is done in whatever order: one key of each use signs at any
// time; a next key is known for Lead before it does; and what was signed verifies until it
// ends, unless the keys were compromised.
func TestKeysSignInTurnAndVerifyWhatTheySigned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first, err := newKeyring(cheap)
		if err != nil {
			t.Fatal(err)
		}
		l := &life{keys: first, now: noon}
		known := map[string]time.Time{}
		knownAt := func(since time.Time) {
			for _, u := range uses {
				for _, name := range u.all(l.keys) {
					known[name] = since
				}
			}
		}
		knownAt(time.Time{})
		t.Repeat(map[string]func(*rapid.T){
			"time passes": func(t *rapid.T) {
				longest := rapid.SampledFrom([]time.Duration{time.Second, Lead, 48 * time.Hour, 2 * longestRefresh}).Draw(t, "longest")
				l.now = l.now.Add(time.Duration(rapid.Int64Range(0, int64(longest)).Draw(t, "passes")))
			},
			"rotate": func(t *rapid.T) {
				next, err := l.keys.rotate(cheap, l.now)
				l.change(t, next, err)
			},
			"compromised": func(t *rapid.T) {
				next, err := l.keys.replace(cheap, l.now)
				l.change(t, next, err)
				l.signed = nil
				knownAt(time.Time{}) // nobody can wait for them
			},
			"restart": func(t *rapid.T) {
				read := reread(t, l.keys)
				if !slices.Equal(read.States(l.now), l.keys.States(l.now)) {
					t.Fatal("a restart changes the states")
				}
				l.keys = read
			},
			"sign": func(t *rapid.T) {
				u := rapid.SampledFrom(uses).Draw(t, "use")
				life := rapid.Int64Range(1, int64(u.longest)).Draw(t, "life")
				l.signed = append(l.signed, signature{u, u.signing(l.keys, l.now), l.now.Add(time.Duration(life))})
			},
			"": func(t *rapid.T) { l.check(t, known) },
		})
	})
}

func (l *life) check(t *rapid.T, known map[string]time.Time) {
	for _, u := range uses {
		for _, name := range u.all(l.keys) {
			if _, ok := known[name]; !ok {
				known[name] = l.now
			}
		}
		signs := u.signing(l.keys, l.now)
		if at := known[signs]; !at.IsZero() && l.now.Sub(at) < Lead {
			t.Fatalf("a key signs %v after it was made", l.now.Sub(at))
		}
		current := 0
		for _, s := range l.keys.States(l.now) {
			if s.State == Current && s.Use == u.name {
				current++
				if s.ID != signs {
					t.Fatal("another key signs than the one that is said to")
				}
			}
		}
		if current != 1 {
			t.Fatalf("%d keys are current", current)
		}
	}
	for _, s := range l.signed {
		if l.now.Before(s.until) && !slices.Contains(s.all(l.keys), s.key) {
			t.Fatal("something that was signed no longer verifies")
		}
	}
}

func reread(t interface{ Fatal(...any) }, k *Keyring) *Keyring {
	data, err := k.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	read, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func rotate(t *testing.T, k *Keyring, now time.Time) *Keyring {
	t.Helper()
	next, err := k.rotate(cheap, now)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// states tells those of the token keys.
func states(k *Keyring, now time.Time) (all string) { return statesOf(k, now, "token-mac") }

func statesOf(k *Keyring, now time.Time, use string) (all string) {
	for _, s := range k.States(now) {
		if s.Use == use {
			all += string(s.State) + " "
		}
	}
	return strings.TrimSpace(all)
}

func TestKeysGoFromNextOverCurrentToRetired(t *testing.T) {
	k := rotate(t, fresh(t), noon)
	for _, at := range []struct {
		after          time.Duration
		token, signing string
	}{
		{0, "current next", "current next"},
		{Lead - 1, "current next", "current next"},
		{Lead, "retired current", "retired current"},
		{Lead + LongestAccess - 1, "retired current", "retired current"},
		{Lead + LongestAccess, "retired current", "current"},
		{Lead + longestRefresh - 1, "retired current", "current"},
		{Lead + longestRefresh, "current", "current"},
		{-time.Hour, "current next", "current next"}, // a clock that was set back
	} {
		for use, want := range map[string]string{"token-mac": at.token, RS256: at.signing, ES256: at.signing} {
			if got := statesOf(k, noon.Add(at.after), use); got != want {
				t.Errorf("%s after %v: %s, want %s", use, at.after, got, want)
			}
		}
	}
	if k = rotate(t, k, noon.Add(Lead+LongestAccess)); len(k.tokens) != 3 || len(k.rs256) != 2 || len(k.es256) != 2 {
		t.Errorf("%d, %d and %d keys, want the signing keys that protect nothing left out", len(k.tokens), len(k.rs256), len(k.es256))
	}
	if k = rotate(t, k, noon.Add(Lead+LongestAccess+Lead+longestRefresh)); len(k.tokens) != 2 {
		t.Errorf("%d keys, want those that protect nothing left out", len(k.tokens))
	}
}

func TestANextKeyIsWaitedFor(t *testing.T) {
	k := rotate(t, fresh(t), noon.Add(time.Millisecond))
	_, err := k.rotate(cheap, noon.Add(Lead))
	if err == nil || err.Error() != "a next key is waiting already; it takes over at 2026-03-01T12:10:01Z" {
		t.Errorf("got %v", err)
	}
	rotate(t, k, noon.Add(Lead+time.Second))
}

func TestCompromisedKeysAreAllGone(t *testing.T) {
	old := rotate(t, rotate(t, fresh(t), noon.Add(-time.Hour)), noon)
	k, err := old.replace(cheap, noon)
	if err != nil {
		t.Fatal(err)
	}
	if states(old, noon) != "retired current next" || states(k, noon) != "current" {
		t.Errorf("%s became %s", states(old, noon), states(k, noon))
	}
	if k.Fingerprint() != old.Fingerprint() || k.Installation != old.Installation || !k.LookupKey().Equal(old.LookupKey()) {
		t.Error("what does not rotate has changed")
	}
	if len(old.tokens) != 3 {
		t.Error("the old keyring has changed")
	}
}

// A clock that was set back orders no keys anew.
func TestKeysStayInOrderUnderAClockThatIsSetBack(t *testing.T) {
	k, err := fresh(t).replace(cheap, noon)
	if err != nil {
		t.Fatal(err)
	}
	early := noon.Add(-24 * time.Hour)
	k = reread(t, rotate(t, k, early))
	if k.tokens.Current(early) != 0 || k.tokens.Current(noon.Add(Lead)) != 1 {
		t.Error("the keys do not follow each other")
	}
}

func TestAKeyringFromBeforeRotationIsRead(t *testing.T) {
	key := base64.StdEncoding.EncodeToString([]byte("01234567890123456789012345678901"))
	before := `{"installation": "4c9f3c1e-1111-4222-8333-444455556666", "root": "` + key + `", "tokenKeys": ["` + key + `"]}`
	k, err := Parse([]byte(before))
	if err != nil {
		t.Fatal(err)
	}
	if got := k.TokenKeys(); len(got) != 1 || string(got[0].Secret.Reveal()) != "01234567890123456789012345678901" {
		t.Fatalf("%d keys", len(got))
	}
	next := reread(t, rotate(t, k, noon))
	if next.tokens[0].ID != k.tokens[0].ID || states(next, noon) != "current next" {
		t.Error("it does not rotate")
	}
}

func TestKeysOutOfOrderAreRefused(t *testing.T) {
	k := rotate(t, fresh(t), noon)
	k.tokens = Line[Key]{k.tokens[1], k.tokens[0]}
	data, err := k.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(data); err == nil || !strings.Contains(err.Error(), "backup") {
		t.Errorf("got %v", err)
	}
}

func TestStatesTellNoKey(t *testing.T) {
	k := rotate(t, fresh(t), noon)
	told := fmt.Sprintf("%+v %#v", k.States(noon), k.TokenKeys())
	for _, key := range k.tokens {
		if bytes.Contains([]byte(told), key.Secret.Reveal()) || strings.Contains(told, fmt.Sprintf("%x", key.Secret.Reveal())) {
			t.Error("a key is told")
		}
	}
}
