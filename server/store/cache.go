package store

import (
	"context"
	"hash/maphash"
	"sync"
	"time"
)

// Cache answers reads of the hot paths from memory. It follows the table of changes, so
// that a write by this or any other process is seen within MaxStale: an entry counts only
// if the last successful poll began no longer ago than that (by the monotonic clock, at
// the moment of the decision). Otherwise it reads the store, and if that fails returns
// an error that wraps ErrUnavailable: nothing stale is ever accepted. Writes through the
// same DB are seen at once.
//
// What it returns shares its slices with other callers: read only.
type Cache struct {
	*DB
	now func() time.Time

	mu      sync.Mutex
	began   time.Time // of the last successful poll; zero: none yet
	version int64     // of the data at that poll
	seq     int64     // of the last change seen by it

	users   table[string, User]
	grants  table[[16]byte, Grant]
	devices table[string, DeviceCode]
	revoked map[[12]byte]time.Time // until when
}

// MaxStale is how old a poll may be for cached entries to count.
const MaxStale = time.Second

// pollEvery is how often Run asks for changes.
const pollEvery = 100 * time.Millisecond

// How many rows are kept of each kind. A grant takes about 1 KiB, and a row that is not
// there costs one read: who has more in use at once pays with a little time, not with
// memory.
const (
	usersKept   = 1 << 14
	grantsKept  = 1 << 14
	devicesKept = 1 << 12
)

// NewCache starts to follow the changes of db; Run keeps following until ctx ends. Until
// Run has polled once every answer is read from the store.
func NewCache(db *DB) *Cache {
	return newCache(db, time.Now) //nolint:forbidigo // freshness is measured by the monotonic clock alone
}

func newCache(db *DB, now func() time.Time) *Cache {
	c := &Cache{
		DB: db, now: now,
		users:   newTable[string, User](usersKept),
		grants:  newTable[[16]byte, Grant](grantsKept),
		devices: newTable[string, DeviceCode](devicesKept),
		revoked: map[[12]byte]time.Time{},
	}
	db.writer.follow(c.apply)
	return c
}

