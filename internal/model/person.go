package model

import (
	"slices"
	"time"
)

// Person is what is known of somebody, as far as it decides what they hold.
type Person struct {
	// Addresses they have proven, by whatever means.
	Addresses []ProvenAddress
	// Groups that providers said they are in.
	Groups []GroupFact
	// Memberships they were given besides the roles that name them.
	Memberships []Membership
}

// ProvenAddress is an email address with who proved that it is theirs, and when.
type ProvenAddress struct {
	Address     string // lower-cased
	ProviderUID string // empty: proven to the installation itself, or by an operator
	At          time.Time
}

// GroupFact is what a provider said last of somebody's groups.
type GroupFact struct {
	ProviderUID string
	Names       []string // sorted, each once
	At          time.Time
}

// Membership is of an organization.
type Membership struct {
	OrganizationID string
	Source         string    // MemberByInvitation, MemberByProvider
	ProviderUID    string    // whose sign-in made it; empty for an invitation
	At             time.Time // dead if the organization, or the provider, was absent since
}

// How somebody became a member without a role that names them.
const (
	MemberByInvitation = "invitation"
	MemberByProvider   = "jit"
)

// RolesOf returns the roles that a person holds now, each once: those that name them, those
// that name a group of theirs, and, for a member who holds neither, the default ones.
func (o *Organization) RolesOf(p Person, now time.Time) []*Role {
	roles := o.namedRoles(p, now)
	if len(roles) == 0 && o.given(p) {
		return o.defaults
	}
	return roles
}

// Member reports whether a person belongs here: a role names them or a group of theirs, or
// they were given a membership. A member may hold no role, where none is the default.
func (o *Organization) Member(p Person, now time.Time) bool {
	return o.given(p) || len(o.namedRoles(p, now)) > 0
}

// namedRoles are those that name the person. An address counts if it was proven to the
// installation, or by a provider that counts here: what another tenant's provider says of it
// is worth nothing. A group counts as its provider tells it, and not for long: who left it
// there holds nothing by it here, though nobody may ever have said so.
func (o *Organization) namedRoles(p Person, now time.Time) (roles []*Role) {
	for _, a := range p.Addresses {
		if o.believes(a) {
			roles = held(roles, o.people[a.Address], now)
		}
	}
	if len(o.groups) == 0 {
		return roles
	}
	for _, g := range p.Groups {
		from := o.Provider(g.ProviderUID)
		if from == nil || !now.Before(g.At.Add(from.GroupsMaxAge)) {
			continue
		}
		for _, name := range g.Names {
			roles = held(roles, o.groups[Group{g.ProviderUID, name}], now)
		}
	}
	return roles
}

// given reports whether somebody accepted an invitation, or signed in by a provider of the
// organization's own. One that does not count any more gives nothing.
func (o *Organization) given(p Person) bool {
	return slices.ContainsFunc(p.Memberships, func(m Membership) bool {
		switch {
		case m.OrganizationID != o.ID:
			return false
		case m.Source == MemberByInvitation:
			return true
		}
		own := o.Provider(m.ProviderUID)
		return m.Source == MemberByProvider && own != nil && own.OrganizationID == o.ID
	})
}

// Proven reports whether an address is proven to be the person's, as this organization
// sees it.
func (o *Organization) Proven(p Person, address string) bool {
	return slices.ContainsFunc(p.Addresses, func(a ProvenAddress) bool { return a.Address == address && o.believes(a) })
}

func (o *Organization) believes(a ProvenAddress) bool {
	return a.ProviderUID == "" || o.Counts(a.ProviderUID)
}
