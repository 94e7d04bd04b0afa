package server

import (
	"encoding/json"
	"net/http"

	"github.com/gatehouse-dev/gatehouse/internal/jwk"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/clientauth"
	"github.com/gatehouse-dev/gatehouse/server/grants"
)

// metadataDocument is what RFC 8414 section 2 and OpenID Connect Discovery section 3 have:
// one document under both names. Only what is served is in it.
type metadataDocument struct {
	Issuer                      string            `json:"issuer"`
	AuthorizationEndpoint       string            `json:"authorization_endpoint"`
	TokenEndpoint               string            `json:"token_endpoint"`
	DeviceAuthorizationEndpoint string            `json:"device_authorization_endpoint"`
	UserinfoEndpoint            string            `json:"userinfo_endpoint"`
	EndSessionEndpoint          string            `json:"end_session_endpoint"`
	BackChannelLogout           bool              `json:"backchannel_logout_supported"`
	BackChannelLogoutSession    bool              `json:"backchannel_logout_session_supported"` // sid is in ID tokens, and in logout tokens
	IntrospectionEndpoint       string            `json:"introspection_endpoint"`
	RevocationEndpoint          string            `json:"revocation_endpoint"`
	JWKSURI                     string            `json:"jwks_uri"`
	ResponseTypes               []string          `json:"response_types_supported"`
	ResponseModes               []string          `json:"response_modes_supported"`
	GrantTypes                  []oauth.GrantType `json:"grant_types_supported"`
	ChallengeMethods            []string          `json:"code_challenge_methods_supported"`               // RFC 7636
	IssuerInAnswer              bool              `json:"authorization_response_iss_parameter_supported"` // RFC 9207
	Scopes                      []string          `json:"scopes_supported"`
	Claims                      []string          `json:"claims_supported"`
	SubjectTypes                []string          `json:"subject_types_supported"`
	IDTokenAlgs                 []string          `json:"id_token_signing_alg_values_supported"`
	ACRValues                   []string          `json:"acr_values_supported"`
	Prompts                     []string          `json:"prompt_values_supported"`
	ClaimsParameter             bool              `json:"claims_parameter_supported"`
	RequestParameter            bool              `json:"request_parameter_supported"`
	RequestURIParameter         bool              `json:"request_uri_parameter_supported"` // true where it is left out
	TokenAuthMethods            []string          `json:"token_endpoint_auth_methods_supported"`
	IntrospectionAuthMethods    []string          `json:"introspection_endpoint_auth_methods_supported"`
	RevocationAuthMethods       []string          `json:"revocation_endpoint_auth_methods_supported"`
	TokenAuthAlgs               []string          `json:"token_endpoint_auth_signing_alg_values_supported"`
	IntrospectionAuthAlgs       []string          `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	RevocationAuthAlgs          []string          `json:"revocation_endpoint_auth_signing_alg_values_supported"`
}

// metadataOf returns the metadata of an issuer. Scopes are an organization's, so that of
// them only the protocol's own are named.
func metadataOf(issuer string) ([]byte, error) {
	return json.Marshal(metadataDocument{
		Issuer:                      issuer,
		AuthorizationEndpoint:       issuer + authorizePath,
		TokenEndpoint:               issuer + oauth.TokenPath,
		DeviceAuthorizationEndpoint: issuer + "/oauth/device/code/",
		UserinfoEndpoint:            issuer + "/oauth/userinfo/",
		EndSessionEndpoint:          issuer + endSessionPath,
		BackChannelLogout:           true,
		BackChannelLogoutSession:    true,
		IntrospectionEndpoint:       issuer + "/oauth/introspect/",
		RevocationEndpoint:          issuer + "/oauth/revoke/",
		JWKSURI:                     issuer + "/oauth/jwks.json",
		ResponseTypes:               []string{"code"},
		ResponseModes:               []string{"query"},
		GrantTypes:                  grants.Types(),
		ChallengeMethods:            []string{"S256"},
		IssuerInAnswer:              true,
		Scopes:                      oauth.ProtocolScopes,
		Claims: []string{
			"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash",
			"name", "email", "email_verified", "groups", "org", "org_id",
		},
		SubjectTypes:             []string{"public"},
		IDTokenAlgs:              []string{"RS256", "ES256"},
		ACRValues:                []string{oauth.ACROne, oauth.ACRTwo},
		Prompts:                  []string{"none", "login", "consent", "select_account"},
		TokenAuthMethods:         clientauth.Methods,
		IntrospectionAuthMethods: clientauth.ProvingMethods,
		RevocationAuthMethods:    clientauth.Methods,
		TokenAuthAlgs:            jwk.Algorithms,
		IntrospectionAuthAlgs:    jwk.Algorithms,
		RevocationAuthAlgs:       jwk.Algorithms,
	})
}

// metadataHeader: the same for everybody, readable by any page, for a while.
var metadataHeader = http.Header{
	"Access-Control-Allow-Origin": {"*"},
	"Cache-Control":               {"public, max-age=300"},
}

func (s *Server) metadata(*request) (answer, error) {
	return jsonAnswer{header: metadataHeader, body: json.RawMessage(s.metadataBody)}, nil
}
