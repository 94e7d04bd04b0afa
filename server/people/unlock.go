package people

import (
	"cmp"
	"context"
	"fmt"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/limits"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// LockStore is what Unlock needs of the store.
type LockStore interface {
	Unlock(ctx context.Context, accounts [][]byte, marks []store.ThrottleKey, ev store.Event) error
}

// Unlock forgets what was counted against an account: wrong passwords for its address from
// wherever, and wrong codes of its second factor. Processes that use the store take notice at
// the next try. A source that has guessed at many accounts stays held back.
func Unlock(ctx context.Context, db LockStore, key model.Sensitive, u store.User, ev store.Event) error {
	var accounts [][]byte
	var marks []store.ThrottleKey
	for _, name := range []string{cmp.Or(u.Login, u.ID), u.ID} {
		accounts = append(accounts, limits.AccountHash(key, name))
		marks = append(marks, limits.UnlockedMark(key, name))
	}
	if err := db.Unlock(ctx, accounts, marks, ev); err != nil {
		return fmt.Errorf("unlock: %w", err)
	}
	return nil
}
