package server

import (
	"net/http"

	"github.com/gatehouse-dev/gatehouse/server/decide"
)

// Scripts of other sites may read the answers of the endpoints that browser-based
// applications call, each the answers to itself: the origin must be registered by the
// application that the answer speaks to (RFC 9700 section 2.6). Never with credentials:
// cookies mean nothing at these endpoints. This decides who reads, not who sends: a browser
// sends simple requests without asking.

// isPreflight: a browser asks before it sends what a form could not (Fetch, section 4.8).
func isPreflight(r *request) bool {
	return r.Method == http.MethodOptions && r.Header["Origin"] != nil && r.Header["Access-Control-Request-Method"] != nil
}

// preflight tells a browser whether its script may send the request. It names no
// application yet, so that an origin of any is let through to the answer itself.
func (rt *route) preflight(r *request) (answer, error) {
	header := http.Header{}
	if origin := r.origin(); origin != "" && r.AllowsOrigin(origin, r.now) {
		header = http.Header{
			"Access-Control-Allow-Origin":  {origin},
			"Access-Control-Allow-Methods": {rt.methods()},
			"Access-Control-Allow-Headers": preflightHeaders,
			"Access-Control-Max-Age":       preflightAge,
		}
	}
	return noContent{header}, nil
}

// letRead lets the script that sent the request read its answer, a refusal too, if it is
// one of the application's that the answer speaks to.
func (r *request) letRead(h http.Header) {
	h["Vary"] = varyOrigin
	if r.Header["Origin"] == nil || r.speaksTo == nil {
		return
	}
	if origin := r.origin(); r.speaksTo.AllowsOrigin(origin) {
		h["Access-Control-Allow-Origin"] = []string{origin}
		h["Access-Control-Expose-Headers"] = readableHeaders
	}
}

// origin is where the script that sent the request comes from; empty: nobody says, or two
// do.
func (r *request) origin() string {
	if values := r.Header["Origin"]; len(values) == 1 {
		return values[0]
	}
	return ""
}

// speaksToOwner notes whose token a request came with. A script must be able to read that
// its token has ended, so for scripts the owner of one that is authentic and not in force
// is found too.
func (s *Server) speaksToOwner(r *request, v *decide.Verdict) {
	r.speaksTo = v.Application
	if r.speaksTo != nil || v.Token == nil || r.origin() == "" {
		return
	}
	organization, application := v.Token.OrganizationID, v.Token.ApplicationUID
	if v.Token.OfGrant() {
		g, err := s.cache.Grant(r.Context(), v.Token.GrantID)
		if err != nil { // then nobody's: the answer is the same, and no script reads it
			return
		}
		organization, application = g.OrganizationID, g.ApplicationUID
	}
	o := r.Organization(organization)
	if o == nil || o.Suspended {
		return
	}
	if a := r.ApplicationIn(o, application); a != nil && a.Served(r.now) {
		r.speaksTo = a
	}
}

// noContent is an answer of headers alone.
type noContent struct{ header http.Header }

func (a noContent) write(w http.ResponseWriter, _ *request) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.Header()["Cache-Control"] = noStore
	w.WriteHeader(http.StatusNoContent)
}

// Header values that are the same on every answer; they are never changed.
var (
	varyOrigin       = []string{"Origin"}
	preflightHeaders = []string{"authorization, content-type"}
	preflightAge     = []string{"7200"} // seconds: as long as any browser keeps it
	readableHeaders  = []string{"WWW-Authenticate, Retry-After"}
)
