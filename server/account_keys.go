package server

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/factors"
	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/passkeys"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/sessions"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// showNewKey offers to add a security key or passkey.
func (s *Server) showNewKey(r *request) (answer, error) {
	return s.own(r, newKeyPath, func(session *sessions.Session) (answer, error) {
		if !isFresh(r, session) {
			return toFresh(newKeyPath), nil
		}
		return s.newKeyPage(r, session, 0, "")
	})
}

func (s *Server) newKeyPage(r *request, session *sessions.Session, status int, problem string) (answer, error) {
	p := pages.NewKeyPage{Viewer: *s.viewer(session), Host: s.hostname(), Name: strings.TrimSpace(r.form.Get("name")), Problem: problem}
	if !s.site.Usable() {
		return page{status: status, html: pages.NewKey(p)}, nil
	}
	all, err := s.Store.Factors(r.Context(), session.UserID)
	if err != nil {
		return nil, fmt.Errorf("list factors: %w", err)
	}
	var known []passkeys.Credential
	for _, f := range all {
		if f.Kind == store.FactorKey {
			known = append(known, credential(f))
		}
	}
	challenge, sealed, err := s.newCeremony(r, keyEnrolment, session.ID)
	if err != nil {
		return nil, err
	}
	options := s.site.CreationOptions(challenge, passkeys.Owner{Handle: session.UserID, Name: cmp.Or(session.User.Email, session.User.Name, s.hostname())}, known)
	p.Key = keyForm(options, sealed, s.sessions.Form(session).Token(newKeyPath))
	return page{status: status, scripted: true, html: pages.NewKey(p)}, nil
}

// addKey takes a key that was made for this session just now.
func (s *Server) addKey(r *request) (answer, error) {
	return s.freshAct(r, newKeyPath, func(session *sessions.Session) (answer, error) {
		if !s.site.Usable() {
			return nil, staleForm()
		}
		name := strings.TrimSpace(r.form.Get("name"))
		if err := people.CheckName(name); err != nil {
			return s.newKeyPage(r, session, http.StatusBadRequest, sentence(err.Error()))
		}
		c := s.openCeremony(r, keyEnrolment, session.ID, r.form.Get("ceremony"))
		if c == nil {
			return s.newKeyPage(r, session, http.StatusBadRequest, keyTooSlow)
		}
		made, err := s.site.Register(c.Challenge, r.form.Get("credential"))
		if refused := (*passkeys.Refusal)(nil); errors.As(err, &refused) {
			return s.newKeyPage(r, session, http.StatusBadRequest, "It was not added: "+refused.Why+".")
		}
		if err != nil {
			return nil, err
		}
		f := store.NewFactor{SessionID: session.ID, EndOthers: r.form.Has("others"), Challenge: s.once(c), Factor: store.Factor{
			ID: factors.NewID(), UserID: session.UserID, Kind: store.FactorKey, Name: name, CreatedAt: r.now, LastUsedAt: r.now,
			Key: store.Key{
				CredentialID: made.ID, PublicKey: made.PublicKey, AAGUID: made.AAGUID, SignCount: made.SignCount, Transports: made.Transports,
				UserHandle: session.UserID, UserVerified: made.UserVerified, Discoverable: made.Discoverable,
				BackupEligible: made.BackupEligible, BackedUp: made.BackedUp,
			},
		}}
		return s.addFactor(r, session, f, with(session.AMR, possession(f.Key), oauth.AMRMulti))
	})
}
