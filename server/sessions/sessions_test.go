package sessions

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/test/keyringtest"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// memory is a store of sessions and people.
type memory struct {
	users    map[string]store.User
	sessions map[string]store.Session
	touched  int
	events   []store.Event
	down     error
}

func (m *memory) User(_ context.Context, id string) (store.User, error) {
	u, ok := m.users[id]
	if !ok {
		return u, store.ErrNotFound
	}
	return u, nil
}

func (m *memory) CreateSession(_ context.Context, s store.Session, ev store.Event) error {
	m.sessions[string(s.Hash)] = s
	m.events = append(m.events, ev)
	return m.down
}

func (m *memory) RenewSession(_ context.Context, old []byte, s store.Session, ev store.Event) error {
	before, ok := m.sessions[string(old)]
	if !ok {
		return store.ErrNotFound
	}
	delete(m.sessions, string(old))
	s.CreatedAt = before.CreatedAt
	m.sessions[string(s.Hash)] = s
	m.events = append(m.events, ev)
	return m.down
}

func (m *memory) Session(_ context.Context, hash []byte) (store.Session, error) {
	s, ok := m.sessions[string(hash)]
	if m.down != nil {
		return s, m.down
	}
	if !ok {
		return s, store.ErrNotFound
	}
	return s, nil
}

func (m *memory) TouchSession(_ context.Context, hash []byte, at time.Time) error {
	s := m.sessions[string(hash)]
	s.LastUsedAt = at
	m.sessions[string(hash)] = s
	m.touched++
	return nil
}

func (m *memory) EndSession(_ context.Context, hash []byte, ev store.Event) error {
	delete(m.sessions, string(hash))
	m.events = append(m.events, ev)
	return nil
}

func manager(t *testing.T, issuer string) (*Manager, *memory) {
	t.Helper()
	keys, err := keyringtest.New()
	if err != nil {
		t.Fatal(err)
	}
	db := &memory{users: map[string]store.User{"usr_ann": {ID: "usr_ann"}}, sessions: map[string]store.Session{}}
	m, err := NewManager(db, keys, issuer)
	if err != nil {
		t.Fatal(err)
	}
	return m, db
}

func request(cookies ...*http.Cookie) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

