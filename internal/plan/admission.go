package plan

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
)

// admissions compares who may attach declarations: no snapshot shows it while nobody does,
// and the files of one team seldom hold what another would attach.
func admissions(old, next *compile.Input) (changes []Change) {
	before, after := declared(old), declared(next)
	for _, at := range eitherOf(before, after) {
		was, is := before[at], after[at]
		if is == nil {
			continue // what is gone admits nobody
		}
		r := record{into: &changes, organization: is.Spec.Slug, subject: Subject{Kind: kindOrganization, Namespace: at.namespace, Name: at.name}}
		for _, rule := range []struct {
			field string
			of    func(*v1alpha1.AllowedNamespaces) *v1alpha1.NamespaceAdmission
		}{
			{FieldAdmitApps, func(a *v1alpha1.AllowedNamespaces) *v1alpha1.NamespaceAdmission { return a.ApiApplications }},
			{FieldAdmitRoles, func(a *v1alpha1.AllowedNamespaces) *v1alpha1.NamespaceAdmission { return a.Roles }},
			{FieldAdmitProviders, func(a *v1alpha1.AllowedNamespaces) *v1alpha1.NamespaceAdmission { return a.AuthProviders }},
		} {
			wide, told := admission(was, rule.of)
			wider, tells := admission(is, rule.of)
			effect := Widened // two selectors cannot be compared, so another one is wider
			if wider < wide {
				effect = Narrowed
			}
			r.value(rule.field, told, tells, effect)
		}
	}
	return append(changes, slugGrants(old, next)...)
}

func declared(in *compile.Input) map[name]*v1alpha1.Organization {
	byName := map[name]*v1alpha1.Organization{}
	for _, o := range in.Organizations {
		if o != nil {
			byName[nameOf(o.Namespace, o.Name)] = o
		}
	}
	return byName
}

// admission is how wide a rule is, and the rule in words.
func admission(o *v1alpha1.Organization, of func(*v1alpha1.AllowedNamespaces) *v1alpha1.NamespaceAdmission) (wide int, words string) {
	const own = "its own"
	if o == nil || o.Spec.AllowedNamespaces == nil {
		return 0, own
	}
	a := of(o.Spec.AllowedNamespaces)
	switch {
	case a == nil:
		return 0, own
	case a.From == v1alpha1.FromAll && a.Selector == nil:
		return 2, "all"
	case a.Selector != nil && (a.From == v1alpha1.FromAll || a.From == v1alpha1.FromSelector):
		return 1, "those of the selector " + selector(a.Selector)
	default:
		return 0, own
	}
}

// selector writes one so that equal ones are written alike.
func selector(s *v1alpha1.LabelSelector) string {
	sorted := s.DeepCopy()
	for i := range sorted.MatchExpressions {
		slices.Sort(sorted.MatchExpressions[i].Values)
	}
	slices.SortFunc(sorted.MatchExpressions, func(a, b v1alpha1.LabelSelectorRequirement) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Operator, b.Operator), slices.Compare(a.Values, b.Values))
	})
	text, err := json.Marshal(sorted)
	if err != nil { // it is made of strings
		panic(err)
	}
	return string(text)
}

// slugGrants compares which slugs a cluster administrator lets a namespace take.
func slugGrants(old, next *compile.Input) (changes []Change) {
	if old.AnySlug || next.AnySlug {
		return nil
	}
	before, after := map[name][]string{}, map[name][]string{}
	for in, into := range map[*compile.Input]map[name][]string{old: before, next: after} {
		for _, n := range in.Namespaces {
			into[name{name: n.Name}] = n.Slugs
		}
	}
	for _, at := range eitherOf(before, after) {
		record{into: &changes, subject: Subject{Kind: kindNamespace, Name: at.name}}.set(FieldSlugGrants, before[at], after[at])
	}
	return changes
}
