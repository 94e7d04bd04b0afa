-- What people see and do of their own account: links that set a new password, and their
-- own events. Refreshes are no news to anybody and cost no index.

-- +goose Up
CREATE TABLE reset_links (
	hash       BLOB    NOT NULL PRIMARY KEY,
	user_id    TEXT    NOT NULL UNIQUE,
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX reset_links_by_expiry ON reset_links (expires_at);

CREATE INDEX audit_events_of_actor ON audit_events (actor, id) WHERE action <> 'grant.refreshed';
CREATE INDEX audit_events_of_target ON audit_events (target, id) WHERE action <> 'grant.refreshed';
