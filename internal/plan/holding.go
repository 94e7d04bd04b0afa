package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// held is something in somebody's hands, for how long at the most, and by which Roles.
type held struct {
	until   time.Time // zero: for ever
	through []string
}

// hold notes that a Role gives something until a moment.
func hold(into map[string]held, what string, until time.Time, role string) {
	h, known := into[what]
	if !known || later(until, h.until) {
		h.until = until
	}
	if !slices.Contains(h.through, role) {
		h.through = append(h.through, role)
	}
	into[what] = h
}

// rights are the roles that somebody holds and the scopes that these give.
type rights struct{ roles, scopes map[string]held }

func rightsOf(holdings []model.Holding) rights {
	r := rights{map[string]held{}, map[string]held{}}
	for _, h := range holdings {
		role := nameOf(h.Role.Namespace, h.Role.Name).String()
		hold(r.roles, role, h.NotAfter, role)
		for _, s := range h.Role.Scopes {
			hold(r.scopes, s, h.NotAfter, role)
		}
	}
	return r
}

// within keeps the scopes of an application's ceiling, until its end.
func (r rights) within(a *model.Application) rights {
	kept := map[string]held{}
	for scope, h := range r.scopes {
		if !a.Scopes.Has(scope) {
			continue
		}
		if later(h.until, a.ExpiresAt) {
			h.until = a.ExpiresAt
		}
		kept[scope] = h
	}
	return rights{r.roles, kept}
}

// difference is what is held longer, or at all, and what is held shorter or no longer.
func difference(old, next map[string]held, through bool) (gains, loses []Item) {
	for _, what := range eitherOfFunc(old, next, strings.Compare) {
		before, had := old[what]
		after, has := next[what]
		switch {
		case had && has && before.until.Equal(after.until):
		case has && (!had || later(after.until, before.until)):
			gains = append(gains, item(what, after, before, had, through))
		default:
			// What goes is said with its end if it is only shortened.
			at := before
			if has {
				at = after
			}
			loses = append(loses, item(what, at, before, had && has, through))
		}
	}
	return gains, loses
}

func item(what string, now, was held, known, through bool) Item {
	i := Item{Name: what, Until: bound(now.until)}
	if known {
		i.Was = &Bound{Until: bound(was.until)}
	}
	if through {
		i.Through = now.through
	}
	return i
}

func bound(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	at = at.UTC()
	return &at
}

// served are the holdings that count: none in an organization that is absent or stopped.
func servedPeople(o *model.Organization) map[string][]model.Holding {
	people := map[string][]model.Holding{}
	if o != nil && !o.Suspended {
		maps.Insert(people, o.People())
	}
	return people
}

// people compares who may do what. A role is more than its scopes: applications are told
// its name.
func (c *comparison) people(old, next *model.Organization, of record) {
	before, after := servedPeople(old), servedPeople(next)
	for _, address := range eitherOfFunc(before, after, strings.Compare) {
		r := c.of(of.organization, Subject{Kind: KindPerson, Name: address})
		was, is := len(before[address]) > 0, len(after[address]) > 0
		if was != is {
			r.allows(FieldMembership, was, is, "no member", "a member")
		}
		mine, next := rightsOf(before[address]), rightsOf(after[address])
		gains, loses := difference(mine.roles, next.roles, false)
		r.items(FieldRoles, gains, loses)
		gains, loses = difference(mine.scopes, next.scopes, true)
		r.items(FieldScopes, gains, loses)
	}
	if next != nil && next.Suspended && old != nil && old.Suspended {
		c.latent(old, next, of)
	}
}

// latent notes in one line that who holds what in an organization that stays stopped is
// not as before.
func (c *comparison) latent(old, next *model.Organization, r record) {
	before, after := maps.Collect(old.People()), maps.Collect(next.People())
	same := maps.EqualFunc(before, after, func(a, b []model.Holding) bool {
		mine, theirs := rightsOf(a), rightsOf(b)
		return sameRights(mine.roles, theirs.roles) && sameRights(mine.scopes, theirs.scopes)
	})
	sameGroups := len(without(heldByGroups(old), heldByGroups(next)))+len(without(heldByGroups(next), heldByGroups(old))) == 0
	if !same || !sameGroups {
		r.add(Change{Effect: Changed, Field: FieldRoles, Before: "as they were", After: "others, once it is no longer suspended"})
	}
}

// heldByGroups are the holdings of groups in words, also where nothing is served.
func heldByGroups(o *model.Organization) (lines []string) {
	for g, holdings := range o.Groups() {
		for _, h := range holdings {
			lines = append(lines, fmt.Sprint(g, h.Role.Namespace, "/", h.Role.Name, " ", h.Role.Scopes, shownBound(h.NotAfter)))
		}
	}
	return lines
}

func sameRights(a, b map[string]held) bool {
	gains, loses := difference(a, b, false)
	return len(gains)+len(loses) == 0
}

// roles compares the Roles that somebody holds: each line explains those of its holders.
func (c *comparison) roles(old, next *model.Organization, of record) {
	if old == nil || next == nil {
		return
	}
	before, after := rolesHeld(old), rolesHeld(next)
	for _, at := range eitherOf(before, after) {
		was, is := before[at], after[at]
		if was == nil || is == nil {
			continue // the holders' roles say so
		}
		r := c.of(of.organization, Subject{Kind: kindRole, Namespace: at.namespace, Name: at.name})
		r.quiet = of.quiet
		c.incarnation(r, was.UID, is.UID)
		r.value(FieldDisplayName, was.DisplayName, is.DisplayName, Changed)
		r.rank(was.Priority, is.Priority)
		r.set(FieldScopes, was.Scopes, is.Scopes)
	}
}

// rank compares how high a Role is: whoever ranks higher manages more people.
func (r record) rank(before, after int) {
	effect := Narrowed
	if after > before {
		effect = Widened
	}
	r.value(FieldPriority, fmt.Sprint(before), fmt.Sprint(after), effect)
}

func rolesHeld(o *model.Organization) map[name]*model.Role {
	roles := map[name]*model.Role{}
	note := func(holdings []model.Holding) {
		for _, h := range holdings {
			roles[nameOf(h.Role.Namespace, h.Role.Name)] = h.Role
		}
	}
	for _, holdings := range o.People() {
		note(holdings)
	}
	for _, holdings := range o.Groups() {
		note(holdings)
	}
	for a := range o.Applications() {
		note(a.Holdings)
	}
	for _, role := range o.DefaultRoles() {
		note([]model.Holding{{Role: role}})
	}
	return roles
}
