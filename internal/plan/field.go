package plan

import (
	"maps"
	"slices"
)

// Fields are all fields of changes, in order.
func Fields() []string { return slices.Sorted(maps.Keys(labels)) }

// Fields of changes: the words of the JSON form.
const (
	FieldExistence     = "existence"   // it is new, or gone
	FieldIncarnation   = "incarnation" // it was deleted and created again
	FieldDisplayName   = "displayName"
	FieldSuspended     = "suspend"
	FieldSlug          = "slug"
	FieldSlugOwner     = "slugOwner"
	FieldAccessTTL     = "accessTokenTTL"
	FieldJWTTTL        = "jwtAccessTokenTTL"
	FieldRefreshIdle   = "refreshTokenIdleTTL"
	FieldRefreshTotal  = "refreshTokenAbsoluteTTL"
	FieldExternal      = "externalApplications"
	FieldLogin         = "login"
	FieldScope         = "scope"
	FieldDescription   = "description"
	FieldIncludes      = "includes"
	FieldAdmitApps     = "allowedNamespaces.apiApplications"
	FieldAdmitRoles    = "allowedNamespaces.roles"
	FieldSlugGrants    = "slugs"
	FieldDeletion      = "deletionPolicy"
	FieldMembership    = "membership"
	FieldRoles         = "roles"
	FieldScopes        = "scopes"
	FieldOwnScopes     = "ownScopes"
	FieldAbroad        = "abroad"
	FieldClientID      = "clientID"
	FieldClientIDOwner = "clientIDOwner"
	FieldType          = "type"
	FieldProtocol      = "protocolScopes"
	FieldGrantTypes    = "grantTypes"
	FieldRedirects     = "redirectURIs"
	FieldPostLogout    = "postLogoutRedirectURIs"
	FieldOrigins       = "allowedOrigins"
	FieldAudiences     = "audiences"
	FieldResources     = "resources"
	FieldCredentials   = "credentials"
	FieldOutput        = "output"
	FieldRotation      = "rotation.period"
	FieldOverlap       = "rotation.overlap"
	FieldGeneration    = "rotation.generation"
	FieldConsent       = "consent"
	FieldPKCE          = "pkce"
	FieldFormat        = "tokenFormat"
	FieldIDTokenAlg    = "idTokenSigningAlg"
	FieldIntrospection = "introspection"
	FieldAccess        = "organizationAccess"
	FieldExpiresAt     = "expiresAt"
	FieldMinLength     = "minLength"
	FieldCheckCommon   = "checkCommon"
	FieldRegistration  = "registration"
	FieldResetEnabled  = "resetEnabled"
)

// labels are the fields in words.
var labels = map[string]string{
	FieldExistence: "is", FieldIncarnation: "made anew, what was issued for it ends",
	FieldDisplayName: "name shown to people", FieldSuspended: "suspended", FieldSlug: "slug",
	FieldSlugOwner: "slug, another Organization had it", FieldAccessTTL: "access tokens live at most", FieldJWTTTL: "JWT access tokens live at most",
	FieldRefreshIdle: "unused refresh tokens live at most", FieldRefreshTotal: "refresh tokens live at most",
	FieldExternal: "applications of others that may be let in", FieldLogin: "sign-ins that count",
	FieldScope: "scopes that exist", FieldDescription: "description shown to people of scope", FieldIncludes: "what is included in scope",
	FieldAdmitApps: "namespaces that may attach applications", FieldAdmitRoles: "namespaces that may attach Roles",
	FieldSlugGrants: "slugs that it may take", FieldDeletion: "deleting it while others depend on it is", FieldMembership: "is", FieldRoles: "roles", FieldScopes: "scopes",
	FieldOwnScopes: "scopes for itself", FieldAbroad: "scopes here, where members may let it in",
	FieldClientID: "client ID", FieldClientIDOwner: "client ID, another application had it",
	FieldType: "type", FieldProtocol: "scopes of the protocol", FieldGrantTypes: "grant types", FieldRedirects: "codes are sent to",
	FieldPostLogout: "after a sign-out people may be sent to", FieldOrigins: "scripts that read answers", FieldAudiences: "serves as resource server",
	FieldResources: "may ask for tokens for", FieldCredentials: "proves itself by", FieldConsent: "people are asked",
	FieldOutput: "programs read its credentials from", FieldRotation: "its client secret is replaced", FieldOverlap: "a client secret that was replaced works for",
	FieldGeneration: "its client secret is replaced now, generation",
	FieldPKCE:       "PKCE", FieldFormat: "access tokens are", FieldIDTokenAlg: "ID tokens are signed with", FieldIntrospection: "introspects tokens of",
	FieldAccess: "works in", FieldExpiresAt: "expires", FieldMinLength: "fewest characters of a password", FieldCheckCommon: "common passwords are",
	FieldRegistration: "accounts are made by people themselves", FieldResetEnabled: "links that set a new password are",
}