// Run polls until ctx ends, and then returns nil. A poll that fails is tried again; until
// one succeeds the cache turns stale and every answer is read from the store.
func (c *Cache) Run(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		_ = c.poll(ctx) // whoever reads the store in its stead reports why it cannot
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// User answers like the method of DB.
func (c *Cache) User(ctx context.Context, id string) (User, error) {
	return lookup(c, &c.users, id, func() (User, error) { return c.DB.User(ctx, id) })
}

// Grant answers like the method of DB. Another process may have rotated the grant within
// the last MaxStale: whoever would refuse or revoke because of the generation asks DB.Grant
// first.
func (c *Cache) Grant(ctx context.Context, id [16]byte) (Grant, error) {
	return lookup(c, &c.grants, id, func() (Grant, error) { return c.DB.Grant(ctx, id) })
}

// DeviceCode answers like the method of DB.
func (c *Cache) DeviceCode(ctx context.Context, hash []byte) (DeviceCode, error) {
	return lookup(c, &c.devices, string(hash), func() (DeviceCode, error) { return c.DB.DeviceCode(ctx, hash) })
}

// Revoked reports whether the access token with this serial was revoked.
func (c *Cache) Revoked(ctx context.Context, serial [12]byte) (bool, error) {
	c.mu.Lock()
	_, revoked := c.revoked[serial]
	began := c.began
	c.mu.Unlock()
	if revoked || c.fresh(began) {
		return revoked, nil
	}
	return c.DB.revoked(ctx, serial)
}

// fresh reports whether what was known from a poll that began then counts now.
func (c *Cache) fresh(began time.Time) bool {
	return !began.IsZero() && c.now().Sub(began) <= MaxStale
}

// lookup answers from the table, else by read. The age of the entry is that of the poll
// when it was taken out: a process that is stopped in between and wakes to a new poll
// must not take the one for the other.
func lookup[K comparable, V any](c *Cache, t *table[K, V], key K, read func() (V, error)) (V, error) {
	c.mu.Lock()
	v, found := t.rows[key]
	epoch := *t.epoch(key)
	began := c.began
	c.mu.Unlock()
	if found && c.fresh(began) {
		return v, nil
	}
	v, err := read()
	if err != nil {
		return v, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if *t.epoch(key) == epoch {
		t.put(key, v)
	}
	return v, nil
}

// poll learns what has changed since the last one.
func (c *Cache) poll(ctx context.Context) error {
	began := c.now()
	version, err := c.dataVersion(ctx)
	if err != nil {
		return err
	}
	c.mu.Lock()
	first, seq, unchanged := c.began.IsZero(), c.seq, c.version == version
	if !first && unchanged {
		c.began = began
		c.mu.Unlock()
		return nil
	}
	c.mu.Unlock()

	oldest, newest, err := c.changeRange(ctx)
	if err != nil {
		return err
	}
	if first || oldest > seq+1 || newest < seq {
		return c.restart(ctx, began, version, newest)
	}
	changes, err := c.changesAfter(ctx, seq)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(changes)
	if len(changes) > 0 {
		seq = changes[len(changes)-1].seq
	}
	c.began, c.version, c.seq = began, version, seq
	return nil
}

// restart drops everything: this is the first poll, or changes are missing.
func (c *Cache) restart(ctx context.Context, began time.Time, version, seq int64) error {
	revocations, err := c.Revocations(ctx, time.Time{})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.users.clear()
	c.grants.clear()
	c.devices.clear()
	for _, r := range revocations { // kept: what was written here since they were read
		c.revoked[r.Serial] = r.ExpiresAt
	}
	c.began, c.version, c.seq = began, version, seq
	return nil
}

// apply takes the changes of a commit of this process, before its callers are answered.
func (c *Cache) apply(changes []change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(changes)
}

func (c *Cache) forget(changes []change) {
	for _, ch := range changes {
		switch ch.what {
		case userChanged:
			c.users.drop(string(ch.id))
		case deviceChanged:
			c.devices.drop(string(ch.id))
		case grantChanged:
			var id [16]byte
			copy(id[:], ch.id)
			c.grants.drop(id)
		case tokenRevoked:
			if r, ok := decodeRevocation(ch.id); ok {
				c.revoked[r.Serial] = r.ExpiresAt
			}
		case tokensExpired:
			if until, ok := decodeInstant(ch.id); ok {
				c.forgetRevocations(until)
			}
		}
	}
}

func (c *Cache) forgetRevocations(until time.Time) {
	for serial, expires := range c.revoked {
		if !expires.After(until) {
			delete(c.revoked, serial)
		}
	}
}

// table is a bounded map whose keys know when they were last dropped.
type table[K comparable, V any] struct {
	rows  map[K]V
	limit int
	seed  maphash.Seed
	// epochs count what was dropped, by a hash of the key: a row that was read before its
	// epoch moved may be older than the change that moved it, and is not kept.
	epochs [256]uint64
}

func newTable[K comparable, V any](limit int) table[K, V] {
	return table[K, V]{rows: map[K]V{}, limit: limit, seed: maphash.MakeSeed()}
}

func (t *table[K, V]) epoch(key K) *uint64 {
	return &t.epochs[maphash.Comparable(t.seed, key)%uint64(len(t.epochs))]
}

func (t *table[K, V]) drop(key K) {
	delete(t.rows, key)
	*t.epoch(key)++
}

func (t *table[K, V]) clear() {
	clear(t.rows)
	for i := range t.epochs {
		t.epochs[i]++
	}
}

// put keeps a row; when there is no room some other goes.
func (t *table[K, V]) put(key K, v V) {
	if _, known := t.rows[key]; !known && len(t.rows) >= t.limit {
		for other := range t.rows {
			delete(t.rows, other)
			break
		}
	}
	t.rows[key] = v
}
