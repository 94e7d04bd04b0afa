package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// AuthProvider is a way to sign in, for the whole installation. It is accepted
// only in the system namespace.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=authproviders,shortName=authidp,categories=gatehouse
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
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
// +kubebuilder:validation:XValidation:rule="!has(self.local) || self.type == 'Local'",message="spec.local: only an AuthProvider of type Local has it",fieldPath=".local"
type AuthProviderSpec struct {
	// How people sign in; it never changes. `Local`: with an address and a
	// password kept by Gatehouse; at most one is served, the oldest.
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
}

// ProviderLocal is the AuthProviderSpec.Type served today.
const ProviderLocal = "Local"

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
	// Verdicts: Accepted, ResolvedRefs, Programmed, Ready.
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
