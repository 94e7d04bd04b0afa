package upstream_test

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"testing"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/upstream"
	"github.com/gatehouse-dev/gatehouse/server/upstream/upstreamtest"
)

// at is the world of an IdP in this process.
func at(idp *upstreamtest.IdP, p *model.Provider) *upstreamtest.World {
	faults := map[string]func(){}
	for _, f := range []string{"", upstreamtest.Down, upstreamtest.Broken, upstreamtest.HTML, upstreamtest.Huge, upstreamtest.Slow, upstreamtest.Redirect} {
		faults[f] = func() { idp.Fault(f) }
	}
	return &upstreamtest.World{
		Provider: p, Env: upstreamtest.Env(upstreamtest.Loopback), Return: idp.SignIn, Faults: faults, Handle: "state",
		Refusal: url.Values{"error": {"access_denied"}, "error_description": {upstreamtest.Inner}},
		Secrets: func() []string { return append(idp.Issued(), upstreamtest.Secret) },
	}
}

func TestOIDCIsABackend(t *testing.T) {
	upstreamtest.Run(t, func(t *testing.T) *upstreamtest.World {
		idp := upstreamtest.NewIdP(t)
		return at(idp, idp.OIDC("okta"))
	})
}

func TestOAuth2IsABackend(t *testing.T) {
	upstreamtest.Run(t, func(t *testing.T) *upstreamtest.World {
		idp := upstreamtest.NewIdP(t)
		return at(idp, idp.OAuth2("forge"))
	})
}

func TestGitHubIsABackend(t *testing.T) {
	upstreamtest.Run(t, func(t *testing.T) *upstreamtest.World {
		idp := upstreamtest.NewIdP(t)
		return at(idp, idp.GitHub("github", "acme"))
	})
}

func TestSAMLIsABackend(t *testing.T) {
	upstreamtest.Run(t, func(t *testing.T) *upstreamtest.World {
		idp := upstreamtest.NewIdP(t)
		idp.Edit(func(e *upstreamtest.Edits) { e.Metadata = func() string { return upstream.SAMLMetadata(idp.URL) } })
		p := &model.Provider{UID: "saml", Name: "saml", Type: "SAML", SAML: &model.SAMLSettings{MetadataURL: idp.URL + "/metadata", CABundle: idp.CABundle()}}
		w := at(idp, p)
		w.Handle = "RelayState"
		w.Return = func(t testing.TB, step upstream.Step) url.Values {
			to, err := url.Parse(step.Redirect)
			if err != nil {
				t.Fatal(err)
			}
			request := regexp.MustCompile(` ID="([^"]*)"`).FindStringSubmatch(upstream.SAMLRequest(t, to.Query().Get("SAMLRequest")))
			response := upstream.SAMLResponse(t, request[1], upstreamtest.Issuer+"/login/callback/saml/")
			return url.Values{"RelayState": {to.Query().Get("RelayState")}, "SAMLResponse": {base64.StdEncoding.EncodeToString([]byte(response))}}
		}
		w.Refusal = url.Values{"SAMLResponse": {base64.StdEncoding.EncodeToString([]byte(`<p:Response xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol" Version="2.0" ID="_r"><p:Status>` +
			`<p:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Responder"/><p:StatusMessage>` + upstreamtest.Inner + `</p:StatusMessage></p:Status></p:Response>`))}}
		return w
	})
}
