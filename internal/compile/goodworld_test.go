package compile_test

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/credential"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// goodWorld has every field set, and nothing wrong with any.
func goodWorld() compile.Input {
	meta := func(namespace, name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: name, Generation: 1, UID: types.UID(namespace + "/" + name)}
	}
	acme := v1alpha1.ObjectReference{Name: "acme", Namespace: "acme"}
	selector := &v1alpha1.LabelSelector{MatchExpressions: []v1alpha1.LabelSelectorRequirement{{Key: "team", Operator: "In", Values: []v1alpha1.LabelValue{"acme"}}}}
	return compile.Input{
		SystemNamespace: "gatehouse-system", Issuer: "https://auth.example.com", DigestKey: model.NewSensitive(knownSecret),
		Namespaces: []compile.Namespace{{Name: "shop", Labels: map[string]string{"team": "acme"}}, {Name: "foreign", Labels: map[string]string{"team": "?"}}},
		Secrets: []compile.Secret{
			{Namespace: "acme", Name: "ci", Version: "1", Data: map[string]model.Sensitive{"secret": model.NewSensitive(knownSecret)}},
			{Namespace: "gatehouse-system", Name: "upstream", Version: "1", Data: map[string]model.Sensitive{"secret": model.NewSensitive(knownSecret + "\n"), "empty": {}}},
		},
		Outputs:   []compile.Output{goodOutput()},
		Providers: goodProviders(meta),
		Organizations: []*v1alpha1.Organization{{ObjectMeta: meta("acme", "acme"), Spec: v1alpha1.OrganizationSpec{
			Slug: "acme",
			AllowedNamespaces: &v1alpha1.AllowedNamespaces{
				ApiApplications: &v1alpha1.NamespaceAdmission{From: "Selector", Selector: selector},
				Roles:           &v1alpha1.NamespaceAdmission{From: "Same"},
				AuthProviders:   &v1alpha1.NamespaceAdmission{From: "Same"},
			},
			Scopes: &v1alpha1.ScopeCatalogue{Custom: []v1alpha1.CustomScope{{Name: "billing:admin", Description: "words", Implies: []v1alpha1.ScopeName{"org:read"}}}},
			Login: &v1alpha1.Login{AuthProviders: []v1alpha1.ObjectReference{
				{Name: "local", Namespace: "gatehouse-system"}, {Name: "okta"}, {Name: "saml", Namespace: "gatehouse-system"},
			}},
			Tokens: &v1alpha1.TokenCeilings{AccessTokenTTL: "30m", JWTAccessTokenTTL: "8m", RefreshTokenIdleTTL: "1h", RefreshTokenAbsoluteTTL: "2h"},
		}}, {ObjectMeta: meta("globex", "globex"), Spec: v1alpha1.OrganizationSpec{
			Slug: "globex", ExternalApplications: &v1alpha1.ExternalApplications{From: "List", ClientIDs: []v1alpha1.ForeignClientID{"acme.web"}},
		}}},
		Applications: []*v1alpha1.ApiApplication{
			{ObjectMeta: meta("shop", "cli"), Spec: v1alpha1.ApiApplicationSpec{
				OrganizationRef: acme, Type: "Device", ClientID: "acme.tool", GrantTypes: []v1alpha1.GrantTypeName{"device_code"},
				Scopes: []v1alpha1.ApplicationScope{"billing:admin", "team:read"}, Tokens: &v1alpha1.ApplicationTokens{AccessTokenTTL: "5m"},
				ExpiresAt: "2027-01-31T00:00:00Z",
			}},
			{ObjectMeta: meta("acme", "ci"), Spec: v1alpha1.ApiApplicationSpec{
				OrganizationRef: acme, Type: "Machine", GrantTypes: []v1alpha1.GrantTypeName{"client_credentials"}, Introspection: "Own",
				Scopes: []v1alpha1.ApplicationScope{"org:read"},
				Credentials: &v1alpha1.Credentials{
					Source: "FromSecret", FromSecret: &v1alpha1.SecretKeyReference{Name: "ci", Key: "secret"},
					Output: &v1alpha1.CredentialsOutput{SecretName: "copy", Labels: map[string]v1alpha1.LabelValue{"team": "acme"}},
				},
			}},
			{ObjectMeta: meta("foreign", "cli"), Spec: v1alpha1.ApiApplicationSpec{OrganizationRef: acme, Type: "Device", Scopes: []v1alpha1.ApplicationScope{"org:read"}}},
			{ObjectMeta: meta("acme", "web"), Spec: goodWeb(acme)},
			{ObjectMeta: meta("acme", "made"), Spec: v1alpha1.ApiApplicationSpec{
				OrganizationRef: acme, Type: "Machine", Scopes: []v1alpha1.ApplicationScope{"org:read"},
				Credentials: &v1alpha1.Credentials{
					Source: "Generated",
					Output: &v1alpha1.CredentialsOutput{
						SecretName: "made", Labels: map[string]v1alpha1.LabelValue{"team": "acme"}, Annotations: map[string]v1alpha1.AnnotationValue{"a.example/b": "c"},
						Keys: &v1alpha1.CredentialsKeys{ClientID: "id", ClientSecret: "secret", Issuer: "url", TokenEndpoint: "token"},
					},
					Rotation: &v1alpha1.CredentialsRotation{Period: "720h", Overlap: "1h", Generation: 2},
				},
			}},
		},
		Roles: []*v1alpha1.Role{
			{ObjectMeta: meta("acme", "member"), Spec: v1alpha1.RoleSpec{OrganizationRef: acme, Rules: []v1alpha1.RoleRule{{Scopes: []v1alpha1.ScopeName{"billing:admin", "team:read"}}}}},
			{ObjectMeta: meta("acme", "developer"), Spec: v1alpha1.RoleSpec{
				OrganizationRef: acme, Inherits: []v1alpha1.ObjectReference{{Name: "member"}}, Rules: []v1alpha1.RoleRule{{Scopes: []v1alpha1.ScopeName{"event:read"}}},
				Subjects: []v1alpha1.Subject{{Kind: "User", Name: "ann@acme.com", NotAfter: "2027-01-31T00:00:00Z"}, {Kind: "ApiApplication", Name: "ci"}},
			}},
			{ObjectMeta: meta("foreign", "intruder"), Spec: v1alpha1.RoleSpec{OrganizationRef: acme, Rules: []v1alpha1.RoleRule{{Scopes: []v1alpha1.ScopeName{"org:admin"}}}, Subjects: []v1alpha1.Subject{{Kind: "User", Name: "eve@example.com"}}}},
		},
	}
}

