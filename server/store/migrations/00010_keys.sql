-- Security keys and passkeys (WebAuthn): their credentials, and the challenges that they have
-- answered. The version before asks whoever has only a key for a code: a recovery code
-- signs in there.

-- +goose Up
ALTER TABLE factors ADD COLUMN credential_id BLOB;
ALTER TABLE factors ADD COLUMN public_key BLOB;
ALTER TABLE factors ADD COLUMN aaguid BLOB;
ALTER TABLE factors ADD COLUMN sign_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE factors ADD COLUMN transports TEXT NOT NULL DEFAULT '';
ALTER TABLE factors ADD COLUMN user_handle TEXT NOT NULL DEFAULT '';
ALTER TABLE factors ADD COLUMN user_verified INTEGER NOT NULL DEFAULT 0;
ALTER TABLE factors ADD COLUMN discoverable INTEGER NOT NULL DEFAULT 0;
ALTER TABLE factors ADD COLUMN backup_eligible INTEGER NOT NULL DEFAULT 0;
ALTER TABLE factors ADD COLUMN backed_up INTEGER NOT NULL DEFAULT 0;
ALTER TABLE factors ADD COLUMN blocked_at INTEGER NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX factors_by_credential ON factors (credential_id) WHERE credential_id IS NOT NULL;

CREATE TABLE used_challenges (
	hash       BLOB    NOT NULL PRIMARY KEY,
	expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX used_challenges_by_expiry ON used_challenges (expires_at);
