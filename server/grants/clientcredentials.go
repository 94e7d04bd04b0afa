package grants

import (
	"context"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// clientCredentials lets an application act for itself (RFC 6749 section 4.4): with the
// scopes of the roles that name it, never by its own ceiling alone, in its own
// organization only. It writes nothing.
func (p *Pipeline) clientCredentials(_ context.Context, r *Request) (redemption, error) {
	if !r.Client.Authenticated() {
		return redemption{}, oauth.Refuse(oauth.UnauthorizedClient, "a public client cannot act for itself")
	}
	if err := CheckTarget(p.Issuer, r.Client, r.Form["resource"]); err != nil {
		return redemption{}, err
	}
	requested, err := Requested(r.Client, r.Form.Get("scope"))
	if err != nil {
		return redemption{}, err
	}
	roles := r.Client.Application.Roles(r.Now)
	if len(roles) == 0 {
		return redemption{}, oauth.Refuse(oauth.InvalidScope, "no role names the application")
	}
	scopes := requested.Without(protocolScopes).Intersect(model.ScopesOf(roles))
	if len(scopes) == 0 {
		return redemption{}, oauth.Refuse(oauth.InvalidScope, "the roles that name the application give none of these scopes")
	}
	return redemption{scopes: scopes, resource: r.Form.Get("resource")}, nil
}
