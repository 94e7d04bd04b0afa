package server

func (s *Server) metadata(*request) (answer, error) { panic("not written yet") }
