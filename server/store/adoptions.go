package store

import (
	"context"
	"fmt"
	"time"
)

// Adoption says that an object goes on with the identity of one before it: what was issued
// for that one is its own. UID and ID are equal where an object came back as itself.
type Adoption struct {
	UID string // of the object that is there now
	ID  string // of the first one
	// At is when it was adopted: absences until then cut off nothing.
	At time.Time
}

// Bound counts what is in force of one application, Organization and AuthProvider.
type Bound struct {
	ApplicationUID, OrganizationID, ProviderUID string
	Grants, Consents, Sessions                  int
}

const (
	selectAdoptions = `SELECT uid, id, at FROM adoptions`

	selectLastAdoption = `SELECT COALESCE(MAX(seq), 0) FROM adoptions`

	deleteAdoption = `DELETE FROM adoptions WHERE uid = $1`

	// The object is there, and the one before it had its kind and name. Nobody else is that
	// one, and that one was nobody else: there are no chains, and so no circles.
	insertAdoption = `INSERT INTO adoptions (uid, id, at) SELECT $1, $2, $3
		WHERE EXISTS (SELECT 1 FROM objects AS now JOIN objects AS was
			ON was.kind = now.kind AND was.namespace = now.namespace AND was.name = now.name
			WHERE now.uid = $1 AND now.present = 1 AND was.uid = $2 AND (was.present = 0 OR was.uid = now.uid))
		AND NOT EXISTS (SELECT 1 FROM adoptions AS a JOIN objects AS heir ON heir.uid = a.uid
			WHERE a.id = $2 AND heir.present = 1)
		AND NOT EXISTS (SELECT 1 FROM adoptions WHERE uid = $2 AND id <> $2)`

	selectBound = `SELECT application_uid, organization_id, provider_uid, COUNT(*), 0, 0 FROM grants
		WHERE revoked_at = 0 AND expires_at > $1 AND (generation = 0 OR idle_expires_at > $1) GROUP BY 1, 2, 3
		UNION ALL SELECT application_uid, organization_id, '', 0, COUNT(*), 0 FROM consents WHERE expires_at > $1 GROUP BY 1, 2
		UNION ALL SELECT '', '', provider_uid, 0, 0, COUNT(*) FROM sessions WHERE expires_at > $1 GROUP BY 3
		UNION ALL SELECT application_uid, organization_id, provider_uid, 0, 0, 0 FROM authorization_codes WHERE expires_at > $1 GROUP BY 1, 2, 3
		UNION ALL SELECT application_uid, organization_id, provider_uid, 0, 0, 0 FROM device_codes WHERE expires_at > $1 GROUP BY 1, 2, 3`
)

// Adopt remembers the adoptions with their events, all or none. ErrConflict: what is there
// is no longer what they were made for.
func (db *DB) Adopt(ctx context.Context, adoptions []Adoption, events []Event) error {
	return db.write(ctx, func(t *tx) error {
		for _, a := range adoptions {
			if _, err := t.exec(deleteAdoption, a.UID); err != nil {
				return err
			}
			if err := t.one(fmt.Errorf("adopt %s as %s: %w", a.UID, a.ID, ErrConflict), insertAdoption, a.UID, a.ID, millis(a.At)); err != nil {
				return err
			}
		}
		for _, ev := range events {
			if err := t.record(ev); err != nil {
				return err
			}
		}
		return nil
	})
}

// Adoptions returns all of them, in no particular order.
func (db *DB) Adoptions(ctx context.Context) ([]Adoption, error) {
	return all(ctx, db, func(s scanner) (a Adoption, err error) {
		var at int64
		err = s.Scan(&a.UID, &a.ID, &at)
		a.At = moment(at)
		return a, err
	}, selectAdoptions)
}

// LastAdoption is a number that rises with every adoption.
func (db *DB) LastAdoption(ctx context.Context) (int64, error) {
	return row(ctx, db, func(s scanner) (n int64, err error) { return n, s.Scan(&n) }, selectLastAdoption)
}

// Objects returns every object that is remembered, in no particular order.
func (db *DB) Objects(ctx context.Context) ([]Remembered, error) {
	return all(ctx, db, func(s scanner) (Remembered, error) {
		o, err := scanObject(s)
		return Remembered{o.Object, o.present}, err
	}, selectObjects)
}

// Bound returns what is in force at that moment and bound to objects, whether those are
// there or not. Codes that wait to be redeemed are named, not counted.
func (db *DB) Bound(ctx context.Context, now time.Time) ([]Bound, error) {
	return all(ctx, db, func(s scanner) (b Bound, err error) {
		return b, s.Scan(&b.ApplicationUID, &b.OrganizationID, &b.ProviderUID, &b.Grants, &b.Consents, &b.Sessions)
	}, selectBound, millis(now))
}
