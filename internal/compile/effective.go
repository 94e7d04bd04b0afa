package compile

import (
	"slices"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// applicationFacts are what status shows: the client ID as soon as it is certain, the
// rest once it is served.
func applicationFacts(a *applicant) *v1alpha1.ApiApplicationStatus {
	s := &v1alpha1.ApiApplicationStatus{}
	if a.report.accepted() {
		s.ClientID = a.app.ClientID
	}
	if w := a.report.Output; w != nil {
		w.show(s)
	}
	if !a.report.NotServed {
		s.Effective = effective(a.app)
	}
	return s
}

// effective is what is served of an application, short of what says nothing about it.
func effective(app *model.Application) *v1alpha1.EffectiveApplication {
	e := &v1alpha1.EffectiveApplication{
		Scopes:                 declaredAs[v1alpha1.ApplicationScope](app.Scopes.Union(app.ProtocolScopes)),
		TokenFormat:            v1alpha1.TokensOpaque,
		AccessTokenTTL:         written(app.AccessTokenTTL),
		RedirectURIs:           declaredAs[v1alpha1.RedirectURI](app.RedirectURIs),
		PostLogoutRedirectURIs: declaredAs[v1alpha1.RedirectURI](app.PostLogoutRedirectURIs),
		BackChannelURI:         app.BackChannelURI,
		AllowedOrigins:         declaredAs[v1alpha1.WebOrigin](app.AllowedOrigins),
		Audiences:              declaredAs[v1alpha1.Audience](app.Audiences),
		Resources:              declaredAs[v1alpha1.Audience](app.Resources),
		OrganizationAccess:     v1alpha1.OrganizationOwner,
	}
	for name, grant := range grantTypes {
		if app.Allows(grant) {
			e.GrantTypes = append(e.GrantTypes, name)
		}
	}
	slices.Sort(e.GrantTypes)
	if app.JWTAccessTokens {
		e.TokenFormat = v1alpha1.TokensJWT
	}
	if app.ProtocolScopes.Has(oauth.OpenID) {
		e.IDTokenSigningAlg = app.IDTokenAlg
	}
	if app.Allows(oauth.AuthorizationCode) {
		e.PKCE, e.ConsentMode = v1alpha1.PKCERequired, string(app.Consent.Mode)
		if app.PKCEOptional {
			e.PKCE = v1alpha1.PKCEOptional
		}
		if app.Consent.Mode == model.ConsentRemember {
			e.ConsentMaxAge = written(app.Consent.MaxAge)
		}
	}
	if app.AnyOrganization {
		e.OrganizationAccess = v1alpha1.OrganizationSelected
	}
	return e
}

// declaredAs writes strings as the type that a declaration has for them.
func declaredAs[T ~string](list []string) []T {
	var out []T
	for _, s := range list {
		out = append(out, T(s))
	}
	return out
}
