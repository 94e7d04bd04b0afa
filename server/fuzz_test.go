package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

// FuzzTokenForm: whatever is sent by somebody who knows no secret and no code, the answer
// is a refusal in JSON: no fault of ours, and no tokens.
func FuzzTokenForm(f *testing.F) {
	w := servertest.New(f)
	in := w.SignIn(f, cli, servertest.Ann)
	for _, body := range []string{
		"", "grant_type=client_credentials", "grant_type=client_credentials&client_id=" + machine + "&client_secret=guess",
		"grant_type=client_credentials&client_id=" + cli,
		"grant_type=" + servertest.DeviceGrant + "&client_id=" + cli + "&device_code=guess",
		"grant_type=refresh_token&client_id=" + cli + "&refresh_token=grt_guess&scope=org%3Aread",
		"grant_type=refresh_token&client_id=" + cli + "&refresh_token=" + in.Text("access_token"),
		"grant_type=refresh_token&client_id=" + cli + "&refresh_token=" + in.Text("refresh_token")[:60],
		"grant_type=%00&client_id=%ff", "a=1&a=2", "a;b", strings.Repeat("&", 1000),
	} {
		f.Add(body, "")
		f.Add(body, basic(machine, "guess"))
	}
	f.Add("grant_type=client_credentials", "Basic "+strings.Repeat("=", 100))
	f.Fuzz(func(t *testing.T, body, authorization string) {
		r := httptest.NewRequest(http.MethodPost, tokenAt, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		out := httptest.NewRecorder()
		w.Server.Handler().ServeHTTP(out, r)
		a := servertest.Answer{Status: out.Code, Header: out.Header(), Body: out.Body.Bytes()}
		if a.Status < 400 || a.Status >= 500 || a.Text("error") == "" || a.Text("access_token") != "" {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	})
}
