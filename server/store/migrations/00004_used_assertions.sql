-- Client assertions that have been used (RFC 7523 section 3). The version before takes no
-- assertions, so it misses nothing.

-- +goose Up
CREATE TABLE used_assertions (
	hash       BLOB    NOT NULL PRIMARY KEY,
	expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX used_assertions_by_expiry ON used_assertions (expires_at);
