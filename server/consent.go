package server

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

const (
	consentPurpose = "consent form" // of what is sealed
	consentFor     = 10 * time.Minute
)

// consentForm is what a consent page is about. It is sealed and carried by the page: two
// tabs cannot approve each other's, and nothing is stored before the approval.
type consentForm struct {
	ID           []byte    `json:"id"` // random; an approval is used once
	User         string    `json:"user"`
	Session      string    `json:"session"`
	Application  string    `json:"application"`            // UID
	Organization string    `json:"organization,omitempty"` // ID; empty: there is none to choose
	Query        string    `json:"query"`
	Granted      []string  `json:"granted"` // what the page showed: never more is given
	Asked        time.Time `json:"asked"`
	Made         time.Time `json:"made"`
}

// covered reports whether the person need not be asked: never where nothing but the answer
// itself proves who receives it, never for a stranger in an organization (RFC 6749 section
// 10.2, ASVS 10.7.1).
func (s *Server) covered(r *request, a *inquiry) (bool, error) {
	if a.Prompt.Consent || !a.Assured() || a.Organization != a.Owner {
		return false, nil
	}
	switch a.Application.Consent.Mode {
	case model.ConsentSkip:
		return !a.Application.Public(), nil
	case model.ConsentRemember:
		before, err := s.remembered(r, a)
		return err == nil && oauth.ScopeSet(before.Scopes).Covers(a.granted), err
	case model.ConsentExplicit:
	}
	return false, nil
}

// remembered is what the person has agreed to, as far as it still counts: it ends when the
// declaration says, also if that was shorter when they agreed. The zero Consent is none.
func (s *Server) remembered(r *request, a *inquiry) (store.Consent, error) {
	c, err := s.Store.Consent(r.Context(), a.session.UserID, a.Application.UID, a.Organization.ID)
	if errors.Is(err, store.ErrNotFound) {
		return store.Consent{}, nil
	}
	if err != nil {
		return store.Consent{}, fmt.Errorf("look up consent: %w", err)
	}
	over := !r.now.Before(c.ExpiresAt) || !r.now.Before(c.GrantedAt.Add(a.Application.Consent.MaxAge))
	if over || !r.Alive(a.Application.UID, c.GrantedAt) || !r.Alive(a.Organization.ID, c.GrantedAt) {
		return store.Consent{}, nil
	}
	c.Scopes = oauth.NewScopeSet(c.Scopes...)
	return c, nil
}

// rememberable reports whether the answer may spare the next question.
func rememberable(a *inquiry) bool {
	return a.Application.Consent.Mode == model.ConsentRemember && a.Assured() && a.Organization == a.Owner
}

// toRemember is the consent to keep with an approval; nil: none.
func (s *Server) toRemember(r *request, a *inquiry) (*store.Consent, error) {
	if !rememberable(a) {
		return nil, nil
	}
	before, err := s.remembered(r, a)
	if err != nil || oauth.ScopeSet(before.Scopes).Covers(a.granted) {
		return nil, err
	}
	c := &store.Consent{
		UserID: a.session.UserID, ApplicationUID: a.Application.UID, OrganizationID: a.Organization.ID,
		Scopes: a.granted.Union(before.Scopes), GrantedAt: r.now, ExpiresAt: r.now.Add(a.Application.Consent.MaxAge),
	}
	if !a.granted.Covers(before.Scopes) { // nobody was shown the rest: it lasts no longer for this
		c.GrantedAt, c.ExpiresAt = before.GrantedAt, before.ExpiresAt
	}
	return c, nil
}

