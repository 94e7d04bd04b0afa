-- An account that was deleted stays as its ID: disabled, with the ID in place of the
-- address, so that nothing is ever made under that ID again. Whoever runs the version
-- before sees a disabled account.

-- +goose Up
ALTER TABLE users ADD COLUMN deleted_at INTEGER NOT NULL DEFAULT 0;
