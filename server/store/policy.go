package store

import (
	"context"
	"slices"
	"strings"
	"sync"
)

const (
	upsertPolicy = `INSERT INTO password_policy (id, min_length, check_common, context) VALUES (1, $1, $2, $3)
		ON CONFLICT (id) DO UPDATE SET min_length = excluded.min_length, check_common = excluded.check_common, context = excluded.context`
	selectPolicy = `SELECT min_length, check_common, context FROM password_policy WHERE id = 1`
)

// PasswordPolicy is what the declarations that are served demand of new passwords. It is
// kept for the commands that make people beside a running server; the server itself never
// reads it back.
type PasswordPolicy struct {
	MinLength   int // characters
	CheckCommon bool
	Context     []string // words of the installation that no password may be made of
}

// policyMemory is the policy as this process last wrote it.
type policyMemory struct {
	mu      sync.Mutex
	written *PasswordPolicy
}

// SetPasswordPolicy remembers the policy in force. When it did not change since the last
// call it writes nothing.
func (db *DB) SetPasswordPolicy(ctx context.Context, p PasswordPolicy) error {
	db.policy.mu.Lock()
	defer db.policy.mu.Unlock()
	if w := db.policy.written; w != nil && w.MinLength == p.MinLength && w.CheckCommon == p.CheckCommon && slices.Equal(w.Context, p.Context) {
		return nil
	}
	err := db.write(ctx, func(t *tx) error {
		_, err := t.exec(upsertPolicy, p.MinLength, p.CheckCommon, strings.Join(p.Context, "\n"))
		return err
	})
	if err == nil {
		db.policy.written = &p
	}
	return err
}

// PasswordPolicy returns the policy of the server that last ran; ErrNotFound: none has.
func (db *DB) PasswordPolicy(ctx context.Context) (PasswordPolicy, error) {
	return row(ctx, db, scanPolicy, selectPolicy)
}

func scanPolicy(s scanner) (p PasswordPolicy, err error) {
	var words string
	err = s.Scan(&p.MinLength, &p.CheckCommon, &words)
	if words != "" {
		p.Context = strings.Split(words, "\n")
	}
	return p, err
}
