package compile

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// Bounds of what the schema bounds too: files are read without an API server.
const (
	upstreamScopesMost   = 32
	upstreamScopeMost    = 256
	upstreamClientIDMost = 256
	upstreamSecretMost   = 500 // of a Secret in a cluster no more than 512 bytes are kept
	githubMost           = 64
)

// publicGitHub is where GitHub itself is.
const publicGitHub = "https://github.com"

// githubLogin is the name of an organization of GitHub.
var githubLogin = regexp.MustCompile(`^[A-Za-z0-9]([-_A-Za-z0-9]*[A-Za-z0-9])?$`)

func oidcSettings(o *v1alpha1.OIDCProvider, r *Report) *model.OIDCSettings {
	const field = "spec.oidc."
	s := &model.OIDCSettings{
		Issuer: upstreamURL(o.Issuer, field+"issuer", r), ClientID: upstreamClientID(o.ClientID, field+"clientID", r),
		Scopes: upstreamScopes(o.Scopes, field+"scopes", r), PKCE: o.PKCE == nil || *o.PKCE, Prompt: o.Prompt,
		CABundle: caBundle(o.CABundle, field+"caBundle", r),
	}
	if strings.Contains(s.Issuer, "?") { // OpenID Connect Discovery section 3
		r.refuse(v1alpha1.ReasonInvalidSpec, field+"issuer", "%s has a query, and no issuer has one; remove the ? and what follows it", quote(s.Issuer))
	}
	if len(s.Scopes) == 0 {
		s.Scopes = []string{oauth.OpenID, oauth.Profile, oauth.Email}
	} else if !slices.Contains(s.Scopes, oauth.OpenID) {
		s.Scopes = append([]string{oauth.OpenID}, s.Scopes...)
	}
	if !slices.Contains([]string{"", "login", "consent", "select_account"}, o.Prompt) {
		r.refuse(v1alpha1.ReasonUnsupportedValue, field+"prompt", "%s is not served; use login, consent or select_account", quote(o.Prompt))
	}
	if o.ClientSecretRef == nil && !s.PKCE {
		r.refuse(v1alpha1.ReasonInvalidSpec, field+"pkce", "a client without a secret is proven by PKCE alone; remove it, or give clientSecretRef")
	}
	weakensPKCE(s.PKCE, field, r)
	return s
}

func oauth2Settings(o *v1alpha1.OAuth2Provider, r *Report) *model.OAuth2Settings {
	const field = "spec.oauth2."
	s := &model.OAuth2Settings{
		AuthorizationURL: upstreamURL(o.AuthorizationURL, field+"authorizationURL", r), TokenURL: upstreamURL(o.TokenURL, field+"tokenURL", r),
		UserInfoURL: upstreamURL(o.UserInfoURL, field+"userInfoURL", r), ClientID: upstreamClientID(o.ClientID, field+"clientID", r),
		Scopes: upstreamScopes(o.Scopes, field+"scopes", r), PKCE: o.PKCE == nil || *o.PKCE, CABundle: caBundle(o.CABundle, field+"caBundle", r),
	}
	weakensPKCE(s.PKCE, field, r)
	return s
}

// weakensPKCE: a code that was stolen on its way can then be redeemed in another browser
// (RFC 9700 section 2.1.1).
func weakensPKCE(pkce bool, field string, r *Report) {
	if !pkce {
		r.weaken(v1alpha1.ReasonWeakSignIn, field+"pkce", "false: a code that is stolen on its way is not bound to the sign-in that it was made for; set it to true if the provider takes it")
	}
}

