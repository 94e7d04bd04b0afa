package passkeys

import (
	"crypto/sha256"
	"crypto/subtle"

	"github.com/go-webauthn/webauthn/protocol"
)

// Assertion is the answer of a key that is not verified yet.
type Assertion struct {
	CredentialID []byte
	UserHandle   []byte // empty: the key did not name the account
	parsed       *protocol.ParsedCredentialAssertionData
}

// ReadAssertion reads what a browser sends. It verifies nothing.
func ReadAssertion(answer string) (*Assertion, error) {
	if len(answer) > maxAnswer {
		return nil, refuse("the answer is too long")
	}
	p, err := protocol.ParseCredentialRequestResponseBytes([]byte(answer))
	if err != nil {
		return nil, refuse("the answer cannot be read")
	}
	if len(p.RawID) > maxCredentialID || len(p.Response.Signature) > maxSignature {
		return nil, refuse("the answer is too long")
	}
	return &Assertion{p.RawID, p.Response.UserHandle, p}, nil
}

// Verify reports what the assertion proves of the key, if it is the key's answer to the
// challenge (section 7.2). Whether the counter may be what it is the store decides.
func (s *Site) Verify(a *Assertion, challenge []byte, key Credential, verifyUser bool) (Use, error) {
	if !s.Usable() {
		return Use{}, refuse("keys cannot be used at an address")
	}
	if subtle.ConstantTimeCompare(a.CredentialID, key.ID) != 1 {
		return Use{}, refuse("it is another key")
	}
	p := a.parsed
	if err := s.checkClient(p.Response.CollectedClientData, protocol.AssertCeremony, challenge, len(p.Raw.AssertionResponse.ClientDataJSON)); err != nil {
		return Use{}, err
	}
	authData := p.Response.AuthenticatorData
	if err := s.checkAuthenticator(authData, verifyUser); err != nil {
		return Use{}, err
	}
	if authData.Flags.HasBackupEligible() != key.BackupEligible {
		return Use{}, refuse("the key says otherwise whether it may be copied") // section 7.2 step 19
	}
	if err := checkKey(key.PublicKey); err != nil {
		return Use{}, err
	}
	err := p.Verify(encode(challenge), s.id, "", []string{s.origin}, nil, nil, protocol.TopOriginExplicitVerificationMode, false,
		verifyUser, true, key.PublicKey, protocol.SignaturePolicy{})
	if err != nil {
		return Use{}, refuse("the signature of the key does not fit")
	}
	return Use{authData.Counter, authData.Flags.HasUserVerified(), authData.Flags.HasBackupState()}, nil
}

// checkClient holds what the browser says to what was asked (sections 7.1 and 7.2, steps 7 to
// 14). The origin is compared as it is: a browser writes it in one way only.
func (s *Site) checkClient(c protocol.CollectedClientData, ceremony protocol.CeremonyType, challenge []byte, size int) error {
	switch {
	case size > maxClientData:
		return refuse("the answer is too long")
	case c.Type != ceremony:
		return refuse("the answer is to something else")
	case len(challenge) < 16 || subtle.ConstantTimeCompare([]byte(c.Challenge), []byte(encode(challenge))) != 1:
		return refuse("the answer is to another challenge")
	case c.Origin != s.origin:
		return refuse("the key was used on another site")
	case c.CrossOrigin || c.TopOrigin != "":
		return refuse("the key was used inside of another site")
	}
	return nil
}

// checkAuthenticator holds what the key says to what was asked (sections 7.1 and 7.2, steps 15
// to 18).
func (s *Site) checkAuthenticator(a protocol.AuthenticatorData, verifyUser bool) error {
	want := sha256.Sum256([]byte(s.id))
	switch {
	case subtle.ConstantTimeCompare(a.RPIDHash, want[:]) != 1:
		return refuse("the key was used for another site")
	case !a.Flags.HasUserPresent():
		return refuse("nobody touched the key")
	case verifyUser && !a.Flags.HasUserVerified():
		return refuse("the key did not ask who it is")
	case a.Flags.HasBackupState() && !a.Flags.HasBackupEligible():
		return refuse("the key contradicts itself")
	}
	return nil
}
