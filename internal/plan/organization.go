package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

func organizations(s *model.Snapshot) map[name]*model.Organization {
	byName := map[name]*model.Organization{}
	for o := range s.Organizations() {
		byName[nameOf(o.Namespace, o.Name)] = o
	}
	return byName
}

func organizationSubject(o *model.Organization) Subject {
	return Subject{Kind: kindOrganization, Namespace: o.Namespace, Name: o.Name}
}

// nothing is an organization in which nobody can do anything.
func nothing(like *model.Organization) *model.Organization {
	return model.Organization{
		ID: like.ID, Namespace: like.Namespace, Name: like.Name, Slug: like.Slug, DisplayName: like.DisplayName, CreatedAt: like.CreatedAt,
		Catalogue: like.Catalogue,
	}.WithMembers(nil, nil)
}

// organization compares an organization before and after; either is nil where there is none.
func (c *comparison) organization(old, next *model.Organization) {
	shown := next
	if next == nil {
		shown = old
	}
	r := c.of(shown.Slug, organizationSubject(shown))
	r.quiet = shown.Suspended
	c.exists(r, old != nil, next != nil)
	r.quiet = next == nil || next.Suspended
	c.ownProviders(old, next, r)
	c.people(old, next, r)
	c.groups(old, next, r)
	c.roles(old, next, r)
	c.applications(old, next)
	c.abroad(old, next)
	if next == nil {
		return
	}
	before := old
	if old == nil || old.Suspended && !next.Suspended {
		before = nothing(next) // a stop that is lifted gives back everything
	}
	if old != nil {
		c.incarnation(r, fmt.Sprint(old.ID, moment(old)), fmt.Sprint(next.ID, moment(next)))
		r.value(FieldSlug, old.Slug, next.Slug, Changed)
		r.value(FieldDisplayName, old.DisplayName, next.DisplayName, Changed)
		suspension(r, old.Suspended, next.Suspended)
		r.catalogue(old.Catalogue, next.Catalogue)
	}
	r.life(FieldAccessTTL, before.Tokens.AccessToken, next.Tokens.AccessToken)
	r.life(FieldJWTTTL, before.Tokens.JWTAccessToken, next.Tokens.JWTAccessToken)
	r.life(FieldRefreshIdle, before.Tokens.RefreshIdle, next.Tokens.RefreshIdle)
	r.life(FieldRefreshTotal, before.Tokens.RefreshAbsolute, next.Tokens.RefreshAbsolute)
	r.external(before.External, next.External)
	r.set(FieldLogin, providerNames(before.Providers), providerNames(next.Providers))
	r.set(FieldDefaultRoles, roleNames(before.DefaultRoles()), roleNames(next.DefaultRoles()))
	if old != nil {
		r.loginRules(old.Login, next.Login)
		r.set(FieldDomains, before.Domains, next.Domains)
		r.value(FieldBranding, branding(old.Branding), branding(next.Branding), Changed)
	}
}

func moment(o *model.Organization) string {
	if o.CreatedAt.IsZero() {
		return ""
	}
	return " of " + shownBound(o.CreatedAt)
}

// suspension notes a stop, which is a narrowing whatever else changes, and its end.
func suspension(r record, before, after bool) {
	if after {
		r.quiet = false
	}
	r.allows(FieldSuspended, !before, !after, "yes", "no")
}

// external compares which applications of others are admitted.
func (r record) external(before, after model.ExternalApplications) {
	switch {
	case after.All && !before.All:
		r.add(Change{Effect: Widened, Field: FieldExternal, Before: listed(before.ClientIDs), After: "all"})
	case before.All && !after.All:
		r.add(Change{Effect: Narrowed, Field: FieldExternal, Before: "all", After: listed(after.ClientIDs)})
	case before.All:
	default:
		r.set(FieldExternal, before.ClientIDs, after.ClientIDs)
	}
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// catalogue compares the scopes. One that is new gives nobody anything by itself; one that
// includes more means more to whoever has it.
func (r record) catalogue(old, next *model.Catalogue) {
	if old == next || old == nil || next == nil {
		return
	}
	gone, fresh := []Item{}, []Item{}
	for _, s := range old.Scopes {
		if _, left := next.Scope(s.Name); !left {
			gone = append(gone, Item{Name: s.Name})
		}
	}
	for _, s := range next.Scopes {
		if _, known := old.Scope(s.Name); !known {
			fresh = append(fresh, Item{Name: s.Name})
		}
	}
	switch {
	case len(fresh) > 0:
		r.add(Change{Effect: Changed, Field: FieldScope, Gains: fresh, Loses: gone})
	case len(gone) > 0:
		r.add(Change{Effect: Narrowed, Field: FieldScope, Loses: gone})
	}
	for _, s := range next.Scopes {
		was, known := old.Scope(s.Name)
		if !known {
			continue
		}
		if was.Description != s.Description {
			r.add(Change{Effect: Changed, Field: FieldDescription, Before: s.Name + ": " + was.Description, After: s.Name + ": " + s.Description})
		}
		if slices.Equal(was.Includes, s.Includes) {
			continue
		}
		effect := Narrowed
		if !was.Includes.Covers(s.Includes) {
			effect = Widened
		}
		r.add(Change{
			Effect: effect, Field: FieldIncludes, Before: s.Name, After: s.Name,
			Gains: without(s.Includes, was.Includes), Loses: without(was.Includes, s.Includes),
		})
	}
}
