package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/decide"
	"github.com/gatehouse-dev/gatehouse/server/limits"
	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/sessions"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/tokens"
)

// Purposes of the forms of the verification page (RFC 8628 section 3.3).
const (
	codeForm     = "device code"
	decisionForm = "device decision"
)

// badCode is the one answer to a code that is unknown, expired, used, or of an
// application or organization that is not served: nobody learns which.
const badCode = "Invalid or expired code. Check it, or start again on your device."

// deviceRequest is what a device asks for, as it stands for the person who is asked.
type deviceRequest struct {
	code tokens.UserCode
	row  store.DeviceCode
	approval
	counted decide.Counted // which sign-in of the session counts there
}

// showVerification asks for the code, or, with a code, for the decision. The code in the
// URL (verification_uri_complete) spares typing, never the decision.
func (s *Server) showVerification(r *request) (answer, error) {
	session, err := s.session(r)
	if err != nil {
		return nil, err
	}
	query := r.URL.Query()
	if result := outcomes[query.Get("result")]; result.Title != "" {
		if session != nil {
			result.Viewer = s.viewer(session)
		}
		return page{html: pages.Message(result)}, nil
	}
	typed := atMost(query.Get("user_code"), userCodeInput)
	if session == nil {
		return toLogin(verifyURL("user_code", typed)), nil
	}
	if typed == "" {
		return s.codePage(session, 0, "", ""), nil
	}
	if held, err := s.tryCode(r, session); err != nil || held != nil {
		return held, err
	}
	asked, err := s.findDeviceRequest(r, session, typed)
	if errors.Is(err, store.ErrNotFound) {
		s.codeEntries.Miss(r.now)
		return s.codePage(session, http.StatusBadRequest, typed, badCode), nil
	}
	if err != nil {
		return nil, err
	}
	if next, err := s.admittedDevice(r, session, asked); next != nil || err != nil {
		return next, err
	}
	return s.devicePage(r, session, asked), nil
}

// tryCode counts a try for address, session and person; nil: go on.
func (s *Server) tryCode(r *request, session *sessions.Session) (answer, error) {
	keys := []string{"ip " + limits.Source(r.ip), session.ID, session.UserID}
	wait := s.codeEntries.Try(r.now, keys...)
	if wait == 0 {
		var err error
		wait, err = s.lockouts.Try(context.WithoutCancel(r.Context()), r.now, limits.UserCode(keys...)...)
		if err != nil {
			return nil, fmt.Errorf("count code: %w", err)
		}
	}
	if wait == 0 {
		return nil, nil
	}
	problem := "There were too many attempts. Try again in " + inWords(wait) + "."
	return retryLater(s.codePage(session, http.StatusTooManyRequests, "", problem), wait), nil
}

// verify takes a code that was typed, or a decision.
func (s *Server) verify(r *request) (answer, error) {
	session, err := s.session(r)
	if err != nil {
		return nil, err
	}
	typed, token := atMost(r.form.Get("user_code"), userCodeInput), r.form.Get("token")
	if session == nil {
		return toLogin(verifyURL("user_code", typed)), nil
	}
	form, decision := s.sessions.Form(session), r.form.Get("decision")
	if decision == "" {
		if !form.Made(token, codeForm) {
			return nil, staleForm()
		}
		return redirect{to: verifyURL("user_code", typed)}, nil
	}
	// The form is bound to the very code it showed: no tab can decide about another's.
	code, ok := tokens.ParseUserCode(typed)
	if !ok || !form.Made(token, decisionForm, string(code.Hash(s.Keyring)), session.UserID) {
		return nil, staleForm()
	}
	asked, err := s.findDeviceRequest(r, session, typed)
	if err == nil {
		if next, err := s.admittedDevice(r, session, asked); next != nil || err != nil {
			return next, err
		}
		err = s.decide(r, session, asked, decision)
	}
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrConflict):
		return s.codePage(session, http.StatusBadRequest, "", badCode), nil
	case err != nil:
		return nil, err
	case decision == "approve":
		return redirect{to: verifyURL("result", "approved")}, nil
	}
	return redirect{to: verifyURL("result", "denied")}, nil
}

