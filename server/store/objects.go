package store

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	selectObjects = `SELECT uid, kind, namespace, name, present, gone_at, organization_id FROM objects`

	selectObject = selectObjects + ` WHERE uid = $1`

	// Of several incarnations the one that is there, else the last that was; under the ID
	// that it goes by.
	selectObjectNamed = `SELECT COALESCE((SELECT id FROM adoptions WHERE adoptions.uid = objects.uid), uid) FROM objects
		WHERE kind = $1 AND namespace = $2 AND name = $3 ORDER BY present DESC, gone_at DESC LIMIT 1`

	insertObject = `INSERT INTO objects (uid, kind, namespace, name, present, gone_at, organization_id) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (uid) DO UPDATE SET kind = excluded.kind, namespace = excluded.namespace, name = excluded.name,
		present = excluded.present, gone_at = excluded.gone_at, organization_id = excluded.organization_id`

	insertKey  = `INSERT INTO keys (fingerprint) VALUES ($1) ON CONFLICT (fingerprint) DO NOTHING`
	selectKeys = `SELECT fingerprint FROM keys ORDER BY fingerprint`
)

// objectMemory is the table of objects as this process last wrote or read it. Only one
// process writes it at a time: the leader, or the only one.
type objectMemory struct {
	mu    sync.Mutex
	known map[string]remembered // by UID; nil: not read yet
	gone  map[string]Object
	last  []Object // what was said to be present last, and is stored so; nil: nothing
}

type remembered struct {
	Object
	present bool
}

// SyncObjects remembers the objects that exist now and marks those that no longer do as
// gone at now. It returns those present that have ever been gone, by UID: an object that
// came back was last gone when it did. When nothing changed since the last call it writes
// nothing.
func (db *DB) SyncObjects(ctx context.Context, present []Object, now time.Time) (map[string]Object, error) {
	m := &db.objects
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.load(ctx, db); err != nil {
		return nil, err
	}
	if m.last == nil || !slices.Equal(m.last, present) {
		if changed := m.changed(present, now); len(changed) > 0 {
			if err := db.write(ctx, func(t *tx) error { return t.rememberObjects(changed) }); err != nil {
				m.known = nil // the write may still happen: read again
				return nil, err
			}
			for _, o := range changed {
				m.remember(o)
			}
		}
		m.last = slices.Clone(present)
	}
	gone := map[string]Object{}
	if len(m.gone) == 0 {
		return gone, nil
	}
	for _, o := range present {
		if was, ever := m.gone[o.UID]; ever {
			gone[o.UID] = was
		}
	}
	return gone, nil
}

// PresentIn returns the objects of some namespaces that existed when SyncObjects was told
// last, by UID in ascending order.
func (db *DB) PresentIn(ctx context.Context, namespaces []string) ([]Object, error) {
	m := &db.objects
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.load(ctx, db); err != nil {
		return nil, err
	}
	var found []Object
	for _, uid := range slices.Sorted(maps.Keys(m.known)) {
		if o := m.known[uid]; o.present && slices.Contains(namespaces, o.Namespace) {
			found = append(found, o.Object)
		}
	}
	return found, nil
}

// Object finds a remembered object by its UID, present or gone.
func (db *DB) Object(ctx context.Context, uid string) (Object, error) {
	o, err := row(ctx, db, scanObject, selectObject, uid)
	return o.Object, err
}

// ObjectNamed is the ID of the object with this name, present or gone.
func (db *DB) ObjectNamed(ctx context.Context, kind, namespace, name string) (string, error) {
	return row(ctx, db, scanText, selectObjectNamed, kind, namespace, name)
}

func (m *objectMemory) load(ctx context.Context, db *DB) error {
	if m.known != nil {
		return nil
	}
	rows, err := all(ctx, db, scanObject, selectObjects)
	if err != nil {
		return err
	}
	m.known, m.gone, m.last = make(map[string]remembered, len(rows)), map[string]Object{}, nil
	for _, o := range rows {
		m.remember(o)
	}
	return nil
}

func (m *objectMemory) remember(o remembered) {
	m.known[o.UID] = o
	if !o.GoneAt.IsZero() {
		m.gone[o.UID] = o.Object
	}
}

// changed returns what must be written for these objects, and no others, to be present.
func (m *objectMemory) changed(present []Object, now time.Time) []remembered {
	var out []remembered
	seen := make(map[string]bool, len(present))
	for _, o := range present {
		if seen[o.UID] {
			continue
		}
		seen[o.UID] = true
		was, known := m.known[o.UID]
		o.GoneAt = was.GoneAt
		if o.OrganizationID == "" { // not served now: what it was last
			o.OrganizationID = was.OrganizationID
		}
		if known && !was.present {
			o.GoneAt = moment(millis(now))
		}
		if is := (remembered{o, true}); is != was {
			out = append(out, is)
		}
	}
	went := len(out)
	for uid, was := range m.known {
		if was.present && !seen[uid] {
			was.present, was.GoneAt = false, moment(millis(now))
			out = append(out, was)
		}
	}
	slices.SortFunc(out[went:], func(a, b remembered) int { return strings.Compare(a.UID, b.UID) })
	return out
}

func (t *tx) rememberObjects(changed []remembered) error {
	for _, o := range changed {
		_, err := t.exec(insertObject, o.UID, o.Kind, o.Namespace, o.Name, number(o.present), millis(o.GoneAt), o.OrganizationID)
		if err != nil {
			return err
		}
	}
	return nil
}

func scanObject(s scanner) (o remembered, err error) {
	var gone int64
	err = s.Scan(&o.UID, &o.Kind, &o.Namespace, &o.Name, &o.present, &gone, &o.OrganizationID)
	o.GoneAt = moment(gone)
	return o, err
}

// RememberKey notes the fingerprint of the keyring in use; a known one writes nothing.
func (db *DB) RememberKey(ctx context.Context, fingerprint string) error {
	known, err := db.KnownKeys(ctx)
	if err != nil || slices.Contains(known, fingerprint) {
		return err
	}
	return db.write(ctx, func(t *tx) error {
		_, err := t.exec(insertKey, fingerprint)
		return err
	})
}

// KnownKeys returns the fingerprints noted, sorted.
func (db *DB) KnownKeys(ctx context.Context) ([]string, error) {
	return all(ctx, db, func(s scanner) (k string, err error) { return k, s.Scan(&k) }, selectKeys)
}
