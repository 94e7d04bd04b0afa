// Package compiletest makes Inputs of any size for tests and benchmarks of what comes
// before and after Compile.
package compiletest

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Size of a world.
type Size struct{ Organizations, Applications, Roles int }

// Large is the size that the performance budgets speak of.
var Large = Size{Organizations: 100, Applications: 10_000, Roles: 2_000}

// Secret is the client secret of every Machine of a world.
const Secret = "compiletest-secret-of-a-machine-0123456789"

// World returns an Input in which everything is served: a namespace, an Organization and
// a Secret each, and applications and Roles spread evenly over them. Every tenth
// application is a Machine that a Role names; every Role inherits from the one before.
func World(size Size) compile.Input {
	in := compile.Input{
		SystemNamespace: "gatehouse-system",
		DigestKey:       model.NewSensitive("digest key of compiletest"),
		Providers: []*v1alpha1.AuthProvider{{
			ObjectMeta: meta("AuthProvider", "gatehouse-system", "local"),
			Spec:       v1alpha1.AuthProviderSpec{Type: v1alpha1.ProviderLocal},
		}},
	}
	for i := range size.Organizations {
		slug := slugOf(i)
		in.Namespaces = append(in.Namespaces, compile.Namespace{Name: slug, Labels: map[string]string{"team": slug}})
		in.Organizations = append(in.Organizations, &v1alpha1.Organization{
			ObjectMeta: meta("Organization", slug, slug),
			Spec:       v1alpha1.OrganizationSpec{Slug: slug, DisplayName: "Organization " + slug},
		})
		in.Secrets = append(in.Secrets, compile.Secret{
			Namespace: slug, Name: "machine", Version: "1",
			Data: map[string]model.Sensitive{"client-secret": model.NewSensitive(Secret)},
		})
	}
	for i := range size.Applications {
		in.Applications = append(in.Applications, application(slugOf(i%size.Organizations), i))
	}
	for i := range size.Roles {
		in.Roles = append(in.Roles, role(i, size))
	}
	return in
}

func slugOf(i int) string { return fmt.Sprintf("org-%d", i) }

func application(slug string, i int) *v1alpha1.ApiApplication {
	a := &v1alpha1.ApiApplication{
		ObjectMeta: meta("ApiApplication", slug, fmt.Sprintf("app-%d", i)),
		Spec: v1alpha1.ApiApplicationSpec{
			OrganizationRef: v1alpha1.ObjectReference{Name: slug},
			Type:            v1alpha1.TypeDevice,
			Scopes:          []v1alpha1.ApplicationScope{"org:read", "project:write", "offline_access"},
		},
	}
	if isMachine(i) {
		a.Spec.Type = v1alpha1.TypeMachine
		a.Spec.Scopes = []v1alpha1.ApplicationScope{"org:read", "project:write"}
		a.Spec.Credentials = &v1alpha1.Credentials{
			Source:     v1alpha1.CredentialsFromSecret,
			FromSecret: &v1alpha1.SecretKeyReference{Name: "machine", Key: "client-secret"},
		}
	}
	return a
}

func isMachine(i int) bool { return i%10 == 0 }

func role(i int, size Size) *v1alpha1.Role {
	organization := i % size.Organizations
	slug := slugOf(organization)
	r := &v1alpha1.Role{
		ObjectMeta: meta("Role", slug, fmt.Sprintf("role-%d", i)),
		Spec: v1alpha1.RoleSpec{
			OrganizationRef: v1alpha1.ObjectReference{Name: slug},
			Rules:           []v1alpha1.RoleRule{{Scopes: []v1alpha1.ScopeName{"org:read", "project:write"}}},
			Subjects:        []v1alpha1.Subject{{Kind: v1alpha1.SubjectUser, Name: fmt.Sprintf("person-%d@example.com", i)}},
		},
	}
	if before := i - size.Organizations; before >= 0 {
		r.Spec.Inherits = []v1alpha1.ObjectReference{{Name: fmt.Sprintf("role-%d", before)}}
	}
	if isMachine(organization) && organization < size.Applications {
		r.Spec.Subjects = append(r.Spec.Subjects, v1alpha1.Subject{Kind: v1alpha1.SubjectApiApplication, Name: fmt.Sprintf("app-%d", organization)})
	}
	return r
}

func meta(kind, namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: namespace, Name: name, Generation: 1,
		UID:               types.UID(fmt.Sprintf("%s/%s/%s", kind, namespace, name)),
		CreationTimestamp: metav1.NewTime(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)),
	}
}
