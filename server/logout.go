package server

import (
	"net/http"

	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// showLogout asks: a link must not be able to sign anybody out.
func (s *Server) showLogout(r *request) (answer, error) {
	session, err := s.session(r)
	if err != nil {
		return nil, err
	}
	if session == nil {
		return signedOut(), nil
	}
	return page{html: pages.SignOut(pages.SignOutPage{Viewer: *s.viewer(session)})}, nil
}

// logout ends the session at the server (ASVS 7.4.1).
func (s *Server) logout(r *request) (answer, error) {
	session, err := s.session(r)
	if err != nil {
		return nil, err
	}
	if session == nil {
		return redirect{to: "/logout/"}, nil
	}
	if !s.sessions.Form(session).Made(r.form.Get("token"), signOutForm) {
		return nil, staleForm()
	}
	cookie, err := s.sessions.End(r.Context(), session, store.Event{
		Time: r.now, Actor: session.UserID, Action: "session.ended", Target: session.ID,
		IP: r.ip.String(), RequestID: r.id, Outcome: "ok", Reason: "signed out",
	})
	if err != nil {
		return nil, err
	}
	return redirect{to: "/logout/", cookies: []*http.Cookie{cookie}}, nil
}

func signedOut() answer {
	return page{html: pages.Message(pages.MessagePage{
		Kind: pages.Good, Title: "You are signed out",
		What: "You can now close this tab.",
		Link: pages.Link{Text: "Sign in again", Path: loginPath},
	})}
}
