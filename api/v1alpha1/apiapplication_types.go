package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ApiApplication is an OAuth client of one Organization.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=apiapplications,shortName=authapp,categories=gatehouse
// +kubebuilder:printcolumn:name="Org",type=string,JSONPath=`.spec.organizationRef.name`
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Client ID",type=string,JSONPath=`.status.clientID`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63 && !self.metadata.name.contains('.')",message="metadata.name: must have at most 63 characters and no dots"
type ApiApplication struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// What is declared.
	Spec ApiApplicationSpec `json:"spec"`
	// What became of it. Written by Gatehouse alone.
	// +default={"observedGeneration": -1}
	// +optional
	Status ApiApplicationStatus `json:"status,omitempty"`
}

// ApiApplicationSpec declares an ApiApplication.
// +kubebuilder:validation:XValidation:rule="has(self.clientID) == has(oldSelf.clientID) && (!has(self.clientID) || self.clientID == oldSelf.clientID)",message="spec.clientID: cannot be set, changed or removed later; create a new ApiApplication",fieldPath=".clientID"
type ApiApplicationSpec struct {
	// The Organization that owns this application; it never changes. Another
	// namespace's Organization must admit this one in
	// `spec.allowedNamespaces.apiApplications`.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec.organizationRef: cannot be changed; create a new ApiApplication"
	OrganizationRef ObjectReference `json:"organizationRef"`
	// OAuth client identifier, as `<slug of the Organization>.<one label>`; it
	// never changes. Default: `<slug>.<namespace>.<name>`. Example: `acme.cli`.
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=104
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?\.[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +optional
	ClientID string `json:"clientID,omitempty"`
	// Name shown to people who are asked to let this application in. Default: the
	// client ID. Example: `Acme CLI`.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +optional
	DisplayName string `json:"displayName,omitempty"`
	// What kind of client it is; it sets safe defaults and never changes. `Web`:
	// an application on a server of yours, with a secret. `SPA`: one that runs in
	// the browser. `Native`: one on people's own computers or phones. `Device`: a
	// command line tool or a device without a browser. `Machine`: a service that
	// acts for itself.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec.type: cannot be changed; create a new ApiApplication"
	Type string `json:"type"`
	// Grants it may use, of `authorization_code`, `refresh_token`, `device_code`
	// and `client_credentials`. Default by type: Web, SPA and Native
	// `[authorization_code, refresh_token]`, Device
	// `[device_code, refresh_token]`, Machine `[client_credentials]`.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +listType=set
	// +optional
	GrantTypes []GrantTypeName `json:"grantTypes,omitempty"`
	// Where people are sent back to with a code, compared character by character.
	// An `https` URI; or `http` on this computer (`localhost`, `127.0.0.1`,
	// `[::1]`), of a Native application at any port. A Native application may also
	// have a URI of a scheme of its own. Needed for `authorization_code`. Example:
	// `https://app.example.com/callback`.
	// +kubebuilder:validation:MaxItems=32
	// +listType=set
	// +optional
	RedirectURIs []RedirectURI `json:"redirectURIs,omitempty"`
	// Where people may be sent after they sign out, under the rules of
	// redirectURIs.
	// Example: `https://app.example.com/`.
	// +kubebuilder:validation:MaxItems=32
	// +listType=set
	// +optional
	PostLogoutRedirectURIs []RedirectURI `json:"postLogoutRedirectURIs,omitempty"`
	// What happens in the application when somebody signs out here.
	// +optional
	Logout *ApplicationLogout `json:"logout,omitempty"`
	// Web origins whose scripts may read what Gatehouse answers this application
	// (CORS), as browsers write them. Example: `https://app.example.com`.
	// +kubebuilder:validation:MaxItems=32
	// +listType=set
	// +optional
	AllowedOrigins []WebOrigin `json:"allowedOrigins,omitempty"`
	// The most it can ever be granted. The protocol scopes `openid`, `profile`,
	// `email`, `groups` and `offline_access` are listed here too. Example:
	// `[openid, project:read]`.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=96
	// +listType=set
	Scopes []ApplicationScope `json:"scopes"`
	// URIs that this application serves as a resource server: others ask for
	// tokens for it by these names. They are unique; the oldest ApiApplication has
	// one that two declare.
	// Example: `https://api.example.com`.
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	Audiences []Audience `json:"audiences,omitempty"`
	// Audiences of applications of the same Organization that it may ask for in
	// the parameter `resource` (RFC 8707). Example: `https://api.example.com`.
	// +kubebuilder:validation:MaxItems=32
	// +listType=set
	// +optional
	Resources []Audience `json:"resources,omitempty"`
	// In which Organizations it works: its `Owner` alone; or `Selected`, in the
	// one that each person picks among their own that admit it in
	// `spec.externalApplications`. Default: Owner.
	// +kubebuilder:validation:Enum=Owner;Selected
	// +optional
	OrganizationAccess string `json:"organizationAccess,omitempty"`
	// Whose tokens it may introspect: `Own`, or all of its `Organization`'s. Only
	// applications that prove themselves may introspect. Default: Own.
	// +kubebuilder:validation:Enum=Own;Organization
	// +optional
	Introspection string `json:"introspection,omitempty"`
	// How often people are asked before it is let in.
	// +optional
	Consent *Consent `json:"consent,omitempty"`
	// How it proves itself. Default: a Web application and a Machine get a secret
	// that Gatehouse makes and writes to a Secret (`source: Generated`); the
	// others have none.
	// +optional
	Credentials *Credentials `json:"credentials,omitempty"`
	// The tokens it gets.
	// +optional
	Tokens *ApplicationTokens `json:"tokens,omitempty"`
	// Protections that it may do without.
	// +optional
	Security *ApplicationSecurity `json:"security,omitempty"`
	// From this moment on nothing is issued and its tokens are refused. Default:
	// never.
	// Example: `2027-01-31T00:00:00Z`.
	// +optional
	ExpiresAt Timestamp `json:"expiresAt,omitempty"`
	// Stops this application, at once and until it is lifted. Default: false.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// GrantTypeName is an OAuth grant type; `device_code` stands for
// `urn:ietf:params:oauth:grant-type:device_code`.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[a-z][a-z_]*$`
type GrantTypeName string

// ApplicationScope is a scope of the Organization's catalogue, or a protocol
// scope such as `offline_access`.
// +kubebuilder:validation:MinLength=3
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[a-z][a-z0-9_-]*(:[a-z][a-z0-9_-]*)*$`
type ApplicationScope string

// RedirectURI is a URI to which browsers are sent back.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=1024
type RedirectURI string

// WebOrigin is a scheme, a host and, unless it is the scheme's own, a port.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=270
type WebOrigin string

// Audience is an absolute URI that names a resource server: `https://…` or
// `urn:…`.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=256
type Audience string

// The values of ApiApplicationSpec.Type, .Introspection, .OrganizationAccess
// and Credentials.Source served today.
const (
	TypeWeb     = "Web"
	TypeSPA     = "SPA"
	TypeNative  = "Native"
	TypeDevice  = "Device"
	TypeMachine = "Machine"

	IntrospectOwn          = "Own"
	IntrospectOrganization = "Organization"

	OrganizationOwner    = "Owner"
	OrganizationSelected = "Selected"

	CredentialsNone           = "None"
	CredentialsGenerated      = "Generated"
	CredentialsFromSecret     = "FromSecret"
	CredentialsPublicKey      = "PublicKey"
	CredentialsServiceAccount = "ServiceAccount"
)

// Consent says how often people are asked before an application is let in.
// Where it works outside of its own Organization they are always asked.
type Consent struct {
	// `Explicit`: each time. `Remember`: unless an answer that is remembered
	// covers all that is asked for. `Skip`: never; only for an application with a
	// secret. Default: Explicit.
	// +kubebuilder:validation:Enum=Explicit;Remember;Skip
	// +optional
	Mode string `json:"mode,omitempty"`
	// How long an answer is remembered, with mode Remember, from 1m to 8760h.
	// Default: 8760h.
	// +optional
	MaxAge Duration `json:"maxAge,omitempty"`
}

// The values of Consent.Mode.
const (
	ConsentExplicit = "Explicit"
	ConsentRemember = "Remember"
	ConsentSkip     = "Skip"
)

// ApplicationSecurity are protections that an application may do without.
type ApplicationSecurity struct {
	// Whether it must prove that the code it redeems is its own (PKCE, RFC 7636):
	// `Required`, or `Optional` for an application that proves itself and sends a
	// `nonce` instead. Default: Required.
	// +kubebuilder:validation:Enum=Required;Optional
	// +optional
	PKCE string `json:"pkce,omitempty"`
}

// The values of ApplicationSecurity.PKCE.
const (
	PKCERequired = "Required"
	PKCEOptional = "Optional"
)

// Credentials say how an application proves itself.
// +kubebuilder:validation:XValidation:rule="!has(self.output) || !has(self.output.secretName) || !has(self.fromSecret) || self.output.secretName != self.fromSecret.name",message="secretName: it is the Secret that the client secret is read from; choose another name",fieldPath=".output.secretName"
// +kubebuilder:validation:XValidation:rule="(has(self.source) && self.source == 'FromSecret') == has(self.fromSecret)",message="fromSecret: name the Secret and key with source: FromSecret, and only then",fieldPath=".fromSecret"
// +kubebuilder:validation:XValidation:rule="(has(self.source) && self.source == 'PublicKey') == has(self.publicKey)",message="publicKey: give public keys with source: PublicKey, and only then",fieldPath=".publicKey"
// +kubebuilder:validation:XValidation:rule="(has(self.source) && self.source == 'ServiceAccount') == has(self.serviceAccounts)",message="serviceAccounts: list ServiceAccounts with source: ServiceAccount, and only then",fieldPath=".serviceAccounts"
type Credentials struct {
	// `None`: a public client, which SPA and Native must be. `Generated`:
	// Gatehouse makes the client secret and writes it to the Secret that `output`
	// describes. `FromSecret`: it is read from a Secret. `PublicKey`: it signs
	// assertions with a private key that nobody else has. `ServiceAccount`: the
	// projected token of its Pod is its assertion. Default: Generated for Web and
	// Machine, None for the others.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
	// +optional
	Source string `json:"source,omitempty"`
	// Where the client secret is: 32 to 256 printable ASCII characters without
	// spaces, in a Secret of this namespace labelled
	// `auth.gatehouse.dev/secret: input`. One line end after them is forgiven. A
	// Secret that is missing is waited for.
	// +optional
	FromSecret *SecretKeyReference `json:"fromSecret,omitempty"`
	// The public keys of which it has the private half, with source: PublicKey
	// (`private_key_jwt`).
	// +optional
	PublicKey *PublicKeySource `json:"publicKey,omitempty"`
	// The ServiceAccounts of this cluster whose projected tokens prove it, with
	// source: ServiceAccount. Whoever may run a Pod as one of them, or request a
	// token for it, is this application. Example: `[{name: ci}]`.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	// +optional
	ServiceAccounts []ServiceAccountReference `json:"serviceAccounts,omitempty"`
	// The Secret from which programs learn how to be the application: client ID,
	// client secret, issuer and token endpoint. With source: Generated there is
	// one in any case; with FromSecret, where it is declared, it follows the
	// client secret that is read; with the others it holds no client secret.
	// +optional
	Output *CredentialsOutput `json:"output,omitempty"`
	// When a generated client secret is replaced, with source: Generated.
	// +optional
	Rotation *CredentialsRotation `json:"rotation,omitempty"`
}

// ApplicationLogout is how the application learns that somebody has signed out.
type ApplicationLogout struct {
	// An https URL that is sent a logout token whenever a session ends in which
	// somebody signed in to the application (OpenID Connect Back-Channel Logout).
	// ID tokens then say in `sid` which session that is. Addresses that are not
	// public are refused unless the installation allows them. Default: it is not
	// told. Example: `https://app.example.com/oidc/backchannel-logout`.
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^https://[^\s#]+$`
	// +optional
	BackChannelURI string `json:"backChannelURI,omitempty"`
}

// PublicKeySource says which public keys an application has: written here, or
// published by it. They are of type RSA (2048 to 4096 bits), EC (P-256, P-384,
// P-521) or OKP (Ed25519).
// +kubebuilder:validation:XValidation:rule="has(self.jwks) != has(self.jwksURI)",message="jwksURI: give either jwks or jwksURI",fieldPath=".jwksURI"
// +kubebuilder:validation:XValidation:rule="!has(self.jwks) || !self.jwks.matches('\"(d|p|q|dp|dq|qi|oth|k)\"[ \\t\\r\\n]*:')",message="jwks: has a private or shared key in it; write only public keys, and make a new pair in place of that one",fieldPath=".jwks"
type PublicKeySource struct {
	// A JWK set (RFC 7517) of 1 to 10 public keys, as JSON; with several, each has
	// its own `kid`. Default: none, they are published.
	// Example: `{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "…"}]}`.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16384
	// +optional
	JWKS string `json:"jwks,omitempty"`
	// An https URL at which the application publishes its JWK set, so that it can
	// change its keys by itself. Addresses that are not public are refused unless
	// the installation allows them. Default: none, they are in `jwks`.
	// Example: `https://ci.example.com/jwks.json`.
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^https://[^\s]+$`
	// +optional
	JWKSURI string `json:"jwksURI,omitempty"`
}

// ServiceAccountReference names a ServiceAccount.
type ServiceAccountReference struct {
	// Namespace of the ServiceAccount. Default: the namespace of the
	// ApiApplication.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// Name of the ServiceAccount. Example: `ci`.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name"`
}

// CredentialsOutput describes the Secret, of type Opaque and in the
// application's own namespace, that a generated client secret is written to.
// It belongs to Gatehouse: other keys in it are removed. A Secret that
// somebody else made is never overwritten.
type CredentialsOutput struct {
	// Name of the Secret. Default: the ApiApplication's, followed by
	// `-credentials`. With another name it is another Secret, and with source:
	// Generated another client secret.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	// +optional
	SecretName string `json:"secretName,omitempty"`
	// Labels of the Secret, for whoever reads it. Their keys may not contain
	// `kubernetes.io`, `k8s.io`, `argoproj.io` or `gatehouse.dev`, which give
	// Secrets power.
	// Example: `team: payments`.
	// +kubebuilder:validation:XValidation:rule="self.all(key, !['kubernetes.io', 'k8s.io', 'argoproj.io', 'gatehouse.dev'].exists(word, key.contains(word)))",message="labels: keys may not contain kubernetes.io, k8s.io, argoproj.io or gatehouse.dev; choose others"
	// +kubebuilder:validation:MaxProperties=16
	// +optional
	Labels map[string]LabelValue `json:"labels,omitempty"`
	// Annotations of the Secret, under the same rule.
	// Example: `reloader.example.com/match: "true"`.
	// +kubebuilder:validation:XValidation:rule="self.all(key, !['kubernetes.io', 'k8s.io', 'argoproj.io', 'gatehouse.dev'].exists(word, key.contains(word)))",message="annotations: keys may not contain kubernetes.io, k8s.io, argoproj.io or gatehouse.dev; choose others"
	// +kubebuilder:validation:MaxProperties=16
	// +optional
	Annotations map[string]AnnotationValue `json:"annotations,omitempty"`
	// Names of the Secret's keys.
	// +optional
	Keys *CredentialsKeys `json:"keys,omitempty"`
}

// AnnotationValue is the value of a Kubernetes annotation.
// +kubebuilder:validation:MaxLength=1024
type AnnotationValue string

// CredentialsKeys name the keys of an output Secret; each name is used once.
type CredentialsKeys struct {
	// Key of the client ID. Default: `client-id`.
	// +optional
	ClientID SecretKey `json:"clientID,omitempty"`
	// Key of the client secret. Default: `client-secret`.
	// +optional
	ClientSecret SecretKey `json:"clientSecret,omitempty"`
	// Key of the issuer's URL. Default: `issuer`.
	// +optional
	Issuer SecretKey `json:"issuer,omitempty"`
	// Key of the token endpoint's URL. Default: `token-endpoint`.
	// +optional
	TokenEndpoint SecretKey `json:"tokenEndpoint,omitempty"`
}

// SecretKey is a key of a Secret.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
type SecretKey string

// CredentialsRotation says when a generated client secret is replaced. The old
// one works on for the overlap, so that nobody fails who reads the Secret
// again in that time.
type CredentialsRotation struct {
	// How long a client secret is the newest one, from 1h to 8760h. Default: for
	// ever.
	// Example: `720h`.
	// +optional
	Period Duration `json:"period,omitempty"`
	// How long the old client secret works after the new one is in the Secret,
	// from 0s, which ends it at once, to 720h, and shorter than the period.
	// Default: 24h, or half of a shorter period.
	// +optional
	Overlap Duration `json:"overlap,omitempty"`
	// Another number than before replaces the client secret now. Default: 1.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000
	// +optional
	Generation int64 `json:"generation,omitempty"`
}

// ApplicationTokens say what the tokens of one application are.
type ApplicationTokens struct {
	// What an access token is: `Opaque`, which only Gatehouse reads; or `JWT` (RFC
	// 9068), which resource servers read by themselves, and so see only at its end
	// that it was revoked or that a Role changed. Default: Opaque.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
	// +optional
	Format string `json:"format,omitempty"`
	// Life of an access token, from 1m to the Organization's ceiling for the
	// format. Default: that ceiling.
	// +optional
	AccessTokenTTL Duration `json:"accessTokenTTL,omitempty"`
	// How ID tokens are signed: `RS256`, which every client reads, or `ES256`,
	// which is shorter. Default: RS256.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
	// +optional
	IDTokenSigningAlg string `json:"idTokenSigningAlg,omitempty"`
}

// The values of ApplicationTokens.Format and .IDTokenSigningAlg served today.
const (
	TokensOpaque = "Opaque"
	TokensJWT    = "JWT"

	AlgRS256 = "RS256"
	AlgES256 = "ES256"
)

// ApiApplicationStatus says what became of an ApiApplication.
type ApiApplicationStatus struct {
	// Generation of the spec that this status speaks of; -1 before the first
	// verdict.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// The installation that serves it and writes this status: the first that did.
	// None other does until an administrator takes it over with
	// `gatehouse adopt`.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	Installation string `json:"installation,omitempty"`
	// The client identifier to configure in the client.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	ClientID string `json:"clientID,omitempty"`
	// The Secret that its generated client secret is in.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	CredentialsSecretName string `json:"credentialsSecretName,omitempty"`
	// Its generated client secrets, oldest first.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=id
	// +optional
	Credentials []CredentialStatus `json:"credentials,omitempty"`
	// When the newest client secret will be replaced by `rotation.period`.
	// +optional
	NextRotationTime Timestamp `json:"nextRotationTime,omitempty"`
	// What is served, after defaults and ceilings.
	// +optional
	Effective *EffectiveApplication `json:"effective,omitempty"`
	// Verdicts: Accepted, ResolvedRefs, Programmed, Ready, and Insecure where a
	// served setting weakens.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// CredentialStatus is a generated client secret, without the secret.
type CredentialStatus struct {
	// Tells it from the others.
	// +kubebuilder:validation:MaxLength=64
	ID string `json:"id"`
	// From when on it works.
	NotBefore Timestamp `json:"notBefore"`
	// When it ends; absent while no newer one has taken its place in the Secret.
	// +optional
	NotAfter Timestamp `json:"notAfter,omitempty"`
}

// EffectiveApplication is what is served of an ApiApplication.
type EffectiveApplication struct {
	// Grants it may use.
	// +kubebuilder:validation:MaxItems=8
	// +listType=set
	// +optional
	GrantTypes []GrantTypeName `json:"grantTypes,omitempty"`
	// The most it can be granted, with the scopes that its scopes include.
	// +kubebuilder:validation:MaxItems=128
	// +listType=set
	// +optional
	Scopes []ApplicationScope `json:"scopes,omitempty"`
	// What its access tokens are.
	// +kubebuilder:validation:MaxLength=32
	// +optional
	TokenFormat string `json:"tokenFormat,omitempty"`
	// Life of its access tokens.
	// +optional
	AccessTokenTTL Duration `json:"accessTokenTTL,omitempty"`
	// How its ID tokens are signed; without the scope openid it gets none.
	// +kubebuilder:validation:MaxLength=32
	// +optional
	IDTokenSigningAlg string `json:"idTokenSigningAlg,omitempty"`
	// Where people are sent back to with a code.
	// +kubebuilder:validation:MaxItems=32
	// +listType=set
	// +optional
	RedirectURIs []RedirectURI `json:"redirectURIs,omitempty"`
	// Where people may be sent after they sign out.
	// +kubebuilder:validation:MaxItems=32
	// +listType=set
	// +optional
	PostLogoutRedirectURIs []RedirectURI `json:"postLogoutRedirectURIs,omitempty"`
	// Where it is told of sign-outs.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	BackChannelURI string `json:"backChannelURI,omitempty"`
	// Web origins whose scripts may read its answers.
	// +kubebuilder:validation:MaxItems=32
	// +listType=set
	// +optional
	AllowedOrigins []WebOrigin `json:"allowedOrigins,omitempty"`
	// Whether it must send PKCE; only said of one that gets codes.
	// +kubebuilder:validation:MaxLength=32
	// +optional
	PKCE string `json:"pkce,omitempty"`
	// How often people are asked; only said of one that gets codes.
	// +kubebuilder:validation:MaxLength=32
	// +optional
	ConsentMode string `json:"consentMode,omitempty"`
	// How long an answer is remembered, with consentMode Remember.
	// +optional
	ConsentMaxAge Duration `json:"consentMaxAge,omitempty"`
	// Names under which it is a resource server.
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	Audiences []Audience `json:"audiences,omitempty"`
	// Audiences that it may ask for.
	// +kubebuilder:validation:MaxItems=32
	// +listType=set
	// +optional
	Resources []Audience `json:"resources,omitempty"`
	// In which Organizations it works.
	// +kubebuilder:validation:MaxLength=32
	// +optional
	OrganizationAccess string `json:"organizationAccess,omitempty"`
}

// ApiApplicationList is a list of ApiApplications.
// +kubebuilder:object:root=true
type ApiApplicationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ApiApplication `json:"items"`
}
