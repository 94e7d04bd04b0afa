package model

import (
	"iter"
	"maps"
	"strings"
)

// Snapshot is one whole configuration. A request takes one at its start and keeps it to
// its end, so that it never sees two.
type Snapshot struct {
	// Digest identifies the content: equal digests, equal configuration.
	Digest string
	// Providers are the installation-wide ways to sign in, in a stable order. Those of an
	// Organization are in its own list.
	Providers []*Provider
	// Objects lists everything that is declared, served or not. An object that is not in
	// it is gone: what was issued for it is dead for good.
	Objects []ObjectID
	// Adopted are the IDs of those that go on as an object before them, by UID.
	Adopted map[string]string
	// Unread are namespaces of which nothing is known, in order: what was declared there is
	// not served, and not gone.
	Unread []string

	bySlug map[string]*Organization
	byID   map[string]*Organization
	// abroad are the applications that may work in other organizations, by UID; none of an
	// organization that is suspended.
	abroad map[string]*Application
	// brandings are pictures and styles, by the path that they are served at.
	brandings map[string][]byte
	// origins are those that scripts may call from, with who registered them.
	origins map[string][]originUser
	// providers are those of the installation, and those of Organizations that count there.
	providers map[string]*Provider
}

// ID is what is bound to the object with this UID is bound to: its UID, unless it goes on
// as an object before it.
func (s *Snapshot) ID(uid string) string {
	if id, heir := s.Adopted[uid]; heir {
		return id
	}
	return uid
}

// ObjectID names one incarnation of a declared object.
type ObjectID struct {
	Kind, Namespace, Name string
	UID                   string
}

// NewSnapshot indexes the organizations; their slugs and IDs must be unique.
func NewSnapshot(digest string, organizations []*Organization, providers []*Provider, objects []ObjectID) *Snapshot {
	s := &Snapshot{
		Digest: digest, Providers: providers, Objects: objects,
		bySlug: make(map[string]*Organization, len(organizations)),
		byID:   make(map[string]*Organization, len(organizations)),
		abroad: map[string]*Application{}, providers: make(map[string]*Provider, len(providers)),
	}
	for _, p := range providers {
		s.providers[p.UID] = p
	}
	for _, o := range organizations {
		s.bySlug[o.Slug], s.byID[o.ID] = o, o
		s.indexBranding(o)
		for _, p := range o.Providers {
			if p.OrganizationID == o.ID { // never one that is another's, nor in the place of one of the installation
				s.indexProvider(p)
			}
		}
		for _, a := range o.byUID {
			s.indexOrigins(o, a)
			if a.AnyOrganization && !o.Suspended {
				s.abroad[a.UID] = a
			}
		}
	}
	return s
}

// ApplicationIn finds an application that works in an organization, its own or one that
// another's members let in, by UID; nil if there is none, or it is not admitted.
func (s *Snapshot) ApplicationIn(o *Organization, uid string) *Application {
	if a := o.byUID[uid]; a != nil {
		return a
	}
	if a := s.abroad[uid]; a != nil && o.Admits(a) {
		return a
	}
	return nil
}

// Organization finds an organization by its ID; nil if there is none.
func (s *Snapshot) Organization(id string) *Organization { return s.byID[id] }

// OrganizationBySlug finds an organization by its slug; nil if there is none.
func (s *Snapshot) OrganizationBySlug(slug string) *Organization { return s.bySlug[slug] }

// Organizations yields every organization, in no particular order.
func (s *Snapshot) Organizations() iter.Seq[*Organization] { return maps.Values(s.bySlug) }

// Application finds an application and its organization by client ID, whose first label
// is the organization's slug; both are nil if there is none.
func (s *Snapshot) Application(clientID string) (*Organization, *Application) {
	slug, _, _ := strings.Cut(clientID, ".")
	if o := s.bySlug[slug]; o != nil {
		if a := o.ApplicationByClientID(clientID); a != nil {
			return o, a
		}
	}
	return nil, nil
}

// Provider finds a provider by UID: one of the installation, or one of an Organization where
// it counts. It is nil if there is none.
func (s *Snapshot) Provider(uid string) *Provider { return s.providers[uid] }

// AllProviders yields the providers of the installation, and those of Organizations that
// count there, in no particular order.
func (s *Snapshot) AllProviders() iter.Seq[*Provider] { return maps.Values(s.providers) }

func (s *Snapshot) indexProvider(p *Provider) {
	if s.providers[p.UID] == nil {
		s.providers[p.UID] = p
	}
}
