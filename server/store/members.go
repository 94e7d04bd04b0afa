package store

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

const (
	// addressesAtOnce are looked up by one statement: of whatever length the list is, there
	// is one text to prepare.
	addressesAtOnce = 100
	// identitiesAtOnce bounds what one statement reads of a provider: its groups are not
	// indexed, and an address may be that of any number of its people.
	identitiesAtOnce = 1000

	selectMembersAfter = `SELECT DISTINCT user_id FROM memberships WHERE organization_id = $1 AND user_id > $2
		ORDER BY user_id LIMIT $3`
	selectKnownAfter = `SELECT user_id, group_names FROM identities WHERE provider_uid = $1 AND user_id > $2
		ORDER BY user_id LIMIT $3`

	// A plus keeps the engine from walking through everybody, or everybody of a provider, in
	// place of the addresses.
	selectSigningIn = `SELECT id FROM users WHERE deleted_at = 0 AND email <> id AND +id > $1 AND email IN `
	selectProvenBy  = `SELECT user_id FROM identities WHERE email <> '' AND email_proven_at > 0
		AND +provider_uid = $2 AND +user_id > $1 AND email IN `

	burnCodesIn = `UPDATE authorization_codes SET used_at = $3
		WHERE user_id = $1 AND organization_id = $2 AND used_at = 0`
	denyDevicesIn = `UPDATE device_codes SET state = 'denied'
		WHERE user_id = $1 AND user_id <> '' AND organization_id = $2 AND state = 'approved' RETURNING hash`
	revokeGrantsIn = `UPDATE grants SET revoked_at = $3, revoked_reason = $4
		WHERE user_id = $1 AND organization_id = $2 AND revoked_at = 0 RETURNING id`
	deleteConsentsIn = `DELETE FROM consents WHERE user_id = $1 AND organization_id = $2`
	tellOfUserIn     = insertLogouts + ` WHERE user_id = $1 AND organization_id = $3`
	deleteLoginsIn   = `DELETE FROM logins WHERE user_id = $1 AND organization_id = $2`

	// Those to the person's addresses, and those that the person gave out.
	deleteInvitationsOf = `DELETE FROM invitations WHERE organization_id = $2 AND (invited_by = $1
		OR email = (SELECT email FROM users WHERE id = $1)
		OR email IN (SELECT email FROM identities WHERE user_id = $1 AND email <> '')) RETURNING id`
)

var (
	selectSigningInWith = selectSigningIn + places(2)
	selectProvenByWith  = selectProvenBy + places(3) + ` ORDER BY +user_id LIMIT ` + strconv.Itoa(identitiesAtOnce)
)

// places are those of addressesAtOnce values, the first of which has that number.
func places(first int) string {
	var all []string
	for i := range addressesAtOnce {
		all = append(all, "$"+strconv.Itoa(first+i))
	}
	return "(" + strings.Join(all, ", ") + ")"
}

// MemberSearch says by what somebody may be a member of an organization.
type MemberSearch struct {
	OrganizationID string
	Addresses      []string      // lower-cased, that hold a role there
	Providers      []string      // that count there
	Groups         []model.Group // that hold a role there
	After          string        // a user ID: those after it
	Limit          int
}

// MaybeMembers returns accounts, by ID, among which are all members with an ID up to
// through; it is empty where there are no others. Most are members, some may be none: that
// is the organization's to say. What is read is bounded by the search, however many people
// and identities there are, so there may be fewer than Limit and yet others to come.
func (db *DB) MaybeMembers(ctx context.Context, q MemberSearch) (ids []string, through string, err error) {
	var f candidates
	given, err := all(ctx, db, scanText, selectMembersAfter, q.OrganizationID, q.After, q.Limit)
	if err != nil {
		return nil, "", err
	}
	f.add(given, q.Limit)
	for addresses := range slices.Chunk(q.Addresses, addressesAtOnce) {
		if err := db.provenOf(ctx, q, addresses, &f); err != nil {
			return nil, "", err
		}
	}
	for _, provider := range q.Providers {
		if err := db.inGroups(ctx, q, provider, &f); err != nil {
			return nil, "", err
		}
	}
	ids, through = f.upTo(q.Limit)
	return ids, through, nil
}

