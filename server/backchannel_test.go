package server_test

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-dev/gatehouse/server"
	"github.com/gatehouse-dev/gatehouse/server/outbound"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

// receiver is an application that is told of sign-outs.
type receiver struct {
	*servertest.World
	got    chan string // logout tokens
	answer chan int    // the next answers; empty: 200
}

func newReceiver(t *testing.T, allow ...netip.Prefix) *receiver {
	t.Helper()
	r := &receiver{got: make(chan string, 20), answer: make(chan int, 20)}
	house := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, in *http.Request) {
		if in.Method != http.MethodPost || in.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || in.URL.Path != "/logout" {
			t.Errorf("%s %s %s", in.Method, in.URL, in.Header)
		}
		status := http.StatusOK
		select {
		case status = <-r.answer:
		default:
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		r.got <- in.PostFormValue("logout_token")
	}))
	t.Cleanup(house.Close)
	roots := x509.NewCertPool()
	roots.AddCert(house.Certificate())
	r.World = servertest.New(t, func(c *server.Config) { c.Outbound = outbound.Options{Allow: allow, RootCAs: roots} })
	for _, client := range []string{site, web} {
		r.Declared.Applications[client].BackChannelURI = house.URL + "/logout"
	}
	r.Publish(t)
	return r
}

var loopback = netip.MustParsePrefix("127.0.0.0/8")

// told waits for the next logout token.
func (r *receiver) told(t *testing.T) string {
	t.Helper()
	select {
	case token := <-r.got:
		return token
	case <-time.After(20 * time.Second):
		t.Fatal("nothing arrives")
		return ""
	}
}

// nothingWaits checks that everybody was told, or given up.
func (r *receiver) nothingWaits(t *testing.T) {
	t.Helper()
	due, err := r.Store.LogoutsDue(t.Context(), r.Now().Add(24*time.Hour), 100)
	if err != nil || len(due) > 0 || len(r.got) > 0 {
		t.Errorf("%d are still to be told, %d were, %v", len(due), len(r.got), err)
	}
}

