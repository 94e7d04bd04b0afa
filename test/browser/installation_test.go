package browser

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/tokens"
	"github.com/gatehouse-dev/gatehouse/test/keyringtest"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
)

const (
	annEmail = "ann@example.com"
	bobEmail = "bob@example.com" // holds no role
	password = "tractor-violin-otter-91"
)

// installation is a server on loopback with people, two organizations, and an application
// on another port.
type installation struct {
	url   string
	app   *application
	store *store.DB
	keys  *keyring.Keyring
	local *model.Provider
	// elsewhere are the providers that are not kept here.
	elsewhere []*model.Provider
	// engineers are the groups of providers whose people may do what Ann may in Acme Rockets.
	engineers []model.Group
	// acme changes what is declared of Acme Rockets; nil: nothing.
	acme   func(*model.Organization)
	srv    *server.Server
	client *http.Client // that reaches it wherever it is called

	mu     sync.Mutex
	posted [][]string // names of the cookies that came with each answer of a provider by post
}

func install(t *testing.T) *installation {
	t.Helper()
	return installWith(t, func(*server.Config) {})
}

// installWith is install with another configuration.
func installWith(t *testing.T, change func(*server.Config)) *installation {
	return installOn(t, site{"http", "127.0.0.1"}, change)
}

// installAs calls it by this name: keys are made for names.
func installAs(t *testing.T, host string) *installation {
	return installOn(t, site{"http", host}, func(*server.Config) {})
}

// site is what it is called, but for the port.
type site struct{ scheme, host string }

func installOn(t *testing.T, at site, change func(*server.Config)) *installation {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gatehouse.db")
	db, err := store.OpenSQLite(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	leaks.Remember(password)
	t.Cleanup(func() {
		leaks.Database(t.Name(), path)
		leaks.Emitted(t.Name(), log.Bytes())
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	keys, err := keyringtest.New()
	if err != nil {
		t.Fatal(err)
	}
	in := &installation{store: db, keys: keys, app: serveApplication(t)}
	in.local = &model.Provider{UID: "local", Type: "Local", Name: "local", DisplayName: "Example Works", Local: &model.LocalPolicy{MinLength: 12}}
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in.note(r)
		in.srv.Handler().ServeHTTP(w, r)
		for _, c := range (&http.Response{Header: w.Header()}).Cookies() {
			leaks.Remember(c.Value)
		}
	}))
	in.url = fmt.Sprintf("%s://%s:%d", at.scheme, at.host, front.Listener.Addr().(*net.TCPAddr).Port)
	config := server.Config{
		Issuer: in.url, Store: db, Keyring: keys,
		Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	change(&config)
	in.srv, err = server.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	for email, name := range map[string]string{annEmail: "Ann Lee", bobEmail: "Bob Stone"} {
		if _, err := people.Create(t.Context(), db, people.NewUser{Email: email, Name: name, Password: password, By: "operator", Now: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	in.publish(t)
	if at.scheme == "https" {
		front.StartTLS()
	} else {
		front.Start()
	}
	t.Cleanup(front.Close)
	in.client = front.Client()
	in.client.Transport = reaches(in.client.Transport.(*http.Transport).Clone(), front.Listener.Addr().String())
	return in
}

// reaches is a transport that knows one server alone, by any name.
func reaches(all *http.Transport, address string) *http.Transport {
	if all.TLSClientConfig != nil {
		all.TLSClientConfig.ServerName = "example.com" // that of the certificates of httptest
	}
	all.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", address)
	}
	return all
}

// note notes what a browser sends along with what another site has it post.
func (in *installation) note(r *http.Request) {
	if r.Method != http.MethodPost || !strings.HasPrefix(r.URL.Path, "/login/callback/") {
		return
	}
	names := []string{}
	for _, c := range r.Cookies() {
		names = append(names, c.Name)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.posted = append(in.posted, names)
}

// ask is a device that asks for access; it shows the code.
func (in *installation) ask(t *testing.T) tokens.UserCode {
	t.Helper()
	code := tokens.NewUserCode()
	leaks.Remember(string(code), code.String())
	if err := in.store.CreateDeviceCode(t.Context(), store.DeviceCode{
		Hash: code.Hash(in.keys), UserCodeHash: code.Hash(in.keys), ApplicationUID: "app " + cliID, OrganizationID: "org acme", ClientID: cliID,
		Scopes: []string{"offline_access", "org:read", "project:write", "release:write"}, State: store.DevicePending,
		CreatedAt: time.Now().Add(-2 * time.Minute), ExpiresAt: time.Now().Add(8 * time.Minute), IP: "203.0.113.7", UserAgent: "acme-cli/1.4",
	}); err != nil {
		t.Fatal(err)
	}
	return code
}

func (in *installation) wantState(t *testing.T, code tokens.UserCode, want store.DeviceState) {
	t.Helper()
	row, err := in.store.DeviceCode(t.Context(), code.Hash(in.keys))
	if err != nil || row.State != want {
		t.Errorf("the device is %q, %v; want %q", row.State, err, want)
	}
}