// goodOutput holds two secrets, of which the older one ends.
func goodOutput() compile.Output {
	made := func(n byte, notAfter time.Time) credential.Credential {
		digest := model.SecretDigest{n}
		return credential.Credential{ID: fmt.Sprintf("%x", digest[:4]), Digest: digest, NotBefore: noon.AddDate(-1, 0, 0), NotAfter: notAfter, Generation: 2}
	}
	return compile.Output{
		Namespace: "acme", Name: "made", Version: "1", Owner: "acme/made", Values: map[string]model.SecretDigest{"secret": {2}},
		Credentials: credential.Format([]credential.Credential{made(1, noon.Add(time.Hour)), made(2, time.Time{})}),
	}
}

// goodWeb has every field of the code flow.
func goodWeb(organization v1alpha1.ObjectReference) v1alpha1.ApiApplicationSpec {
	return v1alpha1.ApiApplicationSpec{
		OrganizationRef: organization, Type: "Web", ClientID: "acme.web", GrantTypes: []v1alpha1.GrantTypeName{"authorization_code", "refresh_token"},
		Scopes:                 []v1alpha1.ApplicationScope{"openid", "email", "org:read"},
		RedirectURIs:           []v1alpha1.RedirectURI{"https://app.acme.com/callback", "https://app.acme.com/other"},
		PostLogoutRedirectURIs: []v1alpha1.RedirectURI{"https://app.acme.com/"},
		AllowedOrigins:         []v1alpha1.WebOrigin{"https://app.acme.com"},
		Audiences:              []v1alpha1.Audience{"https://api.acme.com"},
		Resources:              []v1alpha1.Audience{"https://api.acme.com"},
		OrganizationAccess:     "Selected",
		Consent:                &v1alpha1.Consent{Mode: "Remember", MaxAge: "1h"},
		Credentials:            &v1alpha1.Credentials{Source: "FromSecret", FromSecret: &v1alpha1.SecretKeyReference{Name: "ci", Key: "secret"}},
		Tokens:                 &v1alpha1.ApplicationTokens{Format: "JWT", AccessTokenTTL: "5m", IDTokenSigningAlg: "ES256"},
		Security:               &v1alpha1.ApplicationSecurity{PKCE: "Optional"},
	}
}

