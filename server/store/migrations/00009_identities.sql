-- What people sign in with elsewhere, where they are members, and every way in which a
-- session was proven. An account without a sign-in of its own here has its ID in place of
-- the address, as a deleted one has: whoever runs the version before sees an account that
-- nobody can sign in to and that has proven nothing.

-- +goose Up
ALTER TABLE users ADD COLUMN contact TEXT NOT NULL DEFAULT '';

CREATE TABLE identities (
	provider_uid    TEXT    NOT NULL,
	subject         TEXT    NOT NULL,
	user_id         TEXT    NOT NULL,
	email           TEXT    NOT NULL,
	email_proven_at INTEGER NOT NULL,
	name            TEXT    NOT NULL,
	group_names     TEXT    NOT NULL,
	groups_at       INTEGER NOT NULL,
	created_at      INTEGER NOT NULL,
	last_used_at    INTEGER NOT NULL,
	checked_at      INTEGER NOT NULL,
	renewal         BLOB    NOT NULL,
	PRIMARY KEY (provider_uid, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX identities_of_user ON identities (user_id);
CREATE INDEX identities_by_email ON identities (email) WHERE email <> '';

CREATE TABLE memberships (
	user_id         TEXT    NOT NULL,
	organization_id TEXT    NOT NULL,
	source          TEXT    NOT NULL,
	provider_uid    TEXT    NOT NULL,
	created_at      INTEGER NOT NULL,
	PRIMARY KEY (user_id, organization_id, source, provider_uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX memberships_of_organization ON memberships (organization_id);

-- The last sign-in of a session stands in its own row; here are those before it.
CREATE TABLE sign_ins (
	session_id   TEXT    NOT NULL,
	provider_uid TEXT    NOT NULL,
	auth_time    INTEGER NOT NULL,
	amr          TEXT    NOT NULL,
	expires_at   INTEGER NOT NULL,
	PRIMARY KEY (session_id, provider_uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_ins_by_expiry ON sign_ins (expires_at);
