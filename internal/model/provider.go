package model

// Provider is a way to sign in.
type Provider struct {
	UID         string
	Namespace   string
	Name        string
	Type        string // Local, OIDC, OAuth2, GitHub, SAML or LDAP
	DisplayName string

	// One of them is set: that of the type.
	Local  *LocalPolicy
	OIDC   *OIDCSettings
	OAuth2 *OAuth2Settings
	GitHub *GitHubSettings
	SAML   *SAMLSettings
	LDAP   *LDAPSettings

	OrganizationID string // whose it is; empty: of the installation
	Provisioning   Provisioning
}

// LocalPolicy is what a new password must satisfy.
type LocalPolicy struct {
	MinLength   int // characters
	CheckCommon bool
}
