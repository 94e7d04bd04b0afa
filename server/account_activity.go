package server

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/sessions"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// shownEvents is how far back the activity of an account is shown.
const shownEvents = 100

// happened are the words for what happens to an account. What is not in it is nothing that
// its owner could make something of.
var happened = map[string]string{
	"session.started":             "Signed in",
	"session.renewed":             "Signed in again",
	"session.ended":               "Signed out",
	"grant.created":               "Connected",
	"grant.revoked":               "Access ended",
	"consent.revoked":             "Disconnected",
	"authorization.denied":        "Denied access",
	"device.approved":             "Approved a device",
	"device.denied":               "Denied a device",
	"factor.added":                "Second factor added",
	"factor.renamed":              "Second factor renamed",
	"factor.removed":              "Second factor removed",
	"factor.blocked":              "A key was refused and blocked",
	"factors.reset":               "Second factors removed by an administrator",
	"invitation.accepted":         "Joined an organization",
	"identity.linked":             "A way to sign in was connected",
	"identity.unlinked":           "A way to sign in was disconnected",
	"identity.lost":               "A provider does not know you any more",
	"recovery-codes.replaced":     "New recovery codes made",
	"recovery-code.used":          "A recovery code was used",
	"user.created":                "Account created",
	"user.imported":               "Account imported",
	"user.renamed":                "Name changed",
	"user.disabled":               "Account disabled by an administrator",
	"user.enabled":                "Account enabled by an administrator",
	"user.password-changed":       "Password changed",
	"user.password-reset":         "Password reset by a link",
	"user.password-set":           "Password set by an administrator",
	"user.reset-link-created":     "Link to reset the password made by an administrator",
	"user.reset-requested":        "Link to reset the password asked for",
	"user.unlocked":               "Earlier wrong tries forgotten",
	"user.registration-requested": "Somebody asked to make an account with this address",
	"user.address-link-mailed":    "Link to prove an address mailed",
	"user.address-proven":         "Address proven",
	"user.address-changed":        "Address changed",
	"user.claim-dropped":          "Address taken away: somebody else proved it",
}

// showActivity lists what happened to the account, from the audit log.
func (s *Server) showActivity(r *request) (answer, error) {
	return s.own(r, activityPath, func(session *sessions.Session) (answer, error) {
		events, err := s.Store.EventsOf(r.Context(), session.UserID, shownEvents)
		if err != nil {
			return nil, fmt.Errorf("list activity: %w", err)
		}
		p := pages.ActivityPage{Viewer: *s.viewer(session)}
		for _, ev := range events {
			if what := r.inPlainWords(ev); what != "" {
				p.Events = append(p.Events, pages.Happened{At: ev.Time, What: what, IP: ev.IP, Bad: ev.Outcome != "ok"})
			}
		}
		return page{html: pages.Activity(p)}, nil
	})
}

// inPlainWords is empty for what is not shown.
func (r *request) inPlainWords(ev store.Event) string {
	what := happened[ev.Action]
	switch {
	case what == "":
		return ""
	case ev.Action == "session.started" && ev.Outcome != "ok":
		what = "A sign-in was refused"
	case ev.Action == "session.ended" && ev.Actor == "operator":
		what = "Signed out by an administrator"
	case ev.ApplicationUID != "":
		what += ": " + r.nameOf(ev)
	}
	if ev.Reason != "" && !strings.EqualFold(ev.Reason, what) && ev.Action != "grant.created" { // its reason is the name of a grant type
		what += " (" + ev.Reason + ")"
	}
	return what
}

// nameOf is the application of an event as it is called now.
func (r *request) nameOf(ev store.Event) string {
	org := r.Organization(ev.OrganizationID)
	if org == nil {
		return "an application that is gone"
	}
	if app := r.ApplicationIn(org, ev.ApplicationUID); app != nil {
		return cmp.Or(app.DisplayName, app.ClientID) + " in " + cmp.Or(org.DisplayName, org.Slug)
	}
	return "an application in " + cmp.Or(org.DisplayName, org.Slug)
}
