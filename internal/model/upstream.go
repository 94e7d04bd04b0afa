package model

import "time"

// The settings of providers elsewhere, as they are served: judged, and with their secrets.
// Times and defaults are resolved; nothing in them changes after a Snapshot has them.

// OIDCSettings are those of type OIDC (OpenID Connect Core and Discovery 1.0).
type OIDCSettings struct {
	Issuer       string
	ClientID     string
	ClientSecret Sensitive // zero: a public client, proven by PKCE alone
	Scopes       []string  // with openid
	PKCE         bool
	Prompt       string // sent as it is; empty: not at all
	CABundle     string // PEM; empty: the system's
}

// OAuth2Settings are those of type OAuth2: a server that has no ID tokens.
type OAuth2Settings struct {
	AuthorizationURL string
	TokenURL         string
	UserInfoURL      string
	ClientID         string
	ClientSecret     Sensitive
	Scopes           []string
	PKCE             bool
	CABundle         string
}

// GitHubSettings are those of type GitHub, or GitHub Enterprise Server.
type GitHubSettings struct {
	BaseURL       string // "https://github.com"
	ClientID      string
	ClientSecret  Sensitive
	Organizations []string // of which people must be members of one; none: whoever has an account there
	CABundle      string
}

// SAMLSettings are those of type SAML (SAML 2.0 Web Browser SSO Profile). Exactly one of
// MetadataURL and Metadata is set.
type SAMLSettings struct {
	MetadataURL       string
	Metadata          string // XML
	EntityID          string // ours; empty: derived from the issuer
	NameIDFormat      string // asked for; empty: whatever the provider chooses
	AllowIdPInitiated bool
	CABundle          string
}

// LDAPSettings are those of type LDAP (RFC 4511).
type LDAPSettings struct {
	URL          string // "ldaps://directory.acme.com", or ldap:// with StartTLS
	StartTLS     bool
	BindDN       string // who searches; empty: nobody does, and UserSearch has a DN template
	BindPassword Sensitive
	UserSearch   LDAPSearch
	GroupSearch  *LDAPSearch // nil: the directory tells no groups
	CABundle     string
}

// LDAPSearch finds entries. In its Filter {username} is what was typed, {dn} the person's
// entry; both are escaped (RFC 4515 section 3).
type LDAPSearch struct {
	BaseDN    string
	Filter    string
	Attribute string // user search: the subject; group search: the group's name
}

// How accounts come to be, and to what an identity is linked.
const (
	ProvisionJIT      = "JIT"      // whoever signs in has an account, made then
	ProvisionLinkOnly = "LinkOnly" // only identities that somebody connected to their account
	ProvisionDeny     = "Deny"     // nobody signs in by it who has not before

	LinkBySubject       = "Subject"       // an identity is its own
	LinkByVerifiedEmail = "VerifiedEmail" // or of the account that has proven the same address
)

// Provisioning says what happens with an identity that is not known.
type Provisioning struct{ Mode, LinkBy string }

// GroupsMaxAgeDefault is how old what a provider said of groups may be.
const GroupsMaxAgeDefault = 24 * time.Hour
