package compile

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// roleNode is a Role and the verdict on it.
type roleNode struct {
	object  *v1alpha1.Role
	report  *Report
	role    *model.Role // nil: not admitted
	own     []string    // scopes of its own rules
	parents []parent    // Roles it inherits from
	holders []holder
}

// holder is a subject that was admitted: an application, or the address of a person.
type holder struct {
	application *applicant
	address     string
	notAfter    time.Time
}

// judgeRoles judges the Roles that ask for this Organization.
func (t *tenancy) judgeRoles(objects []*v1alpha1.Role, applicants []*applicant) []*roleNode {
	names := newRoll()
	var all, admitted []*roleNode
	for _, o := range bySeniority(objects) {
		n := &roleNode{object: o, report: newReport(kindRole, o)}
		all = append(all, n)
		if names.enter(o, n.report) && t.admitRole(o, n.report) {
			n.role = &model.Role{UID: string(o.UID), Namespace: o.Namespace, Name: o.Name, DisplayName: cmp.Or(o.Spec.DisplayName, o.Name)}
			n.own = t.ruleScopes(o, n.report)
			admitted = append(admitted, n)
		}
	}
	applications := map[types.NamespacedName]*applicant{}
	for _, a := range applicants {
		if a.app != nil && a.report.accepted() {
			applications[nameOf(a.object)] = a
		}
	}
	t.inherit(admitted)
	for _, n := range admitted {
		n.holders = subjects(n.object, applications, n.report)
		n.report.Role.Subjects = int32(len(n.holders)) // #nosec G115 -- bounded by the schema
	}
	for _, n := range all {
		n.report.close()
	}
	return all
}

func (t *tenancy) admitRole(o *v1alpha1.Role, r *Report) bool {
	var rule *v1alpha1.NamespaceAdmission
	if t.served() && t.draft.object.Spec.AllowedNamespaces != nil {
		rule = t.draft.object.Spec.AllowedNamespaces.Roles
	}
	return t.admit(rule, resolve(o.Spec.OrganizationRef, o.Namespace), o.Namespace, r)
}

// ruleScopes are the scopes of the rules, with what they include. An unknown scope grants
// nothing; the others of its rule do. Each is looked at once: a Role may name the whole
// catalogue in every rule, and all wait while it is judged.
func (t *tenancy) ruleScopes(o *v1alpha1.Role, r *Report) []string {
	var known []string
	seen := map[string]bool{}
	for i, rule := range o.Spec.Rules {
		for j, s := range rule.Scopes {
			scope, ok := t.draft.catalogue.Scope(string(s))
			if !ok {
				r.find(v1alpha1.ReasonUnknownScope, fmt.Sprintf("spec.rules[%d].scopes[%d]", i, j),
					"%s is not a scope of Organization %s; correct it, or add it to the Organization's spec.scopes.custom", quote(s), show(nameOf(t.draft.object)))
				continue
			}
			if seen[scope.Name] { // with all that it includes
				continue
			}
			for _, included := range scope.Includes {
				if !seen[included] {
					seen[included] = true
					known = append(known, included)
				}
			}
		}
	}
	return oauth.NewScopeSet(known...)
}

// subjects admits holders. A subject that is not admitted holds nothing; the others do.
func subjects(o *v1alpha1.Role, applications map[types.NamespacedName]*applicant, r *Report) []holder {
	var holders []holder
	for i, s := range o.Spec.Subjects {
		h, field := holder{}, fmt.Sprintf("spec.subjects[%d]", i)
		if s.NotAfter != "" {
			at, ok := moment(s.NotAfter)
			if !ok {
				r.find(v1alpha1.ReasonInvalidSpec, field+".notAfter", "%s is not a moment in time; write it like 2027-01-31T00:00:00Z", quote(s.NotAfter))
				continue
			}
			h.notAfter = at
		}
		if !h.identify(s, field, o.Namespace, applications, r) {
			continue
		}
		if !h.notAfter.IsZero() {
			r.bound(h.notAfter)
		}
		holders = append(holders, h)
	}
	return holders
}

// identify finds who the subject is.
func (h *holder) identify(s v1alpha1.Subject, field, namespace string, applications map[types.NamespacedName]*applicant, r *Report) bool {
	switch s.Kind {
	case v1alpha1.SubjectUser:
		if s.Namespace != "" {
			r.find(v1alpha1.ReasonInvalidSpec, field+".namespace", "a User has none; remove it")
			return false
		}
		if !address(s.Name) {
			r.find(v1alpha1.ReasonInvalidSpec, field+".name", "%s is not an address; write it like ann@acme.com", quote(s.Name))
			return false
		}
		h.address = strings.ToLower(s.Name)
		return true
	case v1alpha1.SubjectApiApplication:
		name := resolve(v1alpha1.ObjectReference{Name: s.Name, Namespace: s.Namespace}, namespace)
		if h.application = applications[name]; h.application == nil {
			r.find(v1alpha1.ReasonRefNotFound, field, "no ApiApplication %s is accepted by the Organization; create it, or correct name and namespace", show(name))
			return false
		}
		return true
	default:
		r.find(v1alpha1.ReasonUnsupportedValue, field+".kind", "%s is not served by this version; use User or ApiApplication", quote(s.Kind))
		return false
	}
}

// address reports whether text looks like the address of a person. Only ASCII: folding
// the case of other letters makes different addresses equal.
func address(text string) bool {
	local, domain, found := strings.Cut(text, "@")
	if !found || local == "" || domain == "" || strings.Contains(domain, "@") || len(text) > 254 {
		return false
	}
	for _, c := range []byte(text) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}
