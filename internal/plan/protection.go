package plan

import (
	"fmt"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
)

// protection notes Organizations whose deletion is refused now and was not, or the reverse:
// no snapshot shows it.
func protection(old, next *compile.Input) (changes []Change) {
	before, after := declared(old), declared(next)
	for _, at := range eitherOf(before, after) {
		was, is := before[at], after[at]
		if was == nil || is == nil {
			continue
		}
		r := record{into: &changes, organization: is.Spec.Slug, subject: Subject{Kind: kindOrganization, Namespace: at.namespace, Name: at.name}}
		r.value(FieldDeletion, deletion(was), deletion(is), Changed)
	}
	return changes
}

func deletion(o *v1alpha1.Organization) string {
	if o.Spec.DeletionPolicy == v1alpha1.DeletionDelete {
		return "let through"
	}
	return "refused"
}

// deletions are Organizations that an API server with our admission policy would not let
// go: protected, with somebody who depends on them by the old configuration.
func deletions(old, next State) (refused []Verdict) {
	before, after := declared(&old.Input), declared(&next.Input)
	for _, r := range old.Result.Reports {
		if r.Organization == nil { // another kind
			continue
		}
		o := before[nameOf(r.Object.Namespace, r.Object.Name)]
		if o == nil || deletion(o) == "let through" || after[nameOf(o.Namespace, o.Name)] != nil {
			continue
		}
		if n, m, k := r.Organization.Applications, r.Organization.Roles, r.Organization.Providers; n+m+k > 0 {
			refused = append(refused, Verdict{
				Worse: true, Object: Subject{Kind: kindOrganization, Namespace: o.Namespace, Name: o.Name},
				Field: "spec.deletionPolicy", Reason: ReasonRefused,
				Message: fmt.Sprintf("protects it, and %d ApiApplication(s), %d Role(s) and %d AuthProvider(s) depend on it: what was issued to them is lost with it; "+
					"to delete it all the same, set Delete first, in a change of its own", n, m, k),
			})
		}
	}
	return refused
}
