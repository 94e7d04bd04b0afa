package upstream

import "testing"

// What the suite of all backends, which is in another package, has of the provider here.

// SAMLMetadata is the metadata of the provider, if it is at this address.
func SAMLMetadata(base string) string { return samlDescribedAt(base, samlOurKey()) }

// SAMLResponse says who ann is to a service that sent this request.
func SAMLResponse(t testing.TB, request, acs string) string {
	r := samlGood(request)
	r.Destination, r.Recipient, r.Audience = acs, acs, acs
	return r.xml(t)
}

// SAMLRequest is the AuthnRequest of a field.
func SAMLRequest(t testing.TB, field string) string { return samlInflated(t, field) }
