package compile

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// group is everything that asks for one Organization, by whatever name it is referred to.
type group struct {
	organization candidate // its draft is nil where there is no such Organization
	applications []*v1alpha1.ApiApplication
	roles        []*v1alpha1.Role
	providers    []*providerDraft // its own, oldest first
}

// tenant is the verdict on a group, with all that it was reached from.
type tenant struct {
	organization candidate
	providers    []*model.Provider // served in the installation
	applications map[*v1alpha1.ApiApplication]int
	roles        map[*v1alpha1.Role]int
	owned        map[*providerDraft]int
	asked        asked

	served  *model.Organization // nil: not served
	digest  string
	reports []*Report
	nodes   []*roleNode // only to explain
}

// stands reports whether a new verdict on the group would be the same.
func (t *tenant) stands(g *group, providers []*model.Provider, changed asked) bool {
	return t.organization == g.organization && slices.Equal(t.providers, providers) &&
		sameMembers(t.applications, g.applications) && sameMembers(t.roles, g.roles) &&
		sameMembers(t.owned, g.providers) && !t.asked.touches(changed) && !t.renamed(changed)
}

// sameMembers compares by identity, in any order: objects are read-only, so one that
// changed is another one.
func sameMembers[T comparable](known map[T]int, members []T) bool {
	if len(known) != len(members) {
		return false
	}
	seen := make([]bool, len(members))
	for _, m := range members {
		i, ok := known[m]
		if !ok || seen[i] {
			return false
		}
		seen[i] = true
	}
	return true
}

// numbered gives every member a number from 0.
func numbered[T comparable](members []T) map[T]int {
	numbers := make(map[T]int, len(members))
	for _, m := range members {
		if _, twice := numbers[m]; !twice {
			numbers[m] = len(numbers)
		}
	}
	return numbers
}

// tenancy is one group being judged.
type tenancy struct {
	*facts
	draft     *draft // nil: there is no such Organization
	report    *Report
	digestKey model.Sensitive
	providers []*model.Provider // that count
	asked     asked
	// signIns are the AuthProviders that may be referred to: its own and the installation's.
	signIns map[types.NamespacedName]*model.Provider
}

// judgeTenant judges an Organization with its members.
func judgeTenant(g *group, f *facts, providers []*model.Provider, key model.Sensitive) *tenant {
	t := &tenancy{facts: f, draft: g.organization.draft, digestKey: key, asked: newAsked()}
	if t.draft != nil {
		t.report = g.organization.report()
	}
	own, counted := t.judgeProviders(g.providers), []*model.Provider(nil)
	if t.draft != nil {
		counted = t.loginProviders(own, providers)
		t.providers = counted
	}
	applicants := t.judgeApplications(g.applications)
	roles := t.judgeRoles(g.roles, applicants)

	verdict := &tenant{
		organization: g.organization, providers: providers, asked: t.asked,
		applications: numbered(g.applications), roles: numbered(g.roles), owned: numbered(g.providers),
	}
	if f.explaining {
		verdict.nodes = roles
	}
	for _, a := range applicants {
		verdict.reports = append(verdict.reports, a.report)
	}
	for _, r := range roles {
		verdict.reports = append(verdict.reports, r.report)
	}
	for _, p := range own {
		verdict.reports = append(verdict.reports, p.report)
	}
	if t.draft != nil {
		t.report.Organization = t.organizationFacts(own, applicants, roles)
		verdict.reports = append(verdict.reports, t.report.close())
	}
	if t.served() {
		verdict.served = t.assemble(counted, applicants, roles)
	}
	slices.SortFunc(verdict.reports, compareReports)
	verdict.digest = digest(verdict.served, verdict.reports, key)
	return verdict
}

// served reports whether the Organization is.
func (t *tenancy) served() bool { return t.draft != nil && !t.report.NotServed }

