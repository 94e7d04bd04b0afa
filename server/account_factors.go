package server

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/factors"
	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/sessions"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// enrolmentFor is how long somebody may take to bring a secret into an app.
const enrolmentFor = 10 * time.Minute

const enrolmentPurpose = "factor enrolment"

// enrolment is a factor that nobody has confirmed yet. It is sealed in its page, for one
// session: the secret comes from here, and whatever comes back is what was made here.
type enrolment struct {
	Session string    `json:"session"`
	User    string    `json:"user"`
	Factor  string    `json:"factor"` // its ID, so that one enrolment is one factor
	Secret  string    `json:"secret"`
	At      time.Time `json:"at"`
}

// showFactors lists the second factors of somebody.
func (s *Server) showFactors(r *request) (answer, error) {
	return s.own(r, factorsPath, func(session *sessions.Session) (answer, error) {
		return s.factorsPage(r, session, 0, "")
	})
}

func (s *Server) factorsPage(r *request, session *sessions.Session, status int, problem string) (answer, error) {
	all, err := s.Store.Factors(r.Context(), session.UserID)
	if err != nil {
		return nil, fmt.Errorf("list factors: %w", err)
	}
	left, err := s.Store.RecoveryCodesLeft(r.Context(), session.UserID)
	if err != nil {
		return nil, fmt.Errorf("count recovery codes: %w", err)
	}
	form := s.sessions.Form(session)
	kinds := map[store.FactorKind]int{}
	p := pages.FactorsPage{
		Viewer: *s.viewer(session), CodesLeft: left, Problem: problem, Addressed: !s.site.Usable(), Host: s.hostname(),
		Token: form.Token(factorsPath), SessionsToken: form.Token(sessionsPath),
	}
	for _, f := range all {
		kinds[f.Kind]++
		p.Factors = append(p.Factors, pages.Factor{
			ID: f.ID, Name: f.Name, Added: f.CreatedAt, Used: f.LastUsedAt, Kind: kindOf(f), Blocked: f.Key.BlockedAt,
			Alone: signsInAlone(session.User, f) && f.Key.BlockedAt.IsZero(),
		})
	}
	p.FullOfApps, p.FullOfKeys = kinds[store.FactorTOTP] >= store.MaxFactors, kinds[store.FactorKey] >= store.MaxFactors
	if problem == "" {
		p.Done = done(r)
		p.Removed = r.URL.Query().Get(doneParameter) == "removed"
	}
	return page{status: status, html: pages.Factors(p)}, nil
}

// changeFactors renames or removes a factor, or makes new recovery codes.
func (s *Server) changeFactors(r *request) (answer, error) {
	return s.freshAct(r, factorsPath, func(session *sessions.Session) (answer, error) {
		id := r.form.Get("factor")
		switch r.form.Get("act") {
		case "rename":
			return s.renameFactor(r, session, id)
		case "remove":
			return s.removeFactor(r, session, id)
		case "codes":
			return s.newRecoveryCodes(r, session)
		}
		return nil, staleForm()
	})
}

// kindOf is what its owner would call a factor.
func kindOf(f store.Factor) string {
	switch {
	case f.Kind == store.FactorTOTP:
		return "authenticator app"
	case asksWhoItIs(f) && f.Key.Discoverable:
		return "passkey"
	}
	return "security key"
}

// factorAct is the event of what somebody does with a factor of theirs.
func (r *request) factorAct(session *sessions.Session, action string, f store.Factor) store.Event {
	ev := r.act(session, action, f.ID)
	ev.Reason = kindOf(f)
	return ev
}

// factorOf finds a factor of whoever is signed in; it is gone, or never was theirs: a stale
// form.
func (s *Server) factorOf(r *request, session *sessions.Session, id string) (store.Factor, error) {
	all, err := s.Store.Factors(r.Context(), session.UserID)
	if err != nil {
		return store.Factor{}, fmt.Errorf("list factors: %w", err)
	}
	i := slices.IndexFunc(all, func(f store.Factor) bool { return f.ID == id })
	if i < 0 {
		return store.Factor{}, staleForm()
	}
	return all[i], nil
}

func (s *Server) removeFactor(r *request, session *sessions.Session, id string) (answer, error) {
	f, err := s.factorOf(r, session, id)
	if err != nil {
		return nil, err
	}
	err = s.Store.RemoveFactor(r.Context(), session.UserID, id, r.factorAct(session, "factor.removed", f))
	if errors.Is(err, store.ErrNotFound) { // it is gone already
		return nil, staleForm()
	}
	if err != nil {
		return nil, fmt.Errorf("remove factor: %w", err)
	}
	s.notify(r, session.User, factorRemovedLetter)
	return doneAt(factorsPath, "removed"), nil
}

func (s *Server) renameFactor(r *request, session *sessions.Session, id string) (answer, error) {
	name := strings.TrimSpace(r.form.Get("name"))
	if err := people.CheckName(name); err != nil {
		return s.factorsPage(r, session, http.StatusBadRequest, sentence(err.Error()))
	}
	f, err := s.factorOf(r, session, id)
	if err != nil {
		return nil, err
	}
	err = s.Store.RenameFactor(r.Context(), session.UserID, id, name, r.factorAct(session, "factor.renamed", f))
	if errors.Is(err, store.ErrNotFound) {
		return nil, staleForm()
	}
	if err != nil {
		return nil, fmt.Errorf("rename factor: %w", err)
	}
	return doneAt(factorsPath, "renamed"), nil
}

