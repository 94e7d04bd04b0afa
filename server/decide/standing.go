package decide

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// Standing is what somebody's approval is worth now.
type Standing struct {
	Reason       Reason // empty: in force
	Organization *model.Organization
	Application  *model.Application
	User         *store.User
	Roles        []*model.Role  // held there now
	Counted      Counted        // the sign-in
	ceiling      oauth.ScopeSet // of the application there
	held         oauth.ScopeSet // scopes of the roles
}

// Limit returns what of the scopes granted is in effect: within the ceiling of the
// application and the roles, both as they are now. Scopes of the protocol are in no role.
func (s *Standing) Limit(granted oauth.ScopeSet) oauth.ScopeSet {
	if !s.Active() {
		return nil
	}
	limited := granted.Intersect(s.ceiling).Intersect(s.held)
	return limited.Union(granted.Intersect(s.Application.ProtocolScopes))
}

// Approved is who approved what, and when: the part of a grant, or of a device code, that
// is compared with the world.
type Approved struct {
	OrganizationID string
	ApplicationUID string
	UserID         string
	ProviderUID    string
	AuthTime       time.Time
	AMR            []string
	SessionID      string    // that it ends with; empty: none
	At             time.Time // issued: dead if an object was absent since
}

// Grant decides whether a grant is in force.
func (d *Decider) Grant(ctx context.Context, w *World, now time.Time, g *store.Grant) (Standing, error) {
	if !g.RevokedAt.IsZero() || !now.Before(g.ExpiresAt) {
		return Standing{Reason: GrantEnded}, nil
	}
	return d.Approval(ctx, w, now, Approved{
		OrganizationID: g.OrganizationID, ApplicationUID: g.ApplicationUID,
		UserID: g.UserID, ProviderUID: g.ProviderUID, AuthTime: g.AuthTime, AMR: g.AMR,
		SessionID: g.SessionID, At: g.CreatedAt,
	})
}

// Approval decides whether an approval still stands: application and organization are
// served, the person is active and still a member, and the sign-in counts. It is asked at
// every use of what was approved, so that a rule holds for what is older than it, too.
func (d *Decider) Approval(ctx context.Context, w *World, now time.Time, a Approved) (Standing, error) {
	var s Standing
	s.Organization, s.Application = served(w, now, a.OrganizationID, a.ApplicationUID, a.At)
	switch {
	case s.Organization == nil:
		s.Reason = OrganizationGone
		return s, nil
	case s.Application == nil:
		s.Reason = ApplicationGone
		return s, nil
	}
	user, err := d.Store.User(ctx, a.UserID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return Standing{}, fmt.Errorf("look up person: %w", err)
	}
	if err != nil || user.Disabled {
		s.Reason = PersonGone
		return s, nil
	}
	s.User = &user
	roles := s.Organization.RolesOf(w.Person(&user), now)
	if len(roles) == 0 {
		s.Reason = NotMember
		return s, nil
	}
	s.Counted, err = d.SignIn(ctx, w, now, s.Organization, &user, store.SignIn{ProviderUID: a.ProviderUID, AuthTime: a.AuthTime, AMR: a.AMR})
	if err != nil {
		return Standing{}, err
	}
	if s.Reason = s.Counted.Reason; s.Reason == "" && a.SessionID != "" && over(s.Organization, now, a.AuthTime) {
		s.Reason = SessionOver
	}
	if s.Reason == "" {
		s.Roles, s.held, s.ceiling = roles, model.ScopesOf(roles), s.Application.ScopesIn(s.Organization)
	}
	return s, nil
}

// Active reports whether the approval is in force. The zero Standing is not.
func (s *Standing) Active() bool { return s.Reason == "" && s.Application != nil }
