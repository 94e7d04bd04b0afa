package store

import (
	"context"
	"encoding/binary"
	"time"
)

// A change says that the row with this id is no longer what a cache may remember. It is
// written in the transaction of what it tells of, so whoever reads the changes up to some
// point and nothing stale before it knows the store as it was then.
type change struct {
	seq  int64
	what string
	id   []byte
}

// What a change is about, and what its id holds.
const (
	userChanged   = "user"    // ID
	grantChanged  = "grant"   // ID
	deviceChanged = "device"  // hash of device_code
	tokenRevoked  = "token"   // serial, then the expiry in milliseconds, big-endian
	tokensExpired = "expired" // the instant up to which revocations were swept, likewise
)

// changesKept is how long a change stays. A process that did not look for longer finds a
// gap and forgets what it knew.
const changesKept = 10 * time.Minute

const (
	insertChange = `INSERT INTO changes (what, id, at) VALUES ($1, $2, $3)`

	selectChanges = `SELECT seq, what, id FROM changes WHERE seq > $1 ORDER BY seq`

	// The oldest and the newest change: the sweep always leaves the newest.
	selectChangeRange = `SELECT COALESCE(MIN(seq), 0), COALESCE(MAX(seq), 0) FROM changes`

	selectDataVersion = `PRAGMA data_version`
)

func encodeRevocation(r Revocation) []byte {
	return binary.BigEndian.AppendUint64(r.Serial[:len(r.Serial):len(r.Serial)], uint64(millis(r.ExpiresAt)))
}

func decodeRevocation(id []byte) (r Revocation, ok bool) {
	if len(id) != len(r.Serial)+8 {
		return r, false
	}
	copy(r.Serial[:], id)
	r.ExpiresAt = moment(int64(binary.BigEndian.Uint64(id[len(r.Serial):])))
	return r, true
}

func encodeInstant(t time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(millis(t)))
}

func decodeInstant(id []byte) (time.Time, bool) {
	if len(id) != 8 {
		return time.Time{}, false
	}
	return moment(int64(binary.BigEndian.Uint64(id))), true
}

// dataVersion changes whenever another connection, of any process, has committed.
func (db *DB) dataVersion(ctx context.Context) (v int64, err error) {
	err = db.feed.QueryRowContext(ctx, selectDataVersion).Scan(&v)
	return v, unavailable(err)
}

func (db *DB) changeRange(ctx context.Context) (oldest, newest int64, err error) {
	err = db.feed.QueryRowContext(ctx, selectChangeRange).Scan(&oldest, &newest)
	return oldest, newest, unavailable(err)
}

func (db *DB) changesAfter(ctx context.Context, seq int64) ([]change, error) {
	rows, err := db.feed.QueryContext(ctx, selectChanges, seq)
	if err != nil {
		return nil, unavailable(err)
	}
	return collect(rows, func(s scanner) (c change, err error) { return c, s.Scan(&c.seq, &c.what, &c.id) })
}
