package server_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

// clientEndpoints are those that know their clients, each with a form that it takes from
// the machine (the device endpoint: from the confidential device application).
var clientEndpoints = map[string]struct{ client, form string }{
	"/oauth/token/":       {machine, "grant_type=client_credentials"},
	"/oauth/device/code/": {servertest.Box, "scope=org%3Aread"},
	"/oauth/introspect/":  {machine, "token=gat_unknown"},
	"/oauth/revoke/":      {machine, "token=gat_unknown"},
}

// atEveryClientEndpoint runs a test at each of them.
func atEveryClientEndpoint(t *testing.T, do func(t *testing.T, path, client, form string)) {
	for path, e := range clientEndpoints {
		t.Run(strings.Trim(path, "/"), func(t *testing.T) { do(t, path, e.client, e.form) })
	}
}

func basic(client, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(client)+":"+url.QueryEscape(secret)))
}

// ASVS 10.4.10, RFC 6749 sections 2.3 and 5.2.
func TestEveryEndpointForClientsRefusesWhoeverIsNotProven(t *testing.T) {
	w := servertest.New(t)
	atEveryClientEndpoint(t, func(t *testing.T, path, client, form string) {
		secret := servertest.Secrets[client]
		for name, c := range map[string]struct {
			headers []string
			extra   url.Values
			status  int
			code    string
		}{
			"nobody":                                 {nil, nil, 401, "invalid_client"},
			"an unknown client in the body":          {nil, servertest.Form("client_id", "acme.nobody"), 401, "invalid_client"},
			"an unknown client by Basic":             {[]string{basic("acme.nobody", secret)}, nil, 401, "invalid_client"},
			"no secret":                              {nil, servertest.Form("client_id", client), 401, "invalid_client"},
			"an empty secret in the body":            {nil, servertest.Form("client_id", client, "client_secret", ""), 401, "invalid_client"},
			"an empty secret by Basic":               {[]string{basic(client, "")}, nil, 401, "invalid_client"},
			"a wrong secret in the body":             {nil, servertest.Form("client_id", client, "client_secret", "wrong"), 401, "invalid_client"},
			"a wrong secret by Basic":                {[]string{basic(client, "wrong")}, nil, 401, "invalid_client"},
			"the beginning of the secret":            {[]string{basic(client, secret[:len(secret)-1])}, nil, 401, "invalid_client"},
			"the secret and more":                    {[]string{basic(client, secret+" ")}, nil, 401, "invalid_client"},
			"another client's secret":                {[]string{basic(client, servertest.Secrets[servertest.GlobexBot])}, nil, 401, "invalid_client"},
			"the client ID in another case":          {[]string{basic(strings.ToUpper(client), secret)}, nil, 401, "invalid_client"},
			"the client ID alone, of its slug":       {[]string{basic("acme", secret)}, nil, 401, "invalid_client"},
			"a public client with a secret":          {nil, servertest.Form("client_id", cli, "client_secret", "x"), 401, "invalid_client"},
			"a public client with a secret by Basic": {[]string{basic(cli, "x")}, nil, 401, "invalid_client"},
			"a secret without a client":              {nil, servertest.Form("client_secret", secret), 401, "invalid_client"},
			"Basic without a client":                 {[]string{basic("", secret)}, nil, 401, "invalid_client"},
			"Basic without a colon":                  {[]string{"Basic " + base64.StdEncoding.EncodeToString([]byte(client))}, nil, 401, "invalid_client"},
			"Basic that is not base64":               {[]string{"Basic !!!"}, nil, 401, "invalid_client"},
			"Basic with a bad percent encoding":      {[]string{"Basic " + base64.StdEncoding.EncodeToString([]byte(client+":%zz"))}, nil, 401, "invalid_client"},
			"Basic that is empty":                    {[]string{"Basic"}, nil, 401, "invalid_client"},
			"a scheme that is not Basic":             {[]string{"Bearer " + secret}, nil, 401, "invalid_client"},
			"two secrets":                            {[]string{basic(client, secret)}, servertest.Form("client_id", client, "client_secret", secret), 400, "invalid_request"},
			"another client_id beside Basic":         {[]string{basic(client, secret)}, servertest.Form("client_id", cli), 400, "invalid_request"},
			"two Authorization headers":              {[]string{basic(client, secret), basic(client, secret)}, nil, 400, "invalid_request"},
		} {
			t.Run(name, func(t *testing.T) {
				r := w.Request(t, http.MethodPost, path, form+"&"+c.extra.Encode())
				r.Header["Authorization"] = c.headers
				refused(t, w.Do(t, r), c.status, c.code)
			})
		}
		t.Run("credentials in the query", func(t *testing.T) {
			query := servertest.Form("client_id", client, "client_secret", secret).Encode()
			refused(t, w.Do(t, w.Request(t, http.MethodPost, path+"?"+query, form)), 401, "invalid_client")
		})
	})
}