// mistakes are put into one field each of the good world.
var mistakes = map[string]func(*compile.Input){
	"slug":                      func(in *compile.Input) { in.Organizations[0].Spec.Slug = "Not A Slug" },
	"slug of another":           func(in *compile.Input) { in.Organizations[0].Spec.Slug = "globex" },
	"admission":                 func(in *compile.Input) { in.Organizations[0].Spec.AllowedNamespaces.Roles.From = "?" },
	"admission selector absent": func(in *compile.Input) { in.Organizations[0].Spec.AllowedNamespaces.ApiApplications.Selector = nil },
	"admission selector operator": func(in *compile.Input) {
		in.Organizations[0].Spec.AllowedNamespaces.ApiApplications.Selector.MatchExpressions[0].Operator = "?"
	},
	"admission selector values": func(in *compile.Input) {
		in.Organizations[0].Spec.AllowedNamespaces.ApiApplications.Selector.MatchExpressions[0].Values = nil
	},
	"custom scope name":        func(in *compile.Input) { in.Organizations[0].Spec.Scopes.Custom[0].Name = "org:read" },
	"custom scope implication": func(in *compile.Input) { in.Organizations[0].Spec.Scopes.Custom[0].Implies[0] = "no:such" },
	"login provider":           func(in *compile.Input) { in.Organizations[0].Spec.Login.AuthProviders[0].Name = "nobody" },
	"access ceiling":           func(in *compile.Input) { in.Organizations[0].Spec.Tokens.AccessTokenTTL = "?" },
	"idle ceiling":             func(in *compile.Input) { in.Organizations[0].Spec.Tokens.RefreshTokenIdleTTL = "1s" },
	"absolute ceiling":         func(in *compile.Input) { in.Organizations[0].Spec.Tokens.RefreshTokenAbsoluteTTL = "99999h" },
	"organization reference":   func(in *compile.Input) { in.Applications[0].Spec.OrganizationRef.Name = "nobody" },
	"client ID":                func(in *compile.Input) { in.Applications[0].Spec.ClientID = "globex.tool" },
	"type":                     func(in *compile.Input) { in.Applications[0].Spec.Type = "?" },
	"grant type":               func(in *compile.Input) { in.Applications[0].Spec.GrantTypes[0] = "?" },
	"grant types emptied":      func(in *compile.Input) { in.Applications[1].Spec.GrantTypes = []v1alpha1.GrantTypeName{} },
	"scope":                    func(in *compile.Input) { in.Applications[0].Spec.Scopes[0] = "no:such" },
	"introspection":            func(in *compile.Input) { in.Applications[1].Spec.Introspection = "?" },
	"credentials source":       func(in *compile.Input) { in.Applications[1].Spec.Credentials.Source = "?" },
	"credentials absent":       func(in *compile.Input) { in.Applications[1].Spec.Credentials = nil },
	"credentials secret":       func(in *compile.Input) { in.Applications[1].Spec.Credentials.FromSecret.Name = "nobody" },
	"credentials key":          func(in *compile.Input) { in.Applications[1].Spec.Credentials.FromSecret.Key = "nothing" },
	"access token life":        func(in *compile.Input) { in.Applications[0].Spec.Tokens.AccessTokenTTL = "?" },
	"access token life long":   func(in *compile.Input) { in.Applications[0].Spec.Tokens.AccessTokenTTL = "20h" },
	"expiry":                   func(in *compile.Input) { in.Applications[0].Spec.ExpiresAt = "?" },
	"role organization":        func(in *compile.Input) { in.Roles[0].Spec.OrganizationRef.Name = "nobody" },
	"role inherits":            func(in *compile.Input) { in.Roles[1].Spec.Inherits[0].Name = "nobody" },
	"role cycle":               func(in *compile.Input) { in.Roles[1].Spec.Inherits[0].Name = "developer" },
	"role scope":               func(in *compile.Input) { in.Roles[0].Spec.Rules[0].Scopes[0] = "no:such" },
	"subject kind":             func(in *compile.Input) { in.Roles[1].Spec.Subjects[0].Kind = "?" },
	"subject address":          func(in *compile.Input) { in.Roles[1].Spec.Subjects[0].Name = "?" },
	"subject application":      func(in *compile.Input) { in.Roles[1].Spec.Subjects[1].Name = "nobody" },
	"subject end":              func(in *compile.Input) { in.Roles[1].Spec.Subjects[0].NotAfter = "?" },
	"provider type":            func(in *compile.Input) { in.Providers[0].Spec.Type = "?" },
	"provider namespace":       func(in *compile.Input) { in.Providers[0].Namespace = "acme" },
	"provider password length": func(in *compile.Input) { in.Providers[0].Spec.Local.MinLength = new(int32(1)) },
	"no namespace is known":    func(in *compile.Input) { in.Namespaces = nil },
	"uid":                      func(in *compile.Input) { in.Applications[0].UID = "" },
	"JWT ceiling":              func(in *compile.Input) { in.Organizations[0].Spec.Tokens.JWTAccessTokenTTL = "2h" },
	"external applications":    func(in *compile.Input) { in.Organizations[1].Spec.ExternalApplications.From = "?" },
	"external contradiction":   func(in *compile.Input) { in.Organizations[1].Spec.ExternalApplications.From = "All" },
	"external client ID":       func(in *compile.Input) { in.Organizations[1].Spec.ExternalApplications.ClientIDs[0] = "?" },
	"external list emptied":    func(in *compile.Input) { in.Organizations[1].Spec.ExternalApplications.ClientIDs = nil },
	"type without a secret":    func(in *compile.Input) { in.Applications[3].Spec.Type = "SPA" },
	"redirect URI":             func(in *compile.Input) { in.Applications[3].Spec.RedirectURIs[0] = "https://*.acme.com" },
	"redirect URIs emptied":    func(in *compile.Input) { in.Applications[3].Spec.RedirectURIs = nil },
	"redirects without a use": func(in *compile.Input) {
		in.Applications[0].Spec.RedirectURIs = []v1alpha1.RedirectURI{"https://acme.com"}
	},
	"post-logout redirect URI": func(in *compile.Input) { in.Applications[3].Spec.PostLogoutRedirectURIs[0] = "acme.com" },
	"origin":                   func(in *compile.Input) { in.Applications[3].Spec.AllowedOrigins[0] = "*" },
	"consent mode":             func(in *compile.Input) { in.Applications[3].Spec.Consent.Mode = "?" },
	"consent age":              func(in *compile.Input) { in.Applications[3].Spec.Consent.MaxAge = "?" },
	"PKCE":                     func(in *compile.Input) { in.Applications[3].Spec.Security.PKCE = "?" },
	"PKCE without a secret": func(in *compile.Input) {
		in.Applications[0].Spec.Security = &v1alpha1.ApplicationSecurity{PKCE: "Optional"}
	},
	"token format": func(in *compile.Input) { in.Applications[3].Spec.Tokens.Format = "?" },
	"signature":    func(in *compile.Input) { in.Applications[3].Spec.Tokens.IDTokenSigningAlg = "none" },
	"JWT life":     func(in *compile.Input) { in.Applications[3].Spec.Tokens.AccessTokenTTL = "9m" },
	"audience":     func(in *compile.Input) { in.Applications[3].Spec.Audiences[0] = "?" },
	"audience of ours": func(in *compile.Input) {
		in.Applications[3].Spec.Audiences[0] = "https://auth.example.com/organizations/globex"
	},
	"audience of another": func(in *compile.Input) {
		in.Applications[0].Spec.Audiences = []v1alpha1.Audience{"https://api.acme.com"}
	},
	"resource":                  func(in *compile.Input) { in.Applications[3].Spec.Resources[0] = "https://api.globex.com" },
	"output gone":               func(in *compile.Input) { in.Outputs = nil },
	"output of another":         func(in *compile.Input) { in.Outputs[0].Owner = "acme/ci" },
	"output of nobody":          func(in *compile.Input) { in.Outputs[0].Owner = "" },
	"output annotation":         func(in *compile.Input) { in.Outputs[0].Credentials = "?" },
	"output name":               func(in *compile.Input) { in.Applications[4].Spec.Credentials.Output.SecretName = "?" },
	"output of another name":    func(in *compile.Input) { in.Applications[4].Spec.Credentials.Output.SecretName = "other" },
	"output named as an input":  func(in *compile.Input) { in.Applications[4].Spec.Credentials.Output.SecretName = "ci" },
	"output label":              func(in *compile.Input) { in.Applications[4].Spec.Credentials.Output.Labels["k8s.io/x"] = "y" },
	"output annotation ordered": func(in *compile.Input) { in.Applications[4].Spec.Credentials.Output.Annotations["argoproj.io/x"] = "y" },
	"output key":                func(in *compile.Input) { in.Applications[4].Spec.Credentials.Output.Keys.Issuer = "id" },
	"copy over its source":      func(in *compile.Input) { in.Applications[1].Spec.Credentials.Output.SecretName = "ci" },
	"copy over another":         func(in *compile.Input) { in.Applications[1].Spec.Credentials.Output.SecretName = "made" },
	"copy with power":           func(in *compile.Input) { in.Applications[1].Spec.Credentials.Output.Labels["k8s.io/x"] = "y" },
	"copy of nothing":           func(in *compile.Input) { in.Secrets = nil },
	"copy that rotates": func(in *compile.Input) {
		in.Applications[1].Spec.Credentials.Rotation = &v1alpha1.CredentialsRotation{Period: "720h"}
	},
	"output with a secret of none": func(in *compile.Input) {
		in.Applications[0].Spec.Credentials = &v1alpha1.Credentials{Output: &v1alpha1.CredentialsOutput{Keys: &v1alpha1.CredentialsKeys{ClientSecret: "x"}}}
	},
	"rotation period":               func(in *compile.Input) { in.Applications[4].Spec.Credentials.Rotation.Period = "?" },
	"rotation overlap":              func(in *compile.Input) { in.Applications[4].Spec.Credentials.Rotation.Overlap = "721h" },
	"rotation generation":           func(in *compile.Input) { in.Applications[4].Spec.Credentials.Rotation.Generation = -1 },
	"generated for a public client": func(in *compile.Input) { in.Applications[4].Spec.Type = "SPA" },
	"rotation without a source": func(in *compile.Input) {
		in.Applications[0].Spec.Credentials = &v1alpha1.Credentials{Rotation: &v1alpha1.CredentialsRotation{Period: "720h"}}
	},
	"organization access": func(in *compile.Input) { in.Applications[3].Spec.OrganizationAccess = "?" },
}
