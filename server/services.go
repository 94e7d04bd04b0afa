package server

import (
	"net/http"

	"github.com/gatehouse-dev/gatehouse/server/limits"
)

// services are the parts that endpoints call.
type services struct {
	peopleServices
	perSource *limits.Limiter // unauthenticated posts, by source address

	crossOrigin *http.CrossOriginProtection
}

func (s *Server) prepare() error {
	if err := s.preparePages(); err != nil {
		return err
	}
	s.perSource = limits.NewLimiter(20, 100, s.RateLimitScale)
	s.crossOrigin = http.NewCrossOriginProtection()
	// The issuer is what browsers see; behind a proxy it differs from the Host seen here.
	return s.crossOrigin.AddTrustedOrigin(s.Issuer)
}
