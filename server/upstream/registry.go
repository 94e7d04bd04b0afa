package upstream

import (
	"fmt"
	"strings"
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
}

// CallbackURL is where a provider sends people back to: one address for each, so that the
// answer of one is none of another (RFC 9700 section 4.4.2.2).
func (e Env) CallbackURL(providerUID string) string {
	return strings.TrimSuffix(e.Issuer, "/") + "/login/callback/" + providerUID + "/"
}

// New returns the backend of a provider. Nothing is asked.
func New(p *model.Provider, env Env) (Backend, error) {
	switch {
	case p.Local != nil:
		return newLocal(p, env)
	case p.SAML != nil:
		return newSAML(p, env)
	}
	return nil, fmt.Errorf("provider %s/%s: no backend for its type", p.Namespace, p.Name)
}
