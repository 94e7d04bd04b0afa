package login_test

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/login"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

// wire stands between client and server. What a test sets is called for each request.
type wire struct {
	next   http.RoundTripper
	mu     sync.Mutex
	asked  []string                                      // paths, in order
	before func(r *http.Request) error                   // an error: the request gets lost
	after  func(r *http.Request, a *http.Response) error // an error: the answer gets lost
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.asked = append(w.asked, r.URL.Path)
	w.mu.Unlock()
	if w.before != nil {
		if err := w.before(r); err != nil {
			return nil, err
		}
	}
	a, err := w.next.RoundTrip(r)
	if err == nil && w.after != nil {
		if err := w.after(r, a); err != nil {
			_ = a.Body.Close()
			return nil, err
		}
	}
	return a, err
}

// count tells how often a path was asked for.
func (w *wire) count(path string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.asked {
		if p == path {
			n++
		}
	}
	return n
}

const (
	tokenPath  = "/oauth/token/"
	devicePath = "/oauth/device/code/"
)

// client returns a Client of the world, whose waiting lets the world's time pass.
func client(w *servertest.World, clientID string) (*login.Client, *wire) {
	h := login.NewHTTP()
	between := &wire{next: leaks.Transport(h.Transport)}
	h.Transport = between
	return &login.Client{
		Issuer: w.HTTP.URL, ClientID: clientID, HTTP: h, UserAgent: "test", Now: w.Now,
		Wait: func(ctx context.Context, d time.Duration) error {
			w.Pass(d)
			return ctx.Err()
		},
	}, between
}

func discover(t *testing.T, c *login.Client) login.Metadata {
	t.Helper()
	m, err := c.Discover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// approveAfter approves once the client has waited so often.
func approveAfter(t *testing.T, w *servertest.World, c *login.Client, d login.Device, waits int) {
	wait := c.Wait
	c.Wait = func(ctx context.Context, pause time.Duration) error {
		if waits--; waits == 0 {
			w.Approve(t, d.UserCode, servertest.Ann)
		}
		return wait(ctx, pause)
	}
}

// signedIn is a session of Ann, kept in a file of a new directory.
func signedIn(t *testing.T, w *servertest.World, clientID string) (*login.Session, *wire) {
	t.Helper()
	c, between := client(w, clientID)
	m := discover(t, c)
	d, err := c.Begin(t.Context(), m, nil)
	if err != nil {
		t.Fatal(err)
	}
	approveAfter(t, w, c, d, 1)
	tokens, err := c.Await(t.Context(), m, d)
	if err != nil {
		t.Fatal(err)
	}
	s := &login.Session{
		Client: c, Book: &login.Book{Dir: t.TempDir() + "/logins"},
		Login: login.Login{Issuer: c.Issuer, ClientID: clientID, Store: login.InFile, At: w.Now()},
	}
	if _, err := s.Book.Add(t.Context(), s.Login, tokens); err != nil {
		t.Fatal(err)
	}
	return s, between
}

// another is the session as another process has it.
func another(s *login.Session) *login.Session {
	c := *s.Client
	return &login.Session{Client: &c, Book: &login.Book{Dir: s.Book.Dir, Keyring: s.Book.Keyring}, Login: s.Login}
}

// memory is a Vault.
type memory map[login.Login][]byte

func (m memory) Get(_ context.Context, l login.Login) ([]byte, error) {
	if secret, ok := m[l]; ok {
		return secret, nil
	}
	return nil, fs.ErrNotExist
}

func (m memory) Set(_ context.Context, l login.Login, secret []byte) error {
	m[l] = secret
	return nil
}

func (m memory) Delete(_ context.Context, l login.Login) error {
	delete(m, l)
	return nil
}

var errWire = errors.New("the wire is cut")
