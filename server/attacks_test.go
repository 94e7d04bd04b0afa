package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

// ASVS 10.7.1: neither a declaration nor an agreement for another address spares the
// question where any program on the device may receive the answer.
func TestConsentIsNeverSkippedForAnyProgram(t *testing.T) {
	const loopback = "http://localhost:8000/callback"
	for _, mode := range []model.Consent{{Mode: model.ConsentSkip}, {Mode: model.ConsentRemember, MaxAge: time.Hour}} {
		w := servertest.New(t)
		w.Declared.Applications[site].Consent = mode
		w.Declared.Applications[site].RedirectURIs = []string{servertest.Redirects[site][0], loopback}
		w.Publish(t)
		b := w.SignedIn(t, servertest.Ann)
		b.Code(t, site)
		if a := b.Authorize(t, site); a.Status != http.StatusSeeOther {
			t.Fatalf("%s: asked again: %d", mode.Mode, a.Status)
		}
		if a := b.Authorize(t, site, "redirect_uri", loopback); a.Status != http.StatusOK {
			t.Errorf("%s: nobody is asked: %d to %s", mode.Mode, a.Status, a.Header.Get("Location"))
		}
		to := b.Authorize(t, site, "redirect_uri", loopback, "prompt", "none").Location(t)
		if to.Query().Get("error") != "consent_required" || to.Query().Has("code") {
			t.Errorf("%s: prompt none: sent to %s", mode.Mode, to)
		}
	}
}

// A longer memory that is declared later is not what the person agreed to; a shorter one
// counts at once.
func TestAConsentLastsAsLongAsWasSaidWhenItWasGiven(t *testing.T) {
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		later time.Duration
		after time.Duration
		asked bool
	}{
		"longer, before the end": {365 * day, 29 * day, false},
		"longer, after it":       {365 * day, 30 * day, true},
		"shorter, before it":     {day, 23 * time.Hour, false},
		"shorter, after it":      {day, day, true},
	} {
		w := servertest.New(t)
		w.SignedIn(t, servertest.Ann).Code(t, site)
		w.Declared.Applications[site].Consent.MaxAge = c.later
		w.Publish(t)
		w.Pass(c.after)
		if got := w.SignedIn(t, servertest.Ann).Authorize(t, site).Status == http.StatusOK; got != c.asked {
			t.Errorf("%s: asked: %t, want %t", name, got, c.asked)
		}
	}
}

// OpenID Connect RP-Initiated Logout section 2: who posts the ID token wants it in no URL,
// which histories and the logs of proxies keep.
func TestAPostedIDTokenIsInNoURL(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	hint := w.Redeem(t, web, b.Code(t, web, "scope", "openid")).Text("id_token")
	post := func() *url.URL {
		t.Helper()
		r := w.Request(t, http.MethodPost, "/oauth/logout/", servertest.Form("id_token_hint", hint, "post_logout_redirect_uri", goodbye, "state", "s").Encode())
		to := w.Do(t, r).Location(t)
		if parts := strings.Split(hint, "."); strings.Contains(to.String(), parts[1]) {
			t.Errorf("sent to %s", to)
		}
		return to
	}
	late, now := post(), post()
	if to := b.Visit(t, now.String()).Location(t); to.String() != goodbye+"?state=s" || signedInStill(t, b) {
		t.Errorf("sent to %s", to)
	}
	b.SignIn(t, servertest.Ann)
	w.Pass(time.Minute)
	onlyAPage(t, b.Visit(t, late.String()))
	onlyAPage(t, b.Visit(t, tampered(now.String())))
	if !signedInStill(t, b) {
		t.Error("a link from a log signs out")
	}
}
