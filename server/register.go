package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/limits"
	"github.com/gatehouse-dev/gatehouse/server/mail"
	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// Purposes of the forms of registration.
const (
	registerForm = "register"
	finishForm   = "finish registration"
)

// registers reports whether anybody may make an account: there is none before its address is
// proven by a letter.
func (s *Server) registers(local *model.Provider) bool {
	return s.mails() && local != nil && local.Local.Registers(false)
}

func noRegistration() answer {
	return page{status: http.StatusNotFound, html: pages.Message(pages.MessagePage{
		Kind: pages.Neutral, Title: "Accounts are not made here",
		What: "Who has an account here was given it.",
		Do:   "Ask your administrator for one, or for an invitation.",
		Link: pages.Link{Text: "Back to sign-in", Path: loginPath},
	})}
}

// showRegister asks for the address of a new account.
func (s *Server) showRegister(r *request) (answer, error) {
	if !s.registers(localProvider(r.Snapshot)) {
		return noRegistration(), nil
	}
	return s.registerPage(r, 0, ""), nil
}

func (s *Server) registerPage(r *request, status int, problem string) answer {
	form, cookie := s.sessions.VisitorForm(r.Request)
	a := page{status: status, html: pages.Register(pages.RegisterPage{Token: form.Token(registerForm), Problem: problem})}
	if cookie != nil {
		a.cookies = append(a.cookies, cookie)
	}
	return a
}

// register mails a link to make an account. Of an address that has one already the owner is
// told so by letter, and nobody else: the answer is the same (ASVS 6.3.8).
func (s *Server) register(r *request) (answer, error) {
	if !s.registers(localProvider(r.Snapshot)) {
		return noRegistration(), nil
	}
	form, _ := s.sessions.VisitorForm(r.Request)
	if !form.Made(r.form.Get("token"), registerForm) {
		return nil, staleForm()
	}
	address := people.Address(atMost(r.form.Get("email"), longestAddress))
	if problem := addressProblem(address); problem != "" {
		return s.registerPage(r, http.StatusBadRequest, problem), nil
	}
	may, err := s.askForLetter(r, "registration", address)
	if err != nil {
		return nil, err
	}
	if may {
		s.later(r, "mail a link to register", func(ctx context.Context) error { return s.mailRegistration(ctx, r, address) })
	}
	return onItsWay("A letter with a link to make your account is on its way to this address. The link is good for a day."), nil
}

func (s *Server) mailRegistration(ctx context.Context, r *request, address string) error {
	ev := store.Event{Time: r.now, Action: "user.registration-requested", IP: r.ip.String(), RequestID: r.id, Outcome: "ok"}
	u, err := s.Store.UserByEmail(ctx, address)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err == nil && u.EmailProvenBy != "" {
		ev.Target, ev.Outcome, ev.Reason = u.ID, "refused", "address has an account"
		s.send(s.takenLetter(r, address))
		return s.Store.Record(ctx, ev)
	}
	link, err := people.NewMailLink(ctx, s.Store, s.Keyring.LookupKey(), store.MailLink{Kind: store.LinkRegister, Subject: address, Address: address}, ev)
	if err != nil {
		return err
	}
	s.send(s.registerLetter(r, address, link))
	return nil
}

func (s *Server) registerLetter(r *request, to, link string) mail.Letter {
	m := s.letter(r, "register", to, "Make your account")
	m.Lines = []string{"Somebody asked to make an account with this address. If that was you, follow the link within a day, and choose a name and a password."}
	m.Link = mail.Link{Text: "Make the account", URL: s.linkTo(finishPath, link)}
	m.Closing = []string{"If this was not you, there is nothing to do: no account is made."}
	m.Until = r.now.Add(people.MailLinkFor)
	return m
}

func (s *Server) takenLetter(r *request, to string) mail.Letter {
	m := s.letter(r, "taken", to, "You have an account already")
	m.Lines = []string{"Somebody asked to make an account with this address. There is one already: sign in with it. If you forgot its password, have a new one mailed from the sign-in page, or ask your administrator."}
	m.Closing = []string{"If this was not you, there is nothing to do: nothing was changed."}
	m.Until = r.now.Add(people.MailLinkFor)
	return m
}

