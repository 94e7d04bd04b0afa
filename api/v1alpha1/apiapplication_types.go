package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ApiApplication is an OAuth client of one Organization.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=apiapplications,shortName=authapp,categories=gatehouse
// +kubebuilder:printcolumn:name="Org",type=string,JSONPath=`.spec.organizationRef.name`
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Client ID",type=string,JSONPath=`.status.clientID`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63 && !self.metadata.name.contains('.')",message="metadata.name: must have at most 63 characters and no dots"
type ApiApplication struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// What is declared.
	Spec ApiApplicationSpec `json:"spec"`
	// What became of it. Written by Gatehouse alone.
	// +default={"observedGeneration": -1}
	// +optional
	Status ApiApplicationStatus `json:"status,omitempty"`
}

// ApiApplicationSpec declares an ApiApplication.
// +kubebuilder:validation:XValidation:rule="has(self.clientID) == has(oldSelf.clientID) && (!has(self.clientID) || self.clientID == oldSelf.clientID)",message="spec.clientID: cannot be set, changed or removed later; create a new ApiApplication",fieldPath=".clientID"
type ApiApplicationSpec struct {
	// The Organization that owns this application; it never changes. Another namespace's
	// Organization must admit this one in `spec.allowedNamespaces.apiApplications`.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec.organizationRef: cannot be changed; create a new ApiApplication"
	OrganizationRef ObjectReference `json:"organizationRef"`
	// OAuth client identifier, as `<slug of the Organization>.<one label>`; it never
	// changes. Default: `<slug>.<namespace>.<name>`. Example: `acme.cli`.
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=104
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?\.[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +optional
	ClientID string `json:"clientID,omitempty"`
	// Name shown to people who are asked to let this application in. Default: the client
	// ID. Example: `Acme CLI`.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +optional
	DisplayName string `json:"displayName,omitempty"`
	// What kind of client it is; it sets safe defaults and never changes. `Device`: a
	// command line tool or a device without a browser. `Machine`: a service that acts for
	// itself.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec.type: cannot be changed; create a new ApiApplication"
	Type string `json:"type"`
	// Grants it may use, of `device_code`, `refresh_token` and `client_credentials`. Default
	// by type: Device `[device_code, refresh_token]`, Machine `[client_credentials]`.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +listType=set
	// +optional
	GrantTypes []GrantTypeName `json:"grantTypes,omitempty"`
	// The most it can ever be granted. The protocol scope `offline_access` may be listed
	// here too. Example: `[org:read, project:read]`.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=96
	// +listType=set
	Scopes []ApplicationScope `json:"scopes"`
	// Whose tokens it may introspect: `Own`, or all of its `Organization`'s. Only clients
	// with a secret may introspect. Default: Own.
	// +kubebuilder:validation:Enum=Own;Organization
	// +optional
	Introspection string `json:"introspection,omitempty"`
	// How it proves itself. Default for Device: `source: None`, a public client. A Machine
	// needs `source: FromSecret`.
	// +optional
	Credentials *Credentials `json:"credentials,omitempty"`
	// The tokens it gets.
	// +optional
	Tokens *ApplicationTokens `json:"tokens,omitempty"`
	// From this moment on nothing is issued and its tokens are refused. Default: never.
	// Example: `2027-01-31T00:00:00Z`.
	// +optional
	ExpiresAt Timestamp `json:"expiresAt,omitempty"`
	// Stops this application, at once and until it is lifted. Default: false.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// GrantTypeName is an OAuth grant type; `device_code` stands for
// `urn:ietf:params:oauth:grant-type:device_code`.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[a-z][a-z_]*$`
type GrantTypeName string

// ApplicationScope is a scope of the Organization's catalogue, or a protocol scope such
// as `offline_access`.
// +kubebuilder:validation:MinLength=3
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[a-z][a-z0-9_-]*(:[a-z][a-z0-9_-]*)*$`
type ApplicationScope string

// The values of ApiApplicationSpec.Type, .Introspection and Credentials.Source served today.
const (
	TypeDevice  = "Device"
	TypeMachine = "Machine"

	IntrospectOwn          = "Own"
	IntrospectOrganization = "Organization"

	CredentialsNone       = "None"
	CredentialsFromSecret = "FromSecret"
)

// Credentials say how an application proves itself.
// +kubebuilder:validation:XValidation:rule="(self.source == 'FromSecret') == has(self.fromSecret)",message="fromSecret: name the Secret and key with source: FromSecret, and only then",fieldPath=".fromSecret"
type Credentials struct {
	// `None`: a public client. `FromSecret`: the client secret is read from a Secret.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
	Source string `json:"source"`
	// Where the client secret is: 32 to 256 printable ASCII characters without spaces, in a
	// Secret of this namespace labelled `auth.gatehouse.dev/secret: input`. One line end after
	// them is forgiven. A Secret that is missing is waited for.
	// +optional
	FromSecret *SecretKeyReference `json:"fromSecret,omitempty"`
}

// ApplicationTokens shorten the tokens of one application.
type ApplicationTokens struct {
	// Life of an access token, from 1m to the Organization's ceiling. Default: that ceiling.
	// +optional
	AccessTokenTTL Duration `json:"accessTokenTTL,omitempty"`
}

// ApiApplicationStatus says what became of an ApiApplication.
type ApiApplicationStatus struct {
	// Generation of the spec that this status speaks of; -1 before the first verdict.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// The client identifier to configure in the client.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	ClientID string `json:"clientID,omitempty"`
	// What is served, after defaults and ceilings.
	// +optional
	Effective *EffectiveApplication `json:"effective,omitempty"`
	// Verdicts: Accepted, ResolvedRefs, Programmed, Ready.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// EffectiveApplication is what is served of an ApiApplication.
type EffectiveApplication struct {
	// Grants it may use.
	// +kubebuilder:validation:MaxItems=8
	// +listType=set
	// +optional
	GrantTypes []GrantTypeName `json:"grantTypes,omitempty"`
	// The most it can be granted, with the scopes that its scopes include.
	// +kubebuilder:validation:MaxItems=128
	// +listType=set
	// +optional
	Scopes []ApplicationScope `json:"scopes,omitempty"`
	// Life of its access tokens.
	// +optional
	AccessTokenTTL Duration `json:"accessTokenTTL,omitempty"`
}

// ApiApplicationList is a list of ApiApplications.
// +kubebuilder:object:root=true
type ApiApplicationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ApiApplication `json:"items"`
}
