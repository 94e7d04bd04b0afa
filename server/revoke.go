package server

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/clientauth"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/tokens"
)

// revoked is the answer also for a token that nobody knows (RFC 7009 section 2.2). It is
// JSON because clients exist that read it as such.
var revoked = jsonAnswer{body: json.RawMessage(`{}`)}

// revoke ends a client's own token (RFC 7009): an access token alone, or with a refresh
// token the whole grant. That the store did not answer is never taken for done.
func (s *Server) revoke(r *request) (answer, error) {
	if err := r.singleParameters(); err != nil {
		return nil, err
	}
	client, err := s.client(r)
	if err != nil {
		return nil, err
	}
	text := r.form.Get("token")
	if text == "" {
		return nil, oauth.Refuse(oauth.InvalidRequest, "token is missing")
	}
	if wait := s.revocations.Take(r.now, client.Application.UID); wait > 0 {
		return nil, tooMany(wait)
	}
	// The hint is not needed: the prefix tells what a token is (RFC 7009 section 2.1).
	if token, ok := s.tokens.ParseAccess(text); ok {
		err = s.revokeAccess(r, client, token)
	} else if token, ok := s.tokens.ParseRefresh(text); ok {
		err = s.revokeRefresh(r, client, token)
	}
	if err != nil {
		return nil, err
	}
	return revoked, nil
}

func (s *Server) revokeAccess(r *request, c clientauth.Client, t *tokens.Access) error {
	if !r.now.Before(t.ExpiresAt) {
		return nil
	}
	owner := t.ApplicationUID
	if t.OfGrant() {
		g, err := s.cache.Grant(r.Context(), t.GrantID)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("look up grant: %w", err)
		}
		owner = g.ApplicationUID
	}
	if owner != c.Application.UID {
		return nil
	}
	ev := revocation(r, c, "token.revoked", hex.EncodeToString(t.Serial[:]))
	ev.OrganizationID = t.OrganizationID
	err := s.Store.RevokeToken(r.Context(), store.Revocation{Serial: t.Serial, ExpiresAt: t.ExpiresAt}, ev)
	return wrap("revoke access token", err)
}

// revokeRefresh ends the grant of any generation of its refresh token: whoever wants it
// gone means all of it.
func (s *Server) revokeRefresh(r *request, c clientauth.Client, t *tokens.Refresh) error {
	g, err := s.cache.Grant(r.Context(), t.GrantID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look up grant: %w", err)
	}
	if !s.tokens.Authentic(t, g.Seed) || g.ApplicationUID != c.Application.UID {
		return nil
	}
	const reason = "revoked by the client"
	ev := revocation(r, c, "grant.revoked", uuid.UUID(g.ID).String())
	ev.OrganizationID, ev.Reason = g.OrganizationID, reason
	return wrap("revoke grant", s.Store.RevokeGrant(r.Context(), g.ID, r.now, reason, ev))
}

func revocation(r *request, c clientauth.Client, action, target string) store.Event {
	return store.Event{
		Time: r.now, Actor: c.Application.ClientID, Action: action, Target: target, Outcome: "ok",
		ApplicationUID: c.Application.UID,
		IP:             r.ip.String(), RequestID: r.id,
	}
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