func githubSettings(o *v1alpha1.GitHubProvider, r *Report) *model.GitHubSettings {
	const field = "spec.github."
	s := &model.GitHubSettings{BaseURL: publicGitHub, ClientID: upstreamClientID(o.ClientID, field+"clientID", r), CABundle: caBundle(o.CABundle, field+"caBundle", r)}
	if o.BaseURL != "" {
		s.BaseURL = strings.TrimSuffix(upstreamURL(o.BaseURL, field+"baseURL", r), "/")
		if u, wrong := readURI(s.BaseURL); wrong == "" && (u.Path != "" || strings.Contains(s.BaseURL, "?")) {
			r.refuse(v1alpha1.ReasonInvalidSpec, field+"baseURL", "%s has a path or a query; write the address of the server alone, as in https://github.example.com", quote(o.BaseURL))
		}
	}
	if len(o.Organizations) > githubMost {
		r.refuse(v1alpha1.ReasonInvalidSpec, field+"organizations", "must list at most %d", githubMost)
		return s
	}
	for i, name := range o.Organizations {
		// It restricts: with the last one left out, everybody would be let in.
		if len(name) > 64 || !githubLogin.MatchString(string(name)) {
			r.refuse(v1alpha1.ReasonInvalidSpec, fmt.Sprintf("%sorganizations[%d]", field, i), "%s is not the login of an organization; write it as in https://github.com/acme", quote(name))
		} else if lower := strings.ToLower(string(name)); !slices.Contains(s.Organizations, lower) {
			s.Organizations = append(s.Organizations, lower)
		}
	}
	return s
}

// upstreamURL admits what is asked over TLS alone: whoever changes an answer on its way says
// who everybody is. Which addresses it may lead to is seen where it is fetched.
func upstreamURL(declared v1alpha1.UpstreamURL, field string, r *Report) string {
	raw := string(declared)
	wrong := notFetched(raw)
	switch {
	case wrong == "":
	case strings.Contains(raw, "@"): // what stands before it may be a password
		r.refuse(v1alpha1.ReasonInvalidSpec, field, "%s", wrong)
	default:
		r.refuse(v1alpha1.ReasonInvalidSpec, field, "%s %s", quote(raw), wrong)
	}
	return raw
}

// upstreamClientID has the characters of RFC 6749 appendix A.1.
func upstreamClientID(declared v1alpha1.UpstreamClientID, field string, r *Report) string {
	id := string(declared)
	if id == "" || len(id) > upstreamClientIDMost || strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c > '~' }) {
		r.refuse(v1alpha1.ReasonInvalidSpec, field, "%s is not a client ID; use 1 to %d printable ASCII characters without spaces, as the provider gave it", quote(id), upstreamClientIDMost)
	}
	return id
}

// upstreamScopes are sent as they are, so one that is none spoils them all (RFC 6749 section
// 3.3).
func upstreamScopes(declared []v1alpha1.UpstreamScope, field string, r *Report) (scopes []string) {
	if len(declared) > upstreamScopesMost {
		r.refuse(v1alpha1.ReasonInvalidSpec, field, "must list at most %d", upstreamScopesMost)
		return nil
	}
	for i, d := range declared {
		s := string(d)
		if s == "" || len(s) > upstreamScopeMost || strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' || c == '"' || c == '\\' }) {
			r.refuse(v1alpha1.ReasonInvalidSpec, fmt.Sprintf("%s[%d]", field, i), "%s is not a scope; list each by itself, as the provider writes it", quote(s))
		} else if !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	return scopes
}

// upstreamSecret reads what is presented to a provider, from a Secret in the AuthProvider's
// own namespace that is labelled for it. One that is missing is waited for.
func upstreamSecret(o *v1alpha1.AuthProvider, ref v1alpha1.SecretKeyReference, field string, find func(types.NamespacedName) (Secret, bool), r *Report) (held model.Sensitive) {
	name := types.NamespacedName{Namespace: o.Namespace, Name: ref.Name}
	secret, found := find(name)
	if !found {
		r.refuse(v1alpha1.ReasonSecretNotFound, field, "no Secret %s with the label %s: %s; create it or add the label, Gatehouse waits for it",
			show(name), v1alpha1.SecretLabel, v1alpha1.SecretInput)
		return held
	}
	value, found := secret.Data[ref.Key]
	if !found {
		r.refuse(v1alpha1.ReasonSecretKeyMissing, field, "Secret %s has no key %s; add it", show(name), quote(ref.Key))
		return held
	}
	read := withoutLineEnd(value.Reveal())
	// An empty password is none: a directory takes it for a visitor without a name (RFC 4513
	// section 5.1.2).
	if len(read) == 0 || len(read) > upstreamSecretMost || !utf8.Valid(read) || strings.ContainsFunc(string(read), unicode.IsControl) {
		r.refuse(v1alpha1.ReasonSecretKeyMissing, field, "key %s of Secret %s must hold 1 to %d bytes of text without control characters; correct it there",
			quote(ref.Key), show(name), upstreamSecretMost)
		return held
	}
	return model.NewSensitive(read)
}