func (s *Server) newRecoveryCodes(r *request, session *sessions.Session) (answer, error) {
	codes := factors.NewRecoveryCodes()
	err := s.Store.ReplaceRecoveryCodes(r.Context(), session.UserID, s.factors.HashRecoveryCodes(session.UserID, codes),
		r.act(session, "recovery-codes.replaced", session.UserID))
	if errors.Is(err, store.ErrConflict) {
		return nil, staleForm()
	}
	if err != nil {
		return nil, fmt.Errorf("make recovery codes: %w", err)
	}
	s.notify(r, session.User, recoveryCodesLetter)
	return page{html: pages.RecoveryCodes(pages.RecoveryCodesPage{Viewer: *s.viewer(session), Codes: codes})}, nil
}

// showEnrolment shows a new secret, for an app to take.
func (s *Server) showEnrolment(r *request) (answer, error) {
	return s.own(r, newFactorPath, func(session *sessions.Session) (answer, error) {
		if !isFresh(r, session) {
			return toFresh(newFactorPath), nil
		}
		return s.enrolmentPage(r, session, newEnrolment(r, session), 0, "")
	})
}

func newEnrolment(r *request, session *sessions.Session) enrolment {
	return enrolment{
		Session: session.ID, User: session.UserID, Factor: factors.NewID(), Secret: factors.NewSecret().Text(), At: r.now,
	}
}

func (s *Server) enrolmentPage(r *request, session *sessions.Session, e enrolment, status int, problem string) (answer, error) {
	sealed, err := s.sealed.Seal(enrolmentPurpose, e)
	if err != nil {
		return nil, err
	}
	secret, ok := factors.ParseSecret(e.Secret)
	if !ok {
		return nil, errors.New("an enrolment without a secret")
	}
	p := pages.NewFactorPage{
		Viewer: *s.viewer(session), URI: secret.URI(s.hostname(), session.User.Email), Secret: secret.Groups(),
		Name: strings.TrimSpace(r.form.Get("name")), Enrolment: sealed, Token: s.sessions.Form(session).Token(newFactorPath), Problem: problem,
	}
	return page{status: status, html: pages.NewFactor(p)}, nil
}

// hostname is what an app calls us: people know it, and no other installation has it.
func (s *Server) hostname() string {
	u, err := url.Parse(s.Issuer)
	if err != nil {
		return s.Issuer // it was read at the start
	}
	return u.Hostname()
}

// enrol takes the first code of an app: whoever types it has the secret there. Before that
// nothing is kept, and the factor does not count.
func (s *Server) enrol(r *request) (answer, error) {
	return s.freshAct(r, newFactorPath, func(session *sessions.Session) (answer, error) {
		var e enrolment
		if !s.sealed.Open(enrolmentPurpose, r.form.Get("enrolment"), &e) || e.Session != session.ID || e.User != session.UserID {
			return nil, staleForm()
		}
		if r.now.Sub(e.At) >= enrolmentFor {
			return s.enrolmentPage(r, session, newEnrolment(r, session), http.StatusBadRequest, "That took too long. Remove what your app has read, and let it read this one.")
		}
		name := strings.TrimSpace(r.form.Get("name"))
		err := people.CheckName(name)
		if err != nil {
			return s.enrolmentPage(r, session, e, http.StatusBadRequest, sentence(err.Error()))
		}
		secret, ok := factors.ParseSecret(e.Secret)
		if !ok {
			return nil, staleForm()
		}
		step, fits := secret.Verify(factors.Typed(atMost(r.form.Get("code"), codeInput)), r.now)
		if !fits {
			return s.enrolmentPage(r, session, e, http.StatusBadRequest, "This is not the code that the app shows now. Check the clock of the device, and try the next one.")
		}
		f := store.NewFactor{SessionID: session.ID, EndOthers: r.form.Has("others"), Factor: store.Factor{
			ID: e.Factor, UserID: session.UserID, Kind: store.FactorTOTP, Name: name, LastStep: step, CreatedAt: r.now, LastUsedAt: r.now,
		}}
		if f.Secret, err = s.factors.Seal(session.UserID, f.ID, secret); err != nil {
			return nil, err
		}
		return s.addFactor(r, session, f, withCode(session.AMR))
	})
}

// addFactor keeps a factor that was confirmed. The session was proven by both from then on,
// by these methods and under a new identifier (ASVS 7.2.4); the time of the sign-in stays.
func (s *Server) addFactor(r *request, session *sessions.Session, f store.NewFactor, amr []string) (answer, error) {
	codes := factors.NewRecoveryCodes()
	f.Codes = s.factors.HashRecoveryCodes(session.UserID, codes)
	withCodes, err := s.Store.AddFactor(r.Context(), f, r.factorAct(session, "factor.added", f.Factor))
	if errors.Is(err, store.ErrConflict) {
		return s.factorsPage(r, session, http.StatusConflict, "It was not added: it is there already, or there are too many.")
	}
	if err != nil {
		return nil, fmt.Errorf("add factor: %w", err)
	}
	s.notify(r, session.User, factorAddedLetter)
	cookie, err := s.begin(r, sessions.SignIn{
		User: session.User, ProviderUID: session.ProviderUID, AMR: amr, At: session.AuthTime,
	})
	if err != nil {
		return nil, err
	}
	if !withCodes {
		return redirect{to: factorsPath + "?" + doneParameter + "=added", cookies: []*http.Cookie{cookie}}, nil
	}
	p := pages.RecoveryCodesPage{Viewer: *s.viewer(session), Codes: codes, First: true}
	return page{html: pages.RecoveryCodes(p), cookies: []*http.Cookie{cookie}}, nil
}
