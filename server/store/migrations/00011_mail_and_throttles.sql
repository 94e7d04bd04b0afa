-- What slows guessing over restarts and on every replica, from where people usually sign in,
-- and links that are mailed. Names of accounts, addresses and devices are here as keyed hashes
-- only. The version before knows none of it: beside it, its own limits hold.

-- +goose Up
CREATE TABLE throttles (
	hash    BLOB    NOT NULL PRIMARY KEY,
	account BLOB    NOT NULL,
	count   INTEGER NOT NULL,
	at      INTEGER NOT NULL,
	until   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX throttles_of_account ON throttles (account);
CREATE INDEX throttles_by_end ON throttles (until);
CREATE INDEX throttles_by_weight ON throttles (count, until);

CREATE TABLE usual_places (
	hash    BLOB    NOT NULL PRIMARY KEY,
	account BLOB    NOT NULL,
	used_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX usual_places_of_account ON usual_places (account, used_at);
CREATE INDEX usual_places_by_use ON usual_places (used_at);

CREATE TABLE mail_links (
	hash       BLOB    NOT NULL PRIMARY KEY,
	kind       TEXT    NOT NULL,
	subject    TEXT    NOT NULL,
	address    TEXT    NOT NULL,
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	UNIQUE (subject, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX mail_links_by_expiry ON mail_links (expires_at);
