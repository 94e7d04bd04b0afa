package server

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/sessions"
)

// connection is all that one application holds of a person in one organization.
type connection struct {
	application, organization string // UID and ID
	clientID                  string // empty: only a consent is left, which has none
	scopes                    oauth.ScopeSet
	since, until              time.Time
	remembered                bool
}

// connections are what acts for somebody: grants in force, and consents that would give
// one without a question. The newest is first.
func (s *Server) connections(r *request, userID string) ([]*connection, error) {
	grants, err := s.Store.GrantsOf(r.Context(), userID, r.now)
	if err != nil {
		return nil, fmt.Errorf("list grants: %w", err)
	}
	consents, err := s.Store.ConsentsOf(r.Context(), userID)
	if err != nil {
		return nil, fmt.Errorf("list consents: %w", err)
	}
	var all []*connection
	of := func(application, organization string, at time.Time) *connection {
		for _, c := range all {
			if c.application == application && c.organization == organization {
				return c
			}
		}
		all = append(all, &connection{application: application, organization: organization, since: at})
		return all[len(all)-1]
	}
	for _, g := range grants {
		c := of(g.ApplicationUID, g.OrganizationID, g.CreatedAt)
		c.add(g.Scopes, g.CreatedAt, g.ExpiresAt)
		c.clientID = g.ClientID
	}
	for _, consent := range consents {
		if r.now.Before(consent.ExpiresAt) {
			c := of(consent.ApplicationUID, consent.OrganizationID, consent.GrantedAt)
			c.add(consent.Scopes, consent.GrantedAt, consent.ExpiresAt)
			c.remembered = true
		}
	}
	slices.SortStableFunc(all, func(a, b *connection) int { return b.since.Compare(a.since) })
	return all, nil
}

func (c *connection) add(scopes []string, since, until time.Time) {
	c.scopes = c.scopes.Union(oauth.NewScopeSet(scopes...))
	if since.Before(c.since) {
		c.since = since
	}
	if until.After(c.until) {
		c.until = until
	}
}

// showApplications lists what acts for somebody (ASVS 10.4.9, 10.7.3).
func (s *Server) showApplications(r *request) (answer, error) {
	return s.own(r, applicationsPath, func(session *sessions.Session) (answer, error) {
		all, err := s.connections(r, session.UserID)
		if err != nil {
			return nil, err
		}
		p := pages.ApplicationsPage{Viewer: *s.viewer(session), Token: s.sessions.Form(session).Token(applicationsPath), Done: done(r)}
		for _, c := range all {
			p.Applications = append(p.Applications, r.connected(session, c))
		}
		return page{html: pages.Applications(p)}, nil
	})
}

// connected shows a connection as it stands: what is declared may have changed since.
func (r *request) connected(session *sessions.Session, c *connection) pages.Connected {
	shown := pages.Connected{
		Application: c.application, In: c.organization, Name: cmp.Or(c.clientID, "An application"), Organization: "an organization that is gone",
		Since: c.since, Until: c.until, StaysSigned: c.scopes.Has(oauth.OfflineAccess), Remembered: c.remembered, Dormant: true,
	}
	org := r.Organization(c.organization)
	if org == nil {
		return shown
	}
	shown.Organization = cmp.Or(org.DisplayName, org.Slug)
	app := r.ApplicationIn(org, c.application)
	if app == nil {
		return shown
	}
	shown.Name = cmp.Or(app.DisplayName, app.ClientID)
	if owner, _ := r.Application(app.ClientID); owner != nil && owner.ID != org.ID {
		shown.Owner = owner.DisplayName + " (" + owner.Slug + ")"
	}
	may := r.judge(session, org, app, c.scopes)
	if may.obstacle == "" && !org.Suspended && app.Served(r.now) {
		shown.Dormant, shown.Scopes = false, may.access()
	}
	return shown
}

// disconnect takes back what an application may do, all of it.
func (s *Server) disconnect(r *request) (answer, error) {
	return s.ownAct(r, applicationsPath, func(session *sessions.Session) (answer, error) {
		application, organization := r.form.Get("application"), r.form.Get("organization")
		ev := r.act(session, "consent.revoked", application)
		ev.ApplicationUID, ev.OrganizationID = application, organization
		if _, err := s.Store.RevokeConsent(r.Context(), session.UserID, application, organization, r.now, ev); err != nil {
			return nil, fmt.Errorf("disconnect: %w", err)
		}
		return doneAt(applicationsPath, "disconnected"), nil
	})
}
