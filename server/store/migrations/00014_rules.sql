-- Since when somebody knows that an organization wants a second factor, and for how long a
-- session was unused at the longest. The version before knows neither: it holds nobody to
-- them, and what it notes is taken up again from there.

-- +goose Up
CREATE TABLE second_factor_told (
	user_id         TEXT    NOT NULL,
	organization_id TEXT    NOT NULL,
	told_at         INTEGER NOT NULL,
	PRIMARY KEY (user_id, organization_id)
) STRICT, WITHOUT ROWID;

ALTER TABLE sessions ADD COLUMN longest_idle INTEGER NOT NULL DEFAULT 0;
