package model

import (
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// Application is an OAuth client as it is served.
type Application struct {
	UID            string
	Namespace      string
	Name           string
	ClientID       string
	DisplayName    string
	Type           string // as declared: Web, SPA, Native, Device, Machine
	GrantTypes     []oauth.GrantType
	Scopes         oauth.ScopeSet // ceiling in its own organization, implied ones included
	Declared       oauth.ScopeSet // the ceiling as it is written, without what that implies
	ProtocolScopes oauth.ScopeSet // those it lists, of oauth.ProtocolScopes
	AccessTokenTTL time.Duration
	ExpiresAt      time.Time // zero: never; else the first moment it is no longer served
	Suspended      bool
	// IntrospectsOrganization: it may introspect all tokens of its organization, else only
	// its own.
	IntrospectsOrganization bool
	// RedirectURIs receive codes; compared exactly, but for a Native one's loopback port.
	RedirectURIs []string
	// PostLogoutRedirectURIs may follow a sign-out; compared exactly.
	PostLogoutRedirectURIs []string
	// BackChannelURI is told when a session ends in which somebody signed in there; empty:
	// nobody is.
	BackChannelURI string
	// AllowedOrigins are the web origins whose scripts may read answers, as browsers
	// write them: "https://app.example.com".
	AllowedOrigins []string
	Consent        Consent
	// PKCEOptional: a confidential client may send a nonce instead (RFC 9700 section 2.1.1).
	PKCEOptional bool
	// JWTAccessTokens: its access tokens are JWTs (RFC 9068), else opaque.
	JWTAccessTokens bool
	IDTokenAlg      string // RS256 or ES256
	// Audiences are what it serves as a resource server; no two applications share one.
	Audiences []string
	// Resources are the audiences that it may ask for besides the organization's own.
	Resources []string
	// AnyOrganization: people pick one of their organizations that admits it, else it works
	// in its own alone.
	AnyOrganization bool
	// Secrets that prove it, each in its time.
	Secrets []ClientSecret
	// Proofs are what proves it without a secret; an application has those or Secrets, and a
	// public one has neither.
	Proofs Proofs
	// Roles that name it: what it may do for itself.
	Holdings []Holding
}

// Types of applications that are told apart when they are served.
const (
	TypeWeb    = "Web"
	TypeSPA    = "SPA"
	TypeNative = "Native"
)

// Consent says when a person is asked.
type Consent struct {
	Mode   ConsentMode
	MaxAge time.Duration // how long an answer is remembered
}

// ConsentMode is how often a person is asked.
type ConsentMode string

// The modes of consent. The zero value asks each time.
const (
	ConsentExplicit ConsentMode = "Explicit" // each time
	ConsentRemember ConsentMode = "Remember" // unless an answer that is remembered covers it
	ConsentSkip     ConsentMode = "Skip"     // never in its own organization; confidential clients only
)

// SecretDigest is what is kept of a client secret: HMAC-SHA-256 under the digest key of
// the installation.
type SecretDigest [sha256.Size]byte

// ClientSecret is a secret of a client and the time in which it proves that client.
type ClientSecret struct {
	Digest    SecretDigest
	NotBefore time.Time // zero: from ever on
	NotAfter  time.Time // zero: for ever; else the first moment it proves nothing
}

// in reports whether the secret proves anything at the moment.
func (s ClientSecret) in(now time.Time) bool {
	return !now.Before(s.NotBefore) && (s.NotAfter.IsZero() || now.Before(s.NotAfter))
}

// only is the secret in the time that both have.
func (s ClientSecret) only(next ClientSecret) ClientSecret {
	if next.NotBefore.After(s.NotBefore) {
		s.NotBefore = next.NotBefore
	}
	s.NotAfter = earlier(s.NotAfter, next.NotAfter)
	return s
}

// Public reports whether the application has nothing to prove itself by.
func (a *Application) Public() bool { return len(a.Secrets) == 0 && a.Proofs.none() }

// Allows reports whether the application may use the grant type.
func (a *Application) Allows(g oauth.GrantType) bool { return slices.Contains(a.GrantTypes, g) }

// ScopesIn is its ceiling in an organization: what of its scopes that one's catalogue has,
// with what they imply there.
func (a *Application) ScopesIn(o *Organization) oauth.ScopeSet {
	if o.byUID[a.UID] != nil {
		return a.Scopes
	}
	return o.Catalogue.Expand(a.Declared)
}

// Served reports whether the application is neither suspended nor expired.
func (a *Application) Served(now time.Time) bool {
	return !a.Suspended && (a.ExpiresAt.IsZero() || now.Before(a.ExpiresAt))
}

// Proves reports whether the digest is that of a secret which proves it now. How long that
// takes depends on the number of its secrets and the clock, not on the digest.
func (a *Application) Proves(digest SecretDigest, now time.Time) bool {
	match := 0
	for i := range a.Secrets {
		same := subtle.ConstantTimeCompare(a.Secrets[i].Digest[:], digest[:])
		if a.Secrets[i].in(now) {
			match |= same
		}
	}
	return match == 1
}

// Roles returns the roles that the application holds itself now.
func (a *Application) Roles(now time.Time) []*Role { return held(nil, a.Holdings, now) }
