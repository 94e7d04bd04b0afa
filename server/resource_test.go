package server_test

import (
	"net/http"
	"testing"

	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

// RFC 9700 section 2.3: resource is honoured or refused, never ignored.
func TestResourceIsHonouredOrRefused(t *testing.T) {
	w := servertest.New(t)
	mine := w.HTTP.URL + "/organizations/acme"
	for name, c := range map[string]struct {
		resource string
		status   int
	}{
		"the organization itself":  {mine, http.StatusOK},
		"another organization":     {w.HTTP.URL + "/organizations/globex", http.StatusBadRequest},
		"somebody else's API":      {"https://api.example.com", http.StatusBadRequest},
		"the organization, longer": {mine + "/", http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			for _, a := range []servertest.Answer{
				w.Post(t, tokenAt, machine, "grant_type", "client_credentials", "resource", c.resource),
				w.Post(t, "/oauth/device/code/", cli, "resource", c.resource),
			} {
				if a.Status != c.status || c.status != http.StatusOK && a.Text("error") != "invalid_target" {
					t.Errorf("got %d %s, want %d and invalid_target where it is refused", a.Status, a.Body, c.status)
				}
			}
		})
	}
}

// RFC 9700 section 4.14: a token in two hands ends the grant, whatever else is asked for.
func TestReusedRefreshTokenEndsTheGrantThoughItAsksForTooMuch(t *testing.T) {
	w := servertest.New(t)
	first := w.SignIn(t, cli, servertest.Ann).Text("refresh_token")
	second := w.Refresh(t, cli, first).Text("refresh_token")
	third := w.Refresh(t, cli, second).Text("refresh_token")
	refused(t, w.Refresh(t, cli, first, "scope", "org:admin"), http.StatusBadRequest, "invalid_grant")
	refused(t, w.Refresh(t, cli, third), http.StatusBadRequest, "invalid_grant")
}

func TestNewPasswordsAreJudgedByTheProviderThatIsServed(t *testing.T) {
	w := servertest.New(t)
	w.Declared.Local.Local.MinLength = 9
	w.Publish(t)
	p, err := w.Store.PasswordPolicy(t.Context())
	if err != nil || p.MinLength != 9 {
		t.Errorf("got %+v, %v; want 9 characters", p, err)
	}
}
