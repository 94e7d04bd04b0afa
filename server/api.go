package server

func (s *Server) user(*request) (answer, error)          { panic("not written yet") }
func (s *Server) organizations(*request) (answer, error) { panic("not written yet") }
func (s *Server) organization(*request) (answer, error)  { panic("not written yet") }
