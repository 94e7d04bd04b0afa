package server

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/gatehouse-dev/gatehouse/server/limits"
	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

const (
	resetForm     = "reset"
	linkParameter = "link"
	// linkInput bounds what is looked up, in bytes; a link carries 43.
	linkInput = 64
)

// showReset asks whoever has a link for a new password. To open the link uses nothing up:
// programs that look into mails open every link.
func (s *Server) showReset(r *request) (answer, error) {
	link := r.URL.Query().Get(linkParameter)
	_, u, err := s.resetLink(r, link)
	if err != nil || u == nil {
		return deadLink(), err
	}
	return s.resetPage(r, u, link, 0, ""), nil
}

// reset sets the password. The link is used up, and everything that was opened before with
// the account is closed: whoever may have known the old password is out (people's devices
// too). Nobody is signed in by it, so that it is no way around what sign-in asks for (ASVS
// 6.4.3).
func (s *Server) reset(r *request) (answer, error) {
	form, _ := s.sessions.VisitorForm(r.Request)
	if !form.Made(r.form.Get("token"), resetForm) {
		return nil, staleForm()
	}
	link := r.form.Get(linkParameter)
	l, u, err := s.resetLink(r, link)
	if err != nil || u == nil {
		return deadLink(), err
	}
	next, local := r.form.Get("new"), localProvider(r.Snapshot)
	if local == nil {
		return noPasswords(), nil
	}
	if problem := newPasswordProblem(next, r.form.Get("again"), s.policy(r.Snapshot, local), *u); problem != "" {
		return s.resetPage(r, u, link, http.StatusBadRequest, problem), nil
	}
	hash, err := s.hashInTurn(r.Context(), next)
	if err != nil {
		return s.busyOr(err, func(problem string) answer {
			return s.resetPage(r, u, link, http.StatusTooManyRequests, problem)
		})
	}
	err = s.Store.UseResetLink(r.Context(), l, hash, store.Event{
		Time: r.now, Actor: u.ID, Action: "user.password-reset", Target: u.ID, IP: r.ip.String(), RequestID: r.id, Outcome: "ok",
	})
	if errors.Is(err, store.ErrNotFound) {
		return deadLink(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("reset password: %w", err)
	}
	// Whoever has the link is no guesser of the password: what was guessed before holds them
	// back no longer.
	err = people.UnlockPassword(r.Context(), s.Store, s.Keyring.LookupKey(), *u, store.Event{
		Time: r.now, Actor: u.ID, Action: "user.unlocked", Target: u.ID, IP: r.ip.String(), RequestID: r.id, Outcome: "ok", Reason: "password reset",
	})
	if err != nil {
		return nil, err
	}
	s.notify(r, *u, passwordResetLetter)
	return page{html: pages.Message(pages.MessagePage{
		Kind: pages.Good, Title: "Your password is set", What: "You are signed out everywhere. Sign in with the new password.",
		Link: pages.Link{Text: "Sign in", Path: loginPath},
	})}, nil
}

// resetLink finds a link that is in force, and whose it is; no user: there is none. Guesses
// are counted by source.
func (s *Server) resetLink(r *request, link string) (store.ResetLink, *store.User, error) {
	if wait := s.perSource.Take(r.now, limits.Source(r.ip)); wait > 0 {
		return store.ResetLink{}, nil, tooMany(wait)
	}
	l, err := s.Store.ResetLink(r.Context(), people.ResetHash(s.Keyring.LookupKey(), atMost(link, linkInput)))
	if errors.Is(err, store.ErrNotFound) || err == nil && !r.now.Before(l.ExpiresAt) {
		return l, nil, nil
	}
	if err != nil {
		return l, nil, fmt.Errorf("find reset link: %w", err)
	}
	u, err := s.Store.User(r.Context(), l.UserID)
	if errors.Is(err, store.ErrNotFound) || err == nil && u.Disabled {
		return l, nil, nil
	}
	if err != nil {
		return l, nil, fmt.Errorf("find the link's person: %w", err)
	}
	return l, &u, nil
}

func (s *Server) resetPage(r *request, u *store.User, link string, status int, problem string) answer {
	local := localProvider(r.Snapshot)
	if local == nil {
		return noPasswords()
	}
	form, cookie := s.sessions.VisitorForm(r.Request)
	a := page{status: status, html: pages.Reset(pages.ResetPage{
		Email: u.Email, Least: s.policy(r.Snapshot, local).Least(), Link: link, Token: form.Token(resetForm), Problem: problem,
	})}
	if cookie != nil {
		a.cookies = append(a.cookies, cookie)
	}
	return a
}

// deadLink is one answer for a link that never was, was used, replaced, or is too old.
func deadLink() answer {
	return page{status: http.StatusNotFound, html: pages.Message(pages.MessagePage{
		Kind: pages.Bad, Title: "This link is no longer good",
		What: "A link to set a password works once, and for an hour.",
		Do:   "Ask your administrator for a new one.",
	})}
}
