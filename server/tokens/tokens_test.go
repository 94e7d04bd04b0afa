package tokens

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/test/keyringtest"
)

func minter(t testing.TB) *Minter {
	t.Helper()
	keys, err := keyringtest.New()
	if err != nil {
		t.Fatal(err)
	}
	return NewMinter("https://id.example", keys)
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func sample() Access {
	return Access{
		GrantID: [16]byte{1, 2, 3}, OrganizationID: "5f0e8a0e-0000-4000-8000-000000000001", Serial: NewSerial(),
		IssuedAt: noon, ExpiresAt: noon.Add(time.Hour),
		Scopes: oauth.NewScopeSet("org:read", "project:write"), Audience: "https://id.example/organizations/acme",
	}
}

func TestAccessTokenReadsBackAsItWasMinted(t *testing.T) {
	m := minter(t)
	ofGrant, ofApplication, bare := sample(), sample(), sample()
	ofApplication.GrantID, ofApplication.ApplicationUID = [16]byte{}, "any text is a UID"
	bare.Scopes, bare.OrganizationID = nil, "5F0E8A0E-0000-4000-8000-00000000000A"
	for _, want := range []Access{ofGrant, ofApplication, bare} {
		got, ok := m.ParseAccess(m.MintAccess(&want))
		if !ok {
			t.Fatal("it is refused")
		}
		if diff := cmp.Diff(want, *got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestEveryAlteredAccessTokenIsRefused(t *testing.T) {
	m, a := minter(t), sample()
	text := m.MintAccess(&a)
	for i := range len(text) {
		for _, c := range []byte(digits + "_-. \x00") {
			if altered := text[:i] + string(c) + text[i+1:]; altered != text {
				if _, ok := m.ParseAccess(altered); ok {
					t.Fatalf("character %d as %q is accepted", i, c)
				}
			}
		}
		if _, ok := m.ParseAccess(text[:i]); ok {
			t.Fatalf("the first %d characters are accepted", i)
		}
	}
	for _, altered := range []string{text + "0", text + strings.Repeat("0", 11), "GAT_" + text[4:], " " + text, RefreshPrefix + text[4:]} {
		if _, ok := m.ParseAccess(altered); ok {
			t.Errorf("%.20q… is accepted", altered)
		}
	}
}

func TestTokensOfOtherKeysAndIssuersAreRefused(t *testing.T) {
	keys, err := keyringtest.New()
	if err != nil {
		t.Fatal(err)
	}
	a := sample()
	ours := NewMinter("https://id.example", keys)
	if _, ok := minter(t).ParseAccess(ours.MintAccess(&a)); ok {
		t.Error("a token under another key is accepted")
	}
	if _, ok := NewMinter("https://other.example", keys).ParseAccess(ours.MintAccess(&a)); ok {
		t.Error("a token of another issuer is accepted")
	}
}

// rotated returns the keyring after a rotation whose next key signs at noon.
func rotated(t *testing.T, old *keyring.Keyring) *keyring.Keyring {
	t.Helper()
	k, err := old.Rotate(rand.Reader, noon.Add(-keyring.Lead))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestTheNewKeySignsAndTheOldOneStillVerifies(t *testing.T) {
	first, err := keyringtest.New()
	if err != nil {
		t.Fatal(err)
	}
	a, id, seed := sample(), [16]byte{7}, []byte("seed")
	before, after := NewMinter("https://id.example", first), NewMinter("https://id.example", rotated(t, first))
	old, fresh := before.MintAccess(&a), after.MintAccess(&a)
	for name, text := range map[string]string{"the old key's": old, "the new key's": fresh} {
		if _, ok := after.ParseAccess(text); !ok {
			t.Errorf("%s token is refused", name)
		}
	}
	if _, ok := before.ParseAccess(fresh); ok {
		t.Error("a token under a key that is not known is accepted")
	}
	if old == fresh || old[:len(AccessPrefix)+6] == fresh[:len(AccessPrefix)+6] {
		t.Error("the old key signs")
	}

	kept := before.MintRefresh(id, 3, seed, noon)
	r, ok := after.ParseRefresh(kept)
	if !ok || !after.Authentic(r, seed) {
		t.Fatal("a refresh token of the old key is refused")
	}
	if after.Successor(r, seed) != before.MintRefresh(id, 4, seed, noon) {
		t.Error("a lost answer is answered otherwise after the rotation of keys")
	}
	if _, ok := before.ParseRefresh(after.MintRefresh(id, 3, seed, noon)); ok {
		t.Error("a refresh token under a key that is not known is read")
	}
}

func TestANextKeyVerifiesButDoesNotSignBeforeItsTime(t *testing.T) {
	first, err := keyringtest.New()
	if err != nil {
		t.Fatal(err)
	}
	m, a := NewMinter("https://id.example", rotated(t, first)), sample()
	old := NewMinter("https://id.example", first)
	a.IssuedAt = noon.Add(-time.Millisecond)
	early := m.MintAccess(&a)
	if _, ok := old.ParseAccess(early); !ok {
		t.Error("the next key signs before its time")
	}
	if m.MintRefresh(a.GrantID, 1, nil, a.IssuedAt) != old.MintRefresh(a.GrantID, 1, nil, noon) {
		t.Error("the next key signs a refresh token before its time")
	}
	a.IssuedAt = noon
	if _, ok := old.ParseAccess(m.MintAccess(&a)); ok {
		t.Error("the next key does not take over at its time")
	}
}

// A retired key has made nothing that outlives the longest access token; what says so
// is forged with a key that leaked.
func TestARetiredKeyMakesNoAccessTokensThatLive(t *testing.T) {
	first, err := keyringtest.New()
	if err != nil {
		t.Fatal(err)
	}
	leaked, m, a := NewMinter("https://id.example", first), NewMinter("https://id.example", rotated(t, first)), sample()
	a.IssuedAt, a.ExpiresAt = noon.Add(-time.Millisecond), noon.Add(keyring.LongestAccess)
	if _, ok := m.ParseAccess(leaked.MintAccess(&a)); !ok {
		t.Error("the last and longest token of the retired key is refused")
	}
	a.ExpiresAt = a.ExpiresAt.Add(time.Millisecond)
	if _, ok := m.ParseAccess(leaked.MintAccess(&a)); ok {
		t.Error("a token that the retired key cannot have made is accepted")
	}
}

func TestKeysChangeBetweenTwoUsesAndNeverWithinOne(t *testing.T) {
	first, err := keyringtest.New()
	if err != nil {
		t.Fatal(err)
	}
	m, a, next := NewMinter("https://id.example", first), sample(), rotated(t, first)
	changed := make(chan struct{})
	go func() {
		defer close(changed)
		for range 1000 {
			m.Use(next)
			m.Use(first)
		}
		m.Use(next)
	}()
	a.IssuedAt = noon.Add(-time.Second) // both sets sign with the first key
	for ended := false; !ended; {
		select {
		case <-changed:
			ended = true
		default:
		}
		if _, ok := m.ParseAccess(m.MintAccess(&a)); !ok {
			t.Fatal("a token is refused while keys change")
		}
	}
}

func TestCompromisedKeysMakeAllTheirTokensDead(t *testing.T) {
	first, err := keyringtest.New()
	if err != nil {
		t.Fatal(err)
	}
	m, a := NewMinter("https://id.example", first), sample()
	access, refresh := m.MintAccess(&a), m.MintRefresh(a.GrantID, 1, nil, noon)
	replaced, err := rotated(t, first).Replace(rand.Reader, noon)
	if err != nil {
		t.Fatal(err)
	}
	m.Use(replaced)
	if _, ok := m.ParseAccess(access); ok {
		t.Error("an access token lives on")
	}
	if _, ok := m.ParseRefresh(refresh); ok {
		t.Error("a refresh token lives on")
	}
	if _, ok := m.ParseAccess(m.MintAccess(&a)); !ok {
		t.Error("a new token is refused")
	}
}

func TestKeyIDDoesNotChooseAnotherKey(t *testing.T) {
	first, err := keyringtest.New()
	if err != nil {
		t.Fatal(err)
	}
	m, a := NewMinter("https://id.example", rotated(t, first)), sample()
	text := m.MintAccess(&a)
	raw, _ := decodeBase62(text[len(AccessPrefix):])
	for _, k := range m.keys.Load().macs {
		if k == m.signing(noon) {
			continue
		}
		copy(raw[1:], k.id[:])
		binary.BigEndian.PutUint32(raw[len(raw)-crcSize:], checksum(AccessPrefix, raw[:len(raw)-crcSize]))
		if _, ok := m.ParseAccess(AccessPrefix + string(appendBase62(nil, raw))); ok {
			t.Error("a token that names another of our keys is accepted")
		}
	}
}

func TestRefreshTokenIsBoundToItsRow(t *testing.T) {
	m, id, seed := minter(t), [16]byte{7}, []byte("seed of the row")
	text := m.MintRefresh(id, 3, seed, noon)
	r, ok := m.ParseRefresh(text)
	if !ok || r.GrantID != id || r.Generation != 3 || !m.Authentic(r, seed) {
		t.Fatalf("%+v %t", r, ok)
	}
	if m.Authentic(r, []byte("another seed")) {
		t.Error("it is authentic for another row")
	}
	if m.Successor(r, seed) != m.MintRefresh(id, 4, seed, noon) {
		t.Error("the successor is not the next generation's token")
	}
	for i := range len(text) {
		for _, c := range []byte("0Az") {
			altered := text[:i] + string(c) + text[i+1:]
			if r, ok := m.ParseRefresh(altered); altered != text && ok && m.Authentic(r, seed) {
				t.Fatalf("character %d as %q is accepted", i, c)
			}
		}
	}
}

func TestDeviceCodesDoNotRepeatAndAreKeptAsKeyedHashes(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		code := NewDeviceCode()
		if len(code) != 43 || seen[code] {
			t.Fatalf("%q", code)
		}
		seen[code] = true
	}
	if bytes.Equal(minter(t).HashDeviceCode("x"), minter(t).HashDeviceCode("x")) {
		t.Error("the hash does not depend on the key")
	}
}

func FuzzBase62HasOneTextForEachValue(f *testing.F) {
	f.Add("", []byte{})
	f.Add("LygHa16AHYF", []byte{255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, text string, raw []byte) {
		if back, ok := decodeBase62(text); ok && string(appendBase62(nil, back)) != text {
			t.Errorf("%q reads as %x, which is written otherwise", text, back)
		}
		if back, ok := decodeBase62(string(appendBase62(nil, raw))); !ok || !bytes.Equal(back, raw) {
			t.Errorf("%x reads back as %x", raw, back)
		}
	})
}

func FuzzOnlyWhatWeMintedIsRead(f *testing.F) {
	m, a := minter(f), sample()
	minted := m.MintAccess(&a)
	f.Add(minted)
	f.Add("gat_")
	f.Add(m.MintRefresh([16]byte{}, 1, nil, noon))
	f.Fuzz(func(t *testing.T, text string) {
		if _, ok := m.ParseAccess(text); ok && text != minted {
			t.Errorf("%q is accepted", text)
		}
		if r, ok := m.ParseRefresh(text); ok && m.mintRefresh(r.key, r.GrantID, r.Generation, nil) != text && m.Authentic(r, nil) {
			t.Errorf("%q is authentic", text)
		}
	})
}

func BenchmarkParseAccess(b *testing.B) {
	m, a := minter(b), sample()
	text := m.MintAccess(&a)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := m.ParseAccess(text); !ok {
			b.Fatal("refused")
		}
	}
}

func BenchmarkMintAccess(b *testing.B) {
	m, a := minter(b), sample()
	b.ReportAllocs()
	for b.Loop() {
		m.MintAccess(&a)
	}
}
