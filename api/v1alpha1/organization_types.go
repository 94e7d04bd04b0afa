package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Organization is a tenant: who may attach applications and roles to it, which
// scopes exist in it, how people sign in to it, and how long its tokens live.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=organizations,shortName=authorg,categories=gatehouse
// +kubebuilder:printcolumn:name="Slug",type=string,JSONPath=`.spec.slug`
// +kubebuilder:printcolumn:name="Apps",type=integer,JSONPath=`.status.applications`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63 && !self.metadata.name.contains('.')",message="metadata.name: must have at most 63 characters and no dots"
type Organization struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// What is declared.
	Spec OrganizationSpec `json:"spec"`
	// What became of it. Written by Gatehouse alone.
	// +default={"observedGeneration": -1}
	// +optional
	Status OrganizationStatus `json:"status,omitempty"`
}

// OrganizationSpec declares an Organization.
type OrganizationSpec struct {
	// Short name in URLs and tokens; it never changes. It must equal the
	// namespace's name, or be listed in the Namespace's annotation
	// `auth.gatehouse.dev/slugs`. Example: `acme`.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec.slug: cannot be changed; create a new Organization with the new slug"
	Slug string `json:"slug"`
	// Name shown to people. Default: the slug. Example: `Acme Corp`.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +optional
	DisplayName string `json:"displayName,omitempty"`
	// Domains of its people's addresses. They lead people to the right provider in
	// this Organization's own sign-in, and nowhere else; they prove nothing.
	// +kubebuilder:validation:MaxItems=32
	// +listType=set
	// +optional
	Domains []Domain `json:"domains,omitempty"`
	// Namespaces whose resources may attach to this Organization. Default: its own
	// only.
	// +optional
	AllowedNamespaces *AllowedNamespaces `json:"allowedNamespaces,omitempty"`
	// Applications of other Organizations that members may let in here. Default:
	// none.
	// +optional
	ExternalApplications *ExternalApplications `json:"externalApplications,omitempty"`
	// The scopes that exist in this Organization. Default: the built-in ones.
	// +optional
	Scopes *ScopeCatalogue `json:"scopes,omitempty"`
	// How people sign in.
	// +optional
	Login *Login `json:"login,omitempty"`
	// Ceilings on the life of tokens; applications may only shorten them.
	// +optional
	Tokens *TokenCeilings `json:"tokens,omitempty"`
	// What people see of it when they sign in to its applications.
	// +optional
	Branding *Branding `json:"branding,omitempty"`
	// What becomes of a request to delete this Organization while
	// ApiApplications, Roles or AuthProviders are accepted by it. Protect refuses
	// it: what was issued is bound to the object, and making it anew does not
	// bring it back. Delete lets it go. Deleting the namespace deletes it either
	// way. Default: Protect.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z]*$`
	// +optional
	DeletionPolicy string `json:"deletionPolicy,omitempty"`
	// Stops everything of this Organization, at once and until it is lifted:
	// nothing is issued and its tokens are refused. Default: false.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// The values of OrganizationSpec.DeletionPolicy. Whatever is not Delete
// protects.
const (
	DeletionProtect = "Protect"
	DeletionDelete  = "Delete"
)

// AllowedNamespaces says, for each kind, which namespaces may attach.
type AllowedNamespaces struct {
	// Who may attach ApiApplications. Default: the Organization's own namespace.
	// +optional
	ApiApplications *NamespaceAdmission `json:"apiApplications,omitempty"`
	// Who may attach Roles. Whoever writes a Role decides who may do what, so
	// admitting a namespace here makes its editors administrators. Default: the
	// Organization's own namespace.
	// +optional
	Roles *NamespaceAdmission `json:"roles,omitempty"`
	// Who may attach AuthProviders. Whoever writes one says who everybody is
	// that signs in by it, so admitting a namespace here makes its editors
	// administrators. Default: the Organization's own namespace.
	// +optional
	AuthProviders *NamespaceAdmission `json:"authProviders,omitempty"`
}

// NamespaceAdmission admits namespaces.
// +kubebuilder:validation:XValidation:rule="(self.from == 'Selector') == has(self.selector)",message="selector: give a selector with from: Selector, and only then",fieldPath=".selector"
type NamespaceAdmission struct {
	// Same admits the Organization's own namespace, All every namespace, Selector
	// the namespaces whose labels match (and always its own).
	// +kubebuilder:validation:Enum=Same;All;Selector
	From string `json:"from"`
	// Labels of the admitted namespaces.
	// +optional
	Selector *LabelSelector `json:"selector,omitempty"`
}

// The values of NamespaceAdmission.From.
const (
	FromSame     = "Same"
	FromAll      = "All"
	FromSelector = "Selector"
)

// ExternalApplications admit applications of other Organizations. They must
// ask for it with `organizationAccess: Selected`, and a member must let them
// in; they never get more than that member has here.
// +kubebuilder:validation:XValidation:rule="(self.from == 'List') == has(self.clientIDs)",message="clientIDs: list client IDs with from: List, and only then",fieldPath=".clientIDs"
type ExternalApplications struct {
	// None admits no application of others, All every one, List those of
	// clientIDs.
	// +kubebuilder:validation:Enum=None;All;List
	From string `json:"from"`
	// Client IDs of the admitted applications. Example: `globex.dashboard`.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +listType=set
	// +optional
	ClientIDs []ForeignClientID `json:"clientIDs,omitempty"`
}

// ForeignClientID is the client ID of another Organization's application.
// +kubebuilder:validation:MinLength=3
// +kubebuilder:validation:MaxLength=168
// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?){1,2}$`
type ForeignClientID string

// The values of ExternalApplications.From.
const (
	ExternalNone = "None"
	ExternalAll  = "All"
	ExternalList = "List"
)

// ScopeName names a permission, as `family:level`. Example: `project:read`.
// +kubebuilder:validation:MinLength=3
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[a-z][a-z0-9_-]*(:[a-z][a-z0-9_-]*)+$`
type ScopeName string

// ScopeCatalogue lists the scopes of an Organization.
type ScopeCatalogue struct {
	// Whether the built-in scopes (`org:read`, `project:write`, …) exist. Default:
	// true.
	// +optional
	Builtin *bool `json:"builtin,omitempty"`
	// Scopes of your own. They may not redefine a built-in one.
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=name
	// +optional
	Custom []CustomScope `json:"custom,omitempty"`
}

// CustomScope is a scope of your own.
type CustomScope struct {
	// Name of the scope. Example: `billing:read`.
	Name ScopeName `json:"name"`
	// What it lets its holder do, in words for the person who is asked. Example:
	// `Read invoices`.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Description string `json:"description"`
	// Scopes that it includes, directly or through one another.
	// +kubebuilder:validation:MaxItems=32
	// +listType=set
	// +optional
	Implies []ScopeName `json:"implies,omitempty"`
}

// TokenCeilings are the longest lives that tokens of an Organization may have.
type TokenCeilings struct {
	// Life of an access token, from 1m to 24h. Default: 1h.
	// +optional
	AccessTokenTTL Duration `json:"accessTokenTTL,omitempty"`
	// Life of an access token that is a JWT, from 1m to 1h, and never more than
	// accessTokenTTL: who reads one offline sees only at its end that it was
	// revoked. Default: 10m.
	// +optional
	JWTAccessTokenTTL Duration `json:"jwtAccessTokenTTL,omitempty"`
	// A refresh token that is not used for this long ends, from 1m to 8760h.
	// Default: 720h.
	// +optional
	RefreshTokenIdleTTL Duration `json:"refreshTokenIdleTTL,omitempty"`
	// A refresh token ends this long after the sign-in, used or not, from 1m to
	// 8760h. Default: 2160h.
	// +optional
	RefreshTokenAbsoluteTTL Duration `json:"refreshTokenAbsoluteTTL,omitempty"`
}

// OrganizationStatus says what became of an Organization.
type OrganizationStatus struct {
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
	// Identifier in tokens (`org_id`); it stays when the slug is reused.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	ID string `json:"id,omitempty"`
	// ApiApplications accepted by this Organization; while it is not served,
	// those admitted.
	// +optional
	Applications int32 `json:"applications"`
	// Roles accepted by this Organization; while it is not served, those
	// admitted.
	// +optional
	Roles int32 `json:"roles"`
	// AuthProviders accepted by this Organization, short of those of the
	// installation; while it is not served, those admitted.
	// +optional
	Providers int32 `json:"providers"`
	// Verdicts: Accepted, ResolvedRefs, Programmed, Ready.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// OrganizationList is a list of Organizations.
// +kubebuilder:object:root=true
type OrganizationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Organization `json:"items"`
}
