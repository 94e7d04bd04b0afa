// Package sessions keeps who is signed in, in which browser.
//
// A session lives in the store, under a keyed hash of the identifier that the browser has
// in a cookie; nothing about the person is in the cookie. It ends after 24 hours without
// use, and 30 days after the last sign-in, whatever is done with it (ASVS 7.3). Each sign-in
// makes a new identifier, and the one that the browser had is dead (ASVS 7.2.4). A person
// may have any number of sessions (ASVS 7.1.2).
//
// Forms carry a token bound to session, purpose and whatever they are about; form.go.
// Clocks are passed in. Start reading at Manager.
package sessions

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// Limits of a session.
const (
	Idle       = 24 * time.Hour
	Absolute   = 720 * time.Hour
	touchEvery = time.Minute
	idSize     = 32 // bytes from the CSPRNG (ASVS 7.2.3)
)

// ErrNone: the request comes with no session that is in force.
var ErrNone = errors.New("not signed in")

// Store is what a Manager needs of the store.
type Store interface {
	User(ctx context.Context, id string) (store.User, error)
	CreateSession(ctx context.Context, s store.Session, ev store.Event) error
	RenewSession(ctx context.Context, old []byte, s store.Session, ev store.Event) error
	Session(ctx context.Context, hash []byte) (store.Session, error)
	TouchSession(ctx context.Context, hash []byte, at time.Time) error
	EndSession(ctx context.Context, hash []byte, ev store.Event) error
}

// Session is a session in force together with its person.
type Session struct {
	store.Session
	User store.User
}

// Manager begins, finds and ends sessions. It is safe for concurrent use.
type Manager struct {
	store  Store
	lookup model.Sensitive // hashes identifiers
	forms  model.Sensitive // authenticates forms
	secure bool
}

// NewManager makes a Manager for an issuer. For an http issuer, which only --dev allows
// and only on loopback, cookies are not Secure: Safari drops Secure cookies there.
func NewManager(db Store, keys *keyring.Keyring, issuer string) (*Manager, error) {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, fmt.Errorf("read issuer: %w", err)
	}
	return &Manager{store: db, lookup: keys.LookupKey(), forms: keys.Derive("forms"), secure: u.Scheme == "https"}, nil
}

// SignIn is what begins a session. The password hash of User is what was proven; the
// session begins only while it is the account's.
type SignIn struct {
	User        store.User
	ProviderUID string
	AMR         []string  // what was proven (RFC 8176)
	At          time.Time // when; zero: now
	IP          string
	UserAgent   string
	RequestID   string
}

// maxUserAgent bounds what is kept of a header that anybody can fill.
const maxUserAgent = 256

// Begin begins a session under a new identifier; the cookie tells the browser. If the same
// person was signed in there it is the same session, which goes on with what is bound to
// it: an application that asks for a fresh sign-in does not sign the person out of others.
// A session of anybody else ends. store.ErrConflict: the account is disabled, or has a
// second factor that was not proven.
func (m *Manager) Begin(ctx context.Context, r *http.Request, now time.Time, in SignIn) (*http.Cookie, error) {
	ev := store.Event{
		Time: now, Actor: in.User.ID, Action: "session.started",
		IP: in.IP, RequestID: in.RequestID, Outcome: "ok",
	}
	if in.At.IsZero() {
		in.At = now
	}
	id := random(idSize)
	s := store.Session{
		Hash: m.hash(id), UserID: in.User.ID, ProviderUID: in.ProviderUID, AMR: in.AMR,
		AuthTime: in.At, CreatedAt: now, LastUsedAt: now, ExpiresAt: in.At.Add(Absolute),
		IP: in.IP, UserAgent: in.UserAgent[:min(len(in.UserAgent), maxUserAgent)], Proven: in.User.PasswordHash,
	}
	renewed, err := m.replaceOld(ctx, r, s, ev)
	if err != nil {
		return nil, err
	}
	if !renewed {
		s.ID = "ses_" + random(16)
		ev.Target = s.ID
		if err := m.store.CreateSession(ctx, s, ev); err != nil {
			return nil, fmt.Errorf("begin session: %w", err)
		}
	}
	return m.cookie(m.sessionCookie(), id, int(Absolute/time.Second)), nil
}

