package controllers

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// example matches a block of Markdown that is complete objects and right; mistakes and
// fragments have a second word on their fence.
var example = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")

// What the docs show is taken by a real API server. What it means, and what mistakes are
// answered, is judged beside internal/manifest.
func TestEveryExampleInTheDocsIsAppliedToARealAPIServer(t *testing.T) {
	admin, err := client.New(kube.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("../docs/*/*.md")
	if err != nil {
		t.Fatal(err)
	}
	applied := 0
	for _, page := range append(pages, "../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range example.FindAllSubmatch(text, -1) {
			for _, o := range documents(block[1]) {
				namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: o.GetNamespace()}}
				if err := admin.Create(t.Context(), namespace); err != nil && !apierrors.IsAlreadyExists(err) && o.GetNamespace() != "" {
					t.Fatal(err)
				}
				if err := admin.Create(t.Context(), o, client.DryRunAll); err != nil && !apierrors.IsAlreadyExists(err) {
					t.Errorf("%s: %s %s: %v", page, o.GetKind(), o.GetName(), err)
				}
				applied++
			}
		}
	}
	if applied < 10 {
		t.Errorf("%d objects were found in the docs, want all of them", applied)
	}
}
