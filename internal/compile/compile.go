// Package compile judges declarations: Input in, Snapshot and Reports out.
//
// It is the only place that decides what a declaration means. It is pure and total: no
// context, clock, error, log or client; any Input gives a Result and every object gets a
// Report. A mistake only subtracts: what is wrong is reported by field and left out, or,
// where it restricts, the object is not served; its neighbours keep working.
//
// Start reading at Compiler.Compile, which is the table of contents. Each kind has a file
// (provider.go with a file per type, organization.go, application.go with credentials.go, generated.go and
// assertion.go, role.go with
// inheritance.go) with a function per rule; report.go is what the rules write, and
// conditions.go and status.go are what becomes of that in a status.
package compile

import (
	"fmt"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Compiler remembers its last result, so that one change costs its organization and not
// the world. An object is taken to be unchanged if it is the same pointer. It is not safe
// for concurrent use. The zero value is ready.
type Compiler struct {
	systemNamespace string
	anySlug, dev    bool
	assumeOutputs   bool
	noCluster       bool
	issuer          string
	digestKey       model.Sensitive
	explaining      bool // keep how Roles came to their scopes, for Explain

	facts     facts
	providers []*model.Provider // of the installation
	drafted   map[*v1alpha1.AuthProvider]*providerDraft
	drafts    map[*v1alpha1.Organization]*draft
	tenants   map[types.NamespacedName]*tenant
	others    []*Report // of no tenant: providers, Organizations without a name of their own
	reports   []*Report // all, in order
	unread    []string
	snapshot  *model.Snapshot
}

// Compile is the verdict of a fresh Compiler.
func Compile(in Input) Result { return new(Compiler).Compile(in) }

// Compile returns the verdict on the input; it is always the one that a fresh Compiler
// would return.
func (c *Compiler) Compile(in Input) Result {
	c.begin(&in)
	c.unread = slices.Compact(slices.Sorted(slices.Values(in.Unread)))
	changed := c.facts.update(&in)
	c.facts.explaining = c.explaining
	owned, others := c.judgeProviders(&in)
	candidates := rank(c.draftOrganizations(in.Organizations), &c.facts, in.AnySlug)
	c.facts.claim(in.Applications, candidates, changed)
	groups, nameless := c.gather(&in, candidates, owned)
	for _, n := range nameless {
		r := n.report()
		r.Organization = &v1alpha1.OrganizationStatus{}
		others = append(others, r.close())
	}
	stale, fresh := c.judgeTenants(groups, changed)
	others = keep(c.others, others)
	stale, fresh = append(stale, c.others...), append(fresh, others...)
	c.others = others
	c.finish(stale, fresh, len(changed.uids) == 0)
	return Result{Snapshot: c.snapshot, Reports: c.reports}
}

// begin forgets everything when that which every verdict depends on changed.
func (c *Compiler) begin(in *Input) {
	if c.systemNamespace != in.SystemNamespace || c.anySlug != in.AnySlug || c.dev != in.Dev || c.assumeOutputs != in.AssumeOutputs || c.noCluster != in.NoCluster || c.issuer != in.Issuer || !c.digestKey.Equal(in.DigestKey) {
		*c = Compiler{
			systemNamespace: in.SystemNamespace, anySlug: in.AnySlug, dev: in.Dev, assumeOutputs: in.AssumeOutputs, noCluster: in.NoCluster,
			issuer: in.Issuer, digestKey: in.DigestKey, explaining: c.explaining,
		}
	}
}

// draftOrganizations judges each Organization by itself, oldest first.
func (c *Compiler) draftOrganizations(objects []*v1alpha1.Organization) []*draft {
	sorted := bySeniority(objects)
	drafts, byObject := make([]*draft, len(sorted)), make(map[*v1alpha1.Organization]*draft, len(sorted))
	for i, o := range sorted {
		d := c.drafts[o]
		if d == nil {
			d = newDraft(o)
		}
		drafts[i], byObject[o] = d, d
	}
	c.drafts = byObject
	return drafts
}

// gather puts every ApiApplication, Role and AuthProvider of its own to the Organization that
// it refers to, also where there is none. An Organization without a name of its own has no
// group.
func (c *Compiler) gather(in *Input, candidates []candidate, owned []*providerDraft) (groups map[types.NamespacedName]*group, nameless []candidate) {
	groups = make(map[types.NamespacedName]*group, len(candidates))
	of := func(name types.NamespacedName) *group {
		g := groups[name]
		if g == nil {
			g = &group{}
			if known := c.tenants[name]; known != nil { // what it grew to
				g.applications = make([]*v1alpha1.ApiApplication, 0, len(known.applications)+1)
				g.roles = make([]*v1alpha1.Role, 0, len(known.roles)+1)
			}
			groups[name] = g
		}
		return g
	}
	for _, candidate := range candidates {
		g := of(nameOf(candidate.draft.object))
		if !candidate.named {
			nameless = append(nameless, candidate)
			continue
		}
		g.organization = candidate
	}
	for _, a := range in.Applications {
		if a != nil {
			g := of(resolve(a.Spec.OrganizationRef, a.Namespace))
			g.applications = append(g.applications, a)
		}
	}
	for _, r := range in.Roles {
		if r != nil {
			g := of(resolve(r.Spec.OrganizationRef, r.Namespace))
			g.roles = append(g.roles, r)
		}
	}
	for _, d := range owned {
		g := of(resolve(*d.object.Spec.OrganizationRef, d.object.Namespace))
		g.providers = append(g.providers, d)
	}
	return groups, nameless
}

// judgeTenants judges the groups that changed. It returns the reports that no longer hold
// and those that take their place; one that says the same as before is in both.
func (c *Compiler) judgeTenants(groups map[types.NamespacedName]*group, changed asked) (stale, fresh []*Report) {
	tenants := make(map[types.NamespacedName]*tenant, len(groups))
	for name, g := range groups {
		known := c.tenants[name]
		if known != nil && known.stands(g, c.providers, changed) {
			tenants[name] = known
			continue
		}
		t := judgeTenant(g, &c.facts, c.providers, c.digestKey)
		if known != nil {
			t.reports = keep(known.reports, t.reports)
			stale = append(stale, known.reports...)
		}
		fresh = append(fresh, t.reports...)
		tenants[name] = t
	}
	for name, known := range c.tenants {
		if tenants[name] == nil {
			stale = append(stale, known.reports...)
		}
	}
	c.tenants = tenants
	return stale, fresh
}

// finish puts reports and snapshot together. The last one stays if it says the same and
// the objects go by the same IDs.
func (c *Compiler) finish(stale, fresh []*Report, sameIDs bool) {
	c.reports = replace(c.reports, stale, fresh)
	var served []*model.Organization
	digests := []string{digest(nil, c.others, c.digestKey)}
	for _, t := range c.tenants {
		digests = append(digests, t.digest)
		if t.served != nil {
			served = append(served, t.served)
		}
	}
	if len(c.unread) > 0 {
		digests = append(digests, fmt.Sprintf("unread %q", c.unread))
	}
	combined := digestAll(digests, c.providers, c.digestKey)
	if c.snapshot != nil && c.snapshot.Digest == combined && sameIDs {
		return
	}
	var known []model.ObjectID
	if c.snapshot != nil {
		known = c.snapshot.Objects
	}
	c.snapshot = model.NewSnapshot(combined, served, c.providers, objects(known, c.reports))
	c.snapshot.Adopted = c.facts.ids
	c.snapshot.Unread = c.unread
}

// objects lists what the reports are about, each once; the known list if it still is that.
func objects(known []model.ObjectID, reports []*Report) []model.ObjectID {
	if slices.EqualFunc(known, reports, func(id model.ObjectID, r *Report) bool { return id == r.Object }) {
		return known
	}
	ids := make([]model.ObjectID, len(reports))
	for i, r := range reports {
		ids[i] = r.Object
	}
	return slices.Compact(ids)
}

// keep takes, for every new report that says the same as a known one, the known one.
func keep(known, reports []*Report) []*Report {
	byObject := make(map[model.ObjectID]*Report, len(known))
	for _, r := range known {
		byObject[r.Object] = r
	}
	kept := slices.Clone(reports)
	for i, r := range reports {
		if old := byObject[r.Object]; old != nil && reflect.DeepEqual(old, r) {
			kept[i] = old
			delete(byObject, r.Object) // each once
		}
	}
	return kept
}

// replace puts fresh reports in the place of stale ones. It makes a new slice unless
// nothing changed: the old one is in the hands of others.
func replace(sorted, stale, fresh []*Report) []*Report {
	out := make(map[*Report]bool, len(stale))
	for _, r := range stale {
		out[r] = true
	}
	fresh = slices.DeleteFunc(fresh, func(r *Report) bool {
		kept := out[r]
		delete(out, r)
		return kept
	})
	if len(out) == 0 && len(fresh) == 0 {
		return sorted
	}
	merged := make([]*Report, 0, len(sorted)-len(out)+len(fresh))
	rest := slices.DeleteFunc(slices.Clone(sorted), func(r *Report) bool { return out[r] })
	slices.SortFunc(fresh, compareReports)
	for _, r := range fresh {
		before, _ := slices.BinarySearchFunc(rest, r, compareReports)
		merged = append(append(merged, rest[:before]...), r)
		rest = rest[before:]
	}
	return append(merged, rest...)
}
