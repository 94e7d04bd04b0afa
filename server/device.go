package server

func (s *Server) deviceAuthorization(*request) (answer, error) { panic("not written yet") }
