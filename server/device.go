package server

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/clientauth"
	"github.com/gatehouse-dev/gatehouse/server/grants"
	"github.com/gatehouse-dev/gatehouse/server/limits"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/tokens"
)

// deviceCodeLife is how long a person has to approve.
const deviceCodeLife = 10 * time.Minute

// userCodeTries bounds how often a user code that is in use is replaced by another. Of
// 25.6 billion codes few are in use at once.
const userCodeTries = 5

// userAgentLimit bounds what is kept of the header, in bytes.
const userAgentLimit = 200

// deviceAuthorization is the device authorization endpoint (RFC 8628 section 3.1).
func (s *Server) deviceAuthorization(r *request) (answer, error) {
	if err := r.singleParameters(); err != nil {
		return nil, err
	}
	client, err := s.client(r)
	if err != nil {
		return nil, err
	}
	key := client.Application.UID + " " + limits.Source(r.ip)
	if wait := s.deviceRequests.Take(r.now, key); wait > 0 {
		return nil, tooMany(wait)
	}
	if !client.Application.Allows(oauth.DeviceCode) {
		return nil, oauth.Refuse(oauth.UnauthorizedClient, "the application may not use the device flow")
	}
	if err := grants.CheckTarget(s.Issuer, client, r.form["resource"]); err != nil {
		return nil, err
	}
	scopes, err := grants.Requested(client, r.form.Get("scope"))
	if err != nil {
		return nil, err
	}
	return s.startDevice(r, client, scopes)
}

func (s *Server) startDevice(r *request, client clientauth.Client, scopes oauth.ScopeSet) (answer, error) {
	deviceCode := tokens.NewDeviceCode()
	d := store.DeviceCode{
		Hash:           s.tokens.HashDeviceCode(deviceCode),
		ApplicationUID: client.Application.UID, OrganizationID: client.Organization.ID, ClientID: client.Application.ClientID,
		Scopes: scopes, Resource: r.form.Get("resource"), State: store.DevicePending, CreatedAt: r.now, ExpiresAt: r.now.Add(deviceCodeLife),
		IP: r.ip.String(), UserAgent: printable(r.UserAgent()),
	}
	var err error
	for range userCodeTries {
		userCode := tokens.NewUserCode()
		d.UserCodeHash = userCode.Hash(s.Keyring)
		err = s.Store.CreateDeviceCode(r.Context(), d)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			break
		}
		return jsonAnswer{body: s.deviceBody(deviceCode, userCode.String(), scopes)}, nil
	}
	return nil, fmt.Errorf("start device authorization: %w", err)
}

// deviceAnswer is the answer of RFC 8628 section 3.2. Interval is always sent: clients
// exist that poll without a pause when it is missing. Scope is beyond the RFC: what the
// person will be asked for, which a client that left the scope out cannot know otherwise.
type deviceAnswer struct {
	DeviceCode              string `json:"device_code"`
	UserCode                string `json:"user_code"`
	VerificationURI         string `json:"verification_uri"`
	VerificationURIComplete string `json:"verification_uri_complete"`
	ExpiresIn               int    `json:"expires_in"`
	Interval                int    `json:"interval"`
	Scope                   string `json:"scope"`
}

func (s *Server) deviceBody(deviceCode, userCode string, scopes oauth.ScopeSet) deviceAnswer {
	page := s.Issuer + "/oauth/device/"
	return deviceAnswer{
		DeviceCode: deviceCode, UserCode: userCode,
		VerificationURI:         page,
		VerificationURIComplete: page + "?user_code=" + url.QueryEscape(userCode),
		ExpiresIn:               int(deviceCodeLife / time.Second),
		Interval:                int(grants.PollInterval / time.Second),
		Scope:                   scopes.String(),
	}
}

// printable keeps a header fit to be shown: bounded, without what steers a terminal.
func printable(s string) string {
	s = s[:min(len(s), userAgentLimit)]
	quoted := strconv.QuoteToASCII(s)
	return quoted[1 : len(quoted)-1]
}
