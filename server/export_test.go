package server

import (
	"maps"
	"net/http"
	"slices"
)

// Route is what tests that walk the route table need of a row.
type Route struct {
	Path       string
	Posts      bool
	ForPeople  bool
	ForScripts bool
}

// Routes lists everything that is served.
func (s *Server) Routes() (all []Route) {
	routes := slices.Collect(maps.Values(s.router.byPath))
	for _, p := range s.router.named {
		routes = append(routes, p.route)
	}
	for _, rt := range routes {
		do, _ := rt.endpointFor(http.MethodPost)
		all = append(all, Route{Path: rt.path, Posts: do != nil, ForPeople: rt.audience == forPeople, ForScripts: rt.cors})
	}
	return all
}
