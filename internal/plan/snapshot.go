package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// name is what objects of one kind are told apart by.
type name struct{ namespace, name string }

func (n name) String() string { return n.namespace + "/" + n.name }

// comparison is two snapshots being compared.
type comparison struct {
	old, next *model.Snapshot
	changes   []Change
	before    map[told]string // what is declared, with its UID
	after     map[told]string
	told      map[told]bool // objects of which it is said that they are new, gone or another
}

type told struct {
	kind string
	name name
}

// Snapshots says what changes when next is served in the place of old. It finds nothing
// between two snapshots that serve the same.
func Snapshots(old, next *model.Snapshot) []Change {
	c := &comparison{old: old, next: next, before: objects(old), after: objects(next), told: map[told]bool{}}
	c.providers()
	before, after := organizations(old), organizations(next)
	for _, at := range eitherOf(before, after) {
		c.organization(before[at], after[at])
	}
	c.slugs()
	c.clientIDs()
	c.objects()
	slices.SortStableFunc(c.changes, compareChanges)
	return c.changes
}

func (c *comparison) of(organization string, s Subject) record {
	return record{into: &c.changes, organization: organization, subject: s}
}

// exists notes an object that is served now and was not, or the reverse. One that is still
// declared is no longer served, or not yet, because of what is wrong with it.
func (c *comparison) exists(r record, before, after bool) {
	if before == after {
		return
	}
	at := told{r.subject.Kind, name{r.subject.Namespace, r.subject.Name}}
	c.told[at] = true
	_, declaredBefore := c.before[at]
	_, declaredAfter := c.after[at]
	switch {
	case after && declaredBefore:
		r.value(FieldExistence, "not served", "served", Widened)
	case after:
		r.value(FieldExistence, "", "new", Widened)
	case declaredAfter:
		r.value(FieldExistence, "served", "not served", Narrowed)
	default:
		r.value(FieldExistence, "served", "gone", Narrowed)
	}
}

// incarnation notes an object that was made anew: what was issued for the one before ends.
func (c *comparison) incarnation(r record, before, after string) {
	if before != after {
		c.told[told{r.subject.Kind, name{r.subject.Namespace, r.subject.Name}}] = true
		r.add(Change{Effect: Changed, Field: FieldIncarnation, Before: before, After: after})
	}
}

// slugs notes those that another organization has now: its applications are met under the
// names that people know.
func (c *comparison) slugs() {
	for o := range c.next.Organizations() {
		was := c.old.OrganizationBySlug(o.Slug)
		if was != nil && nameOf(was.Namespace, was.Name) != nameOf(o.Namespace, o.Name) {
			c.of(o.Slug, organizationSubject(o)).value(FieldSlugOwner, nameOf(was.Namespace, was.Name).String(), nameOf(o.Namespace, o.Name).String(), Widened)
		}
	}
}

// clientIDs notes those that another application has now.
func (c *comparison) clientIDs() {
	for o := range c.next.Organizations() {
		for a := range o.Applications() {
			_, was := c.old.Application(a.ClientID)
			if was != nil && nameOf(was.Namespace, was.Name) != nameOf(a.Namespace, a.Name) {
				c.of(o.Slug, applicationSubject(a)).value(FieldClientIDOwner, nameOf(was.Namespace, was.Name).String(), nameOf(a.Namespace, a.Name).String(), Widened)
			}
		}
	}
}

// objects notes what else is declared or no longer declared: Roles, and what is not
// served. By themselves they give nobody anything.
func (c *comparison) objects() {
	for _, at := range eitherOfFunc(c.before, c.after, func(a, b told) int {
		return cmp.Or(strings.Compare(a.kind, b.kind), compareNames(a.name, b.name))
	}) {
		if c.told[at] {
			continue
		}
		r := c.of("", Subject{Kind: at.kind, Namespace: at.name.namespace, Name: at.name.name})
		old, was := c.before[at]
		next, is := c.after[at]
		switch {
		case !was:
			r.add(Change{Effect: Changed, Field: FieldExistence, After: "declared"})
		case !is:
			r.add(Change{Effect: Changed, Field: FieldExistence, Before: "declared", After: "gone"})
		case old != next:
			r.add(Change{Effect: Changed, Field: FieldIncarnation, Before: old, After: next})
		}
	}
}

func objects(s *model.Snapshot) map[told]string {
	uids := make(map[told]string, len(s.Objects))
	for _, o := range s.Objects {
		uids[told{o.Kind, name{o.Namespace, o.Name}}] = o.UID
	}
	return uids
}

func nameOf(namespace, n string) name { return name{namespace, n} }

func compareNames(a, b name) int {
	return cmp.Or(strings.Compare(a.namespace, b.namespace), strings.Compare(a.name, b.name))
}

// eitherOf returns the keys of both maps, each once and in order.
func eitherOf[V any](a, b map[name]V) []name { return eitherOfFunc(a, b, compareNames) }

func eitherOfFunc[K comparable, V any](a, b map[K]V, compare func(K, K) int) []K {
	keys := make([]K, 0, len(a)+len(b))
	for k := range a {
		keys = append(keys, k)
	}
	for k := range b {
		if _, both := a[k]; !both {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, compare)
	return keys
}
