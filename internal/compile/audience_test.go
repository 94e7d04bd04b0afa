package compile_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
)

// An audience passes between tenants that know nothing of each other: a Compiler that
// looks again only at what changed must not forget the other one.
func TestAnAudiencePassesToTheNextOldestOfAnotherTenant(t *testing.T) {
	const audience = "https://api.example.com"
	var c compile.Compiler
	var in compile.Input
	application := func(tenant string, day int) *v1alpha1.ApiApplication {
		a := &v1alpha1.ApiApplication{ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: "api", UID: types.UID(tenant), CreationTimestamp: metav1.NewTime(noon.AddDate(0, 0, day))}}
		a.Spec = v1alpha1.ApiApplicationSpec{
			OrganizationRef: v1alpha1.ObjectReference{Name: tenant}, Type: v1alpha1.TypeDevice, Scopes: []v1alpha1.ApplicationScope{"org:read"},
			Audiences: []v1alpha1.Audience{audience},
		}
		return a
	}
	for day, tenant := range []string{"acme", "globex", "initech"} {
		in.Organizations = append(in.Organizations, &v1alpha1.Organization{
			ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: tenant, UID: types.UID("org-" + tenant)}, Spec: v1alpha1.OrganizationSpec{Slug: tenant},
		})
		in.Applications = append(in.Applications, application(tenant, day))
	}
	owners := func() (owners []string) {
		for o := range c.Compile(in).Snapshot.Organizations() {
			for a := range o.Applications() {
				for range a.Audiences {
					owners = append(owners, o.Slug)
				}
			}
		}
		return owners
	}
	expect := func(when, owner string) {
		t.Helper()
		if diff := cmp.Diff([]string{owner}, owners()); diff != "" {
			t.Errorf("%s:\n%s", when, diff)
		}
	}
	expect("at first", "acme")
	broken := in.Applications[0].DeepCopy()
	broken.Spec.Type = "Toaster"
	in.Applications[0] = broken
	if got := owners(); len(got) > 0 {
		t.Errorf("while the oldest is not served, %v has its audience", got)
	}
	mute := in.Applications[0].DeepCopy()
	mute.Spec.Audiences = nil
	in.Applications[0] = mute
	expect("the oldest no longer declares it", "globex")
	in.Applications = in.Applications[2:]
	expect("the next is deleted", "initech")
	in.Applications = append(in.Applications, application("globex", -1))
	expect("an older one comes, restored from a backup", "globex")
}
