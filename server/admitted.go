package server

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/decide"
	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/sessions"
)

// What of a session counts in an organization is decided in package decide; here is what a
// person, or an application that may not ask them, is told when nothing does.

// counts decides which sign-in of a session counts in an organization now.
func (s *Server) counts(r *request, session *sessions.Session, o *model.Organization) (decide.Counted, error) {
	c, err := s.decider.Session(r.Context(), r.World, r.now, o, &session.User, &session.Session)
	if err != nil {
		return c, fmt.Errorf("decide which sign-in counts: %w", err)
	}
	if c.Tell && !o.Member(r.Person(&session.User), r.now) {
		c.Tell = false // who does not belong there has nothing to add a factor for
	}
	return c, nil
}

// admitted demands a sign-in that counts in the organization, and is as new as the
// application wants it. Both results are nil when there is one.
func (s *Server) admitted(r *request, a *inquiry, proven bool) (answer, error) {
	c, err := s.counts(r, a.session, a.Organization)
	if err != nil {
		return nil, err
	}
	a.counted = c
	again := c.Reason == "" && a.tooOld(c.SignIn.AuthTime) || signsInAgain(c, a.session)
	switch {
	case c.Reason == "" && !c.Tell && !again:
		return nil, nil
	case a.Prompt.None:
		return nil, a.Refuse(silently(c, a.session))
	case (again || c.Reason == decide.ProviderDoesNotCount) && !proven:
		return s.toFreshLogin(r, a), nil // the page offers what counts there
	}
	back, cookies := s.backTo(r, a)
	p, err := s.missing(r, a.session, a.Organization, c, back)
	if err != nil {
		return nil, err
	}
	p.cookies, p.leadsTo = cookies, []string{a.Target()}
	return p, nil
}

// signsInAgain reports whether it is enough to sign in again in the same way.
func signsInAgain(c decide.Counted, session *sessions.Session) bool {
	old := c.Reason == decide.SignInTooOld || c.Reason == decide.SessionOver || c.Reason == decide.SessionUnused
	return old || c.Reason == decide.SecondFactorMissing && session.User.SecondFactor
}

// silently is what an application learns that must not ask the person (OpenID Connect Core
// section 3.1.2.6).
func silently(c decide.Counted, session *sessions.Session) (code, description string) {
	if c.Tell || c.Reason == decide.SecondFactorMissing && !session.User.SecondFactor {
		return oauth.InteractionRequired, "the person has to add a second factor"
	}
	return oauth.LoginRequired, "the way the person is signed in does not count there, or not any more"
}

// admittedDevice is admitted for the approval of a device.
func (s *Server) admittedDevice(r *request, session *sessions.Session, asked *deviceRequest) (answer, error) {
	c, err := s.counts(r, session, asked.org)
	if err != nil {
		return nil, err
	}
	asked.counted = c
	if c.Reason == "" && !c.Tell {
		return nil, nil
	}
	if c.Reason == decide.ProviderDoesNotCount {
		return toCount(asked.org, asked.code.String()), nil
	}
	p, err := s.missing(r, session, asked.org, c, verifyURL("user_code", asked.code.String()))
	if err != nil {
		return nil, err
	}
	return p, nil
}

