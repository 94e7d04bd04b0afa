package model

import (
	"reflect"
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
