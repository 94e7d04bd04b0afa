package compile

import (
	"fmt"
	"regexp"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// urn is a name of RFC 8141 with its fixed part in lower case, for it is compared as it is
// written.
var urn = regexp.MustCompile(`^urn:[a-z0-9][-a-z0-9]{0,30}[a-z0-9]:[^:?].*$`)

// claim gives every audience to the oldest application that declares it, in the whole
// installation: a resource server must not take for its own what was issued for another's
// (RFC 9068 section 5), and no tenant may pose as another's. Only applications that an
// Organization admits take part; those that are not served do, too, so that a mistake
// hands nobody the name that others ask for.
func (f *facts) claim(applications []*v1alpha1.ApiApplication, candidates []candidate, changed asked) {
	owners := map[string]*v1alpha1.ApiApplication{}
	var organizations map[types.NamespacedName]*v1alpha1.Organization
	for _, a := range applications {
		if a == nil || len(a.Spec.Audiences) == 0 || a.UID == "" {
			continue
		}
		if organizations == nil {
			organizations = named(candidates)
		}
		o := organizations[resolve(a.Spec.OrganizationRef, a.Namespace)]
		if o == nil || !admits(applicationAdmission(o), o.Namespace, a.Namespace, f.namespaces[a.Namespace].Labels) {
			continue
		}
		for _, audience := range a.Spec.Audiences {
			if owner := owners[string(audience)]; owner == nil || compareSeniority(a, owner) < 0 {
				owners[string(audience)] = a
			}
		}
	}
	audiences := make(map[string]model.ObjectID, len(owners))
	for audience, owner := range owners {
		audiences[audience] = identity(owner)
	}
	difference(f.audiences, audiences, func(a, b model.ObjectID) bool { return a == b }, changed.audiences)
	f.audiences = audiences
}

func named(candidates []candidate) map[types.NamespacedName]*v1alpha1.Organization {
	organizations := make(map[types.NamespacedName]*v1alpha1.Organization, len(candidates))
	for _, c := range candidates {
		if c.named {
			organizations[nameOf(c.draft.object)] = c.draft.object
		}
	}
	return organizations
}

func identity(o *v1alpha1.ApiApplication) model.ObjectID {
	return model.ObjectID{Kind: kindApplication, Namespace: o.Namespace, Name: o.Name, UID: string(o.UID)}
}

// audiences admits the names under which the application is a resource server. One that is
// not admitted is left out.
func (t *tenancy) audiences(o *v1alpha1.ApiApplication, r *Report) (admitted []string) {
	for i, audience := range o.Spec.Audiences {
		raw, field := string(audience), fmt.Sprintf("spec.audiences[%d]", i)
		t.asked.audiences[raw] = true
		if wrong := checkAudience(raw, t.issuer); wrong != "" {
			r.find(v1alpha1.ReasonInvalidSpec, field, "%s %s", quote(raw), wrong)
		} else if t.facts.audiences[raw] != identity(o) {
			r.find(v1alpha1.ReasonAudienceConflict, field, "%s belongs to an older ApiApplication; choose another one, or delete the older ApiApplication", quote(raw))
		} else if !slices.Contains(admitted, raw) {
			admitted = append(admitted, raw)
		}
	}
	return admitted
}

// checkAudience says what is wrong with an audience; "" if nothing is.
func checkAudience(raw, issuer string) string {
	u, wrong := readURI(raw)
	switch {
	case wrong == uriFragment: // RFC 8707 section 2
		return wrong
	case wrong == "" && u.Scheme == "urn" && urn.MatchString(raw):
		return ""
	case wrong != "" || u.Scheme != "https":
		return "must be an absolute URI without spaces or *, like https://api.example.com or urn:example:api"
	case sameOrigin(u, issuer):
		return "is at or below the issuer, where Gatehouse gives the names; choose a URI of the application's own"
	}
	return checkAuthority(raw, u)
}

// resources admits the audiences that the applications may ask for: those that accepted
// applications of the same Organization serve.
func (t *tenancy) resources(applicants []*applicant) {
	served := map[string]bool{}
	for _, a := range applicants {
		if a.app != nil && a.report.accepted() {
			for _, audience := range a.app.Audiences {
				served[audience] = true
			}
		}
	}
	for _, a := range applicants {
		if a.app == nil {
			continue
		}
		for i, resource := range a.object.Spec.Resources {
			raw := string(resource)
			if !served[raw] {
				a.report.find(v1alpha1.ReasonRefNotFound, fmt.Sprintf("spec.resources[%d]", i),
					"no ApiApplication of Organization %s has the audience %s; correct it, or add it to that application's spec.audiences", show(nameOf(t.draft.object)), quote(raw))
			} else if !slices.Contains(a.app.Resources, raw) {
				a.app.Resources = append(a.app.Resources, raw)
			}
		}
	}
}
