package server

import (
	"context"
	"net/url"
	"slices"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// contextWords bounds how many words of the installation passwords are compared with.
const contextWords = 500

// rememberPolicy leaves word of what the served Local provider demands of new passwords to
// the commands that make people beside this process. Without such a provider the last word
// stands.
func (s *Server) rememberPolicy(ctx context.Context, next *model.Snapshot) error {
	local := localProvider(next)
	if local == nil {
		return nil
	}
	p := s.policy(next, local)
	return s.Store.SetPasswordPolicy(ctx, store.PasswordPolicy{MinLength: p.MinLength, CheckCommon: !p.AllowCommon, Context: p.Context})
}

// policy is what a Local provider demands of new passwords.
func (s *Server) policy(w *model.Snapshot, local *model.Provider) people.Policy {
	return people.Policy{MinLength: local.Local.MinLength, AllowCommon: !local.Local.CheckCommon, Context: s.installationWords(w)}
}

// installationWords are what anybody here would guess first (ASVS 6.1.2): the host and the
// organizations.
func (s *Server) installationWords(next *model.Snapshot) []string {
	var words []string
	for o := range next.Organizations() {
		words = append(words, o.Slug, o.DisplayName)
	}
	slices.Sort(words)
	words = slices.Compact(words)
	words = words[:min(len(words), contextWords)]
	if u, err := url.Parse(s.Issuer); err == nil {
		words = append(words, u.Hostname())
	}
	return words
}
