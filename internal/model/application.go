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
	Type           string // as declared: Device, Machine
	GrantTypes     []oauth.GrantType
	Scopes         oauth.ScopeSet // ceiling in the catalogue, implied ones included
	ProtocolScopes oauth.ScopeSet // those it lists: offline_access
	AccessTokenTTL time.Duration
	ExpiresAt      time.Time // zero: never; else the first moment it is no longer served
	Suspended      bool
	// IntrospectsOrganization: it may introspect all tokens of its organization, else only
	// its own.
	IntrospectsOrganization bool
	// Secrets that prove it; none: a public client.
	Secrets []SecretDigest
	// Roles that name it: what it may do for itself.
	Holdings []Holding
}

// SecretDigest is what is kept of a client secret: HMAC-SHA-256 under the digest key of
// the installation.
type SecretDigest [sha256.Size]byte

// Public reports whether the application has no secret.
func (a *Application) Public() bool { return len(a.Secrets) == 0 }

// Allows reports whether the application may use the grant type.
func (a *Application) Allows(g oauth.GrantType) bool { return slices.Contains(a.GrantTypes, g) }

// Served reports whether the application is neither suspended nor expired.
func (a *Application) Served(now time.Time) bool {
	return !a.Suspended && (a.ExpiresAt.IsZero() || now.Before(a.ExpiresAt))
}

// Proves reports whether the digest is that of one of its secrets, in constant time.
func (a *Application) Proves(digest SecretDigest) bool {
	match := 0
	for i := range a.Secrets {
		match |= subtle.ConstantTimeCompare(a.Secrets[i][:], digest[:])
	}
	return match == 1
}

// Roles returns the roles that the application holds itself now.
func (a *Application) Roles(now time.Time) []*Role { return held(a.Holdings, now) }