// admit judges a reference to the Organization from a namespace.
func (t *tenancy) admit(rule *v1alpha1.NamespaceAdmission, organization types.NamespacedName, namespace string, r *Report) bool {
	if t.admits(rule, namespace) && t.served() {
		return true
	}
	r.refuse(v1alpha1.ReasonNotAdmitted, "spec.organizationRef", "no Organization %s admits this namespace", show(organization))
	return false
}

// admits reports whether a rule of the Organization, served or not, has the namespace.
func (t *tenancy) admits(rule *v1alpha1.NamespaceAdmission, namespace string) bool {
	t.asked.namespaces[namespace] = true
	return t.draft != nil && admits(rule, t.draft.object.Namespace, namespace, t.namespaces[namespace].Labels)
}

func (t *tenancy) findSecret(name types.NamespacedName) (Secret, bool) {
	t.asked.secrets[name] = true
	return t.secrets.find(name)
}

// assemble makes the model: what is served, with every Role in the hands that hold it.
func (t *tenancy) assemble(providers []*model.Provider, applicants []*applicant, roles []*roleNode) *model.Organization {
	people, groups := map[string][]model.Holding{}, map[model.Group][]model.Holding{}
	var defaults []*model.Role
	for _, role := range roles {
		if role.role != nil && role.role.Default {
			defaults = append(defaults, role.role)
		}
		for _, h := range role.holders {
			holding := model.Holding{Role: role.role, NotAfter: h.notAfter}
			switch {
			case h.application != nil:
				h.application.app.Holdings = append(h.application.app.Holdings, holding)
			case h.group.Name != "":
				groups[h.group] = append(groups[h.group], holding)
			default:
				people[h.address] = append(people[h.address], holding)
			}
		}
	}
	var served []*model.Application
	for _, a := range applicants {
		if !a.report.NotServed {
			sortHoldings(a.app.Holdings)
			served = append(served, a.app)
		}
	}
	for _, held := range people {
		sortHoldings(held)
	}
	for _, held := range groups {
		sortHoldings(held)
	}
	slices.SortFunc(defaults, func(a, b *model.Role) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	return organizationModel(t.draft, t.id(t.draft.object.UID), providers).WithMembers(served, people).WithGroups(groups, defaults)
}

// organizationFacts count who is accepted, which a wait for a Secret does not change. While
// the Organization is not served nobody is, and everybody who is admitted counts: what was
// issued to them would go with it.
func (t *tenancy) organizationFacts(own []*ownProvider, applicants []*applicant, roles []*roleNode) *v1alpha1.OrganizationStatus {
	if !t.served() {
		return t.dependents(own, applicants, roles)
	}
	s := &v1alpha1.OrganizationStatus{ID: t.id(t.draft.object.UID)}
	for _, p := range own {
		if p.report.accepted() {
			s.Providers++
		}
	}
	for _, a := range applicants {
		if a.report.accepted() {
			s.Applications++
		}
	}
	for _, r := range roles {
		if r.report.accepted() {
			s.Roles++
		}
	}
	return s
}

func (t *tenancy) dependents(own []*ownProvider, applicants []*applicant, roles []*roleNode) *v1alpha1.OrganizationStatus {
	s := &v1alpha1.OrganizationStatus{}
	var allowed v1alpha1.AllowedNamespaces
	if declared := t.draft.object.Spec.AllowedNamespaces; declared != nil {
		allowed = *declared
	}
	for _, a := range applicants {
		if t.admits(allowed.ApiApplications, a.object.Namespace) {
			s.Applications++
		}
	}
	for _, r := range roles {
		if t.admits(allowed.Roles, r.object.Namespace) {
			s.Roles++
		}
	}
	for _, p := range own {
		if t.admits(allowed.AuthProviders, p.draft.object.Namespace) {
			s.Providers++
		}
	}
	return s
}

func sortHoldings(holdings []model.Holding) {
	slices.SortFunc(holdings, func(a, b model.Holding) int {
		return cmp.Or(strings.Compare(a.Role.Namespace, b.Role.Namespace), strings.Compare(a.Role.Name, b.Role.Name), a.NotAfter.Compare(b.NotAfter))
	})
}
