package controllers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
)

// With nothing to be answered by us, nothing can hang when we are not there: neither what
// is declared nor what we write has a finalizer, nor an owner that waits for it.
func TestNothingOfOursHasAFinalizer(t *testing.T) {
	b := newBench(t, kube)
	b.timed()
	b.create(generated)
	b.expect(kindApplication, "acme", "ci", "True")
	if err := b.Delete(t.Context(), b.secret("ci-credentials")); err != nil {
		t.Fatal(err)
	}
	b.event("CredentialsReplaced")
	kinds := []schema.GroupVersionKind{
		{Version: "v1", Kind: "Secret"}, {Group: "coordination.k8s.io", Version: "v1", Kind: "Lease"}, {Group: "events.k8s.io", Version: "v1", Kind: "Event"},
	}
	for _, kind := range []string{kindOrganization, kindApplication, kindRole, kindProvider} {
		kinds = append(kinds, v1alpha1.GroupVersion.WithKind(kind))
	}
	seen := map[string]bool{}
	for _, kind := range kinds {
		var list unstructured.UnstructuredList
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		if err := b.List(t.Context(), &list); err != nil {
			t.Fatal(err)
		}
		for _, o := range list.Items {
			seen[kind.Kind] = true
			if len(o.GetFinalizers()) > 0 {
				t.Errorf("%s %s/%s has %v", kind.Kind, o.GetNamespace(), o.GetName(), o.GetFinalizers())
			}
			for _, owner := range o.GetOwnerReferences() {
				if owner.BlockOwnerDeletion != nil && *owner.BlockOwnerDeletion {
					t.Errorf("%s %s/%s holds %s back", kind.Kind, o.GetNamespace(), o.GetName(), owner.Name)
				}
			}
		}
	}
	for _, kind := range []string{"Secret", "Lease", "Event", kindOrganization, kindApplication} {
		if !seen[kind] {
			t.Errorf("no %s was there to look at", kind)
		}
	}
}

// Nor does anything that is installed with us, or a right to set one.
func TestNothingThatIsInstalledSpeaksOfFinalizers(t *testing.T) {
	looked := 0
	for _, dir := range []string{"../config", "../charts"} {
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" {
				return err
			}
			content, err := os.ReadFile(path)
			looked++
			if strings.Contains(strings.ToLower(string(content)), "finalizer") {
				t.Errorf("%s speaks of finalizers", path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if looked < 20 {
		t.Errorf("only %d files were looked at", looked)
	}
}
