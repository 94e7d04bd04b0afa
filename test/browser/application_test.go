package browser

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/test/leaks"
)

// application is what people come from and return to, on a port of its own.
type application struct {
	url  string
	mux  *http.ServeMux
	came chan url.Values // what came to /callback
	// onward is where the callback sends people; empty: nowhere
	onward string
}

func serveApplication(t *testing.T) *application {
	t.Helper()
	a := &application{mux: http.NewServeMux(), came: make(chan url.Values, 10)}
	srv := httptest.NewServer(a.mux)
	t.Cleanup(srv.Close)
	a.url = srv.URL
	a.mux.HandleFunc("/callback", func(w http.ResponseWriter, r *http.Request) {
		leaks.Remember(r.URL.Query().Get("code"))
		a.came <- r.URL.Query()
		if a.onward != "" {
			http.Redirect(w, r, a.onward, http.StatusFound)
			return
		}
		plain(w, "You are back at Acme")
	})
	a.mux.HandleFunc("/bye", func(w http.ResponseWriter, r *http.Request) { plain(w, "Goodbye, "+r.URL.Query().Get("state")) })
	a.mux.HandleFunc("/favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	return a
}

func plain(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, `<!DOCTYPE html><html lang="en"><title>Acme</title><h1>%s</h1></html>`, text)
}

// answer is what the browser brought.
func (a *application) answer(t *testing.T) url.Values {
	t.Helper()
	select {
	case q := <-a.came:
		return q
	default:
		t.Fatal("nothing came to the application")
		return nil
	}
}

// The pair of RFC 7636 appendix B.
const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// request is an authorization request, as a path; changes go over what it has.
func (a *application) request(clientID string, changes url.Values) string {
	q := url.Values{
		"client_id": {clientID}, "response_type": {"code"}, "redirect_uri": {a.url + "/callback"}, "state": {"state of the application"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"}, "scope": {"openid project:write release:write"},
	}
	for name, values := range changes {
		q[name] = values
	}
	return "/oauth/authorize/?" + q.Encode()
}

// redeem gives the code for tokens.
func (in *installation) redeem(t *testing.T, clientID, code string) (tokens map[string]any) {
	t.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}, "redirect_uri": {in.app.url + "/callback"}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, in.url+"/oauth/token/", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(clientID, webSecret)
	resp, err := in.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&tokens); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("redeem the code: %d %v %v", resp.StatusCode, tokens["error_description"], err)
	}
	for _, name := range []string{"access_token", "refresh_token", "id_token"} {
		if token, ok := tokens[name].(string); ok {
			leaks.Remember(token)
		}
	}
	return tokens
}
