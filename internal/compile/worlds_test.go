package compile_test

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/credential"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// The words of small worlds are few, so that objects meet: names that clash, references
// that resolve and that do not, values that are right and that are wrong.
var (
	namespaces = []string{"acme", "globex", "shop", "gatehouse-system", ""}
	scopeNames = []string{"org:read", "org:admin", "project:write", "billing:read", "billing:admin", "no:such", "openid", "groups", "offline_access"}
	moments    = []string{"", "", "2026-01-01T00:00:00Z", "2027-01-31T00:00:00+02:00", "2027-02-30T00:00:00Z", "never"}
	durations  = []string{"", "", "5m", "1h", "5s", "100h", "soon"}
	addresses  = []string{"ann@acme.com", "Ann@ACME.com", "bob@globex.com", "ann"}
	names      = []string{"a", "b", "c", "acme", "globex"}
	redirects  = []string{"https://a.example/cb", "https://a.example:8443/cb", "http://localhost:3000/cb", "http://127.0.0.1/cb", "com.example.a:/cb", "https://a.example/cb#", "javascript:x", "*"}
	origins    = []string{"https://a.example", "http://localhost:3000", "https://a.example/", "null", "*"}
	audiences  = []string{"https://api.example", "urn:example:api", "https://auth.example.com/x", "api"}
	keySets    = []string{"", "", `{"keys":[]}`, `{"keys":[` + keyOne + `]}`, `{"keys":[` + keyOne + `,` + keyTwo + `]}`, `{"keys":[{"kty":"oct","k":"` + knownSecret + `"}]}`}
	clientIDs  = []string{"acme.tool", "globex.tool", "acme.acme.a", "globex.globex.b", "Not an ID"}
)

const (
	keyOne = `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"one"}`
	keyTwo = `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","kid":"two"}`
)

const knownSecret = "a-secret-that-nobody-may-ever-print-0123"

func pick(t *rapid.T, from []string, label string) string {
	return rapid.SampledFrom(from).Draw(t, label)
}

func list[S ~string](t *rapid.T, from []string, most int, label string) []S {
	var out []S
	for range rapid.IntRange(0, most).Draw(t, label+" count") {
		out = append(out, S(pick(t, from, label)))
	}
	return out
}

func drawMeta(t *rapid.T) metav1.ObjectMeta {
	m := metav1.ObjectMeta{
		Namespace: pick(t, namespaces, "namespace"), Name: pick(t, names, "name"), Generation: 1,
		UID: types.UID(fmt.Sprint("uid-", rapid.IntRange(0, 40).Draw(t, "uid"))),
	}
	if rapid.IntRange(0, 20).Draw(t, "no uid") == 0 {
		m.UID = ""
	}
	if age := rapid.IntRange(0, 3).Draw(t, "age"); age > 0 {
		m.CreationTimestamp = metav1.NewTime(time.Date(2026, 1, age, 0, 0, 0, 0, time.UTC))
	}
	return m
}

func drawRef(t *rapid.T) v1alpha1.ObjectReference {
	return v1alpha1.ObjectReference{Name: pick(t, names, "ref"), Namespace: pick(t, namespaces, "ref namespace")}
}

func drawAdmission(t *rapid.T) *v1alpha1.NamespaceAdmission {
	a := &v1alpha1.NamespaceAdmission{From: pick(t, []string{"Same", "All", "Selector", "Everyone"}, "from")}
	if rapid.Bool().Draw(t, "selector") {
		a.Selector = &v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{"team": "acme"}}
		if rapid.Bool().Draw(t, "expression") {
			a.Selector.MatchExpressions = []v1alpha1.LabelSelectorRequirement{{
				Key:      pick(t, []string{"team", "kubernetes.io/metadata.name"}, "key"),
				Operator: pick(t, []string{"In", "NotIn", "Exists", "DoesNotExist", "Gt"}, "operator"),
				Values:   list[v1alpha1.LabelValue](t, []string{"acme", "shop"}, 2, "values"),
			}}
		}
	}
	return a
}

