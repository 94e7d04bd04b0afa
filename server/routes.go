package server

import (
	"net/http"
	"strings"
)

// An audience is who reads an endpoint's answers, and so how refusals are written.
type audience int

const (
	forClients audience = iota // OAuth clients: {"error", "error_description"}
	forAPI                     // API callers: {"detail": {"code", "message"}}
	forPeople                  // browsers: pages; guarded against cross-origin posts
)

// route is one path and what it does. Every path is served with and without a trailing
// slash, for every method.
type route struct {
	path      string   // without the trailing slash; its last segment may be {name}
	get, post endpoint // nil: 405. get answers HEAD as well, unless it acts
	audience  audience
	cors      bool // scripts of registered origins may read the answers
	anySite   bool // a page that other sites may post to: it does nothing without a further act
	acts      bool // following its link may do something, so that nothing but a person does: no HEAD, no prefetch
}

// routes are the endpoints for machines; pageRoutes those for people.
func (s *Server) routes() []route {
	return []route{
		{path: "/.well-known/oauth-authorization-server", get: s.metadata},
		{path: "/.well-known/openid-configuration", get: s.metadata},
		{path: "/oauth/jwks.json", get: s.jwks},
		{path: "/oauth/token", post: s.token, cors: true},
		{path: "/oauth/device/code", post: s.deviceAuthorization, cors: true},
		{path: "/oauth/introspect", post: s.introspect},
		{path: "/oauth/revoke", post: s.revoke, cors: true},
		{path: "/oauth/userinfo", get: s.userinfo, post: s.userinfo, audience: forAPI, cors: true},
		{path: "/api/0/user", get: s.user, audience: forAPI},
		{path: "/api/0/users/me", get: s.user, audience: forAPI},
		{path: "/api/0/organizations", get: s.organizations, audience: forAPI},
		{path: "/api/0/organizations/{organization}", get: s.organization, audience: forAPI},
	}
}

// router finds routes by path. It never redirects: a client that posts to the path
// without the slash must not lose its body on the way.
type router map[string]*route

func newRouter(routes []route) router {
	all := make(router, len(routes))
	for i := range routes {
		r := &routes[i]
		key := r.path
		if before, _, found := strings.Cut(key, "{"); found {
			key = before
		}
		all[key] = r
	}
	return all
}

// find returns the route for the request's path, nil if there is none; the segment that
// stands for {name} becomes the path value of that name.
func (all router) find(r *http.Request) *route {
	if r.URL.RawPath != "" { // written in another way than we write it: a proxy's rules may not know it
		return nil
	}
	path := strings.TrimSuffix(r.URL.Path, "/")
	if found := all[path]; found != nil && !strings.HasSuffix(path, "/") {
		return found
	}
	cut := strings.LastIndexByte(path, '/') + 1
	found := all[path[:cut]]
	if found == nil || cut == len(path) {
		return nil
	}
	_, name, _ := strings.Cut(found.path, "{")
	r.SetPathValue(strings.TrimSuffix(name, "}"), path[cut:])
	return found
}

// endpointFor returns what answers the method; if nothing does, the methods allowed.
func (rt *route) endpointFor(method string) (do endpoint, allow string) {
	switch {
	case method == http.MethodPost && rt.post != nil:
		return rt.post, ""
	case (method == http.MethodGet || method == http.MethodHead && !rt.acts) && rt.get != nil:
		return rt.get, ""
	}
	return nil, rt.methods()
}

// methods are those that the path answers.
func (rt *route) methods() string {
	switch {
	case rt.get == nil:
		return "POST"
	case rt.post == nil:
		return "GET, HEAD"
	case rt.acts:
		return "GET, POST"
	}
	return "GET, HEAD, POST"
}
