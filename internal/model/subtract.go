package model

import (
	"slices"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// Only returns what of the snapshot the next one leaves in force: whatever next removes,
// suspends or narrows is removed, suspended or narrowed, and nothing is added. It is for
// the moment when next itself cannot be served yet.
func (s *Snapshot) Only(next *Snapshot) *Snapshot {
	var kept []*Organization
	for o := range s.Organizations() {
		if n := next.Organization(o.ID); n != nil && n.Slug == o.Slug {
			kept = append(kept, o.only(n))
		}
	}
	remain := make(map[ObjectID]bool, len(next.Objects))
	for _, o := range next.Objects {
		remain[o] = true
	}
	objects := slices.DeleteFunc(slices.Clone(s.Objects), func(o ObjectID) bool { return !remain[o] })
	left := NewSnapshot(s.Digest+"-"+next.Digest, kept, sameProviders(s.Providers, next.Providers), objects)
	left.Adopted = s.Adopted
	return left
}

func (o *Organization) only(next *Organization) *Organization {
	kept := *o
	kept.Suspended = o.Suspended || next.Suspended
	kept.Providers = sameProviders(o.Providers, next.Providers)
	kept.Tokens = TokenCeilings{
		AccessToken:     min(o.Tokens.AccessToken, next.Tokens.AccessToken),
		JWTAccessToken:  min(o.Tokens.JWTAccessToken, next.Tokens.JWTAccessToken),
		RefreshIdle:     min(o.Tokens.RefreshIdle, next.Tokens.RefreshIdle),
		RefreshAbsolute: min(o.Tokens.RefreshAbsolute, next.Tokens.RefreshAbsolute),
	}
	kept.Catalogue = o.Catalogue.only(next.Catalogue)
	kept.External = o.External.only(next.External)
	kept.Login = o.Login.only(next.Login)
	kept.Domains = inBoth(o.Domains, next.Domains)
	var applications []*Application
	for a := range o.Applications() {
		n := next.Application(a.UID)
		if n == nil || n.ClientID != a.ClientID || n.Type != a.Type || n.Public() != a.Public() {
			continue
		}
		if a = a.only(n); !n.Public() && a.Public() {
			continue // with no proof left it must not become a public client
		}
		applications = append(applications, a)
	}
	people := make(map[string][]Holding, len(o.people))
	for address, holdings := range o.people {
		if left := sameHoldings(holdings, next.people[address]); len(left) > 0 {
			people[address] = left
		}
	}
	groups := make(map[Group][]Holding, len(o.groups))
	for group, holdings := range o.groups {
		if left := sameHoldings(holdings, next.groups[group]); len(left) > 0 {
			groups[group] = left
		}
	}
	return kept.WithMembers(applications, people).WithGroups(groups, sameRoles(o.defaults, next.defaults))
}

func (a *Application) only(next *Application) *Application {
	kept := *a
	kept.Suspended = a.Suspended || next.Suspended
	kept.ExpiresAt = earlier(a.ExpiresAt, next.ExpiresAt)
	kept.AccessTokenTTL = min(a.AccessTokenTTL, next.AccessTokenTTL)
	kept.IntrospectsOrganization = a.IntrospectsOrganization && next.IntrospectsOrganization
	kept.Scopes = a.Scopes.Intersect(next.Scopes)
	kept.Declared = a.Declared.Intersect(next.Declared)
	kept.ProtocolScopes = a.ProtocolScopes.Intersect(next.ProtocolScopes)
	kept.GrantTypes = slices.DeleteFunc(slices.Clone(a.GrantTypes), func(g oauth.GrantType) bool { return !next.Allows(g) })
	kept.Secrets = sameSecrets(a.Secrets, next.Secrets)
	kept.Proofs = a.Proofs.only(next.Proofs)
	kept.Holdings = sameHoldings(a.Holdings, next.Holdings)
	kept.RedirectURIs = inBoth(a.RedirectURIs, next.RedirectURIs)
	kept.PostLogoutRedirectURIs = inBoth(a.PostLogoutRedirectURIs, next.PostLogoutRedirectURIs)
	if a.BackChannelURI != next.BackChannelURI {
		kept.BackChannelURI = ""
	}
	kept.AllowedOrigins = inBoth(a.AllowedOrigins, next.AllowedOrigins)
	kept.Audiences = inBoth(a.Audiences, next.Audiences)
	kept.Resources = inBoth(a.Resources, next.Resources)
	kept.Consent = a.Consent.only(next.Consent)
	kept.PKCEOptional = a.PKCEOptional && next.PKCEOptional
	kept.JWTAccessTokens = a.JWTAccessTokens && next.JWTAccessTokens
	kept.AnyOrganization = a.AnyOrganization && next.AnyOrganization
	return &kept
}

// only is the mode that asks more often, and the shorter memory.
func (c Consent) only(next Consent) Consent {
	kept := Consent{Mode: ConsentExplicit}
	switch {
	case c.Mode == ConsentRemember && next.Mode == ConsentRemember:
		kept = Consent{Mode: ConsentRemember, MaxAge: min(c.MaxAge, next.MaxAge)}
	case c.Mode == ConsentSkip && next.Mode != ConsentExplicit:
		kept = next
	case next.Mode == ConsentSkip && c.Mode != ConsentExplicit:
		kept = c
	}
	return kept
}

// only is what both admit.
func (e ExternalApplications) only(next ExternalApplications) ExternalApplications {
	switch {
	case e.All:
		return next
	case next.All:
		return e
	default:
		return ExternalApplications{ClientIDs: inBoth(e.ClientIDs, next.ClientIDs)}
	}
}

func inBoth(old, next []string) []string {
	return slices.DeleteFunc(slices.Clone(old), func(s string) bool { return !slices.Contains(next, s) })
}

// sameSecrets keeps the secrets that are in both, in the time that both give them.
func sameSecrets(old, next []ClientSecret) []ClientSecret {
	var kept []ClientSecret
	for _, s := range old {
		i := slices.IndexFunc(next, func(n ClientSecret) bool { return n.Digest == s.Digest })
		if i >= 0 {
			kept = append(kept, s.only(next[i]))
		}
	}
	return kept
}

// only is the scopes that both have, each with what it includes in both.
func (c *Catalogue) only(next *Catalogue) *Catalogue {
	if c == next || c == nil || next == nil {
		return c
	}
	var kept []Scope
	for _, s := range c.Scopes {
		if n, ok := next.Scope(s.Name); ok {
			s.Includes = s.Includes.Intersect(n.Includes)
			kept = append(kept, s)
		}
	}
	return NewCatalogue(kept)
}

// sameHoldings keeps the roles that are in both, as far as both go.
func sameHoldings(old, next []Holding) []Holding {
	var kept []Holding
	for _, h := range old {
		i := slices.IndexFunc(next, func(n Holding) bool { return n.Role.UID == h.Role.UID })
		if i < 0 {
			continue
		}
		kept = append(kept, Holding{Role: h.Role.only(next[i].Role), NotAfter: earlier(h.NotAfter, next[i].NotAfter)})
	}
	return kept
}

// sameRoles keeps the roles that are in both, as far as both go.
func sameRoles(old, next []*Role) []*Role {
	var kept []*Role
	for _, r := range old {
		if i := slices.IndexFunc(next, func(n *Role) bool { return n.UID == r.UID }); i >= 0 {
			kept = append(kept, r.only(next[i]))
		}
	}
	return kept
}

func (r *Role) only(next *Role) *Role {
	kept := *r
	kept.Scopes = r.Scopes.Intersect(next.Scopes)
	kept.Priority = min(r.Priority, next.Priority)
	return &kept
}

// earlier returns the first of two bounds; zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
