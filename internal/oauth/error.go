package oauth

// Error codes that a client may read.
const (
	InvalidRequest       = "invalid_request"        // RFC 6749 section 5.2
	InvalidClient        = "invalid_client"         // RFC 6749 section 5.2
	InvalidGrant         = "invalid_grant"          // RFC 6749 section 5.2
	UnauthorizedClient   = "unauthorized_client"    // RFC 6749 section 5.2
	UnsupportedGrantType = "unsupported_grant_type" // RFC 6749 section 5.2
	InvalidScope         = "invalid_scope"          // RFC 6749 section 5.2
	InvalidTarget        = "invalid_target"         // RFC 8707 section 2

	UnsupportedResponseType  = "unsupported_response_type"  // RFC 6749 section 4.1.2.1
	LoginRequired            = "login_required"             // OpenID Connect Core section 3.1.2.6
	ConsentRequired          = "consent_required"           // OpenID Connect Core section 3.1.2.6
	InteractionRequired      = "interaction_required"       // OpenID Connect Core section 3.1.2.6
	RequestNotSupported      = "request_not_supported"      // OpenID Connect Core section 3.1.2.6
	RegistrationNotSupported = "registration_not_supported" // OpenID Connect Core section 3.1.2.6
	RequestURINotSupported   = "request_uri_not_supported"  // OpenID Connect Core section 3.1.2.6

	AccessDenied         = "access_denied"         // RFC 8628 section 3.5
	AuthorizationPending = "authorization_pending" // RFC 8628 section 3.5
	SlowDown             = "slow_down"             // RFC 8628 section 3.5
	ExpiredToken         = "expired_token"         // RFC 8628 section 3.5
	InvalidToken         = "invalid_token"         // RFC 6750 section 3.1
	InsufficientScope    = "insufficient_scope"    // RFC 6750 section 3.1
	ServerError          = "server_error"          // RFC 6749 section 4.1.2.1

	TemporarilyUnavailable = "temporarily_unavailable" // RFC 6749 section 4.1.2.1
)

// Error is a refusal: words that the client may read. It is never used for a fault of
// ours, and never carries one.
type Error struct {
	Code        string // one of the constants above
	Description string // printable ASCII without quotes or backslashes (RFC 6749 section 5.2)
}

// Refuse returns a refusal with a code and a description for the client's developer.
func Refuse(code, description string) *Error { return &Error{code, description} }

func (e *Error) Error() string { return e.Code + ": " + e.Description }
