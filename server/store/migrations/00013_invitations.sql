-- Who is invited to an organization, by a link that is kept as a keyed hash. The version
-- before knows nothing of it.

-- +goose Up
CREATE TABLE invitations (
	hash            BLOB    NOT NULL PRIMARY KEY,
	id              TEXT    NOT NULL UNIQUE,
	organization_id TEXT    NOT NULL,
	email           TEXT    NOT NULL,
	invited_by      TEXT    NOT NULL,
	created_at      INTEGER NOT NULL,
	expires_at      INTEGER NOT NULL,
	UNIQUE (organization_id, email)
) STRICT, WITHOUT ROWID;
CREATE INDEX invitations_by_expiry ON invitations (expires_at);