func begin(t *testing.T, m *Manager, r *http.Request) *http.Cookie {
	t.Helper()
	c, err := m.Begin(t.Context(), r, start, SignIn{User: store.User{ID: "usr_ann"}, ProviderUID: "local", UserAgent: strings.Repeat("x", 1000)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func find(t *testing.T, m *Manager, c *http.Cookie, now time.Time) (*Session, error) {
	t.Helper()
	return m.Find(t.Context(), request(c), now)
}

// ASVS 7.2.1-2
func TestForgedCookiesAreNoSession(t *testing.T) {
	m, _ := manager(t, "https://id.example")
	c := begin(t, m, request())
	for _, forged := range []string{"", "x", c.Value[:len(c.Value)-1], c.Value + "A", strings.ToLower(c.Value), random(idSize)} {
		if _, err := find(t, m, &http.Cookie{Name: c.Name, Value: forged}, start); !errors.Is(err, ErrNone) {
			t.Errorf("%q: got %v, want ErrNone", forged, err)
		}
	}
	if _, err := m.Find(t.Context(), request(), start); !errors.Is(err, ErrNone) {
		t.Errorf("no cookie: got %v", err)
	}
	if _, err := find(t, m, &http.Cookie{Name: "gatehouse", Value: c.Value}, start); !errors.Is(err, ErrNone) {
		t.Errorf("a cookie without the __Host- prefix: got %v", err)
	}
}

// ASVS 7.2.4
func TestSignInChangesTheIdentifierAndEndsTheOldSession(t *testing.T) {
	m, db := manager(t, "https://id.example")
	old := begin(t, m, request())
	fresh := begin(t, m, request(old))
	if old.Value == fresh.Value || len(db.sessions) != 1 {
		t.Fatalf("same identifier %t, %d sessions", old.Value == fresh.Value, len(db.sessions))
	}
	if _, err := find(t, m, old, start); !errors.Is(err, ErrNone) {
		t.Errorf("the old one: got %v, want ErrNone", err)
	}
	if _, err := find(t, m, fresh, start); err != nil {
		t.Errorf("the new one: %v", err)
	}
	planted := &http.Cookie{Name: fresh.Name, Value: "planted-by-an-attacker"}
	if c := begin(t, m, request(planted)); c.Value == planted.Value {
		t.Error("a planted identifier is taken over")
	}
}

// ASVS 7.3.1-2
func TestSessionsEndWhenIdleAndAbsolutely(t *testing.T) {
	m, db := manager(t, "https://id.example")
	c := begin(t, m, request())
	if _, err := find(t, m, c, start.Add(Idle+time.Second)); !errors.Is(err, ErrNone) {
		t.Errorf("idle for a second too long: got %v", err)
	}
	last := start
	for at := start; at.Before(start.Add(Absolute)); at = at.Add(Idle - time.Second) {
		if _, err := find(t, m, c, at); err != nil {
			t.Fatalf("active after %s: %v", at.Sub(start), err)
		}
		last = at
	}
	if end := start.Add(Absolute); end.Sub(last) > Idle {
		t.Fatal("the test let it idle")
	}
	if _, err := find(t, m, c, start.Add(Absolute+time.Second)); !errors.Is(err, ErrNone) {
		t.Errorf("a second after the absolute limit: got %v", err)
	}
	if len(db.sessions) != 1 {
		t.Errorf("%d sessions", len(db.sessions))
	}
}

// ASVS 7.4.2
func TestSessionsOfDisabledAndDeletedPeopleAreNone(t *testing.T) {
	m, db := manager(t, "https://id.example")
	c := begin(t, m, request())
	db.users["usr_ann"] = store.User{ID: "usr_ann", Disabled: true}
	if _, err := find(t, m, c, start); !errors.Is(err, ErrNone) {
		t.Errorf("disabled: got %v", err)
	}
	delete(db.users, "usr_ann")
	if _, err := find(t, m, c, start); !errors.Is(err, ErrNone) {
		t.Errorf("deleted: got %v", err)
	}
}

// ASVS 7.4.1
func TestEndedSessionIsDeadAtTheServer(t *testing.T) {
	m, _ := manager(t, "https://id.example")
	c := begin(t, m, request())
	s, err := find(t, m, c, start)
	if err != nil {
		t.Fatal(err)
	}
	gone, err := m.End(t.Context(), s, store.Event{})
	if err != nil || gone.MaxAge >= 0 || gone.Value != "" {
		t.Fatalf("cookie %v, %v", gone, err)
	}
	if _, err := find(t, m, c, start); !errors.Is(err, ErrNone) {
		t.Errorf("got %v, want ErrNone", err)
	}
}

func TestFaultOfTheStoreIsNotASignOut(t *testing.T) {
	m, db := manager(t, "https://id.example")
	c := begin(t, m, request())
	db.down = store.ErrUnavailable
	if _, err := find(t, m, c, start); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}

func TestUseIsRecordedAtMostOnceAMinute(t *testing.T) {
	m, db := manager(t, "https://id.example")
	c := begin(t, m, request())
	for i := range 180 {
		if _, err := find(t, m, c, start.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if db.touched != 2 {
		t.Errorf("recorded %d times in 3 minutes, want 2", db.touched)
	}
}

func TestCookiesAreHostBoundSecureAndUnreadable(t *testing.T) {
	m, db := manager(t, "https://id.example")
	c := begin(t, m, request())
	_, v := m.VisitorForm(request())
	for _, c := range []*http.Cookie{c, v} {
		if !strings.HasPrefix(c.Name, "__Host-gatehouse") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("cookie %+v", c)
		}
	}
	for hash, s := range db.sessions {
		if bytes.Contains([]byte(hash), []byte(c.Value)) || strings.Contains(s.ID, c.Value) || len(s.UserAgent) > maxUserAgent {
			t.Error("the store has the identifier, or too much")
		}
	}
	m, _ = manager(t, "http://127.0.0.1:8080")
	if c := begin(t, m, request()); c.Name != "gatehouse-dev" || c.Secure || !c.HttpOnly {
		t.Errorf("cookie of an http issuer %+v", c)
	}
}

// ASVS 7.2.3
func TestIdentifiersAreLongAndNeverRepeat(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := random(idSize)
		if seen[id] || len(id) < 43 {
			t.Fatalf("identifier %d repeats or is short", len(seen))
		}
		seen[id] = true
	}
}

func TestFormTokensAreBoundToBrowserPurposeAndSubject(t *testing.T) {
	m, _ := manager(t, "https://id.example")
	a, b := m.Form(&Session{Session: store.Session{ID: "ses_a"}}), m.Form(&Session{Session: store.Session{ID: "ses_b"}})
	token := a.Token("device", "code", "usr_ann")
	if !a.Made(token, "device", "code", "usr_ann") {
		t.Fatal("its own token is refused")
	}
	for name, made := range map[string]bool{
		"another session": b.Made(token, "device", "code", "usr_ann"),
		"another purpose": a.Made(token, "logout", "code", "usr_ann"),
		"another subject": a.Made(token, "device", "other", "usr_ann"),
		"shifted parts":   a.Made(token, "device", "codeusr_ann"),
		"empty":           a.Made("", "device", "code", "usr_ann"),
		"cut":             a.Made(token[:len(token)-2], "device", "code", "usr_ann"),
		"another installation": func() bool {
			m, _ := manager(t, "https://id.example")
			return m.Form(&Session{Session: store.Session{ID: "ses_a"}}).Made(token, "device", "code", "usr_ann")
		}(),
	} {
		if made {
			t.Errorf("%s: the token is taken", name)
		}
	}
}

func TestVisitorKeepsOneFormCookie(t *testing.T) {
	m, _ := manager(t, "https://id.example")
	form, c := m.VisitorForm(request())
	token := form.Token("login")
	again, second := m.VisitorForm(request(c))
	if second != nil || !again.Made(token, "login") {
		t.Errorf("new cookie %v", second)
	}
	if other, _ := m.VisitorForm(request()); other.Made(token, "login") {
		t.Error("another browser's token is taken")
	}
}
