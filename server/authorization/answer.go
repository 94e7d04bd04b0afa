package authorization

import (
	"net/url"
	"strings"
)

// Approved is the way back with a code.
func (r *Request) Approved(code string) string {
	return r.back(url.Values{"code": {code}})
}

// Back is the way back with a refusal.
func (r *Refused) Back() string {
	return r.Request.back(url.Values{"error": {r.Words.Code}, "error_description": {r.Words.Description}})
}

// back adds the answer to the redirect URI, whose own query stays as it is written (RFC
// 6749 section 3.1.2), with the issuer, so that no other server's answer can pass for ours
// (RFC 9207).
func (r *Request) back(answer url.Values) string {
	answer.Set("iss", r.issuer)
	if r.State != "" {
		answer.Set("state", r.State)
	}
	separator := "?"
	if strings.Contains(r.RedirectURI, "?") {
		separator = "&"
	}
	return r.RedirectURI + separator + answer.Encode()
}
