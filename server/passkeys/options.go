package passkeys

import (
	"encoding/base64"
	"encoding/json"

	"github.com/go-webauthn/webauthn/protocol"
)

// The options of a ceremony as JSON: bytes are base64url (section 5.1.8 and 5.1.9).

type descriptor struct {
	Type       string   `json:"type"`
	ID         string   `json:"id"`
	Transports []string `json:"transports,omitempty"`
}

type parameter struct {
	Type string `json:"type"`
	Alg  int    `json:"alg"`
}

type entity struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	DisplayName string `json:"displayName,omitempty"`
}

type selection struct {
	ResidentKey      string `json:"residentKey"`
	UserVerification string `json:"userVerification"`
}

type creation struct {
	RP          entity       `json:"rp"`
	User        entity       `json:"user"`
	Challenge   string       `json:"challenge"`
	Parameters  []parameter  `json:"pubKeyCredParams"`
	Timeout     int64        `json:"timeout"` // ms
	Exclude     []descriptor `json:"excludeCredentials"`
	Selection   selection    `json:"authenticatorSelection"`
	Attestation string       `json:"attestation"`
	Extensions  struct {
		CredProps bool `json:"credProps"`
	} `json:"extensions"`
}

type request struct {
	Challenge        string       `json:"challenge"`
	Timeout          int64        `json:"timeout"` // ms
	RPID             string       `json:"rpId"`
	Allow            []descriptor `json:"allowCredentials"`
	UserVerification string       `json:"userVerification"`
}

// Owner is whom a key is made for.
type Owner struct {
	Handle string // the user handle: names the account to us, and nothing about the person
	Name   string // what tells accounts apart where one chooses between keys
}

// CreationOptions are what a browser needs to have a key made. Those that the person has are
// not asked to make a second one.
func (s *Site) CreationOptions(challenge []byte, o Owner, known []Credential) string {
	c := creation{
		RP: entity{ID: s.id, Name: s.id}, User: entity{ID: encode([]byte(o.Handle)), Name: o.Name, DisplayName: o.Name},
		Challenge: encode(challenge), Timeout: AnswerFor.Milliseconds(), Exclude: descriptors(known),
		Selection:   selection{ResidentKey: string(protocol.ResidentKeyRequirementPreferred), UserVerification: string(protocol.VerificationPreferred)},
		Attestation: string(protocol.PreferNoAttestation),
	}
	c.Extensions.CredProps = true
	for _, alg := range Algorithms {
		c.Parameters = append(c.Parameters, parameter{string(protocol.PublicKeyCredentialType), int(alg)})
	}
	return text(c)
}

// PasskeyOptions are what a browser needs to let anybody sign in with a passkey. They name no
// account, so they tell nothing about any.
func (s *Site) PasskeyOptions(challenge []byte) string {
	return text(request{
		Challenge: encode(challenge), Timeout: AnswerFor.Milliseconds(), RPID: s.id, Allow: []descriptor{},
		UserVerification: string(protocol.VerificationRequired),
	})
}

// SecondOptions are what a browser needs to have one of these keys used as a second factor.
func (s *Site) SecondOptions(challenge []byte, allowed []Credential) string {
	return text(request{
		Challenge: encode(challenge), Timeout: AnswerFor.Milliseconds(), RPID: s.id, Allow: descriptors(allowed),
		UserVerification: string(protocol.VerificationDiscouraged),
	})
}

func descriptors(of []Credential) []descriptor {
	d := make([]descriptor, len(of))
	for i, c := range of {
		d[i] = descriptor{string(protocol.PublicKeyCredentialType), encode(c.ID), c.Transports}
	}
	return d
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func text(options any) string {
	b, err := json.Marshal(options)
	if err != nil {
		panic(err) // they are strings and numbers
	}
	return string(b)
}
