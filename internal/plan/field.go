package plan

import (
	"maps"
	"slices"
)

// Fields are all fields of changes, in order.
func Fields() []string { return slices.Sorted(maps.Keys(labels)) }

// Fields of changes: the words of the JSON form.
const (
	FieldExistence       = "existence"   // it is new, or gone
	FieldIncarnation     = "incarnation" // it was deleted and created again
	FieldDisplayName     = "displayName"
	FieldSuspended       = "suspend"
	FieldSlug            = "slug"
	FieldSlugOwner       = "slugOwner"
	FieldAccessTTL       = "accessTokenTTL"
	FieldJWTTTL          = "jwtAccessTokenTTL"
	FieldRefreshIdle     = "refreshTokenIdleTTL"
	FieldRefreshTotal    = "refreshTokenAbsoluteTTL"
	FieldExternal        = "externalApplications"
	FieldLogin           = "login"
	FieldEnforceSSO      = "login.enforceSSO"
	FieldSSOMaxAge       = "login.ssoMaxAge"
	FieldSecondFactor    = "login.secondFactor.mode"
	FieldGracePeriod     = "login.secondFactor.gracePeriod"
	FieldProviderAMR     = "login.secondFactor.acceptProviderAMR"
	FieldSessionIdle     = "login.session.idleTimeout"
	FieldSessionLife     = "login.session.absoluteLifetime"
	FieldBreakGlass      = "login.breakGlass"
	FieldDefaultRoles    = "defaultRoles"
	FieldPriority        = "priority"
	FieldDomains         = "domains"
	FieldBranding        = "branding"
	FieldScope           = "scope"
	FieldDescription     = "description"
	FieldIncludes        = "includes"
	FieldAdmitApps       = "allowedNamespaces.apiApplications"
	FieldAdmitRoles      = "allowedNamespaces.roles"
	FieldAdmitProviders  = "allowedNamespaces.authProviders"
	FieldSlugGrants      = "slugs"
	FieldDeletion        = "deletionPolicy"
	FieldMembership      = "membership"
	FieldRoles           = "roles"
	FieldScopes          = "scopes"
	FieldOwnScopes       = "ownScopes"
	FieldAbroad          = "abroad"
	FieldClientID        = "clientID"
	FieldClientIDOwner   = "clientIDOwner"
	FieldType            = "type"
	FieldProtocol        = "protocolScopes"
	FieldGrantTypes      = "grantTypes"
	FieldRedirects       = "redirectURIs"
	FieldPostLogout      = "postLogoutRedirectURIs"
	FieldBackChannel     = "logout.backChannelURI"
	FieldOrigins         = "allowedOrigins"
	FieldAudiences       = "audiences"
	FieldResources       = "resources"
	FieldCredentials     = "credentials"
	FieldOutput          = "output"
	FieldRotation        = "rotation.period"
	FieldOverlap         = "rotation.overlap"
	FieldGeneration      = "rotation.generation"
	FieldConsent         = "consent"
	FieldPKCE            = "pkce"
	FieldFormat          = "tokenFormat"
	FieldIDTokenAlg      = "idTokenSigningAlg"
	FieldIntrospection   = "introspection"
	FieldAccess          = "organizationAccess"
	FieldExpiresAt       = "expiresAt"
	FieldMinLength       = "minLength"
	FieldCheckCommon     = "checkCommon"
	FieldRegistration    = "registration"
	FieldResetEnabled    = "resetEnabled"
	FieldSettings        = "settings"
	FieldUpstreamMembers = "organizations"
	FieldMapping         = "mapping"
	FieldProvisioning    = "provisioning.mode"
	FieldLinkBy          = "provisioning.linkBy"
	FieldGroupsMaxAge    = "groupsMaxAge"
)

// labels are the fields in words.
var labels = map[string]string{
	FieldExistence: "is", FieldIncarnation: "made anew, what was issued for it ends",
	FieldDisplayName: "name shown to people", FieldSuspended: "suspended", FieldSlug: "slug",
	FieldSlugOwner: "slug, another Organization had it", FieldAccessTTL: "access tokens live at most", FieldJWTTTL: "JWT access tokens live at most",
	FieldRefreshIdle: "unused refresh tokens live at most", FieldRefreshTotal: "refresh tokens live at most",
	FieldExternal: "applications of others that may be let in", FieldLogin: "sign-ins that count",
	FieldEnforceSSO: "passwords kept here", FieldSSOMaxAge: "a sign-in elsewhere counts for", FieldSecondFactor: "a second factor is",
	FieldGracePeriod: "time to add a second factor", FieldProviderAMR: "a second factor proven elsewhere",
	FieldSessionIdle: "an unused session counts for", FieldSessionLife: "a sign-in counts for", FieldBreakGlass: "passwords kept here count all the same for",
	FieldDefaultRoles: "members who hold no other Role hold", FieldPriority: "rank among the Roles", FieldDomains: "domains that lead to its sign-in",
	FieldBranding: "people see",
	FieldScope:    "scopes that exist", FieldDescription: "description shown to people of scope", FieldIncludes: "what is included in scope",
	FieldAdmitApps: "namespaces that may attach applications", FieldAdmitRoles: "namespaces that may attach Roles",
	FieldAdmitProviders: "namespaces that may attach AuthProviders", FieldSettings: "asks the provider by",
	FieldUpstreamMembers: "people must be a member there of one of", FieldMapping: "reads of the claims", FieldProvisioning: "new people",
	FieldLinkBy: "accounts are found by", FieldGroupsMaxAge: "what it said of groups counts for",
	FieldSlugGrants: "slugs that it may take", FieldDeletion: "deleting it while others depend on it is", FieldMembership: "is", FieldRoles: "roles", FieldScopes: "scopes",
	FieldOwnScopes: "scopes for itself", FieldAbroad: "scopes here, where members may let it in",
	FieldClientID: "client ID", FieldClientIDOwner: "client ID, another application had it",
	FieldType: "type", FieldProtocol: "scopes of the protocol", FieldGrantTypes: "grant types", FieldRedirects: "codes are sent to",
	FieldPostLogout: "after a sign-out people may be sent to", FieldBackChannel: "is told of sign-outs at", FieldOrigins: "scripts that read answers", FieldAudiences: "serves as resource server",
	FieldResources: "may ask for tokens for", FieldCredentials: "proves itself by", FieldConsent: "people are asked",
	FieldOutput: "programs read its credentials from", FieldRotation: "its client secret is replaced", FieldOverlap: "a client secret that was replaced works for",
	FieldGeneration: "its client secret is replaced now, generation",
	FieldPKCE:       "PKCE", FieldFormat: "access tokens are", FieldIDTokenAlg: "ID tokens are signed with", FieldIntrospection: "introspects tokens of",
	FieldAccess: "works in", FieldExpiresAt: "expires", FieldMinLength: "fewest characters of a password", FieldCheckCommon: "common passwords are",
	FieldRegistration: "accounts are made by people themselves", FieldResetEnabled: "links that set a new password are",
}
