package passkeys

import (
	"bytes"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// Register takes a key that was made upon the challenge (section 7.1).
func (s *Site) Register(challenge []byte, answer string) (Credential, error) {
	if !s.Usable() {
		return Credential{}, refuse("keys cannot be used at an address")
	}
	if len(answer) > maxAnswer {
		return Credential{}, refuse("the answer is too long")
	}
	p, err := protocol.ParseCredentialCreationResponseBytes([]byte(answer))
	if err != nil {
		return Credential{}, refuse("the answer cannot be read")
	}
	authData := p.Response.AttestationObject.AuthData
	if err := s.checkClient(p.Response.CollectedClientData, protocol.CreateCeremony, challenge, len(p.Raw.AttestationResponse.ClientDataJSON)); err != nil {
		return Credential{}, err
	}
	if err := s.checkAuthenticator(authData, false); err != nil {
		return Credential{}, err
	}
	if !authData.Flags.HasAttestedCredentialData() {
		return Credential{}, refuse("the answer has no key")
	}
	made := authData.AttData
	if !bytes.Equal(p.RawID, made.CredentialID) || len(made.CredentialID) == 0 || len(made.CredentialID) > maxCredentialID {
		return Credential{}, refuse("the name of the key is not its own")
	}
	if err := checkKey(made.CredentialPublicKey); err != nil {
		return Credential{}, err
	}
	if err := checkFormat(p.Response.AttestationObject); err != nil {
		return Credential{}, err
	}
	_, err = p.Verify(encode(challenge), s.id, []string{s.origin}, nil, nil, protocol.TopOriginExplicitVerificationMode, false,
		false, true, nil, parameters(), protocol.AttestationPolicy{}, protocol.SignaturePolicy{})
	if err != nil {
		return Credential{}, refuse("the answer does not hold")
	}
	props := p.ClientExtensionResults.CredProps
	return Credential{
		ID: made.CredentialID, PublicKey: made.CredentialPublicKey, SignCount: authData.Counter, AAGUID: made.AAGUID,
		Transports: transports(p.Raw.AttestationResponse.Transports), UserVerified: authData.Flags.HasUserVerified(),
		Discoverable:   props != nil && props.RK != nil && *props.RK,
		BackupEligible: authData.Flags.HasBackupEligible(), BackedUp: authData.Flags.HasBackupState(),
	}, nil
}

// checkFormat: who asks for no attestation gets none, or the key's own signature (section
// 5.1.3). Whatever else comes is not looked at, so that nobody reaches the code that reads it.
func checkFormat(o protocol.AttestationObject) error {
	_, certified := o.AttStatement["x5c"]
	switch format := protocol.AttestationFormat(o.Format); {
	case format == protocol.AttestationFormatNone, format == protocol.AttestationFormatPacked && !certified:
		return nil
	}
	return refuse("the key sends an attestation that nobody asked for")
}

// checkKey admits the public keys of the algorithms that were asked for. RSA keys are bounded,
// as what they cost to check is.
func checkKey(cose []byte) error {
	if len(cose) > maxPublicKey {
		return refuse("the public key is too long")
	}
	key, err := webauthncose.ParsePublicKey(cose)
	if err != nil {
		return refuse("the public key cannot be used")
	}
	var alg int64
	switch k := key.(type) {
	case webauthncose.EC2PublicKeyData:
		alg = k.Algorithm
	case webauthncose.OKPPublicKeyData:
		alg = k.Algorithm
	case webauthncose.RSAPublicKeyData:
		alg = k.Algorithm
		if len(k.Modulus) < 256 || len(k.Modulus) > 1024 {
			return refuse("the public key cannot be used")
		}
	}
	if !slices.Contains(Algorithms, webauthncose.COSEAlgorithmIdentifier(alg)) {
		return refuse("the algorithm of the key is not one that is taken")
	}
	return nil
}

func parameters() []protocol.CredentialParameter {
	all := make([]protocol.CredentialParameter, len(Algorithms))
	for i, alg := range Algorithms {
		all[i] = protocol.CredentialParameter{Type: protocol.PublicKeyCredentialType, Algorithm: alg}
	}
	return all
}

// known are the ways that browsers know to reach a key; others are not handed on to them.
var known = []protocol.AuthenticatorTransport{
	protocol.USB, protocol.NFC, protocol.BLE, protocol.SmartCard, protocol.Hybrid, protocol.Internal,
}

func transports(sent []string) (admitted []string) {
	for _, t := range sent {
		if slices.Contains(known, protocol.AuthenticatorTransport(t)) && !slices.Contains(admitted, t) && len(admitted) < maxTransports {
			admitted = append(admitted, t)
		}
	}
	return admitted
}
