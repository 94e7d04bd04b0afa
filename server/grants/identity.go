package grants

import (
	"slices"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/clientauth"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/tokens"
)

// idTokenLife is how long an ID token may be believed.
const idTokenLife = 10 * time.Minute

// Identity is what an application learns about a person.
type Identity struct {
	Name          string
	Email         string
	EmailVerified bool
	Groups        []string // nil: it may not know
}

// Disclosed is what of a person the scopes of the protocol disclose in an organization
// (OpenID Connect Core section 5.4). A group is a role held there.
func Disclosed(u *store.User, org *model.Organization, roles []*model.Role, scopes oauth.ScopeSet) (i Identity) {
	if scopes.Has(oauth.Profile) {
		i.Name = u.Name
	}
	if scopes.Has(oauth.Email) {
		i.Email, i.EmailVerified = u.Email, u.Email != "" && org.Proven(u.Person(), u.Email)
	}
	if scopes.Has(oauth.Groups) {
		i.Groups = make([]string, 0, len(roles))
		for _, r := range roles {
			i.Groups = append(i.Groups, "role:"+r.Name)
		}
		slices.Sort(i.Groups)
		i.Groups = slices.Compact(i.Groups)
	}
	return i
}

// idToken tells the application who the person is, and when they proved it (OpenID Connect
// Core section 2). One that comes with a refresh has the time of the first (section 12.2).
func (p *Pipeline) idToken(i *Issued, c clientauth.Client, got *redemption) (string, error) {
	who := Disclosed(i.User, got.standing.Organization, got.standing.Roles, got.scopes)
	// What a provider elsewhere says of a second factor is told where it counts.
	in := got.standing.Organization
	amr := oauth.Trusted(got.grant.AMR, in.Login.SecondFactor.ProviderAMR)
	return p.Tokens.MintIDToken(c.Application.IDTokenAlg, &tokens.IDToken{
		Subject: got.grant.UserID, Audience: c.Application.ClientID,
		IssuedAt: i.Access.IssuedAt, ExpiresAt: i.Access.IssuedAt.Add(idTokenLife),
		AuthTime: got.grant.AuthTime, AMR: amr, ACR: oauth.ACR(amr), Nonce: got.nonce, SessionID: got.session,
		AccessToken: i.AccessToken, OrganizationSlug: c.Organization.Slug, OrganizationID: c.Organization.ID,
		Name: who.Name, Email: who.Email, EmailVerified: who.EmailVerified, Groups: who.Groups,
	})
}
