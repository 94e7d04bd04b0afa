package server

import (
	"net/http"
	"strings"

	"github.com/gatehouse-dev/gatehouse/server/clientauth"
	"github.com/gatehouse-dev/gatehouse/server/decide"
	"github.com/gatehouse-dev/gatehouse/server/grants"
	"github.com/gatehouse-dev/gatehouse/server/limits"
	"github.com/gatehouse-dev/gatehouse/server/outbound"
	"github.com/gatehouse-dev/gatehouse/server/sealed"
	"github.com/gatehouse-dev/gatehouse/server/tokens"
)

// services are the parts that endpoints call.
type services struct {
	peopleServices
	clients *clientauth.Authenticator
	tokens  *tokens.Minter
	decider *decide.Decider
	sealed  *sealed.Box // what pages carry for us
	grants  *grants.Pipeline

	perSource       *limits.Limiter // unauthenticated posts, by source address
	deviceRequests  *limits.Limiter // device requests, by client and source address
	revocations     *limits.Limiter // by application: each leaves rows behind
	assertions      *limits.Limiter // by application: each leaves a row behind
	assertionsOfAll *limits.Limiter // by organization
	approvals       *limits.Limiter // without a question, by person: each leaves rows behind
	invitations     invitationLimits

	acts    *limits.Limiter // of people on their account: each leaves rows behind
	notices *limits.Limiter // letters about an account, by kind

	backChannel backChannel
	repeats     repeats // of what applications should make anew for each request
	load        load
	crossOrigin *http.CrossOriginProtection
	overTLS     bool // browsers reach us over TLS only, and may remember that (RFC 6797)

	metadataBody []byte
}

func (s *Server) prepare() error {
	if err := s.preparePages(); err != nil {
		return err
	}
	var err error
	if s.sealed, err = sealed.NewBox(s.Keyring.Derive("sealed")); err != nil {
		return err
	}
	s.clients = clientauth.New(clientauth.Options{
		Issuer: s.Issuer, DigestKey: s.Keyring.DigestKey(), Once: s.Store,
		Admit:     s.admitAssertion,
		Published: clientauth.NewKeySets(outbound.New(s.Outbound), s.Log), UnknownClusterKey: s.UnknownClusterKey,
	})
	s.tokens = tokens.NewMinter(s.Issuer, s.Keyring)
	s.decider = &decide.Decider{Store: s.cache, Tokens: s.tokens}
	s.grants = grants.New(s.Issuer, s.cache, s.tokens, s.decider)
	s.perSource = limits.NewLimiter(20, 100, s.RateLimitScale)
	s.deviceRequests = limits.NewLimiter(5, 50, s.RateLimitScale)
	s.revocations = limits.NewLimiter(20, 100, s.RateLimitScale)
	s.assertions = limits.NewLimiter(100, 500, s.RateLimitScale)
	s.assertionsOfAll = limits.NewLimiter(300, 1500, s.RateLimitScale)
	s.approvals = limits.NewLimiter(5, 50, s.RateLimitScale)
	s.invitations = newInvitationLimits(s.RateLimitScale)
	s.acts = limits.NewLimiter(1, 50, s.RateLimitScale)
	s.notices = limits.NewLimiter(1/noticeEvery.Seconds(), noticesAtOnce, s.RateLimitScale)
	s.backChannel = backChannel{to: outbound.New(s.Outbound), told: map[string]int{}}
	s.repeats = newRepeats(s.Registry)
	s.load.limit(s.MaxInFlight)
	s.load.show(s.Registry)
	s.overTLS = strings.HasPrefix(s.Issuer, "https://")
	s.crossOrigin = http.NewCrossOriginProtection()
	// The issuer is what browsers see; behind a proxy it differs from the Host seen here.
	if err := s.crossOrigin.AddTrustedOrigin(s.Issuer); err != nil {
		return err
	}
	s.metadataBody, err = metadataOf(s.Issuer)
	return err
}
