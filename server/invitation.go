package server

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/limits"
	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/sessions"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// An invitation makes the account that is signed in a member. It joins no identities and
// proves no address, however its link came to whoever has it: nobody hands out keys to an
// account with it, and who it is for is the inviter's claim alone.

const invitationForm = "invitation"

// invited is an invitation in force, with who looks at it.
type invited struct {
	store.Invitation
	org     *model.Organization
	link    string
	session *sessions.Session // nil: nobody is signed in
	counts  bool              // the session does, in the organization
	form    sessions.Form
	cookie  *http.Cookie
}

// invitation finds what a link invites to; nil: it is none in force. To look at it uses
// nothing up: programs that look into mails open every link. Guesses are counted by source.
func (s *Server) invitation(r *request, link string) (*invited, error) {
	if r.Method != http.MethodPost {
		if wait := s.perSource.Take(r.now, limits.Source(r.ip)); wait > 0 {
			return nil, tooMany(wait)
		}
	}
	i := &invited{link: atMost(link, linkInput)}
	var err error
	i.Invitation, err = s.Store.Invitation(r.Context(), people.InvitationHash(s.Keyring.LookupKey(), i.link))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find invitation: %w", err)
	}
	i.org = r.Organization(i.OrganizationID)
	if i.org == nil || i.org.Suspended || !r.now.Before(i.ExpiresAt) || !r.Alive(i.org.ID, i.CreatedAt) {
		return nil, nil
	}
	if i.session, err = s.session(r); err != nil {
		return nil, err
	}
	if i.session != nil {
		i.form = s.sessions.Form(i.session)
		if i.counts, err = s.countsThere(r, i.session, i.org); err != nil {
			return nil, err
		}
	} else {
		i.form, i.cookie = s.sessions.VisitorForm(r.Request)
	}
	return i, nil
}

// showInvitation shows who invites whom to what.
func (s *Server) showInvitation(r *request) (answer, error) {
	i, err := s.invitation(r, r.URL.Query().Get(linkParameter))
	if err != nil {
		return nil, err
	}
	if i == nil {
		return deadInvitation(), nil
	}
	return s.invitationPage(r, i, 0, pages.InvitationPage{}), nil
}

func (s *Server) invitationPage(r *request, i *invited, status int, p pages.InvitationPage) answer {
	p.Organization, p.Inviter, p.Email = cmp.Or(i.org.DisplayName, i.org.Slug), "An administrator", i.Email
	p.Until, p.Link, p.Token = i.ExpiresAt, i.link, i.form.Token(invitationForm, i.link)
	p.SignIn = toLoginFor(i.org.Slug, invitationURL(i.link))
	if i.session != nil {
		p.Viewer, p.Elsewhere = s.viewer(i.session), !i.counts
		p.SignIn += "&" + againParameter + "=1"
	} else if local := r.offersPassword(i.org); local != nil && local.Local.Registers(true) {
		p.Register, p.Least = true, s.policy(r.Snapshot, local).Least()
	}
	a := page{status: status, html: pages.Invitation(p)}
	if i.cookie != nil {
		a.cookies = append(a.cookies, i.cookie)
	}
	return a
}

func invitationURL(link string) string {
	return invitationPath + "?" + url.Values{linkParameter: {link}}.Encode()
}

// answerInvitation takes the answer to it.
func (s *Server) answerInvitation(r *request) (answer, error) {
	i, err := s.invitation(r, r.form.Get(linkParameter))
	if err != nil {
		return nil, err
	}
	if i == nil {
		return deadInvitation(), nil
	}
	if !i.form.Made(r.form.Get("token"), invitationForm, i.link) {
		return nil, staleForm()
	}
	switch act := r.form.Get("act"); {
	case act == "decline":
		return s.declineInvitation(r, i)
	case act == "accept" && i.session != nil && i.counts:
		return s.acceptInvitation(r, i)
	case act == "register" && i.session == nil:
		return s.registerInvited(r, i)
	}
	return s.invitationPage(r, i, http.StatusForbidden, pages.InvitationPage{}), nil
}

