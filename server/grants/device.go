package grants

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/decide"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// What a poll may be answered (RFC 8628 section 3.5).
var (
	unknownDeviceCode = oauth.Refuse(oauth.InvalidGrant, "the device_code is unknown, or was used")
	expiredDeviceCode = oauth.Refuse(oauth.ExpiredToken, "the device_code has expired; start again")
	deniedDeviceCode  = oauth.Refuse(oauth.AccessDenied, "the person denied the request")
	notApprovedYet    = oauth.Refuse(oauth.AuthorizationPending, "nobody has approved the request yet")
	polledTooFast     = oauth.Refuse(oauth.SlowDown, "add 5 seconds to the interval between polls")
	approvalWorthless = oauth.Refuse(oauth.AccessDenied, "the approval no longer stands")
)

// deviceCode answers a poll: with tokens exactly once, however many poll at once.
func (p *Pipeline) deviceCode(ctx context.Context, r *Request) (redemption, error) {
	code, err := parameter(r.Form, "device_code")
	if err != nil {
		return redemption{}, err
	}
	hash := p.Tokens.HashDeviceCode(code)
	d, err := p.Store.DeviceCode(ctx, hash)
	if errors.Is(err, store.ErrNotFound) {
		return redemption{}, unknownDeviceCode
	}
	if err != nil {
		return redemption{}, fmt.Errorf("look up device code: %w", err)
	}
	if err := p.pollable(r, &d); err != nil {
		return redemption{}, err
	}
	return p.redeemDevice(ctx, r, hash, &d)
}

// pollable refuses every poll but the one for an approved code. The state is read first:
// approved, denied and expired are never slowed.
func (p *Pipeline) pollable(r *Request, d *store.DeviceCode) error {
	switch {
	case d.ApplicationUID != r.Client.Application.UID, d.State == store.DeviceConsumed:
		return unknownDeviceCode
	case d.State == store.DeviceDenied:
		return deniedDeviceCode
	case !r.Now.Before(d.ExpiresAt):
		return expiredDeviceCode
	case d.State == store.DeviceApproved:
		return nil
	case p.paces.tooFast(r.Now, d.Hash, d.ExpiresAt):
		return polledTooFast
	}
	return notApprovedYet
}

func (p *Pipeline) redeemDevice(ctx context.Context, r *Request, hash []byte, d *store.DeviceCode) (redemption, error) {
	standing, err := p.Decide.Approval(ctx, r.World, r.Now, decide.Approved{
		OrganizationID: d.OrganizationID, ApplicationUID: d.ApplicationUID,
		UserID: d.UserID, ProviderUID: d.ProviderUID, AuthTime: d.AuthTime, At: d.CreatedAt,
	})
	if err != nil {
		return redemption{}, err
	}
	scopes := standing.Limit(oauth.NewScopeSet(d.Granted...))
	if len(scopes.Without(protocolScopes)) == 0 {
		return redemption{}, approvalWorthless
	}
	g := p.newGrant(r, d)
	ev := event(r, d.UserID, "grant.created", uuid.UUID(g.ID).String())
	ev.Reason = "device_code"
	err = p.Store.ConsumeDeviceCode(ctx, hash, r.Client.Application.UID, r.Now, g, ev)
	if errors.Is(err, store.ErrConflict) { // somebody else was first, or it ended meanwhile
		return redemption{}, unknownDeviceCode
	}
	if err != nil {
		return redemption{}, fmt.Errorf("redeem device code: %w", err)
	}
	p.paces.forget(d.Hash)
	got := redemption{grant: &g, user: standing.User, scopes: scopes}
	if g.Generation > 0 {
		got.refresh = p.Tokens.MintRefresh(g.ID, g.Generation, g.Seed, r.Now)
	}
	return got, nil
}

// newGrant is bound to no session: the device is not the browser that approved.
func (p *Pipeline) newGrant(r *Request, d *store.DeviceCode) store.Grant {
	g := store.Grant{
		ID: newID(), UserID: d.UserID, ApplicationUID: d.ApplicationUID, OrganizationID: d.OrganizationID,
		ClientID: d.ClientID, Scopes: d.Granted, ProviderUID: d.ProviderUID, AuthTime: d.AuthTime, AMR: d.AMR,
		CreatedAt: r.Now, ExpiresAt: r.Now.Add(accessTTL(r.Client)),
	}
	if r.Client.Application.Allows(oauth.RefreshToken) {
		ceilings := r.Client.Organization.Tokens
		g.Generation, g.RotatedAt, g.Seed = 1, r.Now, newSeed()
		g.ExpiresAt = r.Now.Add(ceilings.RefreshAbsolute)
		g.IdleExpiresAt = earlier(r.Now.Add(ceilings.RefreshIdle), g.ExpiresAt)
	}
	return g
}

func newID() (id [16]byte) {
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	return id
}

func newSeed() []byte {
	seed := make([]byte, 32)
	_, _ = rand.Read(seed) // never fails (crypto/rand)
	return seed
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
