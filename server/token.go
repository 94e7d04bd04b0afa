package server

func (s *Server) token(*request) (answer, error) { panic("not written yet") }
