package compile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// scopeEntry is a scope before its implications are followed to their end.
type scopeEntry struct {
	name, description string
	implies           []string
}

// builtinScopes are the scopes that exist everywhere, by family and rising level.
var builtinScopes = []scopeEntry{
	{"org:read", "See the organization and its settings", nil},
	{"org:write", "Change the organization's settings", []string{"org:read"}},
	{"org:admin", "Administer the organization and its integrations", []string{"org:write", "org:integrations"}},
	{"org:integrations", "Set up and change the organization's integrations", nil},
	{"org:ci", "Report builds and releases from continuous integration", nil},
	{"member:read", "See who belongs to the organization", nil},
	{"member:invite", "Invite people to the organization", []string{"member:read"}},
	{"member:write", "Invite people and change their membership", []string{"member:invite"}},
	{"member:admin", "Invite, change and remove members", []string{"member:write"}},
	{"team:read", "See teams", nil},
	{"team:write", "Create and change teams", []string{"team:read"}},
	{"team:admin", "Create, change and delete teams", []string{"team:write"}},
	{"project:read", "See projects", nil},
	{"project:write", "Create and change projects", []string{"project:read"}},
	{"project:admin", "Create, change and delete projects", []string{"project:write"}},
	{"project:releases", "Publish and change releases", nil},
	{"project:distribution", "Download builds that are offered for testing", nil},
	{"event:read", "See events and issues", nil},
	{"event:write", "Change and resolve events and issues", []string{"event:read"}},
	{"event:admin", "Change, resolve and delete events and issues", []string{"event:write"}},
	{"alerts:read", "See alert rules", nil},
	{"alerts:write", "Create and change alert rules", []string{"alerts:read"}},
}

var builtinCatalogue = model.NewCatalogue(closure(builtinScopes))

// scopeCatalogue is the scopes of an organization: the built-in ones unless switched off,
// then its own as declared. A custom scope that is not admitted is left out.
func scopeCatalogue(spec *v1alpha1.ScopeCatalogue, r *Report) *model.Catalogue {
	if spec == nil {
		return builtinCatalogue
	}
	builtin := spec.Builtin == nil || *spec.Builtin
	if builtin && len(spec.Custom) == 0 {
		return builtinCatalogue
	}
	var entries []scopeEntry
	if builtin {
		entries = slices.Clone(builtinScopes)
	}
	return model.NewCatalogue(closure(append(entries, customScopes(spec, builtin, r)...)))
}

// customScopes admits scopes with a name of their own. Redefining a built-in or protocol
// scope would change what existing tokens mean, also where the built-in ones are off.
func customScopes(spec *v1alpha1.ScopeCatalogue, builtin bool, r *Report) []scopeEntry {
	known := map[string]bool{}
	for _, s := range builtinScopes {
		known[s.name] = builtin
	}
	var admitted []scopeEntry
	at := map[string]int{} // admitted name → index in the declaration
	for i, s := range spec.Custom {
		name, field := string(s.Name), fmt.Sprintf("spec.scopes.custom[%d].name", i)
		_, isBuiltin := builtinCatalogue.Scope(name)
		_, twice := at[name]
		switch {
		case isBuiltin:
			r.find(v1alpha1.ReasonInvalidSpec, field, "%s is a built-in scope and cannot be redefined; choose another name", quote(name))
		case oauth.ProtocolScopes.Has(name):
			r.find(v1alpha1.ReasonInvalidSpec, field, "%s is a protocol scope and cannot be redefined; choose another name", quote(name))
		case !scopeToken(name):
			r.find(v1alpha1.ReasonInvalidSpec, field, "%s is not a scope name; write it like billing:read", quote(name))
		case twice:
			r.find(v1alpha1.ReasonInvalidSpec, field, "%s is declared twice; remove one of the entries", quote(name))
		default:
			known[name], at[name] = true, i
			admitted = append(admitted, scopeEntry{name: name, description: s.Description})
		}
	}
	for i := range admitted {
		declared := at[admitted[i].name]
		for j, implied := range spec.Custom[declared].Implies {
			if !known[string(implied)] {
				r.find(v1alpha1.ReasonUnknownScope, fmt.Sprintf("spec.scopes.custom[%d].implies[%d]", declared, j),
					"%s is not a scope of this Organization; correct it, or declare it in spec.scopes.custom", quote(implied))
				continue
			}
			admitted[i].implies = append(admitted[i].implies, string(implied))
		}
	}
	return admitted
}

// scopeToken reports whether a name can stand in the parameter scope (RFC 6749 section
// 3.3) and names a permission.
func scopeToken(name string) bool {
	set, ok := oauth.ParseScope(name)
	return ok && len(set) == 1 && set[0] == name && strings.Contains(name, ":")
}

// closure follows every implication to its end. Scopes that imply one another are the
// same permission under two names, which harms nobody.
func closure(entries []scopeEntry) []model.Scope {
	implies := make(map[string][]string, len(entries))
	for _, e := range entries {
		implies[e.name] = e.implies
	}
	scopes := make([]model.Scope, len(entries))
	for i, e := range entries {
		seen := map[string]bool{e.name: true}
		includes := []string{e.name}
		for j := 0; j < len(includes); j++ {
			for _, next := range implies[includes[j]] {
				if !seen[next] {
					seen[next] = true
					includes = append(includes, next)
				}
			}
		}
		scopes[i] = model.Scope{Name: e.name, Description: e.description, Includes: oauth.NewScopeSet(includes...)}
	}
	return scopes
}
