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

// ResetFor is how long a link that sets a new password is good for.
const ResetFor = time.Hour

// resetSize is that of what a link carries, in random bytes (ASVS 6.5.3).
const resetSize = 32

// ResetHash is what the store has of a link, under the keyring's LookupKey.
func ResetHash(key model.Sensitive, link string) []byte {
	sum := key.Digest([]byte("reset " + link))
	return sum[:]
}

// LinkStore is what NewResetLink needs of the store.
type LinkStore interface {
	CreateResetLink(ctx context.Context, l store.ResetLink, ev store.Event) error
}

// NewResetLink makes a link for a person, once usable and for ResetFor, and returns what it
// carries: nobody but its reader sees that again. An earlier link is worth nothing then.
// store.ErrConflict: the account is disabled.
func NewResetLink(ctx context.Context, db LinkStore, key model.Sensitive, userID string, ev store.Event) (string, error) {
	raw := make([]byte, resetSize)
	_, _ = rand.Read(raw) // never fails
	link := base64.RawURLEncoding.EncodeToString(raw)
	err := db.CreateResetLink(ctx, store.ResetLink{
		Hash: ResetHash(key, link), UserID: userID, CreatedAt: ev.Time, ExpiresAt: ev.Time.Add(ResetFor),
	}, ev)
	if err != nil {
		return "", fmt.Errorf("make link: %w", err)
	}
	return link, nil
}
