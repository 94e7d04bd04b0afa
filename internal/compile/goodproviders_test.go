package compile_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
)

const goodMetadata = `<?xml version="1.0"?>
<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example.com/saml">
  <IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
    <SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://idp.example.com/sso"/>
  </IDPSSODescriptor>
</EntityDescriptor>`

// certificate is one in PEM, and key the private key beside it.
var certificate, key = sync.OnceValues(func() (string, string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	raw, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{}, &private.PublicKey, private)
	if err != nil {
		panic(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
})()

// goodProviders is one of each type with every field set, of the installation but for okta,
// which is acme's; and one that acme does not admit.
func goodProviders(meta func(namespace, name string) metav1.ObjectMeta) []*v1alpha1.AuthProvider {
	acme := &v1alpha1.ObjectReference{Name: "acme", Namespace: "acme"}
	upstream := v1alpha1.SecretKeyReference{Name: "upstream", Key: "secret"}
	oidc := v1alpha1.OIDCProvider{
		Issuer: "https://acme.okta.com", ClientID: "gatehouse", ClientSecretRef: &v1alpha1.SecretKeyReference{Name: "ci", Key: "secret"},
		Scopes: []v1alpha1.UpstreamScope{"email", "groups"}, PKCE: new(true), Prompt: "login", CABundle: v1alpha1.CABundle(certificate),
	}
	return []*v1alpha1.AuthProvider{
		{ObjectMeta: meta("gatehouse-system", "local"), Spec: v1alpha1.AuthProviderSpec{Type: "Local", Local: &v1alpha1.LocalProvider{MinLength: new(int32(16))}}},
		{ObjectMeta: meta("acme", "okta"), Spec: v1alpha1.AuthProviderSpec{
			OrganizationRef: acme, Type: "OIDC", DisplayName: "Okta", OIDC: &oidc, Mapping: goodMapping(), GroupsMaxAge: "1h",
			Provisioning: &v1alpha1.Provisioning{Mode: "LinkOnly", LinkBy: "Subject"},
		}},
		{ObjectMeta: meta("gatehouse-system", "oauth"), Spec: v1alpha1.AuthProviderSpec{Type: "OAuth2", OAuth2: &v1alpha1.OAuth2Provider{
			AuthorizationURL: "https://id.example.com/authorize?tenant=a", TokenURL: "https://id.example.com/token", UserInfoURL: "https://id.example.com/me",
			ClientID: "gatehouse", ClientSecretRef: upstream, Scopes: []v1alpha1.UpstreamScope{"user:read"}, PKCE: new(true), CABundle: v1alpha1.CABundle(certificate),
		}}},
		{ObjectMeta: meta("gatehouse-system", "hub"), Spec: v1alpha1.AuthProviderSpec{Type: "GitHub", GitHub: &v1alpha1.GitHubProvider{
			ClientID: "gatehouse", ClientSecretRef: upstream, Organizations: []v1alpha1.GitHubOrganization{"acme"}, BaseURL: "https://github.example.com/", CABundle: v1alpha1.CABundle(certificate),
		}}},
		{ObjectMeta: meta("gatehouse-system", "saml"), Spec: v1alpha1.AuthProviderSpec{
			Type: "SAML", Provisioning: &v1alpha1.Provisioning{Mode: "JIT", LinkBy: "VerifiedEmail"}, SAML: &v1alpha1.SAMLProvider{
				Metadata: goodMetadata, EntityID: "https://auth.example.com/saml", NameIDFormat: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent", CABundle: v1alpha1.CABundle(certificate),
			},
		}},
		{ObjectMeta: meta("gatehouse-system", "ldap"), Spec: v1alpha1.AuthProviderSpec{Type: "LDAP", LDAP: &v1alpha1.LDAPProvider{
			URL: "ldap://directory.example.com", StartTLS: true, BindDN: "cn=gatehouse,dc=example", BindPasswordRef: &upstream, CABundle: v1alpha1.CABundle(certificate),
			UserSearch:  v1alpha1.LDAPUserSearch{BaseDN: "ou=people,dc=example", Filter: `(&(objectClass=person)(|(uid={username})(mail={username}))(!(ou=\2a)))`, Attribute: "uidNumber"},
			GroupSearch: &v1alpha1.LDAPGroupSearch{BaseDN: "ou=groups,dc=example", Filter: "(|(member={dn})(memberUid={username}))", Attribute: "ou"},
		}}},
		{ObjectMeta: meta("shop", "intruder"), Spec: v1alpha1.AuthProviderSpec{OrganizationRef: acme, Type: "SAML", SAML: &v1alpha1.SAMLProvider{MetadataURL: "https://evil.example/metadata"}}},
	}
}

func goodMapping() *v1alpha1.ProviderMapping {
	return &v1alpha1.ProviderMapping{
		Subject: "claims.sub", Email: "claims.mail", EmailVerified: "true", Name: "claims.?name", Groups: `claims.groups.filter(g, g.startsWith("eng-"))`,
		Require: `claims.hd == "acme.com"`, AMR: "claims.?amr",
		Examples: []v1alpha1.MappingExample{
			{
				Claims: runtime.RawExtension{Raw: []byte(`{"sub":"1","mail":"Ann@acme.com","name":"Ann","hd":"acme.com","groups":["hr","eng-a"]}`)},
				Want:   v1alpha1.WantedProfile{Subject: "1", Email: "ann@acme.com", EmailVerified: new(true), Name: "Ann", Groups: []v1alpha1.WantedGroup{"eng-a"}},
			},
			{Claims: runtime.RawExtension{Raw: []byte(`{"sub":"1","mail":"a@evil.example","hd":"evil.example","groups":[]}`)}, Want: v1alpha1.WantedProfile{Refused: true}},
		},
	}
}

// The providers of the good world, by their place in it.
const (
	local, okta, oauthOne, hub, samlOne, ldapOne = 0, 1, 2, 3, 4, 5
)

func spec(in *compile.Input, provider int) *v1alpha1.AuthProviderSpec {
	return &in.Providers[provider].Spec
}

// providerMistakes are put into one field each of the providers of the good world. Each keeps
// its provider from being served.
var providerMistakes = map[string]struct {
	of    int
	spoil func(*v1alpha1.AuthProviderSpec)
	field string // of the first finding
	says  string // in its message
}{
	"settings of another type": {okta, func(s *v1alpha1.AuthProviderSpec) { s.SAML = &v1alpha1.SAMLProvider{Metadata: goodMetadata} }, "spec.saml", "only read with type: SAML"},
	"no settings":              {okta, func(s *v1alpha1.AuthProviderSpec) { s.OIDC = nil }, "spec.oidc", "must be given with type: OIDC"},
	"issuer http":              {okta, func(s *v1alpha1.AuthProviderSpec) { s.OIDC.Issuer = "http://acme.okta.com" }, "spec.oidc.issuer", "must use https"},
	"issuer loopback":          {okta, func(s *v1alpha1.AuthProviderSpec) { s.OIDC.Issuer = "http://localhost:5556" }, "spec.oidc.issuer", "must use https"},
	"issuer with a query":      {okta, func(s *v1alpha1.AuthProviderSpec) { s.OIDC.Issuer = "https://acme.okta.com/?a=b" }, "spec.oidc.issuer", "has a query"},
	"issuer with a fragment":   {okta, func(s *v1alpha1.AuthProviderSpec) { s.OIDC.Issuer = "https://acme.okta.com/#" }, "spec.oidc.issuer", "fragment"},
	"issuer with a password":   {okta, func(s *v1alpha1.AuthProviderSpec) { s.OIDC.Issuer = "https://a:" + knownSecret + "@acme.okta.com" }, "spec.oidc.issuer", "user information"},
	"issuer of a file":         {okta, func(s *v1alpha1.AuthProviderSpec) { s.OIDC.Issuer = "file:///etc/passwd" }, "spec.oidc.issuer", "must use https"},
	"issuer long": {okta, func(s *v1alpha1.AuthProviderSpec) {
		s.OIDC.Issuer = v1alpha1.UpstreamURL("https://a.example/" + strings.Repeat("x", 1024))
	}, "spec.oidc.issuer", "too long"},
	"issuer missing":          {okta, func(s *v1alpha1.AuthProviderSpec) { s.OIDC.Issuer = "" }, "spec.oidc.issuer", "not an absolute URI"},
	"upstream client ID":      {okta, func(s *v1alpha1.AuthProviderSpec) { s.OIDC.ClientID = "a b" }, "spec.oidc.clientID", "not a client ID"},
	"upstream scope":          {okta, func(s *v1alpha1.AuthProviderSpec) { s.OIDC.Scopes[0] = "openid email" }, "spec.oidc.scopes[0]", "list each by itself"},
	"prompt":                  {okta, func(s *v1alpha1.AuthProviderSpec) { s.OIDC.Prompt = "none" }, "spec.oidc.prompt", "use login, consent or select_account"},
	"neither secret nor PKCE": {okta, func(s *v1alpha1.AuthProviderSpec) { s.OIDC.ClientSecretRef, s.OIDC.PKCE = nil, new(false) }, "spec.oidc.pkce", "proven by PKCE alone"},
	"bundle of nothing":       {okta, func(s *v1alpha1.AuthProviderSpec) { s.OIDC.CABundle = "nothing" }, "spec.oidc.caBundle", "is not PEM"},
	"bundle with a key":       {okta, func(s *v1alpha1.AuthProviderSpec) { s.OIDC.CABundle += v1alpha1.CABundle(key) }, "spec.oidc.caBundle", "private key"},
	"bundle with something else": {okta, func(s *v1alpha1.AuthProviderSpec) {
		s.OIDC.CABundle = v1alpha1.CABundle(strings.ReplaceAll(certificate, "CERTIFICATE", "X"))
	}, "spec.oidc.caBundle", "part 1 is no certificate"},
	"bundle too long": {okta, func(s *v1alpha1.AuthProviderSpec) {
		s.OIDC.CABundle = v1alpha1.CABundle(strings.Repeat(certificate, 200))
	}, "spec.oidc.caBundle", "too long"},
	"upstream secret":             {okta, func(s *v1alpha1.AuthProviderSpec) { s.OIDC.ClientSecretRef.Name = "nobody" }, "spec.oidc.clientSecretRef", "no Secret acme/nobody with the label auth.gatehouse.dev/secret: input"},
	"upstream secret elsewhere":   {okta, func(s *v1alpha1.AuthProviderSpec) { s.OIDC.ClientSecretRef.Name = "upstream" }, "spec.oidc.clientSecretRef", "no Secret acme/upstream"},
	"upstream output":             {okta, func(s *v1alpha1.AuthProviderSpec) { s.OIDC.ClientSecretRef.Name = "made" }, "spec.oidc.clientSecretRef", "no Secret acme/made"},
	"upstream key":                {okta, func(s *v1alpha1.AuthProviderSpec) { s.OIDC.ClientSecretRef.Key = "nothing" }, "spec.oidc.clientSecretRef", `no key "nothing"`},
	"link by address of a tenant": {okta, func(s *v1alpha1.AuthProviderSpec) { s.Provisioning.LinkBy = "VerifiedEmail" }, "spec.provisioning.linkBy", "only for an AuthProvider of the installation"},
	"link by anything":            {okta, func(s *v1alpha1.AuthProviderSpec) { s.Provisioning.LinkBy = "?" }, "spec.provisioning.linkBy", "use Subject or VerifiedEmail"},
	"provisioning mode":           {okta, func(s *v1alpha1.AuthProviderSpec) { s.Provisioning.Mode = "?" }, "spec.provisioning.mode", "use JIT, LinkOnly or Deny"},
	"age of groups":               {okta, func(s *v1alpha1.AuthProviderSpec) { s.GroupsMaxAge = "9999h" }, "spec.groupsMaxAge", "use 1m to 720h"},
	"mapping subject":             {okta, func(s *v1alpha1.AuthProviderSpec) { s.Mapping.Subject = "claim.sub" }, "spec.mapping.subject", "an expression reads claims"},
	"mapping require":             {okta, func(s *v1alpha1.AuthProviderSpec) { s.Mapping.Require = "claims.hd ==" }, "spec.mapping.require", "Syntax error"},
	"mapping that loops": {okta, func(s *v1alpha1.AuthProviderSpec) {
		s.Mapping.Groups = "claims.groups.filter(a, claims.groups.exists(b, a == b))"
	}, "spec.mapping.groups", "fewer loops"},
	"example subject":    {okta, func(s *v1alpha1.AuthProviderSpec) { s.Mapping.Examples[0].Want.Subject = "2" }, "spec.mapping.examples[0].want.subject", `is "2", and the mapping makes "1"`},
	"example address":    {okta, func(s *v1alpha1.AuthProviderSpec) { s.Mapping.Examples[0].Want.Email = "bob@acme.com" }, "spec.mapping.examples[0].want.email", `the mapping makes "ann@acme.com"`},
	"example verified":   {okta, func(s *v1alpha1.AuthProviderSpec) { s.Mapping.Examples[0].Want.EmailVerified = new(false) }, "spec.mapping.examples[0].want.emailVerified", `the mapping makes "true"`},
	"example name":       {okta, func(s *v1alpha1.AuthProviderSpec) { s.Mapping.Examples[0].Want.Name = "Bob" }, "spec.mapping.examples[0].want.name", `the mapping makes "Ann"`},
	"example groups":     {okta, func(s *v1alpha1.AuthProviderSpec) { s.Mapping.Examples[0].Want.Groups = []v1alpha1.WantedGroup{} }, "spec.mapping.examples[0].want.groups", `is "", and the mapping makes "eng-a"`},
	"example let in":     {okta, func(s *v1alpha1.AuthProviderSpec) { s.Mapping.Require = "" }, "spec.mapping.examples[1].want.refused", "lets these claims in"},
	"example refused":    {okta, func(s *v1alpha1.AuthProviderSpec) { s.Mapping.Examples[1].Want.Refused = false }, "spec.mapping.examples[1]", "write want: {refused: true}"},
	"example unread":     {okta, func(s *v1alpha1.AuthProviderSpec) { s.Mapping.Examples[0].Claims.Raw = []byte(`{"hd":"acme.com"}`) }, "spec.mapping.examples[0]", "spec.mapping.subject fails"},
	"example of nothing": {okta, func(s *v1alpha1.AuthProviderSpec) { s.Mapping.Examples[0].Claims.Raw = nil }, "spec.mapping.examples[0].claims", "are no JSON object"},
	"example of a list":  {okta, func(s *v1alpha1.AuthProviderSpec) { s.Mapping.Examples[0].Claims.Raw = []byte(`[]`) }, "spec.mapping.examples[0].claims", "are no JSON object"},
	"example too large": {okta, func(s *v1alpha1.AuthProviderSpec) {
		s.Mapping.Examples[0].Claims.Raw = []byte(`{"a":"` + strings.Repeat("x", 16384) + `"}`)
	}, "spec.mapping.examples[0].claims", "larger than 16384 bytes"},
	"example too deep": {okta, func(s *v1alpha1.AuthProviderSpec) {
		s.Mapping.Examples[0].Claims.Raw = []byte(`{"a":` + strings.Repeat("[", 99) + strings.Repeat("]", 99) + `}`)
	}, "spec.mapping.examples[0]", "too many or too deep"},
	"17 examples":         {okta, func(s *v1alpha1.AuthProviderSpec) { s.Mapping.Examples = make([]v1alpha1.MappingExample, 17) }, "spec.mapping.examples", "at most 16"},
	"token URL":           {oauthOne, func(s *v1alpha1.AuthProviderSpec) { s.OAuth2.TokenURL = "https://[::1%eth0]/" }, "spec.oauth2.tokenURL", ""},
	"user info URL":       {oauthOne, func(s *v1alpha1.AuthProviderSpec) { s.OAuth2.UserInfoURL = "/me" }, "spec.oauth2.userInfoURL", "not an absolute URI"},
	"empty secret":        {oauthOne, func(s *v1alpha1.AuthProviderSpec) { s.OAuth2.ClientSecretRef.Key = "empty" }, "spec.oauth2.clientSecretRef", "must hold 1 to 500 bytes"},
	"GitHub organization": {hub, func(s *v1alpha1.AuthProviderSpec) { s.GitHub.Organizations[0] = "acme/dev" }, "spec.github.organizations[0]", "not the login of an organization"},
	"GitHub path":         {hub, func(s *v1alpha1.AuthProviderSpec) { s.GitHub.BaseURL = "https://github.example.com/api/v3" }, "spec.github.baseURL", "has a path"},
	"both metadata":       {samlOne, func(s *v1alpha1.AuthProviderSpec) { s.SAML.MetadataURL = "https://idp.example.com/m" }, "spec.saml", "remove one of them"},
	"no metadata":         {samlOne, func(s *v1alpha1.AuthProviderSpec) { s.SAML.Metadata = "" }, "spec.saml", "must give the provider's metadata"},
	"metadata URL": {samlOne, func(s *v1alpha1.AuthProviderSpec) {
		s.SAML.Metadata, s.SAML.MetadataURL = "", "http://idp.example.com/m"
	}, "spec.saml.metadataURL", "must use https"},
	"metadata not XML": {samlOne, func(s *v1alpha1.AuthProviderSpec) { s.SAML.Metadata = "<a" }, "spec.saml.metadata", "no well-formed XML"},
	"metadata with entities": {samlOne, func(s *v1alpha1.AuthProviderSpec) {
		s.SAML.Metadata = `<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>` + goodMetadata[22:]
	}, "spec.saml.metadata", "has a document type"},
	"metadata of something else": {samlOne, func(s *v1alpha1.AuthProviderSpec) { s.SAML.Metadata = "<html/>" }, "spec.saml.metadata", "its root must be one EntityDescriptor"},
	"metadata twice":             {samlOne, func(s *v1alpha1.AuthProviderSpec) { s.SAML.Metadata += goodMetadata[22:] }, "spec.saml.metadata", "its root must be one EntityDescriptor"},
	"metadata of a client": {samlOne, func(s *v1alpha1.AuthProviderSpec) {
		s.SAML.Metadata = strings.ReplaceAll(goodMetadata, "IDPSSO", "SPSSO")
	}, "spec.saml.metadata", "no IDPSSODescriptor"},
	"metadata of nobody": {samlOne, func(s *v1alpha1.AuthProviderSpec) {
		s.SAML.Metadata = strings.ReplaceAll(goodMetadata, "entityID", "id")
	}, "spec.saml.metadata", "no entityID"},
	"metadata too deep": {samlOne, func(s *v1alpha1.AuthProviderSpec) {
		s.SAML.Metadata = strings.ReplaceAll(goodMetadata, "<SingleSign", strings.Repeat("<a>", 99)+strings.Repeat("</a>", 99)+"<SingleSign")
	}, "spec.saml.metadata", "too many parts"},
	"entity ID":       {samlOne, func(s *v1alpha1.AuthProviderSpec) { s.SAML.EntityID = "gatehouse" }, "spec.saml.entityID", "write an absolute URI"},
	"format of names": {samlOne, func(s *v1alpha1.AuthProviderSpec) { s.SAML.NameIDFormat = "persistent" }, "spec.saml.nameIDFormat", "is not a format"},
	"transient names": {samlOne, func(s *v1alpha1.AuthProviderSpec) {
		s.SAML.NameIDFormat = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
	}, "spec.saml.nameIDFormat", "use persistent"},
	"passwords in the clear":     {ldapOne, func(s *v1alpha1.AuthProviderSpec) { s.LDAP.StartTLS = false }, "spec.ldap.url", "sends passwords in the clear"},
	"TLS twice":                  {ldapOne, func(s *v1alpha1.AuthProviderSpec) { s.LDAP.URL = "ldaps://directory.example.com" }, "spec.ldap.startTLS", "TLS from the start"},
	"directory by http":          {ldapOne, func(s *v1alpha1.AuthProviderSpec) { s.LDAP.URL = "https://directory.example.com" }, "spec.ldap.url", "not the address of a directory"},
	"directory with a path":      {ldapOne, func(s *v1alpha1.AuthProviderSpec) { s.LDAP.URL = "ldap://directory.example.com/dc=example" }, "spec.ldap.url", "must be a host"},
	"directory with a password":  {ldapOne, func(s *v1alpha1.AuthProviderSpec) { s.LDAP.URL = "ldap://a:" + knownSecret + "@directory.example.com" }, "spec.ldap.url", "user information"},
	"nobody binds with one":      {ldapOne, func(s *v1alpha1.AuthProviderSpec) { s.LDAP.BindDN = "" }, "spec.ldap.bindPasswordRef", "given with bindDN"},
	"somebody binds without one": {ldapOne, func(s *v1alpha1.AuthProviderSpec) { s.LDAP.BindPasswordRef = nil }, "spec.ldap.bindPasswordRef", "given with bindDN"},
	"empty password":             {ldapOne, func(s *v1alpha1.AuthProviderSpec) { s.LDAP.BindPasswordRef.Key = "empty" }, "spec.ldap.bindPasswordRef", "must hold 1 to 500 bytes"},
	"filter for everybody":       {ldapOne, func(s *v1alpha1.AuthProviderSpec) { s.LDAP.UserSearch.Filter = "(uid=ann)" }, "spec.ldap.userSearch.filter", "finds the same for everybody"},
	"filter unfinished":          {ldapOne, func(s *v1alpha1.AuthProviderSpec) { s.LDAP.UserSearch.Filter = "(uid={username}" }, "spec.ldap.userSearch.filter", "is not a filter"},
	"filter by what was typed":   {ldapOne, func(s *v1alpha1.AuthProviderSpec) { s.LDAP.UserSearch.Filter = "({username}=ann)" }, "spec.ldap.userSearch.filter", "is not a filter"},
	"filter with more after it":  {ldapOne, func(s *v1alpha1.AuthProviderSpec) { s.LDAP.UserSearch.Filter = "(uid={username})(a=b)" }, "spec.ldap.userSearch.filter", "is not a filter"},
	"filter of the DN":           {ldapOne, func(s *v1alpha1.AuthProviderSpec) { s.LDAP.UserSearch.Filter = "(|(uid={username})(a={dn}))" }, "spec.ldap.userSearch.filter", "groupSearch only"},
	"filter of groups":           {ldapOne, func(s *v1alpha1.AuthProviderSpec) { s.LDAP.GroupSearch.Filter = "(objectClass=group)" }, "spec.ldap.groupSearch.filter", "write {dn}"},
	"filter too deep": {ldapOne, func(s *v1alpha1.AuthProviderSpec) {
		s.LDAP.UserSearch.Filter = v1alpha1.LDAPFilter(strings.Repeat("(!", 99) + "(uid={username})" + strings.Repeat(")", 99))
	}, "spec.ldap.userSearch.filter", "is not a filter"},
	"subject attribute": {ldapOne, func(s *v1alpha1.AuthProviderSpec) { s.LDAP.UserSearch.Attribute = "a b" }, "spec.ldap.userSearch.attribute", "not the name of an attribute"},
	"base with a place": {ldapOne, func(s *v1alpha1.AuthProviderSpec) { s.LDAP.UserSearch.BaseDN = "uid={username},ou=people" }, "spec.ldap.userSearch.baseDN", "not the name of an entry"},
	"no place to bind as": {ldapOne, func(s *v1alpha1.AuthProviderSpec) {
		s.LDAP.BindDN, s.LDAP.BindPasswordRef, s.LDAP.UserSearch.Filter = "", nil, ""
	}, "spec.ldap.userSearch.baseDN", "write it like uid={username}"},
	"filter that nobody uses": {ldapOne, func(s *v1alpha1.AuthProviderSpec) {
		s.LDAP.BindDN, s.LDAP.BindPasswordRef, s.LDAP.UserSearch.BaseDN = "", nil, "uid={username},ou=people"
	}, "spec.ldap.userSearch.filter", "only read with bindDN"},
	"place amid a name": {ldapOne, func(s *v1alpha1.AuthProviderSpec) {
		s.LDAP.BindDN, s.LDAP.BindPasswordRef, s.LDAP.UserSearch = "", nil, v1alpha1.LDAPUserSearch{BaseDN: "{username}"}
	}, "spec.ldap.userSearch.baseDN", "write it like uid={username}"},
	"local with a mapping":    {local, func(s *v1alpha1.AuthProviderSpec) { s.Mapping = &v1alpha1.ProviderMapping{} }, "spec.mapping", "no claims to map"},
	"local with groups":       {local, func(s *v1alpha1.AuthProviderSpec) { s.GroupsMaxAge = "1h" }, "spec.groupsMaxAge", "tells no groups"},
	"local with provisioning": {local, func(s *v1alpha1.AuthProviderSpec) { s.Provisioning = &v1alpha1.Provisioning{} }, "spec.provisioning", "made by an administrator"},
	"local of a tenant": {local, func(s *v1alpha1.AuthProviderSpec) {
		s.OrganizationRef = &v1alpha1.ObjectReference{Name: "globex", Namespace: "globex"}
	}, "spec.organizationRef", "for the whole installation"},
}

func init() {
	for name, m := range providerMistakes {
		mistakes["provider: "+name] = func(in *compile.Input) { m.spoil(spec(in, m.of)) }
	}
	mistakes["provider organization"] = func(in *compile.Input) { spec(in, okta).OrganizationRef.Name = "nobody" }
	mistakes["provider of another"] = func(in *compile.Input) {
		spec(in, okta).OrganizationRef = &v1alpha1.ObjectReference{Name: "globex", Namespace: "globex"}
	}
	mistakes["provider for everybody"] = func(in *compile.Input) { spec(in, okta).OrganizationRef = nil }
	mistakes["admission of providers"] = func(in *compile.Input) { in.Organizations[0].Spec.AllowedNamespaces.AuthProviders.From = "?" }
}
