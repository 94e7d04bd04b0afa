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

// MailLinkFor is how long a link that proves an address is good for.
const MailLinkFor = 24 * time.Hour

// MailLinkHash is what the store has of such a link, under the keyring's LookupKey.
func MailLinkHash(key model.Sensitive, kind, link string) []byte {
	sum := key.Digest([]byte("mail link " + kind + " " + link))
	return sum[:]
}

// MailLinkStore is what NewMailLink needs of the store.
type MailLinkStore interface {
	CreateMailLink(ctx context.Context, l store.MailLink, ev store.Event) error
}

// NewMailLink makes a link of a kind to be mailed to an address, once usable and for
// MailLinkFor, and returns what it carries. An earlier one is worth nothing then.
// store.ErrConflict: the account is disabled.
func NewMailLink(ctx context.Context, db MailLinkStore, key model.Sensitive, l store.MailLink, ev store.Event) (string, error) {
	raw := make([]byte, resetSize)
	_, _ = rand.Read(raw) // never fails
	link := base64.RawURLEncoding.EncodeToString(raw)
	l.Hash, l.CreatedAt, l.ExpiresAt = MailLinkHash(key, l.Kind, link), ev.Time, ev.Time.Add(MailLinkFor)
	if err := db.CreateMailLink(ctx, l, ev); err != nil {
		return "", fmt.Errorf("make link: %w", err)
	}
	return link, nil
}
