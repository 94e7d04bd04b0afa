package v1alpha1

// UpstreamURL is where something is asked of a provider: `https`, without user
// information and fragment. Addresses that are not public are refused unless
// the installation allows them.
// +kubebuilder:validation:MinLength=9
// +kubebuilder:validation:MaxLength=1024
// +kubebuilder:validation:Pattern=`^https?://[^\s]+$`
type UpstreamURL string

// UpstreamClientID is the identifier that a provider gave to Gatehouse.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=256
type UpstreamClientID string

// UpstreamScope is a scope of a provider. Its characters are those of RFC 6749
// section 3.3.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=256
// +kubebuilder:validation:Pattern=`^[\x21\x23-\x5B\x5D-\x7E]+$`
type UpstreamScope string

// CABundle are certificates in PEM.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=65536
type CABundle string

// OIDCProvider are the settings of a provider of OpenID Connect. All else is
// read from its discovery document.
type OIDCProvider struct {
	// The provider's name of itself, exactly as in its ID tokens;
	// `/.well-known/openid-configuration` follows it. Example:
	// `https://acme.okta.com`. It never changes: whom people are there belongs to
	// it.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec.oidc.issuer: cannot be changed, people's accounts belong to it; create a new AuthProvider"
	Issuer UpstreamURL `json:"issuer"`
	// The client ID that the provider gave.
	ClientID UpstreamClientID `json:"clientID"`
	// Where the client secret is. Default: none, a public client that is proven
	// by PKCE alone.
	// +optional
	ClientSecretRef *SecretKeyReference `json:"clientSecretRef,omitempty"`
	// Scopes that are asked for; `openid` is always among them. Default:
	// `[openid, profile, email]`.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +listType=set
	// +optional
	Scopes []UpstreamScope `json:"scopes,omitempty"`
	// Whether the code is bound to this sign-in by PKCE (RFC 7636). Turn it off
	// only for a provider that refuses it. Default: true.
	// +optional
	PKCE *bool `json:"pkce,omitempty"`
	// Sent as `prompt`. Default: nothing is sent. Example: `select_account`.
	// +kubebuilder:validation:Enum=login;consent;select_account
	// +optional
	Prompt string `json:"prompt,omitempty"`
	// Certificates of those that the provider's own must be signed by. Default:
	// those of the system.
	// +optional
	CABundle CABundle `json:"caBundle,omitempty"`
}

// OAuth2Provider are the settings of a provider of OAuth 2.0 without ID tokens:
// who signed in is what it answers at userInfoURL.
type OAuth2Provider struct {
	// Where people are sent. Example: `https://id.example.com/oauth/authorize`.
	AuthorizationURL UpstreamURL `json:"authorizationURL"`
	// Where codes are redeemed. Example: `https://id.example.com/oauth/token`.
	TokenURL UpstreamURL `json:"tokenURL"`
	// Where the access token is answered with claims, in JSON. Example:
	// `https://id.example.com/api/me`. It never changes: whom people are there
	// belongs to it.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec.oauth2.userInfoURL: cannot be changed, people's accounts belong to it; create a new AuthProvider"
	UserInfoURL UpstreamURL `json:"userInfoURL"`
	// The client ID that the provider gave.
	ClientID UpstreamClientID `json:"clientID"`
	// Where the client secret is.
	ClientSecretRef SecretKeyReference `json:"clientSecretRef"`
	// Scopes that are asked for. Default: none, so that the provider decides.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +listType=set
	// +optional
	Scopes []UpstreamScope `json:"scopes,omitempty"`
	// Whether the code is bound to this sign-in by PKCE (RFC 7636). Turn it off
	// only for a provider that refuses it. Default: true.
	// +optional
	PKCE *bool `json:"pkce,omitempty"`
	// Certificates of those that the provider's own must be signed by. Default:
	// those of the system.
	// +optional
	CABundle CABundle `json:"caBundle,omitempty"`
}

// GitHubProvider are the settings of GitHub.
// +kubebuilder:validation:XValidation:rule="has(self.baseURL) == has(oldSelf.baseURL) && (!has(self.baseURL) || self.baseURL == oldSelf.baseURL)",message="spec.github.baseURL: cannot be changed, people's accounts belong to it; create a new AuthProvider",fieldPath=".baseURL"
type GitHubProvider struct {
	// The client ID of the OAuth app.
	ClientID UpstreamClientID `json:"clientID"`
	// Where its client secret is.
	ClientSecretRef SecretKeyReference `json:"clientSecretRef"`
	// Organizations of which people must be a member of one. Default: none, and
	// whoever has an account there may sign in. Example: `[acme]`.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +listType=set
	// +optional
	Organizations []GitHubOrganization `json:"organizations,omitempty"`
	// Address of a GitHub Enterprise Server; it never changes. Default:
	// `https://github.com`.
	// +optional
	BaseURL UpstreamURL `json:"baseURL,omitempty"`
	// Certificates of those that the server's own must be signed by. Default:
	// those of the system.
	// +optional
	CABundle CABundle `json:"caBundle,omitempty"`
}

// GitHubOrganization is the login of an organization there.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([-_A-Za-z0-9]*[A-Za-z0-9])?$`
type GitHubOrganization string

