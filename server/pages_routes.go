package server

// pageRoutes are the endpoints for people.
func (s *Server) pageRoutes() []route { return nil }

// errorPage tells a person what went wrong: message is for them to read, id for whoever
// they ask for help.
func (s *Server) errorPage(r *request, status int, message string) answer {
	return page{status: status, html: "Something went wrong."}
}
