package grants

import (
	"context"
	"errors"
	"fmt"

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
		UserID: d.UserID, ProviderUID: d.ProviderUID, AuthTime: d.AuthTime, AMR: d.AMR, At: d.CreatedAt,
	})
	if err != nil {
		return redemption{}, err
	}
	scopes := standing.Limit(oauth.NewScopeSet(d.Granted...))
	if Worthless(scopes) {
		return redemption{}, approvalWorthless
	}
	if err := p.sameTarget(r, standing.Organization, d.Resource); err != nil {
		return redemption{}, err
	}
	g := newGrant(r, standing.Organization, &store.AuthorizationCode{
		UserID: d.UserID, ApplicationUID: d.ApplicationUID, OrganizationID: d.OrganizationID, ClientID: d.ClientID,
		ProviderUID: d.ProviderUID, AuthTime: d.AuthTime, AMR: d.AMR, Granted: d.Granted, Resource: d.Resource,
	})
	ev := event(r, d.UserID, "grant.created", uuid.UUID(g.ID).String())
	ev.Reason = createdBy("device_code", &standing)
	if err := p.tell(ctx, r, &standing); err != nil {
		return redemption{}, err
	}
	err = p.Store.ConsumeDeviceCode(ctx, hash, r.Client.Application.UID, r.Now, g, ev)
	if errors.Is(err, store.ErrConflict) { // somebody else was first, or it ended meanwhile
		return redemption{}, unknownDeviceCode
	}
	if err != nil {
		return redemption{}, fmt.Errorf("redeem device code: %w", err)
	}
	p.paces.forget(d.Hash)
	return p.redeemed(r, &g, standing, scopes), nil
}
