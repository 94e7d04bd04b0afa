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

// RolesOf returns the roles that a person holds now, each once. Somebody who holds none is
// no member. An address counts if it was proven to the installation, or by a provider that
// counts here: what another tenant's provider says of it is worth nothing.
func (o *Organization) RolesOf(p Person, now time.Time) []*Role {
	var roles []*Role
	for _, a := range p.Addresses {
		if !o.believes(a) {
			continue
		}
		found := held(o.people[a.Address], now)
		if roles == nil {
			roles = found
			continue
		}
		for _, r := range found {
			if !slices.Contains(roles, r) {
				roles = append(roles, r)
			}
		}
	}
	return roles
}

// Proven reports whether an address is proven to be the person's, as this organization
// sees it.
func (o *Organization) Proven(p Person, address string) bool {
	return slices.ContainsFunc(p.Addresses, func(a ProvenAddress) bool { return a.Address == address && o.believes(a) })
}

func (o *Organization) believes(a ProvenAddress) bool {
	return a.ProviderUID == "" || o.Counts(a.ProviderUID)
}
