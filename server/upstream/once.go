package upstream

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

// Used remembers what was used, for all replicas: store.DB.
type Used interface {
	UseAssertion(ctx context.Context, hash []byte, until time.Time) error
}

// Spend uses up what may be used a single time, and does nothing for what cannot come again.
// Whoever takes a Proof calls it before anything follows from that, and only then: of two that
// bring the same, on whatever replicas, one is refused. ErrRefused.
func (p Proof) Spend(ctx context.Context, in Used) error {
	if p.Once == "" {
		return nil
	}
	// No client ID begins like this: assertions of applications are kept beside these.
	hash := sha256.Sum256([]byte("\x00upstream\x00" + p.Once))
	err := in.UseAssertion(ctx, hash[:], p.Until)
	if errors.Is(err, store.ErrConflict) {
		return refused("it was used before")
	}
	return err
}
