// Package authenticator is a security key or passkey in software, for tests: it answers what
// a page asks of it, as a browser hands it on, and lies wherever a test says so.
package authenticator

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
)

// Flags of authenticator data (Web Authentication section 6.1).
const (
	Present        = 0x01
	Verified       = 0x04
	BackupEligible = 0x08
	BackedUp       = 0x10
	attested       = 0x40
)

// COSE algorithms.
const (
	ES256 = -7
	EdDSA = -8
	ES384 = -35
	RS256 = -257
)

// Key is one credential. Its fields may be changed between answers.
type Key struct {
	ID     []byte
	Origin string
	Flags  byte
	Count  uint32 // goes up with every answer, unless Step says otherwise
	Step   uint32
	Handle []byte // the user handle, from the options it was made with
	Lie    Lie
	alg    int
	signer crypto.Signer
}

// Lie is what an answer says that is not so. The zero value is honest.
type Lie struct {
	Type, Origin, RPID, TopOrigin string
	CrossOrigin                   bool
	Challenge                     []byte
	ID, Handle                    []byte
	Format                        string
	Algorithm                     int  // in the public key
	Flip                          bool // a bit of the signature
	Padding                       int  // bytes more of client data
}

// New makes a key that is used on the pages of an origin, by somebody who lets it.
func New(origin string, alg int) *Key {
	k := &Key{ID: make([]byte, 32), Origin: origin, Flags: Present | Verified, Step: 1, alg: alg}
	_, _ = rand.Read(k.ID) // never fails
	var err error
	switch alg {
	case ES256:
		k.signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case ES384:
		k.signer, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case RS256:
		k.signer, err = rsa.GenerateKey(rand.Reader, 2048)
	case EdDSA:
		_, k.signer, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		panic(err)
	}
	return k
}

// Copy is the same key somewhere else, with the same counter.
func (k *Key) Copy() *Key {
	c := *k
	return &c
}

type options struct {
	Challenge string `json:"challenge"`
	RPID      string `json:"rpId"`
	RP        struct {
		ID string `json:"id"`
	} `json:"rp"`
	User struct {
		ID string `json:"id"`
	} `json:"user"`
}

// Create answers the options of an enrolment.
func (k *Key) Create(text string) string {
	o := read(text)
	k.Handle = decode(o.User.ID)
	client := k.clientData("webauthn.create", o)
	authData := k.authData(o.RP.ID, k.Flags|attested)
	id := k.id()
	authData = append(authData, make([]byte, 16)...) // AAGUID
	authData = binary.BigEndian.AppendUint16(authData, uint16(len(id)))
	authData = append(append(authData, id...), k.public()...)
	format := k.Lie.Format
	if format == "" {
		format = "none"
	}
	statement := map[string]any{}
	if format == "packed" {
		statement = map[string]any{"alg": k.alg, "sig": k.sign(authData, client)}
	}
	return k.answer(map[string]any{
		"clientDataJSON": encode(client), "transports": []string{"internal", "hybrid", "carrier-pigeon"},
		"attestationObject": encode(cbor(map[string]any{"fmt": format, "attStmt": statement, "authData": authData})),
	}, map[string]any{"credProps": map[string]any{"rk": true}})
}

// Get answers the options of a sign-in.
func (k *Key) Get(text string) string {
	o := read(text)
	client := k.clientData("webauthn.get", o)
	authData := k.authData(o.RPID, k.Flags)
	signature := k.sign(authData, client)
	if k.Lie.Flip {
		signature[len(signature)-1] ^= 1
	}
	response := map[string]any{"clientDataJSON": encode(client), "authenticatorData": encode(authData), "signature": encode(signature)}
	if handle := first(k.Lie.Handle, k.Handle); len(handle) > 0 {
		response["userHandle"] = encode(handle)
	}
	return k.answer(response, map[string]any{})
}

func (k *Key) answer(response, extensions map[string]any) string {
	id := encode(k.id())
	b, err := json.Marshal(map[string]any{"id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": extensions})
	if err != nil {
		panic(err)
	}
	return string(b)
}

func (k *Key) id() []byte { return first(k.Lie.ID, k.ID) }

func (k *Key) clientData(kind string, o options) []byte {
	said := map[string]any{"type": kind, "challenge": o.Challenge, "origin": k.Origin, "crossOrigin": k.Lie.CrossOrigin}
	lies := map[string]string{"type": k.Lie.Type, "origin": k.Lie.Origin, "topOrigin": k.Lie.TopOrigin, "challenge": encode(k.Lie.Challenge)}
	maps.DeleteFunc(lies, func(_, lie string) bool { return lie == "" })
	for name, lie := range lies {
		said[name] = lie
	}
	if k.Lie.Padding > 0 {
		said["padding"] = encode(make([]byte, k.Lie.Padding))
	}
	b, err := json.Marshal(said)
	if err != nil {
		panic(err)
	}
	return b
}

func (k *Key) authData(rpID string, flags byte) []byte {
	if k.Lie.RPID != "" {
		rpID = k.Lie.RPID
	}
	k.Count += k.Step
	hash := sha256.Sum256([]byte(rpID))
	return binary.BigEndian.AppendUint32(append(hash[:], flags), k.Count)
}

func (k *Key) sign(authData, client []byte) []byte {
	hash := sha256.Sum256(client)
	signed := append(append([]byte{}, authData...), hash[:]...)
	var digest []byte
	hashed := crypto.SHA256
	switch k.alg {
	case EdDSA:
		digest, hashed = signed, crypto.Hash(0)
	case ES384:
		hashed = crypto.SHA384
		fallthrough
	default:
		h := hashed.New()
		h.Write(signed)
		digest = h.Sum(nil)
	}
	signature, err := k.signer.Sign(rand.Reader, digest, hashed)
	if err != nil {
		panic(err)
	}
	return signature
}

// public is the public key in COSE.
func (k *Key) public() []byte {
	alg := k.alg
	if k.Lie.Algorithm != 0 {
		alg = k.Lie.Algorithm
	}
	switch p := k.signer.Public().(type) {
	case *ecdsa.PublicKey:
		raw, err := p.Bytes() // 4, x, y
		if err != nil {
			panic(err)
		}
		half := (len(raw) - 1) / 2
		curve := map[int]int{32: 1, 48: 2}[half]
		return cbor(map[int]any{1: 2, 3: alg, -1: curve, -2: raw[1 : 1+half], -3: raw[1+half:]})
	case *rsa.PublicKey:
		return cbor(map[int]any{1: 3, 3: alg, -1: p.N.Bytes(), -2: []byte{1, 0, 1}})
	case ed25519.PublicKey:
		return cbor(map[int]any{1: 1, 3: alg, -1: 6, -2: []byte(p)})
	}
	panic(fmt.Sprintf("a key of type %T", k.signer.Public()))
}

func cbor(v any) []byte {
	b, err := webauthncbor.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func read(text string) (o options) {
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		panic(fmt.Sprintf("read options %q: %v", text, err))
	}
	return o
}

func first(a, b []byte) []byte {
	if a != nil {
		return a
	}
	return b
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func decode(text string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return b
}
