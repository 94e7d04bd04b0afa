package server

import (
	"encoding/json"
	"net/http"
)

// jwksHeader: kept for less than keyring.Lead, so that whoever keeps it has read a next key
// before that key signs. And for no more than 30 s: kube-apiserver, which goes on with the
// keys it has while it knows that of a token, reads them again for a key that it does not
// know only from 30 s before their end on. So it leaves compromised keys behind with the
// first token after them.
var jwksHeader = http.Header{
	"Access-Control-Allow-Origin": {"*"},
	"Cache-Control":               {"public, max-age=30"},
}

// jwks is the set of public keys (RFC 7517 section 5), for everybody.
func (s *Server) jwks(r *request) (answer, error) {
	return jsonAnswer{header: jwksHeader, body: json.RawMessage(s.tokens.JWKS(r.now))}, nil
}