// decide writes the decision; whatever is not a clear yes is a no.
func (s *Server) decide(r *request, session *sessions.Session, asked *deviceRequest, decision string) error {
	ev := store.Event{
		Time: r.now, Actor: session.UserID, ApplicationUID: asked.app.UID,
		Action: "device.denied", Target: asked.app.ClientID, IP: r.ip.String(), RequestID: r.id, Outcome: "ok",
	}
	if asked.org.Member(r.Person(&session.User), r.now) { // who does not belong there is nobody's there to see
		ev.OrganizationID = asked.org.ID
	}
	if decision != "approve" {
		return s.Store.DenyDeviceCode(r.Context(), asked.row.Hash, r.now, ev)
	}
	if asked.obstacle != "" {
		return &refusal{words: oauth.Refuse(oauth.AccessDenied, "there is nothing to approve"), status: http.StatusForbidden}
	}
	ev.Action, ev.Reason = "device.approved", inAnEmergency(asked.counted)
	return s.Store.ApproveDeviceCode(r.Context(), asked.row.Hash, r.now, store.Approval{
		UserID: session.UserID, ProviderUID: asked.counted.SignIn.ProviderUID, AuthTime: asked.counted.SignIn.AuthTime,
		AMR: asked.counted.SignIn.AMR, Granted: asked.granted, SessionID: session.ID,
	}, ev)
}

// findDeviceRequest finds what the code stands for; store.ErrNotFound for whatever must
// read as an unknown code.
func (s *Server) findDeviceRequest(r *request, session *sessions.Session, typed string) (*deviceRequest, error) {
	code, ok := tokens.ParseUserCode(typed)
	if !ok {
		return nil, store.ErrNotFound
	}
	row, err := s.Store.DeviceCodeByUserCode(r.Context(), code.Hash(s.Keyring))
	if err != nil {
		return nil, fmt.Errorf("find device code: %w", err)
	}
	org := r.Organization(row.OrganizationID)
	if row.State != store.DevicePending || !r.now.Before(row.ExpiresAt) || org == nil || org.Suspended {
		return nil, store.ErrNotFound
	}
	app := org.Application(row.ApplicationUID)
	if app == nil || !app.Served(r.now) || !app.Allows(oauth.DeviceCode) ||
		!r.Alive(app.UID, row.CreatedAt) || !r.Alive(org.ID, row.CreatedAt) {
		return nil, store.ErrNotFound
	}
	return &deviceRequest{code: code, row: row, approval: r.judge(session, org, app, oauth.NewScopeSet(row.Scopes...))}, nil
}

func (s *Server) codePage(session *sessions.Session, status int, typed, problem string) answer {
	return page{status: status, html: pages.Code(pages.CodePage{
		Viewer: *s.viewer(session), Code: typed, Problem: problem, Token: s.sessions.Form(session).Token(codeForm),
	})}
}

func (s *Server) devicePage(r *request, session *sessions.Session, d *deviceRequest) answer {
	p := pages.DevicePage{
		Brand:  brandOf(d.org),
		Viewer: *s.viewer(session), Code: d.code.String(), Application: d.application(), Organization: d.organization(),
		IP: d.row.IP, Asked: d.row.CreatedAt, Now: r.now, Obstacle: d.obstacle,
		Token: s.sessions.Form(session).Token(decisionForm, string(d.code.Hash(s.Keyring)), session.UserID),
	}
	if d.obstacle == "" {
		p.Scopes, p.Identity, p.StaysSigned = d.access(), d.identity(), d.granted.Has(oauth.OfflineAccess)
	}
	return page{html: pages.Device(p)}
}

// toCount has somebody sign in by a way that counts for the organization of a device; they
// do not see before what it asks for.
func toCount(o *model.Organization, typed string) answer {
	return redirect{to: loginPath + "?" + url.Values{
		"next": {verifyURL("user_code", typed)}, organizationParameter: {o.Slug}, againParameter: {"1"},
	}.Encode()}
}

// outcomes are what the person reads after the decision.
var outcomes = map[string]pages.MessagePage{
	"approved": {Kind: pages.Good, Title: "Device connected", What: "You can now close this tab."},
	"denied":   {Kind: pages.Neutral, Title: "Request denied", What: "The device gets nothing. You can now close this tab."},
}

func verifyURL(key, value string) string {
	if value == "" {
		return verifyPath
	}
	return verifyPath + "?" + url.Values{key: {value}}.Encode()
}

// userCodeInput bounds what is read as a user code, in bytes: eight letters, and whatever
// dashes and spaces somebody types between them.
const userCodeInput = 32

func atMost(s string, n int) string { return s[:min(len(s), n)] }
