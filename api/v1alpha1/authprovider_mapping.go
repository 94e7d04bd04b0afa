package v1alpha1

import "k8s.io/apimachinery/pkg/runtime"

// Expression is one in CEL over `claims`, which are what the provider says of
// the person. `claims.?x` is a claim that may be missing.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=4096
type Expression string

// ProviderMapping says what of the claims is what. What is left out has a
// default by type.
type ProviderMapping struct {
	// A text that is never given to another person: who somebody is. Default: of
	// OIDC `claims.sub`, of OAuth2 `sub` or `id`, of GitHub `claims.id`, of SAML
	// `claims.name_id`, of LDAP `claims.subject`.
	// +optional
	Subject Expression `json:"subject,omitempty"`
	// Their address. Default: the claim or attribute that is usual for the type;
	// none where it is missing. Example: `claims.preferred_username`.
	// +optional
	Email Expression `json:"email,omitempty"`
	// Whether the provider has verified the address. Default: of OIDC, OAuth2
	// and GitHub `claims.email_verified`; of SAML and LDAP `false`.
	// +optional
	EmailVerified Expression `json:"emailVerified,omitempty"`
	// Their name. Default: the claim or attribute that is usual for the type;
	// none where it is missing.
	// +optional
	Name Expression `json:"name,omitempty"`
	// A list of the names of their groups. Default: of OIDC, OAuth2 and LDAP
	// `claims.groups`, of SAML the attribute `groups`, of GitHub organizations
	// and teams. Example: `claims.groups.filter(g, g.startsWith("eng-"))`.
	// +optional
	Groups Expression `json:"groups,omitempty"`
	// Whether they may sign in at all. Default: everybody may. Example:
	// `claims.hd == "acme.com"`.
	// +optional
	Require Expression `json:"require,omitempty"`
	// A list of the methods by which they proved it there (RFC 8176). Default:
	// what the provider says by itself. Example: `["mfa"]`.
	// +optional
	AMR Expression `json:"amr,omitempty"`
	// Claims with what must become of them. One that does not come true keeps
	// the AuthProvider from being served.
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	// +optional
	Examples []MappingExample `json:"examples,omitempty"`
}

// ExampleBytes is the most that is read of MappingExample.Claims.
const ExampleBytes = 16384

// MappingExample is a test of a mapping.
type MappingExample struct {
	// What the provider says: any JSON of at most 16384 bytes.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	// +kubebuilder:validation:MaxProperties=128
	Claims runtime.RawExtension `json:"claims"`
	// What must become of it. What is left out is not compared.
	Want WantedProfile `json:"want"`
}

// WantedProfile is what must become of an example.
type WantedProfile struct {
	// The subject. Default: it is not compared.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +optional
	Subject string `json:"subject,omitempty"`
	// The address, lower-cased. Default: it is not compared.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=254
	// +optional
	Email string `json:"email,omitempty"`
	// Whether the address is verified. Default: it is not compared.
	// +optional
	EmailVerified *bool `json:"emailVerified,omitempty"`
	// The name. Default: it is not compared.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +optional
	Name string `json:"name,omitempty"`
	// The groups, in any order; an empty list for none. Default: they are not
	// compared.
	// +kubebuilder:validation:MaxItems=64
	// +listType=set
	// +optional
	Groups []WantedGroup `json:"groups,omitempty"`
	// Whether `require` refuses the person. Default: false.
	// +optional
	Refused bool `json:"refused,omitempty"`
}

// WantedGroup is the name of a group.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=256
type WantedGroup string