// showFinish asks whoever has the link for a name and a password.
func (s *Server) showFinish(r *request) (answer, error) {
	link := atMost(r.URL.Query().Get(linkParameter), linkInput)
	l, dead, err := s.registration(r, link)
	if err != nil || dead != nil {
		return dead, err
	}
	return s.finishPage(r, l, link, "", 0, ""), nil
}

// registration finds a link that is in force, while accounts may be made.
func (s *Server) registration(r *request, link string) (l store.MailLink, dead answer, err error) {
	if wait := s.perSource.Take(r.now, limits.Source(r.ip)); wait > 0 {
		return l, nil, tooMany(wait)
	}
	if !s.registers(localProvider(r.Snapshot)) {
		return l, noRegistration(), nil
	}
	l, err = s.Store.MailLink(r.Context(), people.MailLinkHash(s.Keyring.LookupKey(), store.LinkRegister, link))
	if errors.Is(err, store.ErrNotFound) || err == nil && !r.now.Before(l.ExpiresAt) {
		return l, deadRegistration(), nil
	}
	if err != nil {
		return l, nil, fmt.Errorf("find registration: %w", err)
	}
	return l, nil, nil
}

func deadRegistration() answer {
	return page{status: http.StatusNotFound, html: pages.Message(pages.MessagePage{
		Kind: pages.Bad, Title: "This link is no longer good", What: "A link to make an account works once, and for a day.",
		Do: "If you have made the account, sign in; else ask for another link.", Link: pages.Link{Text: "Sign in", Path: loginPath},
	})}
}

func (s *Server) finishPage(r *request, l store.MailLink, link, name string, status int, problem string) answer {
	form, cookie := s.sessions.VisitorForm(r.Request)
	a := page{status: status, html: pages.Finish(pages.FinishPage{
		Email: l.Address, Name: name, Least: s.policy(r.Snapshot, localProvider(r.Snapshot)).Least(), Link: link,
		Token: form.Token(finishForm, link), Problem: problem,
	})}
	if cookie != nil {
		a.cookies = append(a.cookies, cookie)
	}
	return a
}

// finishRegistration makes the account. Its address is proven: whoever claimed it before and did not
// prove it loses it. Nobody is signed in by the link.
func (s *Server) finishRegistration(r *request) (answer, error) {
	form, _ := s.sessions.VisitorForm(r.Request)
	link := atMost(r.form.Get(linkParameter), linkInput)
	if !form.Made(r.form.Get("token"), finishForm, link) {
		return nil, staleForm()
	}
	l, dead, err := s.registration(r, link)
	if err != nil || dead != nil {
		return dead, err
	}
	u := store.User{ID: people.NewID(), Email: l.Address, Login: l.Address, Name: strings.TrimSpace(r.form.Get("name")), CreatedAt: r.now, EmailProvenBy: store.ProvenByMail, EmailProvenAt: r.now}
	again := func(status int, problem string) answer { return s.finishPage(r, l, link, u.Name, status, problem) }
	if err := people.CheckName(u.Name); err != nil {
		return again(http.StatusBadRequest, sentence(err.Error())), nil
	}
	next := r.form.Get("new")
	if problem := newPasswordProblem(next, r.form.Get("again"), s.policy(r.Snapshot, localProvider(r.Snapshot)), u); problem != "" {
		return again(http.StatusBadRequest, problem), nil
	}
	if u.PasswordHash, err = s.hashInTurn(r.Context(), next); err != nil {
		return s.busyOr(err, func(problem string) answer { return again(http.StatusTooManyRequests, problem) })
	}
	ev := store.Event{Time: r.now, Actor: u.ID, Action: "user.created", Target: u.ID, IP: r.ip.String(), RequestID: r.id, Outcome: "ok", Reason: "registration"}
	claim := ev
	claim.Actor, claim.Action, claim.Reason = "system", "user.claim-dropped", "address proven by another account"
	if err := s.Store.DropClaim(r.Context(), l.Address, claim); err != nil {
		return nil, fmt.Errorf("drop claim: %w", err)
	}
	err = s.Store.Register(r.Context(), l, u, ev)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) { // used, or taken, meanwhile
		return deadRegistration(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("register: %w", err)
	}
	return page{html: pages.Message(pages.MessagePage{
		Kind: pages.Good, Title: "Your account is made", What: "Sign in with your address and the password that you chose.",
		Link: pages.Link{Text: "Sign in", Path: loginPath},
	})}, nil
}
