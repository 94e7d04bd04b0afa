package server

import (
	"encoding/json"
	"net/http"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/clientauth"
)

// authorizationServer is the metadata of RFC 8414 section 2. Only what is served is in it.
type authorizationServer struct {
	Issuer                      string            `json:"issuer"`
	TokenEndpoint               string            `json:"token_endpoint"`
	DeviceAuthorizationEndpoint string            `json:"device_authorization_endpoint"`
	IntrospectionEndpoint       string            `json:"introspection_endpoint"`
	RevocationEndpoint          string            `json:"revocation_endpoint"`
	ResponseTypes               []string          `json:"response_types_supported"`
	GrantTypes                  []oauth.GrantType `json:"grant_types_supported"`
	Scopes                      []string          `json:"scopes_supported"`
	TokenAuthMethods            []string          `json:"token_endpoint_auth_methods_supported"`
	IntrospectionAuthMethods    []string          `json:"introspection_endpoint_auth_methods_supported"`
	RevocationAuthMethods       []string          `json:"revocation_endpoint_auth_methods_supported"`
}

// metadataOf returns the metadata of an issuer. Scopes are an organization's, so that of
// them only the protocol's own are named.
func metadataOf(issuer string) ([]byte, error) {
	return json.Marshal(authorizationServer{
		Issuer:                      issuer,
		TokenEndpoint:               issuer + "/oauth/token/",
		DeviceAuthorizationEndpoint: issuer + "/oauth/device/code/",
		IntrospectionEndpoint:       issuer + "/oauth/introspect/",
		RevocationEndpoint:          issuer + "/oauth/revoke/",
		ResponseTypes:               []string{}, // required, and there is no authorization endpoint
		GrantTypes:                  []oauth.GrantType{oauth.ClientCredentials, oauth.DeviceCode, oauth.RefreshToken},
		Scopes:                      []string{oauth.OfflineAccess},
		TokenAuthMethods:            clientauth.Methods,
		IntrospectionAuthMethods:    clientauth.SecretMethods,
		RevocationAuthMethods:       clientauth.Methods,
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
