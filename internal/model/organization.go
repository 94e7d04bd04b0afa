package model

import (
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// Organization is a tenant as it is served.
type Organization struct {
	ID          string // `org_id`: stays when the slug is reused
	Namespace   string
	Name        string
	Slug        string
	DisplayName string
	CreatedAt   time.Time
	Suspended   bool // nothing is issued, its tokens are refused
	Catalogue   *Catalogue
	Tokens      TokenCeilings
	Providers   []*Provider // those that count here, in the order shown; none: nobody signs in
	External    ExternalApplications
	Login       LoginRules
	Domains     []string // of its people's addresses; they lead to a provider, and prove nothing
	Branding    Branding

	byClientID map[string]*Application
	byUID      map[string]*Application
	people     map[string][]Holding // lower-cased address → roles held
	groups     map[Group][]Holding
	defaults   []*Role // of members who hold no other, by namespace and name
}

// TokenCeilings are the longest lives of an organization's tokens.
type TokenCeilings struct {
	AccessToken     time.Duration
	JWTAccessToken  time.Duration // of JWTs, whose revocation nobody sees who reads them offline
	RefreshIdle     time.Duration
	RefreshAbsolute time.Duration
}

// ExternalApplications says which applications of other organizations members may let in.
// The zero value admits none.
type ExternalApplications struct {
	All       bool
	ClientIDs []string // besides All
}

// Admits reports whether the application may work in this organization: its own may, and
// another's if both sides say so.
func (o *Organization) Admits(a *Application) bool {
	return o.byUID[a.UID] != nil || a.AnyOrganization && (o.External.All || slices.Contains(o.External.ClientIDs, a.ClientID))
}

// WithMembers returns the organization with its applications and the roles that people
// hold, by lower-cased address. Client IDs and UIDs must be unique.
func (o Organization) WithMembers(applications []*Application, people map[string][]Holding) *Organization {
	o.people = people
	o.byClientID = make(map[string]*Application, len(applications))
	o.byUID = make(map[string]*Application, len(applications))
	for _, a := range applications {
		o.byClientID[a.ClientID], o.byUID[a.UID] = a, a
	}
	return &o
}

// WithGroups returns the organization with the roles that groups of its providers hold, and
// those of members who hold no other.
func (o *Organization) WithGroups(groups map[Group][]Holding, defaults []*Role) *Organization {
	kept := *o
	kept.groups, kept.defaults = groups, defaults
	return &kept
}

// Application finds an application by UID; nil if there is none.
func (o *Organization) Application(uid string) *Application { return o.byUID[uid] }

// ApplicationByClientID finds an application by client ID; nil if there is none.
func (o *Organization) ApplicationByClientID(id string) *Application { return o.byClientID[id] }

// Applications yields every application, in no particular order.
func (o *Organization) Applications() iter.Seq[*Application] { return maps.Values(o.byUID) }

// People yields every address that holds a role, with the roles, in no particular order.
func (o *Organization) People() iter.Seq2[string, []Holding] { return maps.All(o.people) }

// Groups yields every group that holds a role, with the roles, in no particular order.
func (o *Organization) Groups() iter.Seq2[Group, []Holding] { return maps.All(o.groups) }

// DefaultRoles are those of members who hold no other, by namespace and name.
func (o *Organization) DefaultRoles() []*Role { return slices.Clone(o.defaults) }

// Provider finds a provider that counts here by UID; nil if there is none.
func (o *Organization) Provider(uid string) *Provider {
	for _, p := range o.Providers {
		if p.UID == uid {
			return p
		}
	}
	return nil
}

// Counts reports whether a sign-in by the provider counts for this organization.
func (o *Organization) Counts(providerUID string) bool {
	return o.Provider(providerUID) != nil
}

// Catalogue lists the scopes of an organization.
type Catalogue struct {
	Scopes []Scope // in the order shown to people: by family, then rising level

	byName map[string]Scope
}

// Scope is one permission.
type Scope struct {
	Name        string         // "project:write"
	Description string         // in words for the person who is asked
	Includes    oauth.ScopeSet // itself and everything it implies, transitively
}

// NewCatalogue indexes scopes; names must be unique.
func NewCatalogue(scopes []Scope) *Catalogue {
	c := &Catalogue{Scopes: scopes, byName: make(map[string]Scope, len(scopes))}
	for _, s := range scopes {
		c.byName[s.Name] = s
	}
	return c
}

// Scope finds a scope by name.
func (c *Catalogue) Scope(name string) (Scope, bool) {
	s, ok := c.byName[name]
	return s, ok
}

// Expand adds to the set what its scopes imply. Scopes that the catalogue does not have
// are left out.
func (c *Catalogue) Expand(set oauth.ScopeSet) oauth.ScopeSet {
	var all []string
	for _, name := range set {
		all = append(all, c.byName[name].Includes...)
	}
	return oauth.NewScopeSet(all...)
}

// Unknown returns the scopes of the set that the catalogue does not have.
func (c *Catalogue) Unknown(set oauth.ScopeSet) oauth.ScopeSet {
	var unknown []string
	for _, name := range set {
		if _, ok := c.byName[name]; !ok {
			unknown = append(unknown, name)
		}
	}
	return oauth.NewScopeSet(unknown...)
}
