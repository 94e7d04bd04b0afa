package server

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/sessions"
)

// showSessions lists the browsers that somebody is signed in with (ASVS 7.5.2).
func (s *Server) showSessions(r *request) (answer, error) {
	return s.own(r, sessionsPath, func(here *sessions.Session) (answer, error) {
		all, err := s.Store.SessionsOf(r.Context(), here.UserID)
		if err != nil {
			return nil, fmt.Errorf("list sessions: %w", err)
		}
		p := pages.SessionsPage{Viewer: *s.viewer(here), Now: r.now, Token: s.sessions.Form(here).Token(sessionsPath), Done: done(r)}
		for _, one := range all {
			if !sessions.InForce(one, r.now) {
				continue // it has ended and was not swept yet
			}
			p.Sessions = append(p.Sessions, pages.SignedIn{
				ID: one.ID, Browser: browserOf(one.UserAgent), IP: one.IP, Started: one.CreatedAt, LastUsed: one.LastUsedAt,
				Here: one.ID == here.ID,
			})
		}
		slices.SortStableFunc(p.Sessions, func(a, b pages.SignedIn) int {
			switch {
			case a.Here:
				return -1
			case b.Here:
				return 1
			}
			return 0
		})
		return page{html: pages.Sessions(p)}, nil
	})
}

// endSessions ends one session of the person, or all others.
func (s *Server) endSessions(r *request) (answer, error) {
	return s.freshAct(r, sessionsPath, func(here *sessions.Session) (answer, error) {
		ev := r.act(here, "session.ended", "")
		if r.form.Has("others") {
			ev.Reason = "signed out everywhere else"
			if _, err := s.Store.EndOtherSessionsOf(r.Context(), here.UserID, here.ID, ev); err != nil {
				return nil, fmt.Errorf("end other sessions: %w", err)
			}
			return doneAt(sessionsPath, "others"), nil
		}
		id := r.form.Get("session")
		if id == "" || id == here.ID {
			return nil, staleForm()
		}
		ev.Reason = "signed out from another session"
		if _, err := s.Store.EndSessionsOf(r.Context(), here.UserID, id, ev); err != nil {
			return nil, fmt.Errorf("end session: %w", err)
		}
		return doneAt(sessionsPath, "session"), nil
	})
}

// What a User-Agent says that people know. The order matters: each browser also names
// those before it in history.
var (
	browsers = []struct{ token, name string }{
		{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"Firefox/", "Firefox"},
		{"FxiOS/", "Firefox"}, {"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
	}
	systems = []struct{ token, name string }{
		{"Windows", "Windows"}, {"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"},
		{"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"},
	}
)

// browserOf says in words what a User-Agent seems to be. It is a hint for its owner, who
// set it; nothing is decided by it.
func browserOf(userAgent string) string {
	name, system := "A browser", ""
	for _, b := range browsers {
		if strings.Contains(userAgent, b.token) {
			name = b.name
			break
		}
	}
	for _, o := range systems {
		if strings.Contains(userAgent, o.token) {
			system = " on " + o.name
			break
		}
	}
	return name + system
}
