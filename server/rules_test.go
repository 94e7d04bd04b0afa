package server_test

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

const okta = "the provider of acme"

// ruled is a world in which people of acme sign in here, or by a provider of its own, and
// nobody is asked for consent.
func ruled(t *testing.T) *servertest.World {
	t.Helper()
	w := servertest.New(t)
	acme := w.Declared.Organizations["acme"]
	acme.Providers = append(slices.Clone(acme.Providers), &model.Provider{UID: okta, Name: "okta", Type: "OIDC", DisplayName: "Okta", OrganizationID: acme.ID, GroupsMaxAge: time.Hour})
	acme.Login.SSOMaxAge = 24 * time.Hour
	w.Declared.Applications[web].Consent.Mode = model.ConsentSkip
	w.Publish(t)
	return w
}

// aWay is a way to get something in acme. It begins what there is to begin before a rule
// comes, and returns what somebody tries afterwards, which says whether they got it.
type aWay func(t *testing.T, w *servertest.World, b *servertest.Browser) func() bool

func given(t *testing.T, a servertest.Answer) bool {
	t.Helper()
	return a.Status == http.StatusSeeOther && a.Location(t).Query().Get("code") != ""
}

func approved(t *testing.T, b *servertest.Browser, form url.Values) servertest.Answer {
	t.Helper()
	form.Set("decision", "approve")
	return b.Send(t, http.MethodPost, "/oauth/device/", form)
}

// ways are all that there are: with the cookie from before, with what was half approved, and
// with what was given before. Those that end with the session are told apart.
var ways = map[string]struct {
	way     aWay
	session bool // it is bound to the session; else it outlives that by design
	use     bool // it is a use of the session
}{
	"an old cookie": {func(t *testing.T, _ *servertest.World, b *servertest.Browser) func() bool {
		return func() bool { return given(t, b.Authorize(t, web)) }
	}, true, true},
	"prompt=none": {func(t *testing.T, _ *servertest.World, b *servertest.Browser) func() bool {
		return func() bool { return given(t, b.Authorize(t, web, "prompt", "none")) }
	}, true, true},
	"a consent page from before": {func(t *testing.T, _ *servertest.World, b *servertest.Browser) func() bool {
		page := b.Authorize(t, servertest.SPA)
		return func() bool { return given(t, b.Decide(t, page, "approve")) }
	}, true, true},
	"another organization's application": {func(t *testing.T, _ *servertest.World, b *servertest.Browser) func() bool {
		return func() bool {
			page := b.Authorize(t, servertest.Abroad, "organization", "acme")
			return page.Status == http.StatusOK && strings.Contains(string(page.Body), "Allow access?") && given(t, b.Decide(t, page, "approve"))
		}
	}, true, true},
	"the page of a device": {func(t *testing.T, w *servertest.World, b *servertest.Browser) func() bool {
		d := w.StartDevice(t, cli)
		return func() bool {
			page := b.Visit(t, "/oauth/device/?user_code="+d.Text("user_code"))
			return page.Status == http.StatusOK && strings.Contains(string(page.Body), "Connect this device?")
		}
	}, true, true},
	"a page of a device from before": {func(t *testing.T, w *servertest.World, b *servertest.Browser) func() bool {
		d := w.StartDevice(t, cli)
		form := b.Visit(t, "/oauth/device/?user_code="+d.Text("user_code")).Form(t, "/oauth/device/")
		return func() bool {
			approved(t, b, form)
			return w.Poll(t, cli, d.Text("device_code")).Status == http.StatusOK
		}
	}, true, true},
	"a device that was approved": {func(t *testing.T, w *servertest.World, b *servertest.Browser) func() bool {
		d := w.StartDevice(t, cli)
		approved(t, b, b.Visit(t, "/oauth/device/?user_code="+d.Text("user_code")).Form(t, "/oauth/device/"))
		return func() bool { return w.Poll(t, cli, d.Text("device_code")).Status == http.StatusOK }
	}, false, false},
	"a code that was given": {func(t *testing.T, w *servertest.World, b *servertest.Browser) func() bool {
		code := b.Code(t, web)
		return func() bool { return w.Redeem(t, web, code).Status == http.StatusOK }
	}, true, false},
	"a refresh token": {func(t *testing.T, w *servertest.World, b *servertest.Browser) func() bool {
		got := w.Redeem(t, web, b.Code(t, web)).Text("refresh_token")
		return func() bool { return w.Refresh(t, web, got).Status == http.StatusOK }
	}, true, true},
	"a refresh token that outlives the session": {func(t *testing.T, w *servertest.World, b *servertest.Browser) func() bool {
		got := w.Redeem(t, web, b.Code(t, web, "scope", "openid offline_access org:read")).Text("refresh_token")
		return func() bool { return w.Refresh(t, web, got).Status == http.StatusOK }
	}, false, false},
	"introspection": {func(t *testing.T, w *servertest.World, b *servertest.Browser) func() bool {
		got := w.Redeem(t, web, b.Code(t, web)).Text("access_token")
		return func() bool { return w.Introspect(t, machine, got).JSON()["active"] == true }
	}, true, false},
	"userinfo": {func(t *testing.T, w *servertest.World, b *servertest.Browser) func() bool {
		got := w.Redeem(t, web, b.Code(t, web, "scope", "openid")).Text("access_token")
		return func() bool { return w.Get(t, "/oauth/userinfo/", got).Status == http.StatusOK }
	}, true, false},
	"the API": {func(t *testing.T, w *servertest.World, b *servertest.Browser) func() bool {
		got := w.Redeem(t, web, b.Code(t, web, "scope", "org:read")).Text("access_token")
		return func() bool { return w.Get(t, "/api/0/organizations/acme/", got).Status == http.StatusOK }
	}, true, false},
}

