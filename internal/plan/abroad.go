package plan

import (
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// visitor is an application of another organization that members may let in.
type visitor struct {
	application *model.Application
	scopes      oauth.ScopeSet // its ceiling here, scopes of the protocol included
}

// visitors are those that work in the organization. None does in one that is stopped, nor
// does one that is stopped itself.
func visitors(s *model.Snapshot, o *model.Organization) map[name]visitor {
	admitted := map[name]visitor{}
	if o == nil || o.Suspended || !o.External.All && len(o.External.ClientIDs) == 0 {
		return admitted
	}
	for home := range s.Organizations() {
		if home.ID == o.ID {
			continue
		}
		for a := range home.Applications() {
			if a.AnyOrganization && !a.Suspended && s.ApplicationIn(o, a.UID) != nil {
				admitted[nameOf(a.Namespace, a.Name)] = visitor{a, a.ScopesIn(o).Union(a.ProtocolScopes)}
			}
		}
	}
	return admitted
}

// abroad compares what applications of others may do in an organization.
func (c *comparison) abroad(old, next *model.Organization) {
	before, after := visitors(c.old, old), visitors(c.next, next)
	slug := ""
	if next != nil {
		slug = next.Slug
	} else {
		slug = old.Slug
	}
	for _, at := range eitherOf(before, after) {
		was, is := before[at], after[at]
		shown := is.application
		if shown == nil {
			shown = was.application
		}
		r := c.of(slug, applicationSubject(shown))
		gains, loses := without(is.scopes, was.scopes), without(was.scopes, is.scopes)
		change := Change{Effect: Narrowed, Field: FieldAbroad, Gains: gains, Loses: loses}
		switch {
		case was.application == nil:
			change.Effect, change.Before, change.After = Widened, "not let in", "may be let in"
		case is.application == nil:
			change.Before, change.After = "may be let in", "not let in"
		case len(gains) > 0:
			change.Effect = Widened
		case len(loses) == 0:
			continue
		}
		r.add(change)
	}
}
