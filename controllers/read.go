package controllers

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
)

// Read gathers once what a cluster declares, as a Cluster would gather it, but for the
// Secrets: it asks for none, so that who plans needs no right to read them. What is being
// deleted is left out. It needs the verb list for the four kinds and for namespaces.
func Read(ctx context.Context, config *rest.Config) (compile.Input, error) {
	var in compile.Input
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return in, fmt.Errorf("make scheme: %w", err)
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return in, fmt.Errorf("reach the cluster: %w", err)
	}
	var organizations v1alpha1.OrganizationList
	var applications v1alpha1.ApiApplicationList
	var roles v1alpha1.RoleList
	var providers v1alpha1.AuthProviderList
	namespaces := &metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "NamespaceList"}}
	for _, list := range []struct {
		of   string
		into client.ObjectList
	}{
		{"Organizations", &organizations}, {"ApiApplications", &applications}, {"Roles", &roles},
		{"AuthProviders", &providers}, {"Namespaces", namespaces},
	} {
		if err := c.List(ctx, list.into); err != nil {
			return in, fmt.Errorf("list %s: %w", list.of, err)
		}
	}
	in.Organizations = remaining[v1alpha1.Organization](organizations.Items)
	in.Applications = remaining[v1alpha1.ApiApplication](applications.Items)
	in.Roles = remaining[v1alpha1.Role](roles.Items)
	in.Providers = remaining[v1alpha1.AuthProvider](providers.Items)
	for i := range namespaces.Items {
		in.Namespaces = append(in.Namespaces, namespaceInput(&namespaces.Items[i]))
	}
	return in, nil
}

// remaining are the objects that nobody deletes.
func remaining[T any, P interface {
	*T
	client.Object
}](items []T) (left []P) {
	for i := range items {
		if o := P(&items[i]); o.GetDeletionTimestamp() == nil {
			left = append(left, o)
		}
	}
	return left
}
