-- What lists the members of an organization page by page, whatever else there is. The
-- version before has no use for it.

-- +goose Up
CREATE INDEX identities_of_provider ON identities (provider_uid, user_id);
CREATE INDEX invitations_of_organization ON invitations (organization_id, id);
