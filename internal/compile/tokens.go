package compile

import (
	"cmp"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// tokens reads what the application's tokens are, and how long they live.
func (t *tenancy) tokens(o *v1alpha1.ApiApplication, app *model.Application, r *Report) {
	declared := o.Spec.Tokens
	if declared == nil {
		declared = &v1alpha1.ApplicationTokens{}
	}
	within := bounds{accessTokenLeast, t.draft.tokens.AccessToken, ", the Organization's ceiling"}
	switch declared.Format {
	case "", v1alpha1.TokensOpaque:
	case v1alpha1.TokensJWT:
		app.JWTAccessTokens = true
		within.most, within.note = t.draft.tokens.JWTAccessToken, ", the Organization's ceiling for JWTs"
	default:
		r.refuse(v1alpha1.ReasonUnsupportedValue, "spec.tokens.format", "%s is not served by this version; use Opaque or JWT", quote(declared.Format))
	}
	app.AccessTokenTTL = length(declared.AccessTokenTTL, "spec.tokens.accessTokenTTL", within, within.most, r)
	app.IDTokenAlg = cmp.Or(declared.IDTokenSigningAlg, v1alpha1.AlgRS256)
	if app.IDTokenAlg != v1alpha1.AlgRS256 && app.IDTokenAlg != v1alpha1.AlgES256 {
		r.refuse(v1alpha1.ReasonUnsupportedValue, "spec.tokens.idTokenSigningAlg", "%s is not served by this version; use RS256 or ES256", quote(app.IDTokenAlg))
	}
}
