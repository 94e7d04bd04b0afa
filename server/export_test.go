package server

import "net/http"

// Route is what tests that walk the route table need of a row.
type Route struct {
	Path       string
	Posts      bool
	ForPeople  bool
	ForScripts bool
}

// Routes lists everything that is served.
func (s *Server) Routes() (all []Route) {
	for _, rt := range s.router {
		do, _ := rt.endpointFor(http.MethodPost)
		all = append(all, Route{Path: rt.path, Posts: do != nil, ForPeople: rt.audience == forPeople, ForScripts: rt.cors})
	}
	return all
}