// replaceOld ends the session that the browser has, or renews it with a sign-in of the same
// person and reports so. One that is only idle goes on as well; one at its absolute limit
// has ended, with everything that is bound to it.
func (m *Manager) replaceOld(ctx context.Context, r *http.Request, s store.Session, ev store.Event) (renewed bool, err error) {
	c, err := r.Cookie(m.sessionCookie())
	if err != nil {
		return false, nil // there is no cookie
	}
	old, err := m.store.Session(ctx, m.hash(c.Value))
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("find old session: %w", err)
	}
	if old.UserID != s.UserID || !ev.Time.Before(old.ExpiresAt) {
		ev.Action, ev.Actor, ev.Target, ev.Reason = "session.ended", old.UserID, old.ID, "replaced by a new sign-in"
		return false, m.end(ctx, old, ev)
	}
	s.ID = old.ID
	ev.Action, ev.Target = "session.renewed", old.ID
	err = m.store.RenewSession(ctx, old.Hash, s, ev)
	if errors.Is(err, store.ErrNotFound) { // it ended in this moment
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("renew session: %w", err)
	}
	return true, nil
}

// InForce reports whether a session has ended neither by its age nor by its idleness.
func InForce(s store.Session, now time.Time) bool {
	return now.Before(s.ExpiresAt) && now.Before(s.LastUsedAt.Add(Idle))
}

// Find returns the session that the request comes with, or ErrNone.
func (m *Manager) Find(ctx context.Context, r *http.Request, now time.Time) (*Session, error) {
	c, err := r.Cookie(m.sessionCookie())
	if err != nil {
		return nil, ErrNone
	}
	s, err := m.store.Session(ctx, m.hash(c.Value))
	if err != nil {
		return nil, none(err, "find session")
	}
	if !InForce(s, now) {
		return nil, ErrNone
	}
	s.Before = slices.DeleteFunc(s.Before, func(in store.SignIn) bool { return !now.Before(in.ExpiresAt) })
	u, err := m.store.User(ctx, s.UserID)
	if err != nil {
		return nil, none(err, "find the session's person")
	}
	if u.Disabled {
		return nil, ErrNone
	}
	if now.Sub(s.LastUsedAt) >= touchEvery {
		if err := m.store.TouchSession(ctx, s.Hash, now); err != nil {
			return nil, none(err, "touch session")
		}
	}
	return &Session{s, u}, nil
}

// End ends the session at the server and returns a cookie that removes it from the
// browser.
func (m *Manager) End(ctx context.Context, s *Session, ev store.Event) (*http.Cookie, error) {
	if err := m.end(ctx, s.Session, ev); err != nil {
		return nil, err
	}
	return m.cookie(m.sessionCookie(), "", -1), nil
}

func (m *Manager) end(ctx context.Context, s store.Session, ev store.Event) error {
	if err := m.store.EndSession(ctx, s.Hash, ev); err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

func none(err error, doing string) error {
	if errors.Is(err, store.ErrNotFound) {
		return ErrNone
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func (m *Manager) hash(id string) []byte {
	sum := m.lookup.Digest([]byte("session " + id))
	return sum[:]
}

func (m *Manager) sessionCookie() string { return m.cookieName("gatehouse") }

// cookieName: a browser takes a __Host- cookie only from this very host over https, so no
// subdomain can plant one (RFC 6265bis section 4.1.3.2).
func (m *Manager) cookieName(name string) string {
	if m.secure {
		return "__Host-" + name
	}
	return name + "-dev"
}

func (m *Manager) cookie(name, value string, maxAge int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure wherever the issuer is https; see NewManager
		Name: name, Value: value, Path: "/", MaxAge: maxAge,
		Secure: m.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

func random(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}
