package model

import (
	"slices"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// Role is a named set of scopes.
type Role struct {
	UID         string
	Namespace   string
	Name        string
	DisplayName string
	Scopes      oauth.ScopeSet // inherited and implied ones included
	Priority    int            // rank: a higher number is a higher Role
	Default     bool           // members who hold no other Role hold it
}

// Group is a group of people, as the provider with this UID names it.
type Group struct{ ProviderUID, Name string }

// Rank is that of the highest of the roles; somebody may not manage who ranks higher.
func Rank(roles []*Role) int {
	rank := 0
	for _, r := range roles {
		rank = max(rank, r.Priority)
	}
	return rank
}

// Holding is a role in somebody's hands.
type Holding struct {
	Role     *Role
	NotAfter time.Time // zero: for ever; else the first moment it is no longer held
}

// ScopesOf returns the scopes of all the roles together.
func ScopesOf(roles []*Role) oauth.ScopeSet {
	if len(roles) == 1 {
		return roles[0].Scopes
	}
	var all []string
	for _, r := range roles {
		all = append(all, r.Scopes...)
	}
	return oauth.NewScopeSet(all...)
}

// held adds to roles those of the holdings that are held now, each once.
func held(roles []*Role, holdings []Holding, now time.Time) []*Role {
	for _, h := range holdings {
		if (h.NotAfter.IsZero() || now.Before(h.NotAfter)) && !slices.Contains(roles, h.Role) {
			roles = append(roles, h.Role)
		}
	}
	return roles
}
