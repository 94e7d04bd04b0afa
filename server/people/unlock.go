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
	return unlock(ctx, db, key, ev, cmp.Or(u.Login, u.ID), u.ID)
}

// UnlockPassword is Unlock for wrong passwords alone. It is for who proved a mailbox: whoever
// stole that must not get more guesses at the second factor by it.
func UnlockPassword(ctx context.Context, db LockStore, key model.Sensitive, u store.User, ev store.Event) error {
	if u.Login == "" {
		return nil // its tries are counted by the ID, as those at the second factor are
	}
	return unlock(ctx, db, key, ev, u.Login)
}

func unlock(ctx context.Context, db LockStore, key model.Sensitive, ev store.Event, names ...string) error {
	var accounts [][]byte
	var marks []store.ThrottleKey
	for _, name := range names {
		accounts = append(accounts, limits.AccountHash(key, name))
		marks = append(marks, limits.UnlockedMark(key, name))
	}
	if err := db.Unlock(ctx, accounts, marks, ev); err != nil {
		return fmt.Errorf("unlock: %w", err)
	}
	return nil
}
