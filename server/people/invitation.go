package people

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// InvitationFor is how long an invitation is good for.
const InvitationFor = 7 * 24 * time.Hour

// InvitationHash is what the store has of a link, under the keyring's LookupKey.
func InvitationHash(key model.Sensitive, link string) []byte {
	sum := key.Digest([]byte("invitation " + link))
	return sum[:]
}

// Inviter is what Invite needs of the store.
type Inviter interface {
	CreateInvitation(ctx context.Context, i store.Invitation, ev store.Event) error
}

// Invite invites somebody to an organization, for InvitationFor, and returns what the link
// carries: nobody but its reader sees that again. An earlier invitation of the address there
// is worth nothing then.
func Invite(ctx context.Context, db Inviter, key model.Sensitive, organizationID, email string, ev store.Event) (link string, err error) {
	email = Address(email)
	if err := CheckAddress(email); err != nil {
		return "", err
	}
	raw := make([]byte, resetSize+16)
	_, _ = rand.Read(raw) // never fails
	link, id := base64.RawURLEncoding.EncodeToString(raw[:resetSize]), "inv_"+base64.RawURLEncoding.EncodeToString(raw[resetSize:])
	ev.Target, ev.OrganizationID = id, organizationID
	err = db.CreateInvitation(ctx, store.Invitation{
		Hash: InvitationHash(key, link), ID: id, OrganizationID: organizationID, Email: email, InvitedBy: ev.Actor,
		CreatedAt: ev.Time, ExpiresAt: ev.Time.Add(InvitationFor),
	}, ev)
	if err != nil {
		return "", fmt.Errorf("invite: %w", err)
	}
	return link, nil
}