// What is not served reads as what never was, though its secret is right.
func TestClientsThatAreNotServedReadAsUnknown(t *testing.T) {
	for name, change := range map[string]func(*servertest.World, string){
		"deleted":                    func(w *servertest.World, client string) { delete(w.Declared.Applications, client) },
		"suspended":                  func(w *servertest.World, client string) { w.Declared.Applications[client].Suspended = true },
		"expired":                    func(w *servertest.World, client string) { w.Declared.Applications[client].ExpiresAt = w.Now() },
		"its organization suspended": func(w *servertest.World, _ string) { w.Declared.Organizations["acme"].Suspended = true },
		"its organization deleted":   func(w *servertest.World, _ string) { delete(w.Declared.Organizations, "acme") },
		"its secret replaced": func(w *servertest.World, client string) {
			w.Declared.Applications[client].Secrets = w.Declared.Applications[servertest.GlobexBot].Secrets
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := servertest.New(t)
			change(w, machine)
			change(w, servertest.Box)
			w.Publish(t)
			atEveryClientEndpoint(t, func(t *testing.T, path, client, form string) {
				send := func(client, secret string) servertest.Answer {
					r := w.Request(t, http.MethodPost, path, form)
					r.Header.Set("Authorization", basic(client, secret))
					return w.Do(t, r)
				}
				a, unknown := send(client, servertest.Secrets[client]), send("acme.nobody", "wrong")
				refused(t, a, 401, "invalid_client")
				if string(a.Body) != string(unknown.Body) {
					t.Errorf("%s differs from an unknown client's %s", a.Body, unknown.Body)
				}
			})
		})
	}
}

func TestEveryEndpointForClientsRefusesOtherBodies(t *testing.T) {
	w := servertest.New(t)
	atEveryClientEndpoint(t, func(t *testing.T, path, client, form string) {
		const formType = "application/x-www-form-urlencoded"
		for name, c := range map[string]struct {
			kind, body string
			status     int
		}{
			"JSON":                        {"application/json", `{"token":"x"}`, 400},
			"a form that is called JSON":  {"application/json", form, 400},
			"multipart":                   {"multipart/form-data; boundary=x", "--x--", 400},
			"no content type":             {"", form, 400},
			"a content type that is none": {"form;;", form, 400},
			"more than 64 KiB":            {formType, form + "&x=" + strings.Repeat("x", 64<<10), 413},
			"a bad percent encoding":      {formType, form + "&x=%zz", 400},
			"a semicolon":                 {formType, form + ";x=y", 400},
			"a parameter twice":           {formType, form + "&" + form, 400},
			"an unknown parameter twice":  {formType, form + "&x=1&x=2", 400},
			"an empty parameter twice":    {formType, form + "&x=&x=", 400},
		} {
			t.Run(name, func(t *testing.T) {
				r := w.Request(t, http.MethodPost, path, c.body)
				r.Header.Set("Content-Type", c.kind)
				r.Header.Set("Authorization", basic(client, servertest.Secrets[client]))
				refused(t, w.Do(t, r), c.status, "invalid_request")
			})
		}
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions} {
			t.Run("the method "+method, func(t *testing.T) {
				a := w.Do(t, w.Request(t, method, path+"?"+form, ""))
				refused(t, a, 405, "invalid_request")
				if a.Header.Get("Allow") != "POST" {
					t.Errorf("Allow %q, want POST", a.Header.Get("Allow"))
				}
			})
		}
	})
}

// A form that works shows that the refusals above are for what their names say.
func TestEveryEndpointForClientsTakesItsForm(t *testing.T) {
	w := servertest.New(t)
	atEveryClientEndpoint(t, func(t *testing.T, path, client, form string) {
		r := w.Request(t, http.MethodPost, path, form)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
		r.Header.Set("Authorization", basic(client, servertest.Secrets[client]))
		if a := w.Do(t, r); a.Status != 200 {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	})
}
