package grants

import (
	"strings"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/clientauth"
)

// protocolScopes steer the protocol and are in no catalogue.
var protocolScopes = oauth.ProtocolScopes

// Worthless reports whether scopes give nothing: neither access, nor who somebody is.
func Worthless(scopes oauth.ScopeSet) bool {
	return !scopes.Has(oauth.OpenID) && len(scopes.Without(protocolScopes)) == 0
}

// Requested reads the parameter scope for a client in an organization: what it asks for,
// with what that implies, all within its ceiling there. An omitted scope asks for the whole ceiling and for no
// scope of the protocol. Scopes of the protocol that the application did not list are
// dropped; those that are unknown or beyond the ceiling are refused.
func Requested(c clientauth.Client, raw string) (oauth.ScopeSet, error) {
	asked, ok := oauth.ParseScope(raw)
	switch {
	case !ok:
		return nil, oauth.Refuse(oauth.InvalidScope, "scope is malformed")
	case len(asked) == 0:
		return c.Application.ScopesIn(c.Organization), nil
	}
	catalogue := asked.Without(protocolScopes)
	if unknown := c.Organization.Catalogue.Unknown(catalogue); len(unknown) > 0 {
		return nil, oauth.Refuse(oauth.InvalidScope, "the organization has no such scope"+shown(unknown))
	}
	expanded := c.Organization.Catalogue.Expand(catalogue)
	if beyond := expanded.Without(c.Application.ScopesIn(c.Organization)); len(beyond) > 0 {
		return nil, oauth.Refuse(oauth.InvalidScope, "beyond what the application may ask for"+shown(beyond))
	}
	return expanded.Union(asked.Intersect(c.Application.ProtocolScopes)), nil
}

// narrowed reads the parameter scope of a refresh: within what was granted, all of it if
// omitted (RFC 6749 section 6).
func narrowed(c clientauth.Client, raw string, granted oauth.ScopeSet) (oauth.ScopeSet, error) {
	asked, ok := oauth.ParseScope(raw)
	switch {
	case !ok:
		return nil, oauth.Refuse(oauth.InvalidScope, "scope is malformed")
	case len(asked) == 0:
		return granted, nil
	}
	catalogue := asked.Without(protocolScopes)
	expanded := c.Organization.Catalogue.Expand(catalogue)
	if beyond := catalogue.Union(expanded).Without(granted); len(beyond) > 0 {
		return nil, oauth.Refuse(oauth.InvalidScope, "beyond what was granted"+shown(beyond))
	}
	return expanded.Union(asked.Intersect(granted).Intersect(protocolScopes)), nil
}

// shown lists scopes at the end of a message, which is logged too: a few, and only what
// looks like a scope, for a client may have put a secret, or a book, in its place.
func shown(scopes oauth.ScopeSet) string {
	const most, longest, longestWord = 8, 64, 16
	var names []string
	for _, s := range scopes {
		isName := len(s) <= longestWord || len(s) <= longest && strings.Contains(s, ":")
		if isName && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789:_-") == "" && len(names) < most {
			names = append(names, s)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return ": " + strings.Join(names, " ")
}
