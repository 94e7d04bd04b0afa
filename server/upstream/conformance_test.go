package upstream_test

import (
	"net/url"
	"testing"

	"github.com/gatehouse-dev/gatehouse/internal/model"
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
