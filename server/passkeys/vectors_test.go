package passkeys

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// vector is one of Web Authentication Level 3, section 16: a key and its first answer, in
// hexadecimal. A refusal is what is here against the specification: no frame of another site,
// no attestation that nobody asked for, three algorithms.
type vector struct {
	Section, CredentialID string
	Register              struct{ Challenge, ClientDataJSON, AttestationObject, Refusal string }
	Get                   struct{ Challenge, ClientDataJSON, AuthenticatorData, Signature, PublicKey, Refusal string }
}

func fromHex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func answerOf(t *testing.T, id string, response map[string]string) string {
	t.Helper()
	for name, text := range response {
		response[name] = encode(fromHex(t, text))
	}
	name := encode(fromHex(t, id))
	b, err := json.Marshal(map[string]any{"id": name, "rawId": name, "type": "public-key", "response": response})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTheVectorsOfTheSpecificationAreTakenAndRefused(t *testing.T) {
	raw, err := os.ReadFile("testdata/w3c-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(raw, &vectors); err != nil || len(vectors) < 11 {
		t.Fatalf("%d vectors, %v", len(vectors), err)
	}
	s := site(t, "https://example.org")
	for _, v := range vectors {
		t.Run(v.Section, func(t *testing.T) {
			r, g := v.Register, v.Get
			made, err := s.Register(fromHex(t, r.Challenge), answerOf(t, v.CredentialID, map[string]string{
				"clientDataJSON": r.ClientDataJSON, "attestationObject": r.AttestationObject,
			}))
			wantRefusal(t, "a new key", err, r.Refusal)
			public := fromHex(t, g.PublicKey)
			if r.Refusal == "" && (string(made.PublicKey) != string(public) || string(made.ID) != string(fromHex(t, v.CredentialID))) {
				t.Error("another key is kept")
			}
			answer := map[string]string{"clientDataJSON": g.ClientDataJSON, "authenticatorData": g.AuthenticatorData, "signature": g.Signature}
			a, err := ReadAssertion(answerOf(t, v.CredentialID, answer))
			if err != nil {
				t.Fatal(err)
			}
			flags := a.parsed.Response.AuthenticatorData.Flags
			key := Credential{ID: fromHex(t, v.CredentialID), PublicKey: public, BackupEligible: flags.HasBackupEligible()}
			use, err := s.Verify(a, fromHex(t, g.Challenge), key, false)
			wantRefusal(t, "its answer", err, g.Refusal)
			if g.Refusal == "" && use.UserVerified != flags.HasUserVerified() {
				t.Error("the verification of the person is told otherwise")
			}
		})
	}
}

func site(t testing.TB, issuer string) *Site {
	t.Helper()
	s, err := NewSite(issuer)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wantRefusal(t *testing.T, what string, err error, words string) {
	t.Helper()
	switch {
	case words == "" && err != nil:
		t.Errorf("%s: %v", what, err)
	case words != "" && err == nil:
		t.Errorf("%s is taken; want it refused: %s", what, words)
	case err != nil && !strings.Contains(err.Error(), words):
		t.Errorf("%s: refused for %q, want %q", what, err, words)
	}
}
