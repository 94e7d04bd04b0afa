package server_test

import (
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

const deviceAt = "/oauth/device/code/"

func TestDeviceAuthorizationRefuses(t *testing.T) {
	w := servertest.New(t)
	w.Declared.Applications[servertest.OtherCLI].GrantTypes = []oauth.GrantType{oauth.RefreshToken}
	w.Publish(t)
	for name, c := range map[string]struct {
		client string
		pairs  []string
		code   string
	}{
		"a machine": {machine, nil, "unauthorized_client"},
		"a device application that lists the device flow no more": {servertest.OtherCLI, nil, "unauthorized_client"},
		"the device flow it does not list, before the scope":      {machine, []string{"scope", `"`}, "unauthorized_client"},
		"a scope that the catalogue lacks":                        {cli, []string{"scope", "org:none"}, "invalid_scope"},
		"a scope of another organization's client":                {cli, []string{"scope", "globex:read"}, "invalid_scope"},
		"a scope beyond the ceiling":                              {cli, []string{"scope", "project:admin"}, "invalid_scope"},
		"a scope that implies more than the ceiling has":          {servertest.Box, []string{"scope", "project:write"}, "invalid_scope"},
		"a malformed scope":                                       {cli, []string{"scope", `org:\read`}, "invalid_scope"},
		"the scope twice":                                         {cli, []string{"scope", "org:read", "scope", "project:read"}, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, w.Post(t, deviceAt, c.client, c.pairs...), 400, c.code) })
	}
}

// RFC 8628 section 3.2.
func TestDeviceAuthorizationTellsWhereAndHowOften(t *testing.T) {
	w := servertest.New(t)
	a := w.StartDevice(t, cli)
	if a.JSON()["interval"] != 5.0 || a.JSON()["expires_in"] != 600.0 || a.Text("verification_uri") != w.HTTP.URL+"/oauth/device/" {
		t.Errorf("%s", a.Body)
	}
}

// A client that leaves the scope out learns what it stands for.
func TestDeviceAuthorizationTellsWhatThePersonWillBeAskedFor(t *testing.T) {
	w := servertest.New(t)
	for asked, want := range map[string]string{
		"": "org:read project:read project:write", "project:write": "project:read project:write", "org:read offline_access": "offline_access org:read",
	} {
		if got := w.StartDevice(t, cli, "scope", asked).Text("scope"); got != want {
			t.Errorf("asked for %q: scope %q, want %q", asked, got, want)
		}
	}
}

// Scopes of the protocol that the application did not list are dropped, not refused.
func TestOfflineAccessThatIsNotListedIsDropped(t *testing.T) {
	w := servertest.New(t)
	device := w.StartDevice(t, servertest.Box, "scope", "org:read offline_access")
	w.Approve(t, device.Text("user_code"), servertest.Ann)
	if got := w.Poll(t, servertest.Box, device.Text("device_code")).Text("scope"); got != "org:read" {
		t.Errorf("scope %q, want org:read", got)
	}
}

// A host that the client claims, or a proxy that is not ours, steers no address.
func TestEmittedAddressesComeFromTheIssuer(t *testing.T) {
	w := servertest.New(t)
	r := w.Request(t, "POST", deviceAt, "client_id="+cli)
	r.Host = "evil.example"
	r.Header.Set("X-Forwarded-Host", "evil.example")
	r.Header.Set("X-Forwarded-Proto", "https")
	if got := w.Do(t, r).Text("verification_uri"); got != w.HTTP.URL+"/oauth/device/" {
		t.Errorf("verification_uri %q", got)
	}
}

func TestEachClientIsSlowedOnItsOwn(t *testing.T) {
	w := servertest.New(t)
	one, two := w.StartDevice(t, cli).Text("device_code"), w.StartDevice(t, cli).Text("device_code")
	refused(t, w.Poll(t, cli, one), 400, "authorization_pending")
	refused(t, w.Poll(t, cli, two), 400, "authorization_pending")
	w.Pass(5 * time.Second)
	refused(t, w.Poll(t, cli, one), 400, "authorization_pending")
}
