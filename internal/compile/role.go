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

// holder is a subject that was admitted: an application, a group, or the address of a person.
type holder struct {
	application *applicant
	group       model.Group
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
			n.role = &model.Role{
				UID: string(o.UID), Namespace: o.Namespace, Name: o.Name, DisplayName: cmp.Or(o.Spec.DisplayName, o.Name),
				Priority: priority(o.Spec.Priority, n.report), Default: o.Spec.Default,
			}
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
		n.holders = t.subjects(n.object, applications, n.report)
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
func (t *tenancy) subjects(o *v1alpha1.Role, applications map[types.NamespacedName]*applicant, r *Report) []holder {
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
		if s.Kind == v1alpha1.SubjectGroup {
			if !t.identifyGroup(&h, s, field, o.Namespace, r) {
				continue
			}
		} else if !h.identify(s, field, o.Namespace, applications, r) {
			continue
		}
		if !h.notAfter.IsZero() {
			r.bound(h.notAfter)
		}
		holders = append(holders, h)
	}
	return holders
}

// priority reads a rank. One out of bounds gives none: nobody ranks higher by a mistake.
func priority(declared int32, r *Report) int {
	if declared < 0 || declared > 1000 {
		r.find(v1alpha1.ReasonInvalidSpec, "spec.priority", "%d is out of bounds; use 0 to 1000. Until then it is 0", declared)
		return 0
	}
	return int(declared)
}

// groupNameLongest is that of a group that any provider tells.
const groupNameLongest = 256

// identifyGroup finds whose group the subject is. Groups of two providers are two groups,
// whatever they are called, and only those of a provider that counts here are told here.
func (t *tenancy) identifyGroup(h *holder, s v1alpha1.Subject, field, namespace string, r *Report) bool {
	switch {
	case s.Namespace != "":
		r.find(v1alpha1.ReasonInvalidSpec, field+".namespace", "a Group has none; remove it")
		return false
	case s.Provider == nil:
		r.find(v1alpha1.ReasonInvalidSpec, field+".provider", "is missing; name the AuthProvider that tells of the group")
		return false
	case s.Name == "" || len(s.Name) > groupNameLongest:
		r.find(v1alpha1.ReasonInvalidSpec, field+".name", "%s is not the name of a group; use 1 to %d bytes, as the provider writes it", quote(s.Name), groupNameLongest)
		return false
	}
	name := resolve(*s.Provider, namespace)
	for _, p := range t.providers {
		if p.Namespace != name.Namespace || p.Name != name.Name {
			continue
		}
		if p.Local != nil {
			r.find(v1alpha1.ReasonInvalidSpec, field+".provider", "AuthProvider %s keeps no groups; use subjects of kind User", show(name))
			return false
		}
		h.group = model.Group{ProviderUID: p.UID, Name: s.Name}
		return true
	}
	r.find(v1alpha1.ReasonRefNotFound, field+".provider", "no AuthProvider %s counts in the Organization; create it, or add it to the Organization's spec.login.authProviders", show(name))
	return false
}

// identify finds who the subject is.
func (h *holder) identify(s v1alpha1.Subject, field, namespace string, applications map[types.NamespacedName]*applicant, r *Report) bool {
	switch s.Kind {
	case v1alpha1.SubjectUser:
		if s.Namespace != "" {
			r.find(v1alpha1.ReasonInvalidSpec, field+".namespace", "a User has none; remove it")
			return false
		}
		if s.Provider != nil {
			r.find(v1alpha1.ReasonInvalidSpec, field+".provider", "a User has none; remove it, or use kind: Group")
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
		r.find(v1alpha1.ReasonUnsupportedValue, field+".kind", "%s is not served by this version; use User, Group or ApiApplication", quote(s.Kind))
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
