-- The audit log is asked by organization and by time, and told to whoever follows it.

-- +goose Up
CREATE INDEX audit_events_of_organization ON audit_events (organization_id, id) WHERE organization_id <> '';
CREATE INDEX audit_events_by_time ON audit_events (at);

CREATE TABLE audit_readers (
	name    TEXT    NOT NULL PRIMARY KEY,
	read_to INTEGER NOT NULL
) STRICT;
