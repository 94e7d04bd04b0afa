package oauth

// TokenPath is where the token endpoint is, below the issuer.
const TokenPath = "/oauth/token/"

// GrantType is the value of the parameter grant_type.
type GrantType string

// The grant types served.
const (
	AuthorizationCode GrantType = "authorization_code"                           // RFC 6749 section 4.1
	RefreshToken      GrantType = "refresh_token"                                // RFC 6749 section 6
	ClientCredentials GrantType = "client_credentials"                           // RFC 6749 section 4.4
	DeviceCode        GrantType = "urn:ietf:params:oauth:grant-type:device_code" // RFC 8628 section 3.4
)
