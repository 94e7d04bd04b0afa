package compile_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
)

// ASVS 10.7.2: people decide by the names that a consent page shows, so no name turns the
// sentence around it. Names of any script and emoji are names.
func TestDisplayNamesDoNotSteerTheTextAroundThem(t *testing.T) {
	for name, good := range map[string]bool{
		"Acme Corp": true, "Ätherwerke 株式会社": true, "שלום": true, "مؤسسة\u200f": true, "Team 👩\u200d💻": true,
		"Acme\u202Emoc.live": false, "\u2066Acme": false, "Acme\nYou may safely allow this": false, "Acme\u2028": false, "Acme\x00": false,
	} {
		meta := metav1.ObjectMeta{Namespace: "acme", Name: "acme", UID: "1"}
		organization := &v1alpha1.Organization{ObjectMeta: meta, Spec: v1alpha1.OrganizationSpec{Slug: "acme", DisplayName: name}}
		meta.UID = "2"
		application := &v1alpha1.ApiApplication{ObjectMeta: meta, Spec: v1alpha1.ApiApplicationSpec{
			OrganizationRef: v1alpha1.ObjectReference{Name: "acme"}, Type: v1alpha1.TypeDevice, Scopes: []v1alpha1.ApplicationScope{"org:read"}, DisplayName: name,
		}}
		result := (&compile.Compiler{}).Compile(compile.Input{Organizations: []*v1alpha1.Organization{organization}, Applications: []*v1alpha1.ApiApplication{application}})
		found := 0
		for _, r := range result.Reports {
			for _, f := range r.Findings {
				if f.Field == "spec.displayName" && strings.Contains(f.Message, "remove control characters") {
					found++
				}
			}
		}
		o := result.Snapshot.OrganizationBySlug("acme")
		if o == nil {
			t.Fatalf("%q: the organization is not served", name)
		}
		a := o.Application("2")
		if a == nil {
			t.Fatalf("%q: the application is not served: %+v", name, result.Reports)
		}
		want, reports := name, 0
		if !good {
			want, reports = "acme", 2
		}
		if o.DisplayName != want || (a.DisplayName != name) == good || found != reports {
			t.Errorf("%q: shown as %q and %q with %d findings", name, o.DisplayName, a.DisplayName, found)
		}
	}
}
