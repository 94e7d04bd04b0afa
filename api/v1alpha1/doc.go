// Package v1alpha1 holds the four resources that a platform team writes.
//
//	Organization    a tenant: who may attach to it, its scopes, its login and token rules
//	ApiApplication  an OAuth client of one Organization
//	Role            scopes, and who holds them
//	AuthProvider    a way to sign in
//
// The types are words only: what they mean is decided in internal/compile. Whatever
// the generated schema admits, Go decodes, so a tenant's object can never stop the
// server from listing everybody else's. Start reading at organization_types.go;
// conditions.go lists every reason a status can give, with its cure.
//
// +kubebuilder:object:generate=true
// +groupName=auth.gatehouse.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Names that Gatehouse shares with the objects of others.
const (
	// GroupName is the API group of the four kinds.
	GroupName = "auth.gatehouse.dev"
	// SecretLabel marks the Secrets that Gatehouse may see at all.
	SecretLabel = GroupName + "/secret"
	// SecretInput is the value of SecretLabel on a Secret that a resource of the same
	// namespace may refer to.
	SecretInput = "input"
	// SecretOutput is the value of SecretLabel on a Secret that Gatehouse wrote.
	SecretOutput = "output"
	// SecretKeyring is the value of SecretLabel on the Secret of the installation's own keys,
	// which no resource can refer to.
	SecretKeyring = "keyring"
	// CredentialsAnnotation lists, on such a Secret, the client secrets that work: their
	// digests and times, and never a secret.
	CredentialsAnnotation = GroupName + "/credentials"
	// OutputAnnotation lists, on such a Secret, the labels and annotations that were declared
	// for it, so that one that no longer is can be removed.
	OutputAnnotation = GroupName + "/output"
	// SlugsAnnotation lists, on a Namespace and separated by commas, the slugs that
	// Organizations of that namespace may take besides the namespace's own name.
	SlugsAnnotation = GroupName + "/slugs"
)

// GroupVersion is the group and version of every kind in this package.
var GroupVersion = schema.GroupVersion{Group: GroupName, Version: "v1alpha1"}

// AddToScheme registers the four kinds and their lists.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&Organization{}, &OrganizationList{},
		&ApiApplication{}, &ApiApplicationList{},
		&Role{}, &RoleList{},
		&AuthProvider{}, &AuthProviderList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
