-- Times are milliseconds since 1970, 0 for never; lists are joined by spaces; hashes and
-- identifiers that arrive as bytes stay bytes.

-- +goose Up
CREATE TABLE users (
	id            TEXT    NOT NULL PRIMARY KEY,
	email         TEXT    NOT NULL UNIQUE,
	name          TEXT    NOT NULL,
	password_hash TEXT    NOT NULL,
	disabled      INTEGER NOT NULL,
	created_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE email_proofs (
	address   TEXT    NOT NULL PRIMARY KEY,
	proven_by TEXT    NOT NULL,
	proven_at INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
	hash         BLOB    NOT NULL PRIMARY KEY,
	id           TEXT    NOT NULL UNIQUE,
	user_id      TEXT    NOT NULL,
	provider_uid TEXT    NOT NULL,
	auth_time    INTEGER NOT NULL,
	created_at   INTEGER NOT NULL,
	last_used_at INTEGER NOT NULL,
	expires_at   INTEGER NOT NULL,
	ip           TEXT    NOT NULL,
	user_agent   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_of_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE device_codes (
	hash            BLOB    NOT NULL PRIMARY KEY,
	user_code_hash  BLOB    NOT NULL UNIQUE,
	application_uid TEXT    NOT NULL,
	organization_id TEXT    NOT NULL,
	client_id       TEXT    NOT NULL,
	scopes          TEXT    NOT NULL,
	state           TEXT    NOT NULL,
	created_at      INTEGER NOT NULL,
	expires_at      INTEGER NOT NULL,
	ip              TEXT    NOT NULL,
	user_agent      TEXT    NOT NULL,
	user_id         TEXT    NOT NULL DEFAULT '',
	provider_uid    TEXT    NOT NULL DEFAULT '',
	auth_time       INTEGER NOT NULL DEFAULT 0,
	amr             TEXT    NOT NULL DEFAULT '',
	granted         TEXT    NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE INDEX device_codes_by_expiry ON device_codes (expires_at);
CREATE INDEX device_codes_of_user ON device_codes (user_id) WHERE user_id <> '';

CREATE TABLE grants (
	id              BLOB    NOT NULL PRIMARY KEY,
	user_id         TEXT    NOT NULL,
	application_uid TEXT    NOT NULL,
	organization_id TEXT    NOT NULL,
	client_id       TEXT    NOT NULL,
	scopes          TEXT    NOT NULL,
	session_id      TEXT    NOT NULL,
	provider_uid    TEXT    NOT NULL,
	auth_time       INTEGER NOT NULL,
	amr             TEXT    NOT NULL,
	created_at      INTEGER NOT NULL,
	generation      INTEGER NOT NULL,
	rotated_at      INTEGER NOT NULL,
	seed            BLOB    NOT NULL,
	idle_expires_at INTEGER NOT NULL,
	expires_at      INTEGER NOT NULL,
	revoked_at      INTEGER NOT NULL,
	revoked_reason  TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_of_user ON grants (user_id);
CREATE INDEX grants_of_session ON grants (session_id) WHERE session_id <> '';
CREATE INDEX grants_by_expiry ON grants (expires_at);

CREATE TABLE revoked_tokens (
	serial     BLOB    NOT NULL PRIMARY KEY,
	expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX revoked_tokens_by_expiry ON revoked_tokens (expires_at);

CREATE TABLE objects (
	uid       TEXT    NOT NULL PRIMARY KEY,
	kind      TEXT    NOT NULL,
	namespace TEXT    NOT NULL,
	name      TEXT    NOT NULL,
	present   INTEGER NOT NULL,
	gone_at   INTEGER NOT NULL
) STRICT;

CREATE TABLE keys (
	fingerprint TEXT NOT NULL PRIMARY KEY
) STRICT;

-- One row: see policy.go.
CREATE TABLE password_policy (
	id           INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
	min_length   INTEGER NOT NULL,
	check_common INTEGER NOT NULL,
	context      TEXT    NOT NULL
) STRICT;

-- What happened, for caches elsewhere: see changes.go.
CREATE TABLE changes (
	seq  INTEGER PRIMARY KEY AUTOINCREMENT,
	what TEXT    NOT NULL,
	id   BLOB    NOT NULL,
	at   INTEGER NOT NULL
) STRICT;

CREATE TABLE audit_events (
	id              INTEGER PRIMARY KEY AUTOINCREMENT,
	at              INTEGER NOT NULL,
	actor           TEXT    NOT NULL,
	organization_id TEXT    NOT NULL,
	application_uid TEXT    NOT NULL,
	action          TEXT    NOT NULL,
	target          TEXT    NOT NULL,
	ip              TEXT    NOT NULL,
	request_id      TEXT    NOT NULL,
	outcome         TEXT    NOT NULL,
	reason          TEXT    NOT NULL
) STRICT;
