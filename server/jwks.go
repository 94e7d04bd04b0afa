package server

import "encoding/json"

// jwks is the set of public keys (RFC 7517 section 5), for everybody. It is kept for less
// than keyring.Lead, so that whoever keeps it has read a next key before that key signs.
func (s *Server) jwks(r *request) (answer, error) {
	return jsonAnswer{header: metadataHeader, body: json.RawMessage(s.tokens.JWKS(r.now))}, nil
}
