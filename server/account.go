package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/sessions"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// freshFor is how long after a sign-in somebody need not prove again who they are before
// they do what a stranger at an unlocked screen must not (ASVS 7.5.1).
const freshFor = 10 * time.Minute

// doneParameter says on a page what an act of it has done; see doneWords.
const doneParameter = "done"

// doneWords are what pages say of acts. A link can show them to somebody who did nothing,
// so they ask for nothing.
var doneWords = map[string]string{
	"password":     "Your password is changed.",
	"session":      "That session has ended.",
	"others":       "You are signed out everywhere else.",
	"disconnected": "It can no longer act for you.",
	"added":        "It is added.",
	"renamed":      "The new name is kept.",
	"removed":      "It is removed, and worth nothing here.",
	"verifying":    "A letter with a link is on its way to your address.",
	"changing":     "A letter with a link is on its way to the new address. Nothing changes before it is followed.",
	"address":      "This address is yours, and proven.",
	"linked":       "It is connected: you can sign in with it from now on.",
	"unlinked":     "It is disconnected, and what was opened by it is closed.",
}

func done(r *request) string { return doneWords[r.URL.Query().Get(doneParameter)] }

func doneAt(path, what string) answer {
	return redirect{to: path + "?" + url.Values{doneParameter: {what}}.Encode()}
}

// own calls do for whoever is signed in by a way that opens their account, and sends others
// to do that and come back.
func (s *Server) own(r *request, path string, do func(*sessions.Session) (answer, error)) (answer, error) {
	session, err := s.session(r)
	if err != nil {
		return nil, err
	}
	if session == nil {
		return toLogin(path), nil
	}
	if !r.mayManage(session) {
		return s.managedElsewhere(session), nil
	}
	return do(session)
}

// ownAct is own for a form of the page at path.
func (s *Server) ownAct(r *request, path string, do func(*sessions.Session) (answer, error)) (answer, error) {
	return s.own(r, path, func(session *sessions.Session) (answer, error) {
		if !s.sessions.Form(session).Made(r.form.Get("token"), path) {
			return nil, staleForm()
		}
		if wait := s.acts.Take(r.now, session.UserID); wait > 0 {
			return nil, tooMany(wait)
		}
		return do(session)
	})
}

// freshAct is ownAct for what needs a recent sign-in.
func (s *Server) freshAct(r *request, path string, do func(*sessions.Session) (answer, error)) (answer, error) {
	return s.ownAct(r, path, func(session *sessions.Session) (answer, error) {
		if !isFresh(r, session) {
			return toFresh(path), nil
		}
		return do(session)
	})
}

// toFresh has somebody sign in again, and come back.
func toFresh(path string) answer {
	return redirect{to: loginPath + "?" + url.Values{"next": {path}, againParameter: {""}}.Encode()}
}

// isFresh reports whether the sign-in is recent that opens the account and, for somebody
// with a second factor, was by both: a session from before the factor came must not take it
// away.
func isFresh(r *request, session *sessions.Session) bool {
	in, ok := r.managing(session)
	return ok && r.now.Sub(in.AuthTime) < freshFor && (slices.Contains(in.AMR, oauth.AMRMulti) || !session.User.SecondFactor)
}

// act is the event of what somebody does to their own account.
func (r *request) act(session *sessions.Session, action, target string) store.Event {
	return store.Event{
		Time: r.now, Actor: session.UserID, Action: action, Target: target, IP: r.ip.String(), RequestID: r.id, Outcome: "ok",
	}
}

// showAccount shows who one is here.
func (s *Server) showAccount(r *request) (answer, error) {
	return s.own(r, accountPath, func(session *sessions.Session) (answer, error) {
		return s.accountPage(r, session, 0, ""), nil
	})
}

func (s *Server) accountPage(r *request, session *sessions.Session, status int, problem string) answer {
	u := session.User
	return page{status: status, html: pages.Account(pages.AccountPage{
		Viewer: *s.viewer(session), Since: u.CreatedAt, Proven: provenToSomebody(&u), Here: u.Login != "", Problem: problem,
		Renamed: problem == "" && r.URL.Query().Get(doneParameter) == "name", Token: s.sessions.Form(session).Token(accountPath),
	})}
}

// provenToSomebody reports whether the address that the account shows is proven: to us, or
// by a provider that says so.
func provenToSomebody(u *store.User) bool {
	return slices.ContainsFunc(u.Person().Addresses, func(a model.ProvenAddress) bool { return a.Address == u.Email })
}

// rename changes the name that others see.
func (s *Server) rename(r *request) (answer, error) {
	return s.ownAct(r, accountPath, func(session *sessions.Session) (answer, error) {
		name := strings.TrimSpace(r.form.Get("name"))
		if err := people.CheckName(name); err != nil {
			return s.accountPage(r, session, http.StatusBadRequest, sentence(err.Error())), nil
		}
		err := s.Store.SetName(r.Context(), session.UserID, name, r.act(session, "user.renamed", session.UserID))
		if err != nil {
			return nil, fmt.Errorf("rename: %w", err)
		}
		return doneAt(accountPath, "name"), nil
	})
}

