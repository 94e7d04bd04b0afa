package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/gatehouse-dev/gatehouse/server/limits"
	"github.com/gatehouse-dev/gatehouse/server/mail"
	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/sessions"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// showAddress shows the address of the account, whether it is proven, and how to change it.
func (s *Server) showAddress(r *request) (answer, error) {
	return s.own(r, addressPath, func(session *sessions.Session) (answer, error) {
		return s.addressPage(r, session, 0, ""), nil
	})
}

func (s *Server) addressPage(r *request, session *sessions.Session, status int, problem string) answer {
	p := pages.AddressPage{
		Viewer: *s.viewer(session), Login: session.User.Login, Proven: session.User.EmailProvenBy != "", Mails: s.mails(),
		Token: s.sessions.Form(session).Token(addressPath), Problem: problem,
	}
	if problem == "" {
		p.Done = done(r)
	}
	return page{status: status, html: pages.Address(p)}
}

// changeAddress mails a link: to the address in use, to prove it, or to a new one.
func (s *Server) changeAddress(r *request) (answer, error) {
	if r.form.Get("act") == "change" {
		return s.freshAct(r, addressPath, func(session *sessions.Session) (answer, error) { return s.askToChange(r, session) })
	}
	return s.ownAct(r, addressPath, func(session *sessions.Session) (answer, error) { return s.askToProve(r, session) })
}

// askToProve mails a link to the address of the account.
func (s *Server) askToProve(r *request, session *sessions.Session) (answer, error) {
	u := session.User
	if !s.mails() || u.Login == "" || u.EmailProvenBy != "" {
		return nil, staleForm()
	}
	return s.mailProof(r, session, store.MailLink{Kind: store.LinkVerify, Subject: u.ID, Address: u.Login}, "verifying")
}

// askToChange mails a link to a new address. Nothing changes before it is followed; the
// owner is told at the address in use, which may not be theirs who asks.
func (s *Server) askToChange(r *request, session *sessions.Session) (answer, error) {
	u, next := session.User, people.Address(atMost(r.form.Get("email"), longestAddress))
	if !s.mails() || u.Login == "" {
		return nil, staleForm()
	}
	if problem := addressProblem(next); problem != "" {
		return s.addressPage(r, session, http.StatusBadRequest, problem), nil
	}
	if next == u.Login {
		return s.addressPage(r, session, http.StatusBadRequest, "That is the address in use."), nil
	}
	return s.mailProof(r, session, store.MailLink{Kind: store.LinkChange, Subject: u.ID, Address: next}, "changing")
}

// mailProof makes a link and mails it. Links of an account are limited by the account too.
func (s *Server) mailProof(r *request, session *sessions.Session, l store.MailLink, word string) (answer, error) {
	ctx := context.WithoutCancel(r.Context())
	wait, err := s.lockouts.Try(ctx, r.now,
		limits.Rule{What: "address links of " + l.Subject, Bucket: &perAddress}, limits.Rule{What: "address letters to " + l.Address, Bucket: &perAddress})
	if err != nil {
		return nil, err
	}
	if wait > 0 {
		problem := "Enough letters were sent. Try again in " + inWords(wait) + "."
		return retryLater(s.addressPage(r, session, http.StatusTooManyRequests, problem), wait), nil
	}
	link, err := people.NewMailLink(ctx, s.Store, s.Keyring.LookupKey(), l, r.act(session, "user.address-link-mailed", session.UserID))
	if err != nil {
		return nil, err
	}
	s.send(s.addressLetter(r, session.User, l, link))
	if l.Kind == store.LinkChange { // not for a request that is refused: the owner is told no oftener than there are links
		s.notify(r, session.User, addressAskedLetter)
	}
	return doneAt(addressPath, word), nil
}

// addressLetter brings a link that proves an address. Who did not ask learns from it that
// somebody did, and nothing of the account but its name.
func (s *Server) addressLetter(r *request, u store.User, l store.MailLink, link string) mail.Letter {
	m := s.letter(r, "address", l.Address, "Prove that this address is yours")
	m.Lines = []string{"Somebody who is signed in " + accountInWords(u.Login) + " says that this is their address. If that is you, follow the link within a day, in a browser where you are signed in."}
	m.Link = mail.Link{Text: "Prove the address", URL: s.linkTo(confirmPath, link)}
	m.Closing = []string{"If this was not you, do not follow it, and there is nothing else to do: without you nothing changes."}
	m.Until = r.now.Add(people.MailLinkFor)
	return m
}

