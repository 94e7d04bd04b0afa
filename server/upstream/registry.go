package upstream

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/outbound"
)

// Env is what a backend has of the house around it.
type Env struct {
	Issuer string // ours, without a slash at its end
	// Outbound returns a client for the servers of one provider, with connections of its own.
	// Its servers are verified by the bundle (PEM); empty: as the system does.
	Outbound func(caBundle string) *outbound.Client
	// Accounts keeps who belongs to whom. Nil: nobody is found, and nobody can be kept.
	Accounts Accounts
	// Directory signs people in with passwords of ours. Nil: nobody.
	Directory Directory
	Now       func() time.Time // for what is done without a request
	// ProbeEvery is how often each provider is asked; zero: ProbeInterval.
	ProbeEvery time.Duration
}

// CallbackURL is where a provider sends people back to: one address for each, so that the
// answer of one is none of another (RFC 9700 section 4.4.2.2).
func (e Env) CallbackURL(providerUID string) string {
	return strings.TrimSuffix(e.Issuer, "/") + "/login/callback/" + providerUID + "/"
}

// New returns the backend of a provider. Nothing is asked.
func New(p *model.Provider, env Env) (Backend, error) {
	switch {
	case p.GitHub != nil:
		return newGitHub(p, env)
	case p.LDAP != nil:
		return newLDAP(p, env)
	case p.Local != nil:
		return newLocal(p, env)
	case p.OAuth2 != nil:
		return newOAuth2(p, env)
	case p.OIDC != nil:
		return newOIDC(p, env)
	case p.SAML != nil:
		return newSAML(p, env)
	}
	return nil, fmt.Errorf("provider %s/%s: no backend for its type", p.Namespace, p.Name)
}

// Backends are those of a whole configuration. A backend lives as long as its settings stay
// what they are, whatever else is declared meanwhile: what it fetched stays with it. It is
// safe for concurrent use; nothing is asked under its lock.
type Backends struct {
	env     Env
	changed chan struct{}
	slots   chan struct{} // of probes at the same time

	mu    sync.RWMutex
	of    map[string]*entry        // by UID of the provider
	gates map[string]outbound.Gate // by ID of the organization
	watch func(*entry)             // nil: Run does not
}

// entry is one provider.
type entry struct {
	provider *model.Provider
	backend  Backend
	gone     chan struct{} // closed when it is no more, or another took its place
	probe    *Probe        // nil: not asked yet; under Backends.mu
}

// NewBackends returns Backends without any.
func NewBackends(env Env) *Backends {
	return &Backends{env: env, of: map[string]*entry{}, gates: map[string]outbound.Gate{}, changed: make(chan struct{}, 1), slots: make(chan struct{}, mostProbes)}
}

// Configure takes the providers of a configuration: of the installation and of all
// organizations. It returns what has no backend, which is then no way to sign in.
func (b *Backends) Configure(providers []*model.Provider) (problems []error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := make(map[string]*entry, len(providers))
	for _, p := range providers {
		if next[p.UID] != nil {
			continue
		}
		if e := b.of[p.UID]; e != nil && same(e.provider, p) {
			e.provider = p
			if keeps, ok := e.backend.(interface{ adopt(*model.Provider) }); ok {
				keeps.adopt(p)
			}
			next[p.UID] = e
			continue
		}
		backend, err := New(p, b.envOf(p.OrganizationID))
		if err != nil {
			problems = append(problems, err)
			continue
		}
		e := &entry{provider: p, backend: backend, gone: make(chan struct{})}
		next[p.UID] = e
		if b.watch != nil {
			b.watch(e)
		}
	}
	for uid, e := range b.of {
		if next[uid] != e {
			close(e.gone)
		}
	}
	b.of = next
	b.sweep()
	return problems
}

// sweep forgets gates of organizations without providers; b.mu is held.
func (b *Backends) sweep() {
	kept := make(map[string]outbound.Gate, len(b.gates))
	for _, e := range b.of {
		kept[e.provider.OrganizationID] = b.gates[e.provider.OrganizationID]
	}
	b.gates = kept
}

// mostOfOne is how many answers are waited for at the same time for all providers of one
// organization, and for those of the installation.
const mostOfOne = 64

// envOf is the surroundings of an organization's backends; b.mu is held.
func (b *Backends) envOf(organization string) Env {
	gate := b.gates[organization]
	if gate == nil {
		gate = make(outbound.Gate, mostOfOne)
		b.gates[organization] = gate
	}
	env, reach := b.env, b.env.Outbound
	env.Outbound = func(caBundle string) *outbound.Client { return reach(caBundle).Within(gate) }
	return env
}

// Of returns the backend of a provider; false: there is none.
func (b *Backends) Of(uid string) (Backend, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	e := b.of[uid]
	if e == nil {
		return nil, false
	}
	return e.backend, true
}

// same reports whether one backend does for both: it is asked the same way, for the same
// accounts. What is only shown or mapped may differ.
func same(a, b *model.Provider) bool {
	return a.UID == b.UID && a.Type == b.Type && a.OrganizationID == b.OrganizationID && (a.Local == nil) == (b.Local == nil) &&
		reflect.DeepEqual(a.OIDC, b.OIDC) && reflect.DeepEqual(a.OAuth2, b.OAuth2) && reflect.DeepEqual(a.GitHub, b.GitHub) &&
		reflect.DeepEqual(a.SAML, b.SAML) && reflect.DeepEqual(a.LDAP, b.LDAP)
}
