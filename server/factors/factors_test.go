package factors

import (
	"bytes"
	"encoding/base32"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/test/keyringtest"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// RFC 6238 appendix B, for SHA-1: eight digits there, the last six of them here.
func TestCodesAreThoseOfRFC6238(t *testing.T) {
	s := Secret{model.NewSensitive([]byte("12345678901234567890"))}
	for seconds, want := range map[int64]string{
		59: "94287082", 1111111109: "07081804", 1111111111: "14050471",
		1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130",
	} {
		step := StepAt(time.Unix(seconds, 0))
		if got := fmt.Sprintf("%08d", hotp(s.raw.Reveal(), uint64(step))%100_000_000); got != want {
			t.Errorf("at %d: %s, want %s", seconds, got, want)
		}
		if got := s.Code(step); got != want[2:] {
			t.Errorf("at %d: %s, want %s", seconds, got, want[2:])
		}
	}
}

// RFC 4226 appendix D
func TestValuesAreThoseOfRFC4226(t *testing.T) {
	s := Secret{model.NewSensitive([]byte("12345678901234567890"))}
	for i, want := range strings.Fields("755224 287082 359152 969429 338314 254676 287922 162583 399871 520489") {
		if got := s.Code(int64(i)); got != want {
			t.Errorf("%d: %s, want %s", i, got, want)
		}
	}
}

// ASVS 6.5.5
func TestACodeIsGoodForItsStepAndOneBesideIt(t *testing.T) {
	s := NewSecret()
	present := StepAt(start)
	for off := int64(-3); off <= 3; off++ {
		step, ok := s.Verify(s.Code(present+off), start)
		if wanted := off >= -1 && off <= 1; ok != wanted || ok && step != present+off {
			t.Errorf("%+d: %v, step %+d", off, ok, step-present)
		}
	}
	for _, code := range []string{"", "12345", "1234567", s.Code(present) + "0", " " + s.Code(present)[1:], "١٢٣"} {
		if _, ok := s.Verify(code, start); ok {
			t.Errorf("%q is taken", code)
		}
	}
	if _, ok := NewSecret().Verify(s.Code(present), start); ok {
		t.Error("a code of another secret is taken")
	}
}

// ASVS 6.5.3, 6.5.4
func TestSecretsAndRecoveryCodesAreLongAndNeverRepeat(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		for _, text := range append(NewRecoveryCodes(), NewSecret().Groups(), NewID()) {
			if seen[text] {
				t.Fatal("twice the same")
			}
			seen[text] = true
		}
	}
	if n := len(NewSecret().raw.Reveal()) * 8; n < 128 {
		t.Errorf("a secret has %d bits", n)
	}
	if codes := NewRecoveryCodes(); len(codes) != 10 || len(strings.ReplaceAll(codes[0], "-", ""))*5 < 112 {
		t.Errorf("%d codes, the first of %d characters", len(codes), len(codes[0]))
	}
}

func TestAnAppReadsTheURI(t *testing.T) {
	s := NewSecret()
	raw := s.URI("id.example", "ann lee+x@example.com")
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/id.example:ann lee+x@example.com" || strings.Contains(raw, " ") {
		t.Errorf("%s at %s", u.Scheme, u.Path)
	}
	q := u.Query()
	if q.Get("issuer") != "id.example" || q.Get("algorithm") != "SHA1" || q.Get("digits") != "6" || q.Get("period") != "30" {
		t.Error("the parameters are others")
	}
	got, err := base32.StdEncoding.DecodeString(q.Get("secret"))
	if err != nil || !bytes.Equal(got, s.raw.Reveal()) {
		t.Error("the secret is another")
	}
}

func TestASealedSecretIsForOneFactorOfOnePersonUnderOneKeyring(t *testing.T) {
	v, other := vault(t), vault(t)
	s := NewSecret()
	kept, err := v.Seal("usr_a", "fac_1", s)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(kept, s.raw.Reveal()) || bytes.Contains(kept, []byte(s.Text())) {
		t.Error("it is not sealed")
	}
	if got, err := v.Open("usr_a", "fac_1", kept); err != nil || got.Text() != s.Text() {
		t.Errorf("it does not open: %v", err)
	}
	for what, open := range map[string]func() (Secret, error){
		"another person":  func() (Secret, error) { return v.Open("usr_b", "fac_1", kept) },
		"another factor":  func() (Secret, error) { return v.Open("usr_a", "fac_2", kept) },
		"another keyring": func() (Secret, error) { return other.Open("usr_a", "fac_1", kept) },
		"nothing":         func() (Secret, error) { return v.Open("usr_a", "fac_1", nil) },
	} {
		if _, err := open(); err == nil {
			t.Errorf("%s opens it", what)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v", s, s, s); strings.Contains(text, string(s.raw.Reveal())) || strings.Contains(text, s.Text()) {
		t.Error("a secret prints itself")
	}
}

// ASVS 6.5.2
func TestRecoveryCodesAreReadHoweverTheyAreTypedAndHashedForOnePerson(t *testing.T) {
	v := vault(t)
	code := NewRecoveryCodes()[0]
	want := v.HashRecoveryCode("usr_a", code)
	for _, typed := range []string{
		strings.ToLower(code), strings.ReplaceAll(code, "-", ""), strings.ReplaceAll(code, "-", " "), "  " + code + " ",
		strings.NewReplacer("O", "0", "I", "1").Replace(code),
	} {
		if !bytes.Equal(v.HashRecoveryCode("usr_a", typed), want) {
			t.Error("it is another when it is typed in another way")
		}
	}
	if bytes.Equal(v.HashRecoveryCode("usr_b", code), want) {
		t.Error("it is good for somebody else")
	}
	for _, typed := range []string{"", "123456", code[1:], code + "A", strings.Replace(code, code[:1], "8", 1), strings.Repeat("é", 12)} {
		if v.HashRecoveryCode("usr_a", typed) != nil {
			t.Errorf("%q is taken for a code", typed)
		}
	}
}

func vault(t *testing.T) *Vault {
	t.Helper()
	keys, err := keyringtest.New()
	if err != nil {
		t.Fatal(err)
	}
	v, err := NewVault(keys)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
