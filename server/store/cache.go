package store

import (
	"context"
	"time"
)

// Cache answers reads of the hot paths from memory. It follows the table of changes, so
// that a write by this or any other process is seen within MaxStale: an entry counts only
// if the last successful poll began no longer ago than that (by the monotonic clock, at
// the moment of the decision). Otherwise it reads the store, and if that fails returns
// an error that wraps ErrUnavailable: nothing stale is ever accepted.
type Cache struct{ *DB }

// MaxStale is how old a poll may be for cached entries to count.
const MaxStale = time.Second

// NewCache starts to follow the changes of db; Run keeps following until ctx ends.
func NewCache(db *DB) *Cache                   { panic("not written yet") }
func (c *Cache) Run(ctx context.Context) error { panic("not written yet") }

// User, Grant and DeviceCode answer like the methods of DB.
func (c *Cache) User(ctx context.Context, id string) (User, error)     { panic("not written yet") }
func (c *Cache) Grant(ctx context.Context, id [16]byte) (Grant, error) { panic("not written yet") }
func (c *Cache) DeviceCode(ctx context.Context, hash []byte) (DeviceCode, error) {
	panic("not written yet")
}

// Revoked reports whether the access token with this serial was revoked.
func (c *Cache) Revoked(ctx context.Context, serial [12]byte) (bool, error) {
	panic("not written yet")
}
