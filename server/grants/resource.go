package grants

import (
	"slices"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/clientauth"
)

// CheckTarget refuses a resource that the application may not ask for (RFC 8707 section
// 2): a token that is for less, or for more, than its client believes must not be issued.
// Several at once are refused: a token is for one audience (ASVS 9.2.4).
func CheckTarget(issuer string, c clientauth.Client, asked []string) error {
	own := OwnAudience(issuer, c.Organization)
	switch {
	case len(asked) > 1:
		return oauth.Refuse(oauth.InvalidTarget, "ask for one resource at a time")
	case len(asked) == 0, asked[0] == "", asked[0] == own, slices.Contains(c.Application.Resources, asked[0]):
		return nil
	}
	return oauth.Refuse(oauth.InvalidTarget, "the application may not ask for this resource; tokens are for "+own+" or for what its declaration lists in resources")
}

// audience is what a token for the resource asked for is for: the organization, as our own
// endpoints serve it, if none was.
func (p *Pipeline) audience(c clientauth.Client, resource string) string {
	if resource == "" {
		return OwnAudience(p.Issuer, c.Organization)
	}
	return resource
}

// OwnAudience is that of the tokens that the issuer's own endpoints take for an
// organization.
func OwnAudience(issuer string, o *model.Organization) string {
	return issuer + "/organizations/" + o.Slug
}
