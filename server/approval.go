package server

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/sessions"
)

// approval is what the yes of one person to one application is worth, in one organization.
type approval struct {
	org     *model.Organization
	app     *model.Application
	granted oauth.ScopeSet
	// obstacle is why there is nothing to approve; empty: there is.
	obstacle string
}

// judge works out what an approval by this person gives: what is asked for, within what
// the application may have, within what the person's roles have. A scope of the protocol
// is the application's to list; of them openid alone is worth something on its own.
func (r *request) judge(session *sessions.Session, org *model.Organization, app *model.Application, wanted oauth.ScopeSet) approval {
	a := approval{org: org, app: app}
	roles := org.RolesOf(r.Person(&session.User), r.now)
	access := org.Catalogue.Expand(wanted).Intersect(app.ScopesIn(org)).Intersect(model.ScopesOf(roles))
	protocol := wanted.Intersect(app.ProtocolScopes)
	switch {
	case len(roles) == 0:
		a.obstacle = fmt.Sprintf("You are not a member of %s. Ask its administrator for a role, or sign in with another account.", a.organization())
	case len(access) == 0 && !protocol.Has(oauth.OpenID):
		a.obstacle = fmt.Sprintf("Your roles in %s allow nothing of what %s asks for. Ask its administrator for a role that does.", a.organization(), a.application())
	default:
		a.granted = access.Union(protocol)
	}
	return a
}

func (a *approval) organization() string { return cmp.Or(a.org.DisplayName, a.org.Slug) }
func (a *approval) application() string  { return cmp.Or(a.app.DisplayName, a.app.ClientID) }

// access describes the scopes granted: of each family those that no other one of it
// implies, in the catalogue's order.
func (a *approval) access() (lines []string) {
	catalogue := a.org.Catalogue
	for _, scope := range catalogue.Scopes {
		implied := slices.ContainsFunc(a.granted, func(other string) bool {
			o, known := catalogue.Scope(other)
			return known && other != scope.Name && family(other) == family(scope.Name) && o.Includes.Has(scope.Name)
		})
		if a.granted.Has(scope.Name) && !implied {
			lines = append(lines, cmp.Or(scope.Description, scope.Name))
		}
	}
	return lines
}

// identity describes what the application learns about the person. Any token of theirs
// tells it name and address (/api/0/user/), whatever else it may do.
func (a *approval) identity() []string {
	lines := []string{"Your name", "Your email address"}
	if a.granted.Has(oauth.Groups) {
		lines = append(lines, "Your roles in "+a.organization())
	}
	return lines
}

// family of "project:write" is "project".
func family(scope string) string {
	name, _, _ := strings.Cut(scope, ":")
	return name
}
