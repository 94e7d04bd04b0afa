package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// redirectURI is where codes are sent: nobody goes there, they are read from the redirect.
const redirectURI = "https://app.example.com/callback"

// The example of RFC 7636 appendix B: the same proof for every flow costs a server no less.
const (
	codeVerifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	codeChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// issued is what a token endpoint answers.
type issued struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	ID      string `json:"id_token"`
}

// authorization are the parameters of an authorization request.
func authorization(clientID, scope string) url.Values {
	request := url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {redirectURI}, "scope": {scope},
		"state":          {"c3RhdGUgb2YgdGhlIGNsaWVudA"},
		"code_challenge": {codeChallenge}, "code_challenge_method": {"S256"},
	}
	if strings.HasPrefix(scope, "openid") {
		request.Set("nonce", "bm9uY2Ugb2YgdGhlIGNsaWVudA")
	}
	return request
}

// codeIn returns the code of a redirect to the client.
func codeIn(to *url.URL) (string, error) {
	code := to.Query().Get("code")
	if code == "" {
		return "", fmt.Errorf("redirected to %s without a code", to)
	}
	return code, nil
}

// exchange is the token request for a code, by a client with a secret.
func exchange(endpoint, code, clientID, secret string) *http.Request {
	return post(endpoint, url.Values{
		"grant_type": {"authorization_code"}, "code": {code},
		"redirect_uri": {redirectURI}, "code_verifier": {codeVerifier},
	}, clientID, secret)
}

// redeem sends a token request that must be answered with an access token, and with an ID
// token where one was asked for.
func redeem(r *http.Request, withIDToken bool, send sender) (issued, error) {
	a, err := expect(http.StatusOK, r, send)
	if err != nil {
		return issued{}, err
	}
	var t issued
	if err := json.Unmarshal(a.body, &t); err != nil {
		return t, err
	}
	if t.Access == "" || withIDToken && t.ID == "" {
		return t, errors.New("the token response lacks a token")
	}
	return t, nil
}
