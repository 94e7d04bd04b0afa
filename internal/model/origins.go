package model

import (
	"slices"
	"time"
)

// originUser is an application that registered an origin, with its organization.
type originUser struct {
	organization *Organization
	application  *Application
}

// indexOrigins notes who registered which origin: a preflight names nobody, and must not
// cost a walk through everything that is declared.
func (s *Snapshot) indexOrigins(o *Organization, a *Application) {
	for _, origin := range a.AllowedOrigins {
		if s.origins == nil {
			s.origins = map[string][]originUser{}
		}
		s.origins[origin] = append(s.origins[origin], originUser{o, a})
	}
}

// AllowsOrigin reports whether any application that is served now registered the origin.
func (s *Snapshot) AllowsOrigin(origin string, now time.Time) bool {
	return slices.ContainsFunc(s.origins[origin], func(u originUser) bool {
		return !u.organization.Suspended && u.application.Served(now)
	})
}

// AllowsOrigin reports whether scripts of the origin may read what the application is
// answered. Origins are compared as browsers write them (RFC 6454 section 6.2).
func (a *Application) AllowsOrigin(origin string) bool {
	return slices.Contains(a.AllowedOrigins, origin)
}