func (r *receiver) eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for range 400 {
		if done() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

func signOut(t *testing.T, b *servertest.Browser) {
	t.Helper()
	if a := b.Send(t, http.MethodPost, "/logout/", b.Visit(t, "/logout/").Form(t, "/logout/")); a.Status >= 400 {
		t.Fatalf("sign out: %d %s", a.Status, a.Body)
	}
}

// OpenID Connect Back-Channel Logout sections 2.4 and 2.5.
func TestAnApplicationIsToldOfTheEndOfASession(t *testing.T) {
	w := newReceiver(t, loopback)
	b := w.SignedIn(t, servertest.Ann)
	in := w.Redeem(t, site, b.Code(t, site, "scope", "openid offline_access project:read"))
	id := claims(t, w.World, in.Text("id_token"))
	sid, _ := id["sid"].(string)
	if !strings.HasPrefix(sid, "ses_") {
		t.Fatalf("sid %q", sid)
	}
	again := claims(t, w.World, w.Redeem(t, site, b.Code(t, site, "scope", "openid project:read")).Text("id_token"))
	if again["sid"] != sid {
		t.Errorf("sid %v, then %v", sid, again["sid"])
	}
	signOut(t, b)
	token := w.told(t)
	got := claims(t, w.World, token)
	events, _ := got["events"].(map[string]any)
	event, isObject := events["http://schemas.openid.net/event/backchannel-logout"].(map[string]any)
	life := got["exp"].(float64) - got["iat"].(float64)
	if got["iss"] != id["iss"] || got["aud"] != site || got["sub"] != servertest.Ann.ID || got["sid"] != sid || got["jti"] == "" ||
		!isObject || len(event) != 0 || got["nonce"] != nil || life != 120 {
		t.Errorf("logout token %v", got)
	}
	parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil || parsed.Signatures[0].Protected.ExtraHeaders[jose.HeaderType] != "logout+jwt" {
		t.Errorf("%v, header %v", err, parsed.Signatures[0].Protected)
	}
	w.eventually(t, "told once", func() bool {
		due, err := w.Store.LogoutsDue(t.Context(), w.Now().Add(24*time.Hour), 1)
		return err == nil && len(due) == 0
	})
	w.nothingWaits(t)
	// ASVS 9.2.2: it is no token of any other kind.
	apiRefused(t, w.Get(t, "/api/0/user/", token), 401, "invalid_token", `error="invalid_token"`)
}

// Whatever ends the session, the application hears of it; one that declares nothing has no
// sid, and one where nobody signed in hears nothing.
func TestEveryEndOfASessionIsTold(t *testing.T) {
	w := newReceiver(t, loopback)
	ev := store.Event{Time: w.Now(), Actor: "operator", Action: "session.ended", Outcome: "ok"}
	for what, end := range []func() error{
		func() error {
			_, err := w.Store.EndSessionsOf(t.Context(), servertest.Ann.ID, "", ev)
			return err
		},
		func() error { return w.Store.SetDisabled(t.Context(), servertest.Ann.ID, true, ev) },
	} {
		b := w.SignedIn(t, servertest.Ann)
		w.Redeem(t, site, b.Code(t, site, "scope", "openid project:read"))
		w.Redeem(t, site, b.Code(t, site, "scope", "project:read")) // no authentication
		if got := claims(t, w.World, w.Redeem(t, spa, b.Code(t, spa, "scope", "openid")).Text("id_token")); got["sid"] != nil {
			t.Errorf("sid %v for who is told nothing", got["sid"])
		}
		if err := end(); err != nil {
			t.Fatal(what, err)
		}
		if got := claims(t, w.World, w.told(t)); got["aud"] != site {
			t.Errorf("%d: told %v", what, got["aud"])
		}
	}
	if err := w.Store.SetDisabled(t.Context(), servertest.Ann.ID, false, ev); err != nil {
		t.Fatal(err)
	}
	b := w.SignedIn(t, servertest.Ann)
	w.Redeem(t, site, b.Code(t, site, "scope", "openid project:read"))
	w.Declared.Applications[site].BackChannelURI = ""
	w.Publish(t)
	signOut(t, b)
	w.eventually(t, "one that wants to know no more is left out", func() bool {
		due, err := w.Store.LogoutsDue(t.Context(), w.Now().Add(24*time.Hour), 1)
		return err == nil && len(due) == 0
	})
	w.nothingWaits(t)
}

func TestAnApplicationThatIsAwayIsToldLaterAndNotForEver(t *testing.T) {
	w := newReceiver(t, loopback)
	signedIn := func() *servertest.Browser {
		b := w.SignedIn(t, servertest.Ann)
		w.Redeem(t, site, b.Code(t, site, "scope", "openid project:read"))
		return b
	}
	b := signedIn()
	w.answer <- http.StatusServiceUnavailable
	w.answer <- http.StatusFound // followed nowhere
	signOut(t, b)
	first := w.told(t)
	w.Pass(5 * time.Second)
	w.told(t)
	w.Pass(10 * time.Second)
	if last := w.told(t); last == first {
		t.Error("the same logout token is sent again: it may have expired")
	}
	b = signedIn()
	for range 10 {
		w.answer <- http.StatusInternalServerError
	}
	signOut(t, b)
	for range 10 {
		w.told(t)
		w.Pass(time.Hour)
	}
	w.eventually(t, "given up", func() bool {
		found, err := w.Store.FindEvents(t.Context(), store.EventQuery{Action: "logout.undelivered", Limit: 10})
		return err == nil && len(found) == 1
	})
	w.nothingWaits(t)
}

// An address that is not public is not reached, whoever declares it.
func TestNobodyIsToldAtAnAddressThatIsNotPublic(t *testing.T) {
	w := newReceiver(t)
	b := w.SignedIn(t, servertest.Ann)
	w.Redeem(t, site, b.Code(t, site, "scope", "openid project:read"))
	signOut(t, b)
	w.eventually(t, "tried", func() bool {
		due, err := w.Store.LogoutsDue(t.Context(), w.Now().Add(24*time.Hour), 1)
		return err == nil && slices.ContainsFunc(due, func(l store.Logout) bool { return l.Tries == 1 })
	})
	if len(w.got) > 0 {
		t.Error("it was told")
	}
}

// A tenant whose applications take the call and never answer holds up nobody else's.
func TestAnApplicationThatHangsHoldsUpNobodyElse(t *testing.T) {
	w := newReceiver(t, loopback)
	var givenUp atomic.Int64
	hang := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, in *http.Request) {
		_ = in.ParseForm()
		<-in.Context().Done()
		givenUp.Add(1)
	}))
	hang.StartTLS()
	t.Cleanup(hang.Close)
	globex := w.Declared.Organizations["globex"]
	w.Declared.Applications[servertest.Abroad].BackChannelURI, w.Declared.Applications[site].BackChannelURI = w.Declared.Applications[site].BackChannelURI, hang.URL+"/logout"
	w.Publish(t)
	var last *servertest.Browser
	for range 2 * 64 { // more than are looked at
		last = w.SignedIn(t, servertest.Ann)
		w.Redeem(t, site, last.Code(t, site, "scope", "openid project:read"))
	}
	if owner, _ := w.Declared.Snapshot().Application(servertest.Abroad); owner == nil || owner.ID != globex.ID {
		t.Fatal("that application is not another organization's")
	}
	if _, err := w.Store.EndSessionsOf(t.Context(), servertest.Ann.ID, "", store.Event{Time: w.Now(), Action: "session.ended"}); err != nil {
		t.Fatal(err)
	}
	b := w.SignedIn(t, servertest.Ann)
	page := b.Authorize(t, servertest.Abroad, "scope", "openid org:read", "organization", "acme")
	w.Redeem(t, servertest.Abroad, b.Decide(t, page, "approve").Location(t).Query().Get("code"))
	w.Pass(time.Second)
	signOut(t, b)
	w.eventually(t, "told", func() bool {
		w.Pass(50 * time.Millisecond) // what was put off is due again behind the others
		return len(w.got) > 0
	})
	if n := givenUp.Load(); n > 0 {
		t.Errorf("it is told only after %d that hang", n)
	}
}
