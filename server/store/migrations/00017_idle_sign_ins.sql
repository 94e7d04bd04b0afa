-- For how long a session was unused at the longest since each of its sign-ins. The version
-- before knows it of the last one alone.

-- +goose Up
ALTER TABLE sign_ins ADD COLUMN longest_idle INTEGER NOT NULL DEFAULT 0;