// consentPage asks the person, or tells why there is nothing to ask.
func (s *Server) consentPage(r *request, a *inquiry) (answer, error) {
	f := consentForm{
		ID: randomID(), User: a.session.UserID, Session: a.session.ID, Application: a.Application.UID,
		Query: a.Query.Encode(), Granted: a.granted, Asked: a.at, Made: r.now,
	}
	if a.Organization != nil {
		f.Organization = a.Organization.ID
	}
	box, err := s.sealed.Seal(consentPurpose, f)
	if err != nil {
		return nil, err
	}
	p := pages.ConsentPage{
		Brand:  brandOf(a.org),
		Viewer: *s.viewer(a.session), Application: a.application(), Organization: a.organization(), Target: whereTo(a),
		Obstacle: a.obstacle, Unproven: !a.Assured(), Request: box, Token: s.sessions.Form(a.session).Token(consentPurpose),
	}
	if a.Owner.ID != a.org.ID {
		// Anybody may take the display name of another; a slug is granted.
		p.Owner = a.Owner.DisplayName + " (" + a.Owner.Slug + ")"
	}
	if a.obstacle == "" {
		p.Scopes, p.Identity = a.access(), a.identity()
		p.StaysSigned, p.Lasts, p.Remembered = a.granted.Has(oauth.OfflineAccess), lasts(a), rememberable(a)
	}
	return page{html: pages.Consent(p), leadsTo: []string{a.Target()}}, nil
}

// whereTo says where the answer goes, in words.
func whereTo(a *inquiry) string {
	if a.Application.Type == model.TypeNative && !a.Assured() {
		return "a program on this device"
	}
	return a.Target()
}

// lasts says how long the approval is good for, in words.
func lasts(a *inquiry) string {
	if a.granted.Has(oauth.OfflineAccess) {
		return "for " + days(a.Organization.Tokens.RefreshAbsolute) + " at most"
	}
	return "until you sign out"
}

func days(d time.Duration) string {
	switch n := int(d.Hours() / 24); {
	case n == 1:
		return "a day"
	case n > 1:
		return fmt.Sprintf("%d days", n)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	}
	return fmt.Sprintf("%d hours", int(d.Hours()))
}

// consent takes the answer of a consent page. Whatever could have changed since the page
// was drawn is checked again: what no longer holds leads back to the request.
func (s *Server) consent(r *request) (answer, error) {
	var f consentForm
	if !s.sealed.Open(consentPurpose, r.form.Get("request"), &f) || r.now.Sub(f.Made) >= consentFor {
		return nil, staleForm()
	}
	query, err := url.ParseQuery(f.Query)
	if err != nil {
		return nil, fmt.Errorf("read sealed request: %w", err)
	}
	a, err := s.readInquiry(r, query, f.Asked)
	if err != nil {
		return sendBack(err)
	}
	if a.session == nil || a.session.ID != f.Session || a.session.UserID != f.User || a.Application.UID != f.Application ||
		!s.sessions.Form(a.session).Made(r.form.Get("token"), consentPurpose) {
		return nil, staleForm()
	}
	if r.form.Get("decision") != "approve" {
		return s.deny(r, a, &f)
	}
	return s.agree(r, a, &f)
}

// deny tells the application; whatever is not a clear yes is a no.
func (s *Server) deny(r *request, a *inquiry, f *consentForm) (answer, error) {
	a.Organization = r.Organization(f.Organization)
	if err := s.Store.Record(r.Context(), s.decided(r, a, "authorization.denied")); err != nil {
		return nil, fmt.Errorf("record denial: %w", err)
	}
	return sendBack(a.Refuse(oauth.AccessDenied, "the person denied the request"))
}

// agree gives the code, for no more than the page showed.
func (s *Server) agree(r *request, a *inquiry, f *consentForm) (answer, error) {
	chosen := r.Organization(f.Organization)
	if a.Organization == nil && chosen != nil && !chosen.Suspended && chosen.Admits(a.Application) {
		if err := a.Settle(chosen); err != nil {
			return sendBack(err)
		}
	}
	next, err := s.unsettled(r, a, true)
	switch {
	case err != nil:
		return sendBack(err)
	case next != nil:
		return next, nil
	case a.Organization.ID != f.Organization:
		return nil, staleForm()
	}
	shown := oauth.NewScopeSet(f.Granted...)
	if len(shown) == 0 {
		return s.consentPage(r, a) // that page allowed nothing: what there is now is for the person to see
	}
	if a.granted = a.granted.Intersect(shown); !a.granted.Covers(shown) {
		return s.consentPage(r, a) // it shrank: what is left is for the person to see
	}
	return s.approve(r, a, f.ID)
}

func randomID() []byte {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails (crypto/rand)
	return id
}
