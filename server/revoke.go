package server

func (s *Server) revoke(*request) (answer, error) { panic("not written yet") }