// SAMLProvider are the settings of a SAML 2.0 identity provider. All else is
// read from its metadata. Assertions must be signed.
// +kubebuilder:validation:XValidation:rule="has(self.metadataURL) != has(self.metadata)",message="metadataURL: give either metadataURL or metadata",fieldPath=".metadataURL"
type SAMLProvider struct {
	// Where the provider publishes its metadata, so that it can change its
	// certificates by itself. Default: none, it is in `metadata`. Example:
	// `https://idp.example.com/metadata`.
	// +optional
	MetadataURL UpstreamURL `json:"metadataURL,omitempty"`
	// The provider's metadata: one EntityDescriptor, in XML. Default: none, it
	// is at `metadataURL`.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=262144
	// +optional
	Metadata string `json:"metadata,omitempty"`
	// What Gatehouse calls itself there. Default: `ISSUER/login/callback/ID/`,
	// the same as `status.samlACSURL`.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	EntityID string `json:"entityID,omitempty"`
	// Format of the NameID that is asked for; one that is another at each
	// sign-in is refused. Default: whatever the provider chooses. Example:
	// `urn:oasis:names:tc:SAML:2.0:nameid-format:persistent`.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^urn:[\x21-\x7E]+$`
	// +optional
	NameIDFormat string `json:"nameIDFormat,omitempty"`
	// Whether a sign-in may begin at the provider, without anybody having asked
	// for it here. Somebody else can then sign people in as themselves. Default:
	// false.
	// +optional
	AllowIdPInitiated bool `json:"allowIdPInitiated,omitempty"`
	// Certificates of those that the server at metadataURL must be signed by.
	// Default: those of the system.
	// +optional
	CABundle CABundle `json:"caBundle,omitempty"`
}

// LDAPProvider are the settings of a directory.
// +kubebuilder:validation:XValidation:rule="has(self.bindDN) == has(self.bindPasswordRef)",message="bindPasswordRef: give it with bindDN, and only then",fieldPath=".bindPasswordRef"
type LDAPProvider struct {
	// `ldaps://` and a host; or `ldap://` with startTLS. A password never
	// travels in the clear. Example: `ldaps://directory.example.com`.
	// +kubebuilder:validation:MinLength=8
	// +kubebuilder:validation:MaxLength=270
	// +kubebuilder:validation:Pattern=`^ldaps?://[^\s]+$`
	URL string `json:"url"`
	// Whether an `ldap://` connection becomes one of TLS before anything is
	// said. Default: false.
	// +optional
	StartTLS bool `json:"startTLS,omitempty"`
	// Who searches. Default: nobody; the person binds as `userSearch.baseDN`, in
	// which `{username}` is what they typed. Example:
	// `cn=gatehouse,dc=example,dc=com`.
	// +optional
	BindDN DistinguishedName `json:"bindDN,omitempty"`
	// Where the password of bindDN is.
	// +optional
	BindPasswordRef *SecretKeyReference `json:"bindPasswordRef,omitempty"`
	// Where people are found.
	UserSearch LDAPUserSearch `json:"userSearch"`
	// Where their groups are found. Default: none, it tells no groups.
	// +optional
	GroupSearch *LDAPGroupSearch `json:"groupSearch,omitempty"`
	// Certificates of those that the directory's own must be signed by. Default:
	// those of the system.
	// +optional
	CABundle CABundle `json:"caBundle,omitempty"`
}

// DistinguishedName names an entry of a directory.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=1024
type DistinguishedName string

// LDAPFilter is a filter (RFC 4515). What stands for `{username}` and `{dn}` is
// escaped.
// +kubebuilder:validation:MinLength=3
// +kubebuilder:validation:MaxLength=1024
type LDAPFilter string

// LDAPAttribute is the name of an attribute.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=128
// +kubebuilder:validation:Pattern=`^[A-Za-z][-A-Za-z0-9]*$`
type LDAPAttribute string

// LDAPUserSearch finds the entry of a person.
type LDAPUserSearch struct {
	// Below which entry. Example: `ou=people,dc=example,dc=com`.
	BaseDN DistinguishedName `json:"baseDN"`
	// Which entry; `{username}` is what was typed. Default: `(uid={username})`.
	// +optional
	Filter LDAPFilter `json:"filter,omitempty"`
	// Attribute that is never given to another person: the subject. Default:
	// `entryUUID`; of Active Directory it is `objectGUID`.
	// +optional
	Attribute LDAPAttribute `json:"attribute,omitempty"`
}

// LDAPGroupSearch finds the groups of a person.
type LDAPGroupSearch struct {
	// Below which entry. Example: `ou=groups,dc=example,dc=com`.
	BaseDN DistinguishedName `json:"baseDN"`
	// Which entries; `{dn}` is the person's entry and `{username}` what they
	// typed. Default: `(member={dn})`.
	// +optional
	Filter LDAPFilter `json:"filter,omitempty"`
	// Attribute that names the group. Default: `cn`.
	// +optional
	Attribute LDAPAttribute `json:"attribute,omitempty"`
}

// Provisioning says what becomes of somebody who signs in for the first time.
type Provisioning struct {
	// `JIT`: an account is made for them. `LinkOnly`: they must have an account
	// already, and have connected this provider to it. `Deny`: nobody signs in
	// by it who has not before. Default: JIT.
	// +kubebuilder:validation:Enum=JIT;LinkOnly;Deny
	// +optional
	Mode string `json:"mode,omitempty"`
	// `Subject`: whoever signs in has the account of exactly that subject.
	// `VerifiedEmail`: or of the person who has proven the same address here,
	// where this provider says that it verified it; only for an AuthProvider of
	// the installation, which can then sign in as anybody. Default: Subject.
	// +kubebuilder:validation:Enum=Subject;VerifiedEmail
	// +optional
	LinkBy string `json:"linkBy,omitempty"`
}

// The values of Provisioning.
const (
	ProvisionJIT      = "JIT"
	ProvisionLinkOnly = "LinkOnly"
	ProvisionDeny     = "Deny"

	LinkBySubject       = "Subject"
	LinkByVerifiedEmail = "VerifiedEmail"
)
