package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

func branded(t *testing.T) (*servertest.World, model.Branding) {
	t.Helper()
	w := servertest.New(t)
	b := model.NewBranding("#5b3df5", "https://help.acme.com/?a=1", []byte("\x89PNG\r\n\x1a\n of acme"))
	w.Declared.Organizations["acme"].Branding = b
	w.Publish(t)
	return w, b
}

// The pages that an organization's application leads to look like it, and no others: nobody
// borrows its looks by a link.
func TestPagesOfAnOrganizationsApplicationsAreBranded(t *testing.T) {
	w, b := branded(t)
	signedIn := w.SignedIn(t, servertest.Ann)
	device := w.StartDevice(t, cli)
	login := func(request string) servertest.Answer {
		return w.Browser().Visit(t, w.Browser().Visit(t, request).Location(t).String())
	}
	for name, c := range map[string]struct {
		page servertest.Answer
		want bool
	}{
		"sign-in for its application": {login(servertest.AuthorizationRequest(servertest.SPA)), true},
		"sign-in for nobody":          {w.Browser().Visit(t, "/login/"), false},
		"sign-in by a forged link":    {w.Browser().Visit(t, "/login/?next=/oauth/authorize/%3Fclient_id%3Dacme.spa%26redirect_uri%3Dhttps://evil.example/"), false},
		"consent":                     {signedIn.Authorize(t, servertest.SPA), true},
		"device":                      {signedIn.Visit(t, "/oauth/device/?user_code="+device.Text("user_code")), true},
		"the account":                 {signedIn.Visit(t, "/account/"), false},
		"consent in another":          {signedIn.Authorize(t, servertest.Abroad, "organization", "globex"), false},
	} {
		body := string(c.page.Body)
		for _, part := range []string{b.LogoPath, b.StylePath, `href="https://help.acme.com/?a=1" rel="noreferrer"`, "<span>Acme</span>"} {
			if strings.Contains(body, part) != c.want {
				t.Errorf("%s: %s is there %v: %d %s", name, part, !c.want, c.page.Status, body)
			}
		}
	}
}

// What a tenant wrote is served as nothing but what it is, and only while it is declared.
func TestABrandingIsServedAsWhatItIs(t *testing.T) {
	w, b := branded(t)
	for path, kind := range map[string]string{b.LogoPath: "image/png", b.StylePath: "text/css; charset=utf-8"} {
		a := w.Get(t, path, "")
		if a.Status != http.StatusOK || a.Header.Get("Content-Type") != kind || a.Header.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.Contains(a.Header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s: %d %v", path, a.Status, a.Header)
		}
	}
	if !strings.Contains(string(w.Get(t, b.StylePath, "").Body), "--on-brand: #ffffff") {
		t.Error("no text colour goes with the colour")
	}
	w.Declared.Organizations["acme"].Branding = model.Branding{}
	w.Publish(t)
	for _, path := range []string{b.LogoPath, b.StylePath, "/branding/", "/branding/../static/style.css", "/branding/x.png"} {
		if a := w.Get(t, path, ""); a.Status != http.StatusNotFound {
			t.Errorf("%s is served: %d", path, a.Status)
		}
	}
}