// accountInWords names an account to somebody who may not know it. An address that reads as a
// link, which programs that show letters make of it, is not brought to them by us.
func accountInWords(login string) string {
	if strings.ContainsAny(login, "/?#%=&") {
		return "to another account"
	}
	return "as " + login
}

// showConfirm asks whether the address is to be the account's. To open the link uses nothing
// up: programs that look into mails open every link.
func (s *Server) showConfirm(r *request) (answer, error) {
	link := atMost(r.URL.Query().Get(linkParameter), linkInput)
	back := confirmPath + "?" + url.Values{linkParameter: {link}}.Encode()
	return s.own(r, back, func(session *sessions.Session) (answer, error) {
		l, problem, err := s.addressLink(r, session, link)
		if err != nil || problem != nil {
			return problem, err
		}
		return page{html: pages.Confirm(pages.ConfirmPage{
			Viewer: *s.viewer(session), Address: l.Address, Change: l.Kind == store.LinkChange, Link: link,
			Token: s.sessions.Form(session).Token(confirmPath, link),
		})}, nil
	})
}

// addressLink finds a link of this very account. Whoever was sent somebody else's must not
// prove their own address for that account by following it.
func (s *Server) addressLink(r *request, session *sessions.Session, link string) (store.MailLink, answer, error) {
	if wait := s.perSource.Take(r.now, limits.Source(r.ip)); wait > 0 {
		return store.MailLink{}, nil, tooMany(wait)
	}
	for _, kind := range []string{store.LinkVerify, store.LinkChange} {
		l, err := s.Store.MailLink(r.Context(), people.MailLinkHash(s.Keyring.LookupKey(), kind, link))
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return l, nil, fmt.Errorf("find link: %w", err)
		}
		if err == nil && r.now.Before(l.ExpiresAt) && l.Subject == session.UserID {
			return l, nil, nil
		}
	}
	return store.MailLink{}, s.foreignLink(session), nil
}

func (s *Server) foreignLink(session *sessions.Session) answer {
	return page{status: http.StatusNotFound, html: pages.Message(pages.MessagePage{
		Kind: pages.Bad, Viewer: s.viewer(session), Title: "This link is not good here",
		What: "It works once, for a day, and for the account that asked for it.",
		Do:   "If you asked with another account, sign out and follow it there; if it is too old, ask for a new one.",
		Link: pages.Link{Text: "Your address", Path: addressPath},
	})}
}

// confirm makes the address the account's, proven.
func (s *Server) confirm(r *request) (answer, error) {
	link := atMost(r.form.Get(linkParameter), linkInput)
	return s.own(r, confirmPath, func(session *sessions.Session) (answer, error) {
		if !s.sessions.Form(session).Made(r.form.Get("token"), confirmPath, link) {
			return nil, staleForm()
		}
		l, problem, err := s.addressLink(r, session, link)
		if err != nil || problem != nil {
			return problem, err
		}
		if l.Kind == store.LinkVerify {
			err = s.Store.ProveAddress(r.Context(), l, r.act(session, "user.address-proven", session.UserID))
		} else {
			err = s.moveTo(r, session, l)
		}
		switch {
		case errors.Is(err, store.ErrNotFound): // used meanwhile, or the account has changed
			return s.foreignLink(session), nil
		case errors.Is(err, store.ErrConflict):
			return s.addressPage(r, session, http.StatusConflict, "Another account has this address. Sign in to that one, or ask your administrator."), nil
		case err != nil:
			return nil, fmt.Errorf("prove address: %w", err)
		}
		return doneAt(addressPath, "address"), nil
	})
}

// moveTo gives the account another address. A claim to it that nobody proved goes first:
// nobody registers an address before its owner.
func (s *Server) moveTo(r *request, session *sessions.Session, l store.MailLink) error {
	claim := r.act(session, "user.claim-dropped", "")
	claim.Actor, claim.Reason = "system", "address proven by another account"
	if err := s.Store.DropClaim(r.Context(), l.Address, claim); err != nil {
		return err
	}
	before := session.User
	if err := s.Store.ChangeAddress(r.Context(), l, r.act(session, "user.address-changed", session.UserID)); err != nil {
		return err
	}
	s.notify(r, before, addressChangedLetter)
	return nil
}
