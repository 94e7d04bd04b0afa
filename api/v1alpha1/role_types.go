package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Role gives scopes of one Organization to people and machine clients. Whoever
// may write one is an administrator of that Organization.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=roles,shortName=authrole,categories=gatehouse
// +kubebuilder:printcolumn:name="Org",type=string,JSONPath=`.spec.organizationRef.name`
// +kubebuilder:printcolumn:name="Scopes",type=integer,JSONPath=`.status.scopes`
// +kubebuilder:printcolumn:name="Subjects",type=integer,JSONPath=`.status.subjects`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63 && !self.metadata.name.contains('.')",message="metadata.name: must have at most 63 characters and no dots"
type Role struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// What is declared.
	Spec RoleSpec `json:"spec"`
	// What became of it. Written by Gatehouse alone.
	// +default={"observedGeneration": -1}
	// +optional
	Status RoleStatus `json:"status,omitempty"`
}

// RoleSpec declares a Role.
type RoleSpec struct {
	// The Organization this Role belongs to; it never changes. Another namespace's
	// Organization must admit this one in `spec.allowedNamespaces.roles`.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec.organizationRef: cannot be changed; create a new Role"
	OrganizationRef ObjectReference `json:"organizationRef"`
	// Name shown to people. Default: the object's name. Example: `Developer`.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +optional
	DisplayName string `json:"displayName,omitempty"`
	// Rank among the Roles of the Organization, from 0 to 1000: a higher number is
	// a higher one. Whoever manages members may not manage somebody who holds a
	// higher Role than they do. Default: 0.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	// +optional
	Priority int32 `json:"priority,omitempty"`
	// Whether members who hold no other Role hold this one: those who accepted an
	// invitation, or signed in by the Organization's own provider. Default: false.
	// +optional
	Default bool `json:"default,omitempty"`
	// Roles of the same Organization whose scopes this one has too.
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	// +optional
	Inherits []ObjectReference `json:"inherits,omitempty"`
	// Scopes that the holders have.
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +optional
	Rules []RoleRule `json:"rules,omitempty"`
	// Who holds this Role.
	// +kubebuilder:validation:MaxItems=512
	// +listType=atomic
	// +optional
	Subjects []Subject `json:"subjects,omitempty"`
}

// RoleRule gives scopes.
type RoleRule struct {
	// Scopes of the Organization's catalogue. Example:
	// `[project:read, event:write]`.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=96
	// +listType=set
	Scopes []ScopeName `json:"scopes"`
}

// Subject is a holder of a Role.
// +kubebuilder:validation:XValidation:rule="!has(self.__namespace__) || self.kind == 'ApiApplication'",message="namespace: only a subject of kind ApiApplication has one",fieldPath=".namespace"
// +kubebuilder:validation:XValidation:rule="has(self.provider) == (self.kind == 'Group')",message="provider: name the AuthProvider of a Group, and only of a Group",fieldPath=".provider"
type Subject struct {
	// `User`: a person, by a proven address. `Group`: whoever the provider said is
	// in that group. `ApiApplication`: a machine client of the same Organization.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
	Kind string `json:"kind"`
	// Address of the person, compared in lower case; name of the group, exactly as
	// the provider tells it; or name of the ApiApplication.
	// Example: `ann@acme.com`.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Name string `json:"name"`
	// The AuthProvider that tells of the group; it must count in the
	// Organization. Only with kind Group.
	// +optional
	Provider *ObjectReference `json:"provider,omitempty"`
	// Namespace of the ApiApplication. Default: the Role's.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// From this moment on the subject no longer holds the Role. Default: never.
	// Example: `2027-01-31T00:00:00Z`.
	// +optional
	NotAfter Timestamp `json:"notAfter,omitempty"`
}

// The values of Subject.Kind served today.
const (
	SubjectUser           = "User"
	SubjectGroup          = "Group"
	SubjectApiApplication = "ApiApplication"
)

// RoleStatus says what became of a Role.
type RoleStatus struct {
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
	// Scopes that a holder has, inherited and included ones counted.
	// +optional
	Scopes int32 `json:"scopes"`
	// Subjects served.
	// +optional
	Subjects int32 `json:"subjects"`
	// Roles it inherits from, directly or through one another.
	// +optional
	Inherits int32 `json:"inherits"`
	// Verdicts: Accepted, ResolvedRefs, Programmed, Ready.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// RoleList is a list of Roles.
// +kubebuilder:object:root=true
type RoleList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Role `json:"items"`
}
