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
	path           string   // without the trailing slash; a segment may be {name}
	get, post, del endpoint // nil: 405. get answers HEAD as well, unless it acts; pages have no del
	audience       audience
	json           bool // what is posted is JSON, not a form
	cors           bool // scripts of registered origins may read the answers
	anySite        bool // a page that other sites may post to: it does nothing without a further act
	acts           bool // following its link may do something, so that nothing but a person does: no HEAD, no prefetch
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
		{path: "/api/0/organizations/{organization}/audit", get: s.audit, audience: forAPI},
		{path: "/api/0/organizations/{organization}/members", get: s.members, post: s.inviteMember, json: true, audience: forAPI},
		{path: "/api/0/organizations/{organization}/members/{member}", get: s.member, del: s.removeMember, audience: forAPI},
	}
}

// router finds routes by path. It never redirects: a client that posts to the path
// without the slash must not lose its body on the way.
type router struct {
	byPath map[string]*route
	named  []pattern // those with a {name}
}

// pattern is the path of a route, by segments.
type pattern struct {
	segments []string
	route    *route
}

func newRouter(routes []route) router {
	all := router{byPath: make(map[string]*route, len(routes))}
	for i := range routes {
		r := &routes[i]
		if strings.Contains(r.path, "{") {
			all.named = append(all.named, pattern{strings.Split(r.path, "/"), r})
		} else {
			all.byPath[r.path] = r
		}
	}
	return all
}

// find returns the route for the request's path, nil if there is none; what stands for
// {name} becomes the path value of that name.
func (all router) find(r *http.Request) *route {
	if r.URL.RawPath != "" { // written in another way than we write it: a proxy's rules may not know it
		return nil
	}
	path := strings.TrimSuffix(r.URL.Path, "/")
	if found := all.byPath[path]; found != nil {
		return found
	}
	segments := strings.Split(path, "/")
	for _, p := range all.named {
		if p.matches(segments) {
			p.name(r, segments)
			return p.route
		}
	}
	return nil
}

func (p pattern) matches(segments []string) bool {
	if len(segments) != len(p.segments) {
		return false
	}
	for i, want := range p.segments {
		if want != segments[i] && (want == "" || want[0] != '{' || segments[i] == "") {
			return false
		}
	}
	return true
}

func (p pattern) name(r *http.Request, segments []string) {
	for i, s := range p.segments {
		if name, ok := strings.CutPrefix(s, "{"); ok {
			r.SetPathValue(strings.TrimSuffix(name, "}"), segments[i])
		}
	}
}

// endpointFor returns what answers the method; if nothing does, the methods allowed.
func (rt *route) endpointFor(method string) (do endpoint, allow string) {
	if do = rt.answers(method); do == nil {
		return nil, rt.methods()
	}
	return do, ""
}

func (rt *route) answers(method string) endpoint {
	switch {
	case method == http.MethodGet, method == http.MethodHead && !rt.acts:
		return rt.get
	case method == http.MethodPost:
		return rt.post
	case method == http.MethodDelete:
		return rt.del
	}
	return nil
}

// methods are those that the path answers.
func (rt *route) methods() string {
	var all []string
	for _, method := range []string{http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodPost} {
		if rt.answers(method) != nil {
			all = append(all, method)
		}
	}
	return strings.Join(all, ", ")
}
