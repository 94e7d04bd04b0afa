package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// AuthProvider is a way to sign in: to the whole installation, or to one
// Organization. One of the installation is accepted only in the system
// namespace.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=authproviders,shortName=authidp,categories=gatehouse
// +kubebuilder:printcolumn:name="Org",type=string,JSONPath=`.spec.organizationRef.name`
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Reachable",type=string,JSONPath=`.status.conditions[?(@.type=="Reachable")].status`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63 && !self.metadata.name.contains('.')",message="metadata.name: must have at most 63 characters and no dots"
type AuthProvider struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// What is declared.
	Spec AuthProviderSpec `json:"spec"`
	// What became of it. Written by Gatehouse alone.
	// +default={"observedGeneration": -1}
	// +optional
	Status AuthProviderStatus `json:"status,omitempty"`
}

// AuthProviderSpec declares an AuthProvider.
// +kubebuilder:validation:XValidation:rule="has(self.organizationRef) == has(oldSelf.organizationRef) && (!has(self.organizationRef) || self.organizationRef == oldSelf.organizationRef)",message="spec.organizationRef: cannot be set, changed or removed later; create a new AuthProvider",fieldPath=".organizationRef"
// +kubebuilder:validation:XValidation:rule="!has(self.local) || self.type == 'Local'",message="spec.local: only an AuthProvider of type Local has it; remove it",fieldPath=".local"
// +kubebuilder:validation:XValidation:rule="(self.type == 'OIDC') == has(self.oidc)",message="spec.oidc: give it with type: OIDC, and only then",fieldPath=".oidc"
// +kubebuilder:validation:XValidation:rule="(self.type == 'OAuth2') == has(self.oauth2)",message="spec.oauth2: give it with type: OAuth2, and only then",fieldPath=".oauth2"
// +kubebuilder:validation:XValidation:rule="(self.type == 'GitHub') == has(self.github)",message="spec.github: give it with type: GitHub, and only then",fieldPath=".github"
// +kubebuilder:validation:XValidation:rule="(self.type == 'SAML') == has(self.saml)",message="spec.saml: give it with type: SAML, and only then",fieldPath=".saml"
// +kubebuilder:validation:XValidation:rule="(self.type == 'LDAP') == has(self.ldap)",message="spec.ldap: give it with type: LDAP, and only then",fieldPath=".ldap"
// +kubebuilder:validation:XValidation:rule="self.type != 'Local' || !has(self.mapping)",message="spec.mapping: an AuthProvider of type Local has no claims to map; remove it",fieldPath=".mapping"
// +kubebuilder:validation:XValidation:rule="self.type != 'Local' || !has(self.provisioning)",message="spec.provisioning: accounts of type Local are made by an administrator; remove it",fieldPath=".provisioning"
// +kubebuilder:validation:XValidation:rule="self.type != 'Local' || !has(self.groupsMaxAge)",message="spec.groupsMaxAge: an AuthProvider of type Local tells no groups; remove it",fieldPath=".groupsMaxAge"
type AuthProviderSpec struct {
	// The Organization that people sign in to by it; it never changes. Another
	// namespace's Organization must admit this one in
	// `spec.allowedNamespaces.authProviders`. Default: none, it is for the whole
	// installation, which is accepted only in the system namespace.
	// +optional
	OrganizationRef *ObjectReference `json:"organizationRef,omitempty"`
	// How people sign in; it never changes, and has one matching struct.
	// `Local`: with an address and a password kept by Gatehouse; at most one is
	// served, the oldest. `OIDC`: at a provider of OpenID Connect. `OAuth2`: at
	// one that has no ID tokens. `GitHub`: at GitHub, or GitHub Enterprise
	// Server. `SAML`: at a SAML 2.0 identity provider. `LDAP`: with the password
	// that a directory checks.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec.type: cannot be changed; create a new AuthProvider"
	Type string `json:"type"`
	// Name shown on the sign-in page. Default: the object's name. Example:
	// `Acme account`.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +optional
	DisplayName string `json:"displayName,omitempty"`
	// Settings of type Local.
	// +optional
	Local *LocalProvider `json:"local,omitempty"`
	// Settings of type OIDC.
	// +optional
	OIDC *OIDCProvider `json:"oidc,omitempty"`
	// Settings of type OAuth2.
	// +optional
	OAuth2 *OAuth2Provider `json:"oauth2,omitempty"`
	// Settings of type GitHub.
	// +optional
	GitHub *GitHubProvider `json:"github,omitempty"`
	// Settings of type SAML.
	// +optional
	SAML *SAMLProvider `json:"saml,omitempty"`
	// Settings of type LDAP.
	// +optional
	LDAP *LDAPProvider `json:"ldap,omitempty"`
	// What of the claims that come from it is what. Default: by type.
	// +optional
	Mapping *ProviderMapping `json:"mapping,omitempty"`
	// What becomes of somebody who signs in by it for the first time.
	// +optional
	Provisioning *Provisioning `json:"provisioning,omitempty"`
	// What it said of somebody's groups gives nothing once it is this old, from
	// 1m to 720h. Default: 24h.
	// +optional
	GroupsMaxAge Duration `json:"groupsMaxAge,omitempty"`
	// Nobody signs in by it until it is lifted. Sessions that were opened by it
	// go on to their own end. Default: false.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// The values of AuthProviderSpec.Type served today.
const (
	ProviderLocal  = "Local"
	ProviderOIDC   = "OIDC"
	ProviderOAuth2 = "OAuth2"
	ProviderGitHub = "GitHub"
	ProviderSAML   = "SAML"
	ProviderLDAP   = "LDAP"
)

// LocalProvider sets the rules for passwords that Gatehouse keeps.
type LocalProvider struct {
	// Fewest characters of a new password. Default: 12.
	// +kubebuilder:validation:Minimum=8
	// +kubebuilder:validation:Maximum=64
	// +optional
	MinLength *int32 `json:"minLength,omitempty"`
	// Whether new passwords that many people use are refused. Default: true.
	// +optional
	CheckCommon *bool `json:"checkCommon,omitempty"`
	// Who may make an account with an address and a password. `Closed`: nobody,
	// administrators do; `InvitationOnly`: who is invited; `Open`: anybody who
	// proves an address by a link that is mailed there. Default: `Closed`.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
	// +optional
	Registration string `json:"registration,omitempty"`
	// Whether people may have a link mailed to them that sets a new password.
	// Without mail, nobody may. An administrator's link works anyway. Default:
	// true.
	// +optional
	ResetEnabled *bool `json:"resetEnabled,omitempty"`
}

// AuthProviderStatus says what became of an AuthProvider.
type AuthProviderStatus struct {
	// Generation of the spec that this status speaks of; -1 before the first
	// verdict.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// The installation that serves it and writes this status: the first that did.
	// None other does until an administrator takes it over with
	// `gatehouse adopt`.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	Installation string `json:"installation,omitempty"`
	// To be entered at the provider as the redirect URI; of types OIDC, OAuth2
	// and GitHub.
	// +kubebuilder:validation:MaxLength=2048
	// +optional
	CallbackURL string `json:"callbackURL,omitempty"`
	// To be entered at the provider as the assertion consumer service; of type
	// SAML.
	// +kubebuilder:validation:MaxLength=2048
	// +optional
	SAMLACSURL string `json:"samlACSURL,omitempty"`
	// Where the provider can read the settings that it needs; of type SAML.
	// +kubebuilder:validation:MaxLength=2048
	// +optional
	SAMLMetadataURL string `json:"samlMetadataURL,omitempty"`
	// Who the provider is, as it calls itself: the issuer, or the entity ID.
	// +kubebuilder:validation:MaxLength=2048
	// +optional
	Issuer string `json:"issuer,omitempty"`
	// When the last certificate ends by which its answers are proven; of type
	// SAML.
	// +optional
	CertificateNotAfter Timestamp `json:"certificateNotAfter,omitempty"`
	// Verdicts: Accepted, ResolvedRefs, Programmed, Ready; and Reachable, which
	// Ready never depends on.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// AuthProviderList is a list of AuthProviders.
// +kubebuilder:object:root=true
type AuthProviderList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AuthProvider `json:"items"`
}