func (i *invited) event(r *request, actor, action string) store.Event {
	return store.Event{
		Time: r.now, Actor: actor, OrganizationID: i.OrganizationID, Action: action, Target: i.ID,
		IP: r.ip.String(), RequestID: r.id, Outcome: "ok",
	}
}

func (s *Server) acceptInvitation(r *request, i *invited) (answer, error) {
	err := s.Store.AcceptInvitation(r.Context(), i.Invitation, i.session.UserID, i.event(r, i.session.UserID, "invitation.accepted"))
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
		return deadInvitation(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("accept invitation: %w", err)
	}
	return page{html: pages.Message(pages.MessagePage{
		Viewer: s.viewer(i.session), Kind: pages.Good, Title: "You are a member of " + cmp.Or(i.org.DisplayName, i.org.Slug),
		What: "Applications of it can be used with this account now.",
	})}, nil
}

// declineInvitation may be done by whoever has the link, signed in or not: they could keep
// it to themselves as well.
func (s *Server) declineInvitation(r *request, i *invited) (answer, error) {
	actor := ""
	if i.session != nil {
		actor = i.session.UserID
	}
	err := s.Store.EndInvitation(r.Context(), i.ID, i.event(r, actor, "invitation.declined"))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("decline invitation: %w", err)
	}
	return page{html: pages.Message(pages.MessagePage{
		Kind: pages.Neutral, Title: "Invitation declined", What: "The link is worth nothing any more. You can close this tab.",
	})}, nil
}

// registerInvited makes an account for who was invited. Nobody has proven the address: it
// names the account, and holds no role by itself.
func (s *Server) registerInvited(r *request, i *invited) (answer, error) {
	local := r.offersPassword(i.org)
	if local == nil || !local.Local.Registers(true) {
		return s.invitationPage(r, i, http.StatusForbidden, pages.InvitationPage{}), nil
	}
	u := store.User{ID: people.NewID(), Email: i.Email, Login: i.Email, Name: strings.TrimSpace(r.form.Get("name")), CreatedAt: r.now}
	again := func(status int, problem string) answer {
		return s.invitationPage(r, i, status, pages.InvitationPage{Name: u.Name, Problem: problem})
	}
	if err := people.CheckName(u.Name); err != nil {
		return again(http.StatusBadRequest, sentence(err.Error())), nil
	}
	next := r.form.Get("new")
	if problem := newPasswordProblem(next, r.form.Get("again"), s.policy(r.Snapshot, local), u); problem != "" {
		return again(http.StatusBadRequest, problem), nil
	}
	var err error
	if u.PasswordHash, err = s.hashInTurn(r.Context(), next); err != nil {
		return s.busyOr(err, func(problem string) answer { return again(http.StatusTooManyRequests, problem) })
	}
	err = s.Store.RegisterInvited(r.Context(), i.Invitation, u, i.event(r, u.ID, "invitation.accepted"))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return deadInvitation(), nil
	case errors.Is(err, store.ErrConflict):
		return again(http.StatusConflict, "There is an account with this address already. Sign in to accept."), nil
	case err != nil:
		return nil, fmt.Errorf("make an account for who was invited: %w", err)
	}
	return page{html: pages.Message(pages.MessagePage{
		Kind: pages.Good, Title: "Your account is made", What: "You are a member of " + cmp.Or(i.org.DisplayName, i.org.Slug) + ". Sign in with your address and the password that you chose.",
		Link: pages.Link{Text: "Sign in", Path: toLoginFor(i.org.Slug, homePath)},
	})}, nil
}

// deadInvitation is one answer for a link that never was, was used, revoked, replaced, or
// is too old.
func deadInvitation() answer {
	return page{status: http.StatusNotFound, html: pages.Message(pages.MessagePage{
		Kind: pages.Bad, Title: "This invitation is no longer good", What: "An invitation works once, and for seven days.",
		Do: "Ask who invited you for a new one.",
	})}
}