// showPassword asks for a new password.
func (s *Server) showPassword(r *request) (answer, error) {
	return s.own(r, passwordPath, func(session *sessions.Session) (answer, error) {
		if needsBoth(r, session) {
			return toFresh(passwordPath), nil // before anything is typed
		}
		return s.passwordPage(r, session, 0, ""), nil
	})
}

// needsBoth reports whether somebody has a second factor that was not proven recently: the
// password in use alone, which the form asks for, does not change the password then.
func needsBoth(r *request, session *sessions.Session) bool {
	return session.User.SecondFactor && !isFresh(r, session)
}

func (s *Server) passwordPage(r *request, session *sessions.Session, status int, problem string) answer {
	local := localProvider(r.Snapshot)
	if local == nil {
		return noPasswords()
	}
	p := pages.PasswordPage{Viewer: *s.viewer(session), Least: s.policy(r.Snapshot, local).Least(), Problem: problem}
	p.Token = s.sessions.Form(session).Token(passwordPath)
	if problem == "" {
		p.Done = done(r)
	}
	return page{status: status, html: pages.Password(p)}
}

// noPasswords is for when no AuthProvider of type Local is served.
func noPasswords() answer {
	return page{status: http.StatusServiceUnavailable, html: pages.Message(pages.MessagePage{
		Kind: pages.Neutral, Title: "There are no passwords here",
		What: "No way to sign in with a password is declared for this installation.",
	})}
}

// changePassword takes the password in use and a new one (ASVS 6.2.3). The password in use
// is guessed no more often than at sign-in.
func (s *Server) changePassword(r *request) (answer, error) {
	return s.ownAct(r, passwordPath, func(session *sessions.Session) (answer, error) {
		local := localProvider(r.Snapshot)
		if local == nil {
			return noPasswords(), nil
		}
		if needsBoth(r, session) {
			return toFresh(passwordPath), nil
		}
		next := r.form.Get("new")
		if problem := newPasswordProblem(next, r.form.Get("again"), s.policy(r.Snapshot, local), session.User); problem != "" {
			return s.passwordPage(r, session, http.StatusBadRequest, problem), nil
		}
		proven, verdict, err := s.provePassword(r, session.User.Login, r.form.Get("password"))
		if err != nil {
			return nil, err
		}
		if verdict.status == http.StatusForbidden {
			verdict.problem = "That is not the password in use."
		}
		if verdict.problem != "" {
			return retryLater(s.passwordPage(r, session, verdict.status, verdict.problem), verdict.wait), nil
		}
		session.Proven = proven.PasswordHash
		user, err := s.setPassword(r, session, next, r.form.Has("others"))
		if errors.Is(err, store.ErrNotFound) {
			return toLogin(passwordPath), nil // the session has ended, or the password is another one: meanwhile
		}
		if err != nil {
			return s.busyOr(err, func(problem string) answer {
				return s.passwordPage(r, session, http.StatusTooManyRequests, problem)
			})
		}
		session.User = user
		cookie, err := s.begin(r, afterPassword(session, local)) // a new identifier (ASVS 7.2.4)
		if err != nil {
			return nil, err
		}
		return redirect{to: passwordPath + "?" + doneParameter + "=password", cookies: []*http.Cookie{cookie}}, nil
	})
}

// afterPassword is what somebody has proven who changed the password: who knew the old one
// signed in with it. With a second factor that is half of it, and the sign-in stays what
// it was.
func afterPassword(session *sessions.Session, local *model.Provider) sessions.SignIn {
	if session.User.SecondFactor {
		return sessions.SignIn{User: session.User, ProviderUID: session.ProviderUID, AMR: session.AMR, At: session.AuthTime}
	}
	return sessions.SignIn{User: session.User, ProviderUID: local.UID, AMR: []string{oauth.AMRPassword}}
}

// newPasswordProblem says what is wrong with a new password; empty: nothing.
func newPasswordProblem(next, again string, policy people.Policy, u store.User) string {
	if next != again {
		return "The two new passwords differ. Type both again."
	}
	if err := policy.Check(next, u.Email, u.Name); err != nil {
		return sentence(err.Error())
	}
	return ""
}

// setPassword returns the person with the new password.
func (s *Server) setPassword(r *request, session *sessions.Session, next string, endOthers bool) (store.User, error) {
	hash, err := s.hashInTurn(r.Context(), next)
	if err != nil {
		return store.User{}, err
	}
	err = s.Store.ChangePassword(r.Context(), session.Session, hash, endOthers, r.act(session, "user.password-changed", session.UserID))
	if err != nil {
		return store.User{}, fmt.Errorf("change password: %w", err)
	}
	s.notify(r, session.User, passwordChangedLetter)
	user := session.User
	user.PasswordHash = hash
	return user, nil
}

func (s *Server) hashInTurn(ctx context.Context, password string) (string, error) {
	patience, cancel := context.WithTimeout(ctx, hashPatience)
	defer cancel()
	return s.directory.Hash(patience, password)
}

// busyOr draws a page where there are too many passwords to look at; other errors are
// faults.
func (s *Server) busyOr(err error, draw func(problem string) answer) (answer, error) {
	if errors.Is(err, people.ErrBusy) {
		return retryLater(draw(busyHere), time.Second), nil
	}
	return nil, err
}