// provenOf adds who signs in with one of the addresses here, or proved it to one of the
// providers.
func (db *DB) provenOf(ctx context.Context, q MemberSearch, addresses []string, f *candidates) error {
	list := make([]any, addressesAtOnce)
	for i := range list {
		list[i] = addresses[min(i, len(addresses)-1)]
	}
	found, err := all(ctx, db, scanText, selectSigningInWith, append([]any{q.After}, list...)...)
	if err != nil {
		return err
	}
	f.ids = append(f.ids, found...)
	for _, provider := range q.Providers {
		found, err := all(ctx, db, scanText, selectProvenByWith, append([]any{q.After, provider}, list...)...)
		if err != nil {
			return err
		}
		f.add(found, identitiesAtOnce)
	}
	return nil
}

// inGroups adds who is in one of the provider's groups.
func (db *DB) inGroups(ctx context.Context, q MemberSearch, provider string, f *candidates) error {
	var names []string
	for _, g := range q.Groups {
		if g.ProviderUID == provider {
			names = append(names, g.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	known, err := all(ctx, db, func(s scanner) (i Identity, err error) {
		var groups string
		if err := s.Scan(&i.UserID, &groups); err != nil {
			return i, err
		}
		return i, json.Unmarshal([]byte(groups), &i.Groups)
	}, selectKnownAfter, provider, q.After, identitiesAtOnce)
	if err != nil {
		return err
	}
	for _, i := range known {
		if slices.ContainsFunc(i.Groups, func(g string) bool { return slices.Contains(names, g) }) {
			f.ids = append(f.ids, i.UserID)
		}
	}
	if len(known) == identitiesAtOnce { // of the last one there may be further identities
		last := known[len(known)-1].UserID
		f.ids = append(f.ids, last)
		f.bound(last)
	}
	return nil
}

// candidates gathers IDs from sources that each were read up to some ID.
type candidates struct {
	ids   []string
	least string // up to where all sources were read; empty: to their ends
}

// add takes the first IDs of a source that gives so many at most.
func (f *candidates) add(ids []string, most int) {
	f.ids = append(f.ids, ids...)
	if len(ids) == most {
		f.bound(ids[most-1])
	}
}

func (f *candidates) bound(last string) {
	if f.least == "" || last < f.least {
		f.least = last
	}
}

// upTo returns the first IDs in order, each once, and the last of which all are known.
func (f *candidates) upTo(limit int) (ids []string, through string) {
	slices.Sort(f.ids)
	ids = slices.Compact(f.ids)
	if f.least != "" {
		past, _ := slices.BinarySearch(ids, f.least+"\x00")
		ids, through = ids[:past], f.least
	}
	if len(ids) > limit {
		ids = ids[:limit]
		through = ids[limit-1]
	}
	return ids, through
}

// RemoveMember takes every membership of an organization from somebody, with what they
// opened there: grants, codes and approvals, consents, and invitations to them and by them.
// Applications that want to know are told that they are signed out. Roles that name the
// person stay. ErrNotFound: there was no membership.
func (db *DB) RemoveMember(ctx context.Context, userID, organizationID string, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		n, err := t.exec(deleteMembership, userID, organizationID)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNotFound
		}
		if err := t.endIn(userID, organizationID, ev); err != nil {
			return err
		}
		return t.accountChanged(userID, ev)
	})
}

func (t *tx) endIn(userID, organizationID string, ev Event) error {
	at := millis(ev.Time)
	if _, err := t.exec(burnCodesIn, userID, organizationID, at); err != nil {
		return err
	}
	if _, err := t.changedAll(ev.Time, deviceChanged, denyDevicesIn, userID, organizationID); err != nil {
		return err
	}
	if _, err := t.changedAll(ev.Time, grantChanged, revokeGrantsIn, userID, organizationID, at, "no longer a member"); err != nil {
		return err
	}
	if _, err := t.exec(deleteConsentsIn, userID, organizationID); err != nil {
		return err
	}
	if _, err := t.exec(tellOfUserIn, userID, at, organizationID); err != nil {
		return err
	}
	if _, err := t.exec(deleteLoginsIn, userID, organizationID); err != nil {
		return err
	}
	revoked, err := t.ids(deleteInvitationsOf, userID, organizationID)
	if err != nil {
		return err
	}
	for _, id := range revoked {
		ended := ev
		ended.Action, ended.Target, ended.Reason = "invitation.revoked", string(id), "no longer a member"
		if err := t.record(ended); err != nil {
			return err
		}
	}
	return nil
}