func drawOrganization(t *rapid.T) *v1alpha1.Organization {
	o := &v1alpha1.Organization{ObjectMeta: drawMeta(t)}
	o.Spec.Slug = pick(t, []string{o.Namespace, "acme", "globex", "Not A Slug"}, "slug")
	o.Spec.Suspend = rapid.IntRange(0, 5).Draw(t, "suspend") == 0
	if rapid.Bool().Draw(t, "allowed") {
		o.Spec.AllowedNamespaces = &v1alpha1.AllowedNamespaces{ApiApplications: drawAdmission(t), Roles: drawAdmission(t)}
	}
	if rapid.Bool().Draw(t, "catalogue") {
		o.Spec.Scopes = &v1alpha1.ScopeCatalogue{}
		for range rapid.IntRange(0, 3).Draw(t, "custom") {
			o.Spec.Scopes.Custom = append(o.Spec.Scopes.Custom, v1alpha1.CustomScope{
				Name: v1alpha1.ScopeName(pick(t, scopeNames, "custom scope")), Description: "words",
				Implies: list[v1alpha1.ScopeName](t, scopeNames, 2, "implies"),
			})
		}
	}
	if rapid.Bool().Draw(t, "login") {
		o.Spec.Login = &v1alpha1.Login{AuthProviders: []v1alpha1.ObjectReference{drawRef(t)}}
	}
	if rapid.Bool().Draw(t, "tokens") {
		o.Spec.Tokens = &v1alpha1.TokenCeilings{
			AccessTokenTTL: v1alpha1.Duration(pick(t, durations, "ceiling")), JWTAccessTokenTTL: v1alpha1.Duration(pick(t, durations, "JWT ceiling")),
		}
	}
	if rapid.Bool().Draw(t, "external") {
		o.Spec.ExternalApplications = &v1alpha1.ExternalApplications{
			From: pick(t, []string{"None", "All", "List", "List", "Friends"}, "external from"), ClientIDs: list[v1alpha1.ForeignClientID](t, clientIDs, 2, "external IDs"),
		}
	}
	return o
}

func drawApplication(t *rapid.T) *v1alpha1.ApiApplication {
	a := &v1alpha1.ApiApplication{ObjectMeta: drawMeta(t)}
	a.Spec = v1alpha1.ApiApplicationSpec{
		OrganizationRef: drawRef(t),
		ClientID:        pick(t, []string{"", "", "acme.tool", "globex.tool", "acme.a.b"}, "client ID"),
		Type:            pick(t, []string{"Device", "Device", "Machine", "Web", "SPA", "Native", "Toaster"}, "type"),
		GrantTypes:      list[v1alpha1.GrantTypeName](t, []string{"authorization_code", "device_code", "refresh_token", "client_credentials", "implicit"}, 2, "grant"),
		Scopes:          list[v1alpha1.ApplicationScope](t, scopeNames, 3, "scope"),
		Introspection:   pick(t, []string{"", "Own", "Organization", "All"}, "introspection"),
		ExpiresAt:       v1alpha1.Timestamp(pick(t, moments, "expiresAt")),
		Suspend:         rapid.IntRange(0, 5).Draw(t, "suspend") == 0,
	}
	if rapid.IntRange(0, 3).Draw(t, "default grants") == 0 {
		a.Spec.GrantTypes = nil
	}
	if rapid.Bool().Draw(t, "tokens") {
		a.Spec.Tokens = &v1alpha1.ApplicationTokens{
			AccessTokenTTL: v1alpha1.Duration(pick(t, durations, "ttl")), Format: pick(t, []string{"", "Opaque", "JWT", "JWT", "PASETO"}, "format"),
			IDTokenSigningAlg: pick(t, []string{"", "RS256", "ES256", "none"}, "alg"),
		}
	}
	drawFlow(t, &a.Spec)
	if rapid.Bool().Draw(t, "credentials") {
		drawCredentials(t, &a.Spec)
	}
	return a
}

