package grants

import (
	"net/url"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/clientauth"
)

// CheckResource honours the parameter resource or refuses it (RFC 8707 section 2): a token
// that is for less than its client believes must not be issued. The one resource that
// there is, is the organization.
func (p *Pipeline) CheckResource(c clientauth.Client, form url.Values) error {
	if asked := form.Get("resource"); asked != "" && asked != p.audience(c) {
		return oauth.Refuse(oauth.InvalidTarget, "tokens are for "+p.audience(c)+" and nothing else")
	}
	return nil
}

// audience is what the tokens of a client are for.
func (p *Pipeline) audience(c clientauth.Client) string {
	return p.Issuer + "/organizations/" + c.Organization.Slug
}
