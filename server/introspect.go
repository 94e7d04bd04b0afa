package server

func (s *Server) introspect(*request) (answer, error) { panic("not written yet") }