func drawCredentials(t *rapid.T, spec *v1alpha1.ApiApplicationSpec) {
	c := &v1alpha1.Credentials{Source: pick(t, []string{"", "None", "FromSecret", "Generated", "Generated", "PublicKey", "ServiceAccount", "Invented"}, "source")}
	spec.Credentials = c
	if rapid.IntRange(0, 4).Draw(t, "keys") > 0 == (c.Source == "PublicKey") {
		c.PublicKey = &v1alpha1.PublicKeySource{JWKS: pick(t, keySets, "jwks"), JWKSURI: pick(t, []string{"", "", "https://ci.example/jwks", "http://ci.example/jwks"}, "jwksURI")}
	}
	if rapid.IntRange(0, 4).Draw(t, "accounts") > 0 == (c.Source == "ServiceAccount") {
		for range rapid.IntRange(0, 2).Draw(t, "accounts count") {
			c.ServiceAccounts = append(c.ServiceAccounts, v1alpha1.ServiceAccountReference{
				Namespace: pick(t, namespaces, "account namespace"), Name: pick(t, append([]string{"No Name"}, names...), "account"),
			})
		}
	}
	if rapid.IntRange(0, 4).Draw(t, "from") > 0 == (c.Source == "FromSecret") {
		c.FromSecret = &v1alpha1.SecretKeyReference{Name: pick(t, names, "secret"), Key: pick(t, []string{"good", "bad"}, "key")}
	}
	if rapid.IntRange(0, 3).Draw(t, "output") == 0 {
		c.Output = &v1alpha1.CredentialsOutput{
			SecretName: pick(t, append([]string{"", "Not A Name"}, names...), "output name"),
			Labels:     map[string]v1alpha1.LabelValue{pick(t, []string{"team", "app.kubernetes.io/name", "not a key", "argoproj.io"}, "label"): "x"},
			Keys:       &v1alpha1.CredentialsKeys{ClientSecret: v1alpha1.SecretKey(pick(t, []string{"", "good", "client-id", "../x"}, "secret key"))},
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "rotation") == 0 {
		c.Rotation = &v1alpha1.CredentialsRotation{
			Period: v1alpha1.Duration(pick(t, durations, "period")), Overlap: v1alpha1.Duration(pick(t, durations, "overlap")),
			Generation: rapid.Int64Range(-1, 2).Draw(t, "generation"),
		}
	}
}

// drawFlow draws where codes go, who is asked, and for whom tokens are.
func drawFlow(t *rapid.T, spec *v1alpha1.ApiApplicationSpec) {
	spec.RedirectURIs = list[v1alpha1.RedirectURI](t, redirects, 3, "redirect")
	spec.PostLogoutRedirectURIs = list[v1alpha1.RedirectURI](t, redirects, 1, "post-logout redirect")
	spec.AllowedOrigins = list[v1alpha1.WebOrigin](t, origins, 2, "origin")
	spec.Audiences = list[v1alpha1.Audience](t, audiences, 2, "audience")
	spec.Resources = list[v1alpha1.Audience](t, audiences, 2, "resource")
	spec.OrganizationAccess = pick(t, []string{"", "Owner", "Selected", "Selected", "Any"}, "organization access")
	if rapid.Bool().Draw(t, "consent") {
		spec.Consent = &v1alpha1.Consent{
			Mode: pick(t, []string{"", "Explicit", "Remember", "Skip", "Never"}, "mode"), MaxAge: v1alpha1.Duration(pick(t, durations, "maxAge")),
		}
	}
	if rapid.Bool().Draw(t, "security") {
		spec.Security = &v1alpha1.ApplicationSecurity{PKCE: pick(t, []string{"", "Required", "Optional", "Never"}, "pkce")}
	}
}

func drawRole(t *rapid.T) *v1alpha1.Role {
	r := &v1alpha1.Role{ObjectMeta: drawMeta(t), Spec: v1alpha1.RoleSpec{OrganizationRef: drawRef(t)}}
	for range rapid.IntRange(0, 2).Draw(t, "inherits") {
		r.Spec.Inherits = append(r.Spec.Inherits, drawRef(t))
	}
	for range rapid.IntRange(0, 2).Draw(t, "rules") {
		r.Spec.Rules = append(r.Spec.Rules, v1alpha1.RoleRule{Scopes: list[v1alpha1.ScopeName](t, scopeNames, 2, "scope")})
	}
	for range rapid.IntRange(0, 3).Draw(t, "subjects") {
		s := v1alpha1.Subject{Kind: "User", Name: pick(t, addresses, "address"), NotAfter: v1alpha1.Timestamp(pick(t, moments, "notAfter"))}
		if rapid.Bool().Draw(t, "machine") {
			s.Kind, s.Name, s.Namespace = pick(t, []string{"ApiApplication", "Group"}, "kind"), pick(t, names, "application"), pick(t, namespaces, "namespace")
		}
		r.Spec.Subjects = append(r.Spec.Subjects, s)
	}
	return r
}

func drawProvider(t *rapid.T) *v1alpha1.AuthProvider {
	p := &v1alpha1.AuthProvider{ObjectMeta: drawMeta(t)}
	p.Namespace = pick(t, []string{"gatehouse-system", "gatehouse-system", "acme"}, "provider namespace")
	p.Spec.Type = pick(t, []string{"Local", "Local", "OIDC", "OIDC", "GitHub", "SAML", "LDAP", "OAuth2"}, "provider type")
	if rapid.Bool().Draw(t, "of an organization") {
		ref := drawRef(t)
		p.Spec.OrganizationRef = &ref
	}
	drawSettings(t, &p.Spec)
	p.Spec.Suspend = rapid.IntRange(0, 4).Draw(t, "provider suspended") == 0
	if p.Spec.Type != "Local" || rapid.IntRange(0, 4).Draw(t, "too much of a local one") == 0 {
		p.Spec.GroupsMaxAge = v1alpha1.Duration(pick(t, durations, "groups"))
		p.Spec.Provisioning = &v1alpha1.Provisioning{Mode: pick(t, []string{"", "JIT", "Deny", "?"}, "mode"), LinkBy: pick(t, []string{"", "Subject", "VerifiedEmail"}, "link")}
		p.Spec.Mapping = &v1alpha1.ProviderMapping{
			Subject: v1alpha1.Expression(pick(t, []string{"", "", "claims.id", "1", "claims."}, "subject")),
			Require: v1alpha1.Expression(pick(t, []string{"", "", "true", "claims.a"}, "require")),
		}
		for range rapid.IntRange(0, 2).Draw(t, "examples") {
			p.Spec.Mapping.Examples = append(p.Spec.Mapping.Examples, v1alpha1.MappingExample{
				Claims: runtime.RawExtension{Raw: []byte(pick(t, []string{`{"sub":"a","id":"a","name_id":"a","subject":"a","login":"a"}`, `{}`, `[]`, ""}, "claims"))},
				Want:   v1alpha1.WantedProfile{Subject: pick(t, []string{"", "a"}, "want")},
			})
		}
	}
	return p
}

// drawSettings gives most providers the settings of their type, and some those of another.
func drawSettings(t *rapid.T, s *v1alpha1.AuthProviderSpec) {
	of := s.Type
	if rapid.IntRange(0, 9).Draw(t, "settings of another type") == 0 {
		of = pick(t, []string{"Local", "OIDC", "none"}, "settings")
	}
	secret := v1alpha1.SecretKeyReference{Name: pick(t, names, "secret"), Key: pick(t, []string{"good", "bad", "none"}, "key")}
	url := v1alpha1.UpstreamURL(pick(t, []string{"https://idp.example", "http://127.0.0.1:5556/dex", "https://idp.example/?a", "x"}, "upstream"))
	switch of {
	case "Local":
		if rapid.Bool().Draw(t, "local") {
			s.Local = &v1alpha1.LocalProvider{
				MinLength: new(int32(rapid.Int32Range(0, 20).Draw(t, "minLength"))), ResetEnabled: new(rapid.Bool().Draw(t, "resetEnabled")),
				Registration: pick(t, []string{"", "Closed", "InvitationOnly", "Open", "Everybody"}, "registration"),
			}
		}
	case "OIDC":
		s.OIDC = &v1alpha1.OIDCProvider{Issuer: url, ClientID: "a", Scopes: list[v1alpha1.UpstreamScope](t, []string{"openid", "a", "b c"}, 2, "upstream scopes")}
		if rapid.Bool().Draw(t, "with a secret") {
			s.OIDC.ClientSecretRef = &secret
		}
	case "OAuth2":
		s.OAuth2 = &v1alpha1.OAuth2Provider{AuthorizationURL: url, TokenURL: url, UserInfoURL: url, ClientID: "a", ClientSecretRef: secret, PKCE: new(rapid.Bool().Draw(t, "pkce"))}
	case "GitHub":
		s.GitHub = &v1alpha1.GitHubProvider{ClientID: "a", ClientSecretRef: secret, Organizations: list[v1alpha1.GitHubOrganization](t, []string{"acme", "globex", "?"}, 2, "there")}
	case "SAML":
		s.SAML = &v1alpha1.SAMLProvider{Metadata: pick(t, []string{goodMetadata, "<a/>", ""}, "metadata"), AllowIdPInitiated: rapid.Bool().Draw(t, "begins there")}
	case "LDAP":
		s.LDAP = &v1alpha1.LDAPProvider{URL: pick(t, []string{"ldaps://a.example", "ldap://a.example"}, "directory"), BindDN: "cn=a", BindPasswordRef: &secret, UserSearch: v1alpha1.LDAPUserSearch{BaseDN: "ou=a"}}
	}
}

func drawSecret(t *rapid.T) compile.Secret {
	good := rapid.Bool().Draw(t, "good")
	s := compile.Secret{
		Namespace: pick(t, namespaces, "secret namespace"), Name: pick(t, names, "secret name"),
		Version: fmt.Sprint(good), Data: map[string]model.Sensitive{"bad": model.NewSensitive("short")},
	}
	if good {
		s.Data["good"] = model.NewSensitive(knownSecret)
	}
	return s
}

// drawOutput draws a Secret that an application's secret was written to, or that looks so.
func drawOutput(t *rapid.T) compile.Output {
	digest := model.NewSensitive(knownSecret).Digest([]byte(knownSecret))
	made := credential.Credential{ID: fmt.Sprintf("%x", digest[:4]), Digest: digest, NotBefore: noon, Generation: 1}
	if rapid.Bool().Draw(t, "ends") {
		made.NotAfter = noon.AddDate(1, 0, 0)
	}
	o := compile.Output{
		Namespace: pick(t, namespaces, "output namespace"), Name: pick(t, names, "output") + pick(t, []string{"", "-credentials", "-credentials"}, "suffix"),
		Owner:       pick(t, []string{"", fmt.Sprint("uid-", rapid.IntRange(0, 40).Draw(t, "owner"))}, "owned"),
		Credentials: pick(t, []string{"", "[]", "no", credential.Format([]credential.Credential{made})}, "annotation"),
		Values:      map[string]model.SecretDigest{pick(t, []string{"client-secret", "good"}, "value"): digest},
	}
	o.Version = fmt.Sprint(o.Owner, o.Credentials, o.Values)
	return o
}

func drawNamespace(t *rapid.T) compile.Namespace {
	return compile.Namespace{
		Name:   pick(t, namespaces, "a namespace"),
		Labels: map[string]string{"team": pick(t, []string{"acme", "globex"}, "team")},
		Slugs:  list[string](t, []string{"acme", "globex"}, 2, "slugs"),
	}
}

// several draws up to most values, some of them nil or twice.
func several[T any](t *rapid.T, most int, label string, draw func(*rapid.T) *T) []*T {
	var out []*T
	for range rapid.IntRange(0, most).Draw(t, label) {
		switch rapid.IntRange(0, 20).Draw(t, label+" odd") {
		case 0:
			out = append(out, nil)
		case 1:
			if len(out) > 0 {
				out = append(out, out[0])
			}
		default:
			out = append(out, draw(t))
		}
	}
	return out
}

func drawInput(t *rapid.T) compile.Input {
	in := compile.Input{
		SystemNamespace: "gatehouse-system", DigestKey: model.NewSensitive(knownSecret), AnySlug: rapid.Bool().Draw(t, "any slug"),
		AssumeOutputs: rapid.IntRange(0, 4).Draw(t, "assume outputs") == 0,
		NoCluster:     rapid.IntRange(0, 4).Draw(t, "no cluster") == 0,
		Issuer:        pick(t, []string{"", "https://auth.example.com"}, "issuer"), Dev: rapid.Bool().Draw(t, "dev"),
		Organizations: several(t, 4, "organizations", drawOrganization),
		Applications:  several(t, 6, "applications", drawApplication),
		Roles:         several(t, 6, "roles", drawRole),
		Providers:     several(t, 3, "providers", drawProvider),
	}
	in.Unread = list[string](t, namespaces, 2, "unread")
	for range rapid.IntRange(0, 3).Draw(t, "secrets") {
		in.Secrets = append(in.Secrets, drawSecret(t))
	}
	for range rapid.IntRange(0, 3).Draw(t, "outputs") {
		in.Outputs = append(in.Outputs, drawOutput(t))
	}
	for range rapid.IntRange(0, 3).Draw(t, "namespaces") {
		in.Namespaces = append(in.Namespaces, drawNamespace(t))
	}
	if rapid.IntRange(0, 2).Draw(t, "some were adopted") == 0 {
		in.Adopted = drawAdopted(t, in)
	}
	return in
}

// drawAdopted has objects go on as another one: one that is gone, one that is there, or one
// that others go on as, too.
func drawAdopted(t *rapid.T, in compile.Input) map[string]string {
	uids := []string{"gone-1", "gone-2", ""}
	for _, o := range in.Organizations {
		if o != nil {
			uids = append(uids, string(o.UID))
		}
	}
	for _, o := range in.Applications {
		if o != nil {
			uids = append(uids, string(o.UID))
		}
	}
	for _, o := range in.Providers {
		if o != nil {
			uids = append(uids, string(o.UID))
		}
	}
	adopted := map[string]string{}
	for range rapid.IntRange(0, 4).Draw(t, "adopted") {
		adopted[pick(t, uids, "heir")] = pick(t, uids, "id")
	}
	return adopted
}
