package compile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// redirects reads where people and answers may go.
func (t *tenancy) redirects(o *v1alpha1.ApiApplication, app *model.Application, r *Report) {
	switch gets := app.Allows(oauth.AuthorizationCode); {
	case gets && len(o.Spec.RedirectURIs) == 0:
		r.refuse(v1alpha1.ReasonInvalidSpec, "spec.redirectURIs",
			"must list where codes are sent; add the URI of the application, such as https://app.example.com/callback, or remove authorization_code from spec.grantTypes")
	case !gets && len(o.Spec.RedirectURIs) > 0:
		r.find(v1alpha1.ReasonInvalidSpec, "spec.redirectURIs", "are only read with the grant type authorization_code; add it to spec.grantTypes, or remove them")
	default:
		app.RedirectURIs = redirectURIs(o.Spec.RedirectURIs, "spec.redirectURIs", o.Spec.Type, r)
	}
	app.PostLogoutRedirectURIs = redirectURIs(o.Spec.PostLogoutRedirectURIs, "spec.postLogoutRedirectURIs", o.Spec.Type, r)
	app.BackChannelURI = backChannelURI(o, app, r)
	app.AllowedOrigins = allowedOrigins(o, r)
	if o.Spec.Type != v1alpha1.TypeNative && !t.dev {
		for _, uri := range app.RedirectURIs {
			if strings.HasPrefix(uri, "http:") {
				r.weaken(v1alpha1.ReasonLoopbackRedirect, "spec.redirectURIs",
					"%s is served, but any program on a person's computer may listen there; remove it, or make it https, before people use it", quote(uri))
			}
		}
	}
}

// backChannelURI is where the application is told of sign-outs (OpenID Connect Back-Channel
// Logout section 2.2). One that will not do is left out: the application works without.
func backChannelURI(o *v1alpha1.ApiApplication, app *model.Application, r *Report) string {
	const field = "spec.logout.backChannelURI"
	if o.Spec.Logout == nil || o.Spec.Logout.BackChannelURI == "" {
		return ""
	}
	uri := o.Spec.Logout.BackChannelURI
	switch wrong := notFetched(uri); {
	case wrong != "" && strings.Contains(uri, "@"): // what stands before it may be a password
		r.find(v1alpha1.ReasonInvalidSpec, field, "%s", wrong)
	case wrong != "":
		r.find(v1alpha1.ReasonInvalidSpec, field, "%s %s", quote(uri), wrong)
	case !app.Allows(oauth.AuthorizationCode) || !app.ProtocolScopes.Has(oauth.OpenID):
		r.find(v1alpha1.ReasonInvalidSpec, field, "is only read where people sign in; add authorization_code to spec.grantTypes and openid to spec.scopes, or remove it")
	default:
		return uri
	}
	return ""
}

// redirectURIs admits URIs as they are written: anything looser lets an attacker receive
// the code (RFC 9700 section 2.1). One that is not admitted is left out; the others keep
// working.
func redirectURIs(uris []v1alpha1.RedirectURI, field, applicationType string, r *Report) (admitted []string) {
	for i, uri := range uris {
		raw := string(uri)
		if wrong := checkRedirect(raw, applicationType == v1alpha1.TypeNative); wrong != "" {
			r.find(v1alpha1.ReasonInvalidSpec, fmt.Sprintf("%s[%d]", field, i), "%s %s", quote(raw), wrong)
		} else if !slices.Contains(admitted, raw) {
			admitted = append(admitted, raw)
		}
	}
	return admitted
}

// checkRedirect says what is wrong with a redirect URI; "" if nothing is. A scheme of its
// own has a dot, so that it stands under a domain of its owner (RFC 8252 section 7.1), and
// no host: that also keeps javascript, data and file out.
func checkRedirect(raw string, native bool) string {
	u, wrong := readURI(raw)
	switch {
	case wrong != "":
		return wrong
	case u.Scheme == "https":
		return checkAuthority(raw, u)
	case u.Scheme == "http" && loopback(u.Hostname()):
		return checkAuthority(raw, u)
	case u.Scheme == "http":
		return "must use https; http is only for this computer: localhost, 127.0.0.1 or [::1]"
	case !native:
		return "must use https; a scheme of its own is only for the type Native"
	case !strings.Contains(u.Scheme, "."):
		return "must use https, http on this computer, or a scheme with a dot in it, as in com.example.app:/callback"
	case u.Opaque != "" || u.Path == "" || strings.HasPrefix(raw, u.Scheme+"://"):
		return "must have one slash after its scheme and no host, as in com.example.app:/callback"
	}
	return ""
}

// allowedOrigins admits origins exactly as browsers write them: they are compared with
// what a browser sends, and one that never matches is a mistake.
func allowedOrigins(o *v1alpha1.ApiApplication, r *Report) (admitted []string) {
	for i, origin := range o.Spec.AllowedOrigins {
		raw := string(origin)
		if wrong := checkOrigin(raw); wrong != "" {
			r.find(v1alpha1.ReasonInvalidSpec, fmt.Sprintf("spec.allowedOrigins[%d]", i), "%s %s", quote(raw), wrong)
		} else if !slices.Contains(admitted, raw) {
			admitted = append(admitted, raw)
		}
	}
	return admitted
}

// checkOrigin says what is wrong with an origin (RFC 6454 section 6.2); "" if nothing is.
func checkOrigin(raw string) string {
	const shape = "is not an origin as browsers write it; write scheme and host in lower case, a port only if it is not the scheme's own, and no path, as in https://app.example.com"
	u, wrong := readURI(raw)
	if wrong != "" || checkAuthority(raw, u) != "" {
		return shape
	}
	ownPort := u.Port() != "" && (u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80")
	switch {
	case raw != u.Scheme+"://"+u.Host || ownPort:
		return shape
	case u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()):
		return ""
	}
	return "must use https; http is only for this computer: localhost, 127.0.0.1 or [::1]"
}
