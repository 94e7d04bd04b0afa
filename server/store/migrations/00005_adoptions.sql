-- Which object goes on with the identity of one that is gone, and to which Organization an
-- application belonged. The version before knows neither: what was issued for an object that
-- was made anew stays dead for it.

-- +goose Up
CREATE TABLE adoptions (
	seq INTEGER PRIMARY KEY AUTOINCREMENT,
	uid TEXT    NOT NULL UNIQUE,
	id  TEXT    NOT NULL,
	at  INTEGER NOT NULL
) STRICT;
CREATE INDEX adoptions_by_id ON adoptions (id);

ALTER TABLE objects ADD COLUMN organization_id TEXT NOT NULL DEFAULT '';
CREATE INDEX objects_by_name ON objects (kind, namespace, name);
