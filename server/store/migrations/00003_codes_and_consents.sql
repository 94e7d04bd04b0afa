-- Authorization codes and remembered consents. The version before does not know them:
-- where it ends a session or an account, the codes end because redeeming one asks for the
-- session.

-- +goose Up
CREATE TABLE authorization_codes (
	hash            BLOB    NOT NULL PRIMARY KEY,
	approval_id     BLOB    NOT NULL UNIQUE,
	user_id         TEXT    NOT NULL,
	application_uid TEXT    NOT NULL,
	organization_id TEXT    NOT NULL,
	client_id       TEXT    NOT NULL,
	session_id      TEXT    NOT NULL,
	session_ends_at INTEGER NOT NULL,
	provider_uid    TEXT    NOT NULL,
	auth_time       INTEGER NOT NULL,
	amr             TEXT    NOT NULL,
	granted         TEXT    NOT NULL,
	resource        TEXT    NOT NULL,
	redirect_uri    TEXT    NOT NULL,
	challenge       TEXT    NOT NULL,
	nonce           TEXT    NOT NULL,
	created_at      INTEGER NOT NULL,
	expires_at      INTEGER NOT NULL,
	used_at         INTEGER NOT NULL DEFAULT 0,
	grant_id        BLOB    NOT NULL DEFAULT x''
) STRICT, WITHOUT ROWID;
CREATE INDEX authorization_codes_by_age ON authorization_codes (created_at);
CREATE INDEX authorization_codes_of_user ON authorization_codes (user_id);
CREATE INDEX authorization_codes_of_session ON authorization_codes (session_id);

CREATE TABLE consents (
	user_id         TEXT    NOT NULL,
	application_uid TEXT    NOT NULL,
	organization_id TEXT    NOT NULL,
	scopes          TEXT    NOT NULL,
	granted_at      INTEGER NOT NULL,
	expires_at      INTEGER NOT NULL,
	PRIMARY KEY (user_id, application_uid, organization_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX consents_by_expiry ON consents (expires_at);

ALTER TABLE grants ADD COLUMN resource TEXT NOT NULL DEFAULT '';
ALTER TABLE device_codes ADD COLUMN resource TEXT NOT NULL DEFAULT '';
