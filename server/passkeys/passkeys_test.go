package passkeys

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/test/authenticator"
)

const here = "https://id.example"

// made makes a key and keeps what Register says of it.
func made(t *testing.T, s *Site, k *authenticator.Key) Credential {
	t.Helper()
	c := NewChallenge()
	got, err := s.Register(c, k.Create(s.CreationOptions(c, Owner{"usr_ann", "ann@example.com"}, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func assert(s *Site, k *authenticator.Key, c Credential, verifyUser bool) (Use, error) {
	challenge := NewChallenge()
	a, err := ReadAssertion(k.Get(s.PasskeyOptions(challenge)))
	if err != nil {
		return Use{}, err
	}
	return s.Verify(a, challenge, c, verifyUser)
}

func TestAKeyOfEachAlgorithmIsTakenAndAnswers(t *testing.T) {
	s := site(t, here)
	for name, alg := range map[string]int{"ES256": authenticator.ES256, "EdDSA": authenticator.EdDSA, "RS256": authenticator.RS256} {
		t.Run(name, func(t *testing.T) {
			k := authenticator.New(here, alg)
			k.Flags |= authenticator.BackupEligible | authenticator.BackedUp
			c := made(t, s, k)
			if !bytes.Equal(c.ID, k.ID) || c.SignCount != 1 || !c.UserVerified || !c.Discoverable || !c.BackupEligible || !c.BackedUp {
				t.Errorf("kept %+v", c)
			}
			if !slices.Equal(c.Transports, []string{"internal", "hybrid"}) {
				t.Errorf("transports %v", c.Transports)
			}
			use, err := assert(s, k, c, true)
			if err != nil || use != (Use{SignCount: 2, UserVerified: true, BackedUp: true}) {
				t.Errorf("its answer: %+v, %v", use, err)
			}
		})
	}
}

// Whatever is not as it was asked for is refused, by a key that is made and by one that is
// known.
func TestAnAnswerThatDoesNotFitIsRefused(t *testing.T) {
	s := site(t, here)
	for what, test := range map[string]struct {
		lie   func(*authenticator.Key)
		words string
	}{
		"another origin":          {func(k *authenticator.Key) { k.Lie.Origin = "https://evil.example" }, "on another site"},
		"a subdomain":             {func(k *authenticator.Key) { k.Lie.Origin = "https://a.id.example" }, "on another site"},
		"another port":            {func(k *authenticator.Key) { k.Lie.Origin = "https://id.example:8443" }, "on another site"},
		"another scheme":          {func(k *authenticator.Key) { k.Lie.Origin = "http://id.example" }, "on another site"},
		"the origin written big":  {func(k *authenticator.Key) { k.Lie.Origin = "https://ID.example" }, "on another site"},
		"another RP ID":           {func(k *authenticator.Key) { k.Lie.RPID = "example" }, "for another site"},
		"a frame elsewhere":       {func(k *authenticator.Key) { k.Lie.CrossOrigin = true }, "inside of another site"},
		"a page around it":        {func(k *authenticator.Key) { k.Lie.TopOrigin = "https://evil.example" }, "inside of another site"},
		"nobody there":            {func(k *authenticator.Key) { k.Flags &^= authenticator.Present }, "nobody touched"},
		"another challenge":       {func(k *authenticator.Key) { k.Lie.Challenge = NewChallenge() }, "another challenge"},
		"an empty challenge":      {func(k *authenticator.Key) { k.Lie.Challenge = []byte{0} }, "another challenge"},
		"backed up, never may be": {func(k *authenticator.Key) { k.Flags |= authenticator.BackedUp }, "contradicts itself"},
		"long client data":        {func(k *authenticator.Key) { k.Lie.Padding = 5 << 10 }, "too long"},
		"a long answer":           {func(k *authenticator.Key) { k.Lie.Padding = 15 << 10 }, "too long"},
	} {
		t.Run(what, func(t *testing.T) {
			k := authenticator.New(here, authenticator.ES256)
			c := made(t, s, k)
			test.lie(k)
			_, err := assert(s, k, c, false)
			wantRefusal(t, "an answer", err, test.words)
			challenge := NewChallenge()
			_, err = s.Register(challenge, k.Create(s.CreationOptions(challenge, Owner{"usr_ann", "ann"}, nil)))
			wantRefusal(t, "a new key", err, test.words)
		})
	}
}

func TestAnAnswerOfAKnownKeyIsItsOwn(t *testing.T) {
	s := site(t, here)
	k, other := authenticator.New(here, authenticator.ES256), authenticator.New(here, authenticator.ES256)
	c := made(t, s, k)
	for what, test := range map[string]struct {
		lie   authenticator.Lie
		words string
	}{
		"the answer to an enrolment":     {authenticator.Lie{Type: "webauthn.create"}, "to something else"},
		"of payment":                     {authenticator.Lie{Type: "payment.get"}, "to something else"},
		"a signature with a flipped bit": {authenticator.Lie{Flip: true}, "does not fit"},
		"under another name":             {authenticator.Lie{ID: other.ID}, "another key"},
	} {
		k.Lie = test.lie
		_, err := assert(s, k, c, false)
		wantRefusal(t, what, err, test.words)
	}
	k.Lie = authenticator.Lie{}
	other.Lie.ID = k.ID
	_, err := assert(s, other, c, false)
	wantRefusal(t, "another key under its name", err, "does not fit")
	k.Flags |= authenticator.BackupEligible
	_, err = assert(s, k, c, false)
	wantRefusal(t, "one that may be copied all at once", err, "says otherwise")
	k.Flags = authenticator.Present
	_, err = assert(s, k, c, true)
	wantRefusal(t, "without asking who it is", err, "did not ask who it is")
	if use, err := assert(s, k, c, false); err != nil || use.UserVerified {
		t.Errorf("as a second factor: %+v, %v", use, err)
	}
	challenge := NewChallenge()
	answer := k.Get(s.PasskeyOptions(challenge))
	a, err := ReadAssertion(answer)
	if err != nil {
		t.Fatal(err)
	}
	for what, wrong := range map[string][]byte{"another": NewChallenge(), "none": nil, "a part of it": challenge[:15]} {
		_, err := s.Verify(a, wrong, c, false)
		wantRefusal(t, what, err, "another challenge")
	}
}

// Three algorithms, whatever a browser offers.
func TestOnlyTheAlgorithmsThatWereAskedForAreTaken(t *testing.T) {
	s := site(t, here)
	for what, test := range map[string]struct {
		key   *authenticator.Key
		words string
	}{
		"ES384":               {authenticator.New(here, authenticator.ES384), "is not one that is taken"},
		"RS1":                 {lying(authenticator.RS256, -65535), "is not one that is taken"},
		"PS256":               {lying(authenticator.RS256, -37), "is not one that is taken"},
		"a curve of another":  {lying(authenticator.ES256, authenticator.ES384), "cannot be used"},
		"an unknown one":      {lying(authenticator.ES256, -9999), "cannot be used"},
		"an attestation":      {with(authenticator.New(here, authenticator.ES256), authenticator.Lie{Format: "tpm"}), "nobody asked for"},
		"a foreign signature": {with(authenticator.New(here, authenticator.ES256), authenticator.Lie{Format: "fido-u2f"}), "nobody asked for"},
	} {
		challenge := NewChallenge()
		_, err := s.Register(challenge, test.key.Create(s.CreationOptions(challenge, Owner{"usr_ann", "ann"}, nil)))
		wantRefusal(t, what, err, test.words)
	}
	k := with(authenticator.New(here, authenticator.ES256), authenticator.Lie{Format: "packed"})
	made(t, s, k) // its own signature is none of somebody else's
}

func lying(alg, as int) *authenticator.Key {
	return with(authenticator.New(here, alg), authenticator.Lie{Algorithm: as})
}

func with(k *authenticator.Key, l authenticator.Lie) *authenticator.Key {
	k.Lie = l
	return k
}

func TestWhatIsNoAnswerIsRefused(t *testing.T) {
	s := site(t, here)
	k := authenticator.New(here, authenticator.ES256)
	challenge := NewChallenge()
	whole := k.Create(s.CreationOptions(challenge, Owner{"usr_ann", "ann"}, nil))
	for _, answer := range []string{
		"", "null", "[]", "{}", `{"id":"AA","rawId":"AA","type":"public-key"}`, `{"id":"\n","rawId":"","type":"public-key"}`,
		whole[:len(whole)/2], whole + whole, strings.Replace(whole, "public-key", "password", 1), strings.Repeat("[", 20<<10),
		strings.Replace(whole, `"rawId":"`, `"rawId":"AA`, 1),
	} {
		if _, err := s.Register(challenge, answer); err == nil {
			t.Errorf("a new key by %.40q", answer)
		}
		if _, err := ReadAssertion(answer); err == nil {
			t.Errorf("an assertion by %.40q", answer)
		}
	}
	if _, err := ReadAssertion(k.Get(s.PasskeyOptions(challenge))); err != nil {
		t.Error(err)
	}
	long := with(authenticator.New(here, authenticator.ES256), authenticator.Lie{ID: make([]byte, 1024)})
	if _, err := ReadAssertion(long.Get(s.PasskeyOptions(challenge))); err == nil {
		t.Error("an ID of 1,024 bytes is read")
	}
}

// The RP ID is the issuer's own host: nobody above or beside it can use the keys. An address
// is none.
func TestTheSiteIsTheIssuersHost(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://id.example": "id.example", "https://id.example:8443": "id.example", "https://ID.Example": "id.example",
		"http://localhost:8080": "localhost", "https://gatehouse": "gatehouse",
		"http://127.0.0.1:8080": "", "http://[::1]:8080": "", "https://192.0.2.1": "", "http://127.1": "", "https://0x7f.0x1": "", "https://3com.example": "3com.example",
	} {
		s := site(t, issuer)
		if s.id != want || s.Usable() != (want != "") || s.origin != strings.ToLower(issuer) {
			t.Errorf("%s: %q at %s", issuer, s.id, s.origin)
		}
	}
	s := site(t, "http://127.0.0.1:8080")
	k := authenticator.New("http://127.0.0.1:8080", authenticator.ES256)
	k.Lie.RPID = "127.0.0.1"
	challenge := NewChallenge()
	_, err := s.Register(challenge, k.Create(s.CreationOptions(challenge, Owner{"usr_ann", "ann"}, nil)))
	wantRefusal(t, "at an address", err, "at an address")
	_, err = assert(s, k, Credential{ID: k.ID}, false)
	wantRefusal(t, "at an address", err, "at an address")
}

// ASVS 6.7.2, and 6.3.8: the options of a passkey name nobody.
func TestOptionsAskForWhatIsChecked(t *testing.T) {
	s := site(t, here)
	seen := map[string]bool{}
	for range 1000 {
		c := NewChallenge()
		if len(c)*8 < 128 || seen[string(c)] {
			t.Fatal("a challenge is short, or repeats")
		}
		seen[string(c)] = true
	}
	read := func(text string) (m map[string]any) {
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	c := NewChallenge()
	alone := read(s.PasskeyOptions(c))
	if alone["userVerification"] != "required" || len(alone["allowCredentials"].([]any)) != 0 || alone["challenge"] != encode(c) || alone["timeout"] != 300000.0 {
		t.Errorf("a passkey: %v", alone)
	}
	key := Credential{ID: []byte{1, 2, 3}, Transports: []string{"usb"}}
	second := read(s.SecondOptions(c, []Credential{key}))
	if allowed, _ := json.Marshal(second["allowCredentials"]); string(allowed) != `[{"id":"AQID","transports":["usb"],"type":"public-key"}]` {
		t.Errorf("a second factor: %v", second)
	}
	creation := read(s.CreationOptions(c, Owner{"usr_ann", "ann@example.com"}, []Credential{key}))
	want := map[string]string{
		"attestation": `"none"`, "authenticatorSelection": `{"residentKey":"preferred","userVerification":"preferred"}`,
		"pubKeyCredParams":   `[{"alg":-8,"type":"public-key"},{"alg":-7,"type":"public-key"},{"alg":-257,"type":"public-key"}]`,
		"excludeCredentials": `[{"id":"AQID","transports":["usb"],"type":"public-key"}]`,
		"rp":                 `{"id":"id.example","name":"id.example"}`,
	}
	for name, text := range want {
		if got, _ := json.Marshal(creation[name]); string(got) != text {
			t.Errorf("%s is %s, want %s", name, got, text)
		}
	}
}

// FuzzAnswer: whatever is sent, reading it ends, and nothing but the key's own answer to this
// very challenge proves anything.
func FuzzAnswer(f *testing.F) {
	s := site(f, here)
	k := authenticator.New(here, authenticator.ES256)
	challenge := NewChallenge()
	whole := k.Create(s.CreationOptions(challenge, Owner{"usr_ann", "ann"}, nil))
	key, err := s.Register(challenge, whole)
	if err != nil {
		f.Fatal(err)
	}
	answered := NewChallenge()
	answer := k.Get(s.PasskeyOptions(answered))
	f.Add(whole)
	f.Add(answer)
	f.Add(answer[:len(answer)-2])
	f.Add(strings.ReplaceAll(whole, "A", "_"))
	f.Add("{}")
	asked := NewChallenge() // nobody has answered it
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := s.Register(asked, text); err == nil {
			t.Errorf("a new key by %q", text)
		}
		if a, err := ReadAssertion(text); err == nil {
			if _, err := s.Verify(a, asked, key, false); err == nil {
				t.Errorf("proven by %q", text)
			}
		}
	})
}
