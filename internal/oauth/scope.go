package oauth

import (
	"slices"
	"strings"
)

// Scopes of the protocol (OpenID Connect Core sections 5.4 and 11). They are in no
// organization's catalogue and in no role.
const (
	OpenID        = "openid"         // asks for an ID token
	Profile       = "profile"        // the person's name
	Email         = "email"          // the address, and whether it is proven
	Groups        = "groups"         // the roles held in the organization
	OfflineAccess = "offline_access" // a refresh token that outlives the session
)

// ProtocolScopes are all of them.
var ProtocolScopes = NewScopeSet(OpenID, Profile, Email, Groups, OfflineAccess)

// ScopeSet is a set of scopes: sorted, without repetition. The zero value is empty. It
// is never changed after it was made, so it may be shared.
type ScopeSet []string

// NewScopeSet returns the set of the given scopes.
func NewScopeSet(scopes ...string) ScopeSet {
	if len(scopes) == 0 {
		return nil
	}
	s := slices.Clone(scopes)
	slices.Sort(s)
	return ScopeSet(slices.Compact(s))
}

// ParseScope reads the parameter scope (RFC 6749 section 3.3): tokens of printable ASCII
// without quote and backslash, separated by spaces. ok is false for any other character.
// More than one space between tokens is forgiven.
func ParseScope(raw string) (set ScopeSet, ok bool) {
	for _, c := range []byte(raw) {
		if c != ' ' && (c < 0x21 || c > 0x7e || c == '"' || c == '\\') {
			return nil, false
		}
	}
	return NewScopeSet(strings.Fields(raw)...), true
}

// String returns the value of the parameter scope.
func (s ScopeSet) String() string { return strings.Join(s, " ") }

// Has reports whether scope is in the set.
func (s ScopeSet) Has(scope string) bool {
	_, found := slices.BinarySearch(s, scope)
	return found
}

// Covers reports whether every scope of other is in the set.
func (s ScopeSet) Covers(other ScopeSet) bool { return len(other.Without(s)) == 0 }

// Intersect returns the scopes that are in both sets.
func (s ScopeSet) Intersect(other ScopeSet) ScopeSet {
	return s.filter(func(scope string) bool { return other.Has(scope) })
}

// Without returns the scopes of the set that are not in other.
func (s ScopeSet) Without(other ScopeSet) ScopeSet {
	return s.filter(func(scope string) bool { return !other.Has(scope) })
}

// Union returns the scopes that are in either set.
func (s ScopeSet) Union(other ScopeSet) ScopeSet {
	if len(other) == 0 {
		return s
	}
	return NewScopeSet(append(slices.Clone(s), other...)...)
}

func (s ScopeSet) filter(keep func(string) bool) ScopeSet {
	var kept ScopeSet
	for _, scope := range s {
		if keep(scope) {
			kept = append(kept, scope)
		}
	}
	return kept
}
