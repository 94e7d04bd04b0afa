-- Which applications want to be told when a session ends, and whom to tell. The version
-- before tells nobody: where it ends a session, the row stays until it expires.

-- +goose Up
CREATE TABLE logins (
	session_id      TEXT    NOT NULL,
	application_uid TEXT    NOT NULL,
	organization_id TEXT    NOT NULL,
	user_id         TEXT    NOT NULL,
	expires_at      INTEGER NOT NULL,
	PRIMARY KEY (session_id, application_uid, organization_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX logins_of_user ON logins (user_id);
CREATE INDEX logins_by_expiry ON logins (expires_at);

CREATE TABLE logouts (
	id              INTEGER PRIMARY KEY AUTOINCREMENT,
	session_id      TEXT    NOT NULL,
	application_uid TEXT    NOT NULL,
	organization_id TEXT    NOT NULL,
	user_id         TEXT    NOT NULL,
	ended_at        INTEGER NOT NULL,
	due_at          INTEGER NOT NULL,
	tries           INTEGER NOT NULL
) STRICT;
CREATE INDEX logouts_by_due ON logouts (due_at);
