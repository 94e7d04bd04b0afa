// Package passkeys verifies what security keys and passkeys answer (Web Authentication Level
// 3): that a key was made here, or is there now, for this site, this challenge, and with
// somebody who let it.
//
// It keeps nothing and knows nobody. Whose a key is, that a challenge is answered once, and
// that a counter never goes back is decided in the store; which challenge was asked of whom,
// in the server. Nobody is asked for an attestation: what a key says of itself is believed
// as far as it takes something away, and no further.
//
// Start reading at Site; register.go takes new keys, assert.go those that are known.
package passkeys

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// ChallengeSize is the length of a challenge, in bytes (ASVS 6.7.2 asks for 8, Web
// Authentication section 13.4.3 for 16).
const ChallengeSize = 32

// AnswerFor is how long a challenge may be answered.
const AnswerFor = 5 * time.Minute

// Bounds of what a browser sends, in bytes.
const (
	maxAnswer       = 16 << 10
	maxClientData   = 4 << 10
	maxPublicKey    = 1100 // RSA of 8192 bits
	maxSignature    = 1100
	maxCredentialID = 1023 // section 5.8.3 and 6.5.1
	maxTransports   = 8
)

// Algorithms are those of keys that are taken, the best first.
var Algorithms = []webauthncose.COSEAlgorithmIdentifier{webauthncose.AlgEdDSA, webauthncose.AlgES256, webauthncose.AlgRS256}

// Site is what keys are made for, and good at: the relying party. It is safe for concurrent
// use.
type Site struct {
	id     string // RP ID; empty: keys cannot be used here
	origin string
}

// NewSite makes the Site of an issuer. Its RP ID is the issuer's host and no domain above it:
// nobody else there can use the keys, whatever runs beside us (section 13.4.8).
func NewSite(issuer string) (*Site, error) {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, fmt.Errorf("read issuer: %w", err)
	}
	s := &Site{origin: strings.ToLower(u.Scheme + "://" + u.Host)}
	if host := strings.ToLower(u.Hostname()); isName(host) {
		s.id = host
	}
	return s, nil
}

// isName: an address is no RP ID (section 5.1.3 step 8). Browsers take a host for one if its
// last label begins with a digit, however it is written (URL Standard section 3.5).
func isName(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	return last != "" && (last[0] < '0' || last[0] > '9')
}

// Usable reports whether keys can be used at all: not where the issuer has an address in the
// place of a name.
func (s *Site) Usable() bool { return s.id != "" }

// NewChallenge makes a challenge.
func NewChallenge() []byte {
	c := make([]byte, ChallengeSize)
	_, _ = rand.Read(c) // never fails
	return c
}

// Credential is what is known of a key.
type Credential struct {
	ID         []byte
	PublicKey  []byte // COSE
	SignCount  uint32
	AAGUID     []byte   // what model it says to be; all zero: it does not say
	Transports []string // how a browser reaches it
	// UserVerified: somebody proved to it who they are (a PIN, a finger) when it was made.
	UserVerified bool
	// Discoverable: it finds the account by itself.
	Discoverable bool
	// BackupEligible: it may be copied to other devices of its owner. That never changes.
	BackupEligible bool
	BackedUp       bool
}

// Use is what a known key has proven.
type Use struct {
	SignCount    uint32
	UserVerified bool
	BackedUp     bool
}

// Refusal is why an answer proves nothing. Its words hold nothing of what was sent.
type Refusal struct{ Why string }

func (r *Refusal) Error() string { return r.Why }

func refuse(why string) error { return &Refusal{why} }