// missing tells somebody what their sign-in lacks in an organization, and the way to it. They
// do not see what was asked for.
func (s *Server) missing(r *request, session *sessions.Session, o *model.Organization, c decide.Counted, back string) (page, error) {
	name := cmp.Or(o.DisplayName, o.Slug)
	again := pages.Link{Text: "Sign in again", Path: loginPath + "?" + url.Values{"next": {back}, againParameter: {"1"}}.Encode()}
	m := pages.MessagePage{Brand: brandOf(o), Viewer: s.viewer(session), Kind: pages.Bad, Link: again}
	switch {
	case c.Tell:
		return s.tell(r, session, o, c, back)
	case c.Reason == decide.SecondFactorMissing && session.User.SecondFactor:
		m.Title, m.What = "Sign in with your second factor", "You signed in to "+name+" without it."
	case c.Reason == decide.SecondFactorMissing:
		m.Title, m.What = "Add a second factor", name+" asks everybody for a second factor, and you have none."
		m.Do = "Add a security key, a passkey or an authenticator app, then open the application again."
		m.Link = pages.Link{Text: "Add a second factor", Path: factorsPath}
	case c.Reason == decide.ProviderDoesNotCount: // nothing that they have is of there: they do not learn where it is
		m.Brand = pages.Brand{}
		m.Title, m.What = "Sign in another way", "The organization that this belongs to does not accept the way you are signed in."
		m.Do, m.Link.Text = "Ask its administrator how to sign in.", "Sign in another way"
	case c.Reason == decide.LocalDoesNotCount:
		m.Title, m.What = "Sign in another way", name+" does not accept the way you are signed in."
		m.Do = "Ask its administrator how to sign in."
		if ways := accepted(o); len(ways) > 0 {
			m.Do = "It accepts: " + strings.Join(ways, ", ") + "."
		}
		m.Link.Text = "Sign in another way"
	default:
		m.Title, m.What = "Sign in again", "Your sign-in is older than "+name+" accepts."
	}
	return page{status: http.StatusForbidden, html: pages.Message(m)}, nil
}

// accepted are the names of the ways to sign in that count.
func accepted(o *model.Organization) (names []string) {
	for _, p := range o.Providers {
		if p.Local == nil || !o.Login.EnforceSSO {
			names = append(names, p.DisplayName)
		}
	}
	return names
}

// tell tells somebody that they need a second factor, which starts the time that they have.
// They are shown it once; when the time is over there is no way past the page.
func (s *Server) tell(r *request, session *sessions.Session, o *model.Organization, c decide.Counted, back string) (page, error) {
	ev := r.act(session, "second-factor.asked", session.UserID)
	ev.OrganizationID, ev.Reason = o.ID, "the organization requires it"
	ctx := context.WithoutCancel(r.Context()) // nobody puts it off by leaving before the page
	if err := s.Store.TellOfSecondFactor(ctx, session.UserID, o.ID, r.now, ev); err != nil {
		return page{}, fmt.Errorf("tell of the second factor: %w", err)
	}
	name, until := cmp.Or(o.DisplayName, o.Slug), c.Until.UTC().Format("2 January 2006, 15:04 UTC")
	return page{html: pages.Message(pages.MessagePage{
		Brand: brandOf(o), Viewer: s.viewer(session), Kind: pages.Neutral, Title: "Add a second factor",
		What: name + " asks everybody for a second factor, and you have none.",
		Do:   "You can go on without one until " + until + ".",
		Link: pages.Link{Text: "Add a second factor", Path: factorsPath}, Other: pages.Link{Text: "Not now", Path: back},
	})}, nil
}

// endOf is when what is bound to the session ends at the latest: with it, with the sign-in
// that counted, and with what the organization accepts.
func endOf(a *inquiry) time.Time {
	end, in := a.session.ExpiresAt, a.counted.SignIn
	if !in.ExpiresAt.IsZero() && in.ExpiresAt.Before(end) {
		end = in.ExpiresAt
	}
	if limit := a.Organization.Login.Session.Absolute; limit > 0 && in.AuthTime.Add(limit).Before(end) {
		end = in.AuthTime.Add(limit)
	}
	return end
}

// inAnEmergency is the reason in the audit log of what somebody approved who could get in
// though nobody else can in this way.
func inAnEmergency(c decide.Counted) string {
	if c.BreakGlass {
		return "break-glass"
	}
	return ""
}

// markElsewhere marks what a provider elsewhere says of how somebody proved themselves: it
// is nothing that was proven here, and counts only where the organization says so.
func (r *request) markElsewhere(in sessions.SignIn) sessions.SignIn {
	if p := r.Provider(in.ProviderUID); p == nil || p.Local == nil {
		in.AMR = oauth.Elsewhere(in.AMR)
	}
	return in
}
