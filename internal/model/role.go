package model

import (
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

func held(holdings []Holding, now time.Time) []*Role {
	var roles []*Role
	for _, h := range holdings {
		if h.NotAfter.IsZero() || now.Before(h.NotAfter) {
			roles = append(roles, h.Role)
		}
	}
	return roles
}
