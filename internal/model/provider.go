package model

import (
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/mapping"
)

// Provider is a way to sign in. The settings of its type are set, and no others.
type Provider struct {
	UID            string
	Namespace      string
	Name           string
	Type           string // Local, OIDC, OAuth2, GitHub, SAML, LDAP
	DisplayName    string
	OrganizationID string // whose it is; empty: of the installation

	Local  *LocalPolicy
	OIDC   *OIDCSettings
	OAuth2 *OAuth2Settings
	GitHub *GitHubSettings
	SAML   *SAMLSettings
	LDAP   *LDAPSettings

	// Mapping says what of the claims is what; nil for type Local only.
	Mapping      *mapping.Mapping
	Provisioning Provisioning
	GroupsMaxAge time.Duration // what it said of groups gives nothing once it is this old
	// Suspended: nobody signs in by it. What was signed in before stays until its own end.
	Suspended bool
}

// LocalPolicy is what a new password must satisfy.
type LocalPolicy struct {
	MinLength   int // characters
	CheckCommon bool
	// Registration is who may make an account; empty: RegistrationClosed.
	Registration string
	// ResetEnabled: people may have a link mailed to them that sets a new password.
	ResetEnabled bool
}

// Who may make an account with an address and a password.
const (
	RegistrationClosed         = "Closed"         // nobody: administrators do
	RegistrationInvitationOnly = "InvitationOnly" // who is invited
	RegistrationOpen           = "Open"           // anybody who proves an address
)

// Registers reports whether somebody may make an account, invited or not.
func (p *LocalPolicy) Registers(invited bool) bool {
	return p.Registration == RegistrationOpen || invited && p.Registration == RegistrationInvitationOnly
}

// Installation reports whether it is of the whole installation.
func (p *Provider) Installation() bool { return p.OrganizationID == "" }

// Equal reports whether both serve the same, secrets included.
func (p *Provider) Equal(other *Provider) bool {
	if p == nil || other == nil {
		return p == other
	}
	mine, theirs := *p, *other
	mine.Mapping, theirs.Mapping = nil, nil
	return p.Mapping.Equal(other.Mapping) && reflect.DeepEqual(mine, theirs)
}

// CallbackURL is where answers of the provider come back to, on its own so that no answer of
// one is taken for another's (RFC 9700 section 4.4). Of type SAML it is the assertion
// consumer service, and our entity ID unless one is declared.
func (p *Provider) CallbackURL(issuer string) string {
	return strings.TrimSuffix(issuer, "/") + "/login/callback/" + url.PathEscape(p.UID) + "/"
}

// MetadataURL is where our own metadata is, for a provider of type SAML.
func (p *Provider) MetadataURL(issuer string) string {
	return strings.TrimSuffix(issuer, "/") + "/login/metadata/" + url.PathEscape(p.UID) + "/"
}

// Secret is what is presented to the provider; zero if there is none.
func (p *Provider) Secret() Sensitive {
	switch {
	case p.OIDC != nil:
		return p.OIDC.ClientSecret
	case p.OAuth2 != nil:
		return p.OAuth2.ClientSecret
	case p.GitHub != nil:
		return p.GitHub.ClientSecret
	case p.LDAP != nil:
		return p.LDAP.BindPassword
	default:
		return Sensitive{}
	}
}

// sameProviders keeps those that are in both, with the stricter rules of the two.
func sameProviders(old, next []*Provider) []*Provider {
	var kept []*Provider
	for _, p := range old {
		i := slices.IndexFunc(next, func(n *Provider) bool {
			return n.UID == p.UID && n.Type == p.Type && n.OrganizationID == p.OrganizationID
		})
		if i >= 0 {
			kept = append(kept, p.only(next[i]))
		}
	}
	return kept
}

// only is the stricter rules of the two. Of settings that are others there is no stricter
// one: nobody signs in by them, and who has stays.
func (p *Provider) only(next *Provider) *Provider {
	if p.Equal(next) {
		return p
	}
	kept := *p
	if p.Local != nil && next.Local != nil {
		kept.Local = &LocalPolicy{
			MinLength:    max(p.Local.MinLength, next.Local.MinLength),
			CheckCommon:  p.Local.CheckCommon || next.Local.CheckCommon,
			Registration: lessOpen(p.Local.Registration, next.Local.Registration),
			ResetEnabled: p.Local.ResetEnabled && next.Local.ResetEnabled,
		}
	}
	modes := []string{ProvisionJIT, ProvisionLinkOnly, ProvisionDeny}
	if slices.Index(modes, next.Provisioning.Mode) > slices.Index(modes, p.Provisioning.Mode) {
		kept.Provisioning.Mode = next.Provisioning.Mode
	}
	if next.Provisioning.LinkBy != p.Provisioning.LinkBy {
		kept.Provisioning.LinkBy = LinkBySubject
	}
	kept.GroupsMaxAge = min(p.GroupsMaxAge, next.GroupsMaxAge)
	kept.Suspended = p.Suspended || next.Suspended || !p.sameSettings(next)
	return &kept
}

// sameSettings reports whether both ask the same elsewhere, and read the same from it.
func (p *Provider) sameSettings(other *Provider) bool {
	return p.Mapping.Equal(other.Mapping) && reflect.DeepEqual(p.OIDC, other.OIDC) && reflect.DeepEqual(p.OAuth2, other.OAuth2) &&
		reflect.DeepEqual(p.GitHub, other.GitHub) && reflect.DeepEqual(p.SAML, other.SAML) && reflect.DeepEqual(p.LDAP, other.LDAP)
}

// lessOpen is the one of two by which fewer people make accounts.
func lessOpen(a, b string) string {
	switch {
	case a == b:
		return a
	case a == RegistrationOpen && b == RegistrationInvitationOnly, a == RegistrationInvitationOnly && b == RegistrationOpen:
		return RegistrationInvitationOnly
	}
	return RegistrationClosed
}