// eachWay tries every way with a rule that comes in between, and says which of them it closes.
func eachWay(t *testing.T, by string, amr []string, comes func(*servertest.World), closes func(session, use bool) bool) {
	t.Helper()
	for name, c := range ways {
		t.Run(name, func(t *testing.T) {
			w := ruled(t)
			b := w.Browser()
			b.SignInBy(t, servertest.Ann, cmp.Or(by, w.Declared.Local.UID), amr...)
			try := c.way(t, w, b)
			w.Pass(40 * time.Second)
			comes(w)
			w.Publish(t)
			if got, want := try(), !closes(c.session, c.use); got != want {
				t.Errorf("got in: %v, want %v", got, want)
			}
		})
	}
}

func rules(w *servertest.World) *model.LoginRules { return &w.Declared.Organizations["acme"].Login }

func always(_, _ bool) bool { return true }

// Without a rule every way is open: the tests below would see nothing otherwise.
func TestWithoutARuleEveryWayIsOpen(t *testing.T) {
	eachWay(t, "", []string{"pwd"}, func(*servertest.World) {}, func(_, _ bool) bool { return false })
	eachWay(t, okta, nil, func(w *servertest.World) { rules(w).EnforceSSO = true }, func(_, _ bool) bool { return false })
}

func TestThereIsNoWayRoundEnforcedSSO(t *testing.T) {
	eachWay(t, "", []string{"pwd", "otp", "mfa"}, func(w *servertest.World) { rules(w).EnforceSSO = true }, always)
}

func TestThereIsNoWayRoundTheAgeOfASignInElsewhere(t *testing.T) {
	eachWay(t, okta, nil, func(w *servertest.World) { rules(w).SSOMaxAge = 30 * time.Second }, always)
}

// ASVS 6.3.3: what was given before the rule came is worth nothing either.
func TestThereIsNoWayRoundARequiredSecondFactor(t *testing.T) {
	required := func(w *servertest.World) { rules(w).SecondFactor.Required = true }
	eachWay(t, "", []string{"pwd"}, required, always)
	eachWay(t, okta, []string{"elsewhere:mfa"}, required, always)
	eachWay(t, "", []string{"pwd", "otp", "mfa"}, required, func(_, _ bool) bool { return false })
}

// ASVS 7.3.2: a device and offline access outlive the session by design (docs/people.md).
func TestThereIsNoWayRoundTheLifeOfASession(t *testing.T) {
	eachWay(t, okta, nil, func(w *servertest.World) { rules(w).Session.Absolute = 30 * time.Second }, func(session, _ bool) bool { return session })
}

// ASVS 7.3.1: what was given before lives to its own end, and is not renewed.
func TestThereIsNoWayRoundTheIdlenessOfASession(t *testing.T) {
	eachWay(t, okta, nil, func(w *servertest.World) { rules(w).Session.Idle = 30 * time.Second }, func(_, use bool) bool { return use })
}

// ASVS 7.4.2.
func TestThereIsNoWayRoundADisabledAccount(t *testing.T) {
	eachWay(t, okta, nil, func(w *servertest.World) {
		if err := w.Store.SetDisabled(t.Context(), servertest.Ann.ID, true, store.Event{Time: w.Now(), Action: "user.disabled"}); err != nil {
			t.Fatal(err)
		}
	}, always)
}
