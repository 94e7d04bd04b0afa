-- Second factors, and how a session was proven. The version before knows neither: sessions
-- that it makes were proven by a password alone, and it asks nobody for a second factor.

-- +goose Up
CREATE TABLE factors (
	id           TEXT    NOT NULL PRIMARY KEY,
	user_id      TEXT    NOT NULL,
	kind         TEXT    NOT NULL,
	name         TEXT    NOT NULL,
	secret       BLOB    NOT NULL,
	last_step    INTEGER NOT NULL,
	created_at   INTEGER NOT NULL,
	last_used_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX factors_of_user ON factors (user_id);

CREATE TABLE recovery_codes (
	hash    BLOB NOT NULL PRIMARY KEY,
	user_id TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX recovery_codes_of_user ON recovery_codes (user_id);

ALTER TABLE sessions ADD COLUMN amr TEXT NOT NULL DEFAULT 'pwd';
