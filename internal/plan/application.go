package plan

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

func applicationSubject(a *model.Application) Subject {
	return Subject{Kind: kindApplication, Namespace: a.Namespace, Name: a.Name, ClientID: a.ClientID}
}

func applicationsOf(o *model.Organization) map[name]*model.Application {
	byName := map[name]*model.Application{}
	if o != nil {
		for a := range o.Applications() {
			byName[nameOf(a.Namespace, a.Name)] = a
		}
	}
	return byName
}

// applications compares those of an organization; either may be nil.
func (c *comparison) applications(old, next *model.Organization) {
	before, after := applicationsOf(old), applicationsOf(next)
	for _, at := range eitherOf(before, after) {
		c.application(old, next, before[at], after[at])
	}
}

// application compares one. A stop that is lifted gives back everything, so it is compared
// with one that may do nothing; while it is stopped nothing widens.
func (c *comparison) application(home, nextHome *model.Organization, old, next *model.Application) {
	was, is := runs(home, old), runs(nextHome, next)
	shown, slug := next, ""
	if nextHome != nil {
		slug = nextHome.Slug
	} else {
		slug = home.Slug
	}
	if next == nil {
		shown = old
	}
	r := c.of(slug, applicationSubject(shown))
	r.quiet = !was && !is
	c.exists(r, old != nil, next != nil)
	if next == nil || old == nil && !is {
		return
	}
	r.quiet = !is
	if old != nil {
		c.incarnation(r, old.UID, next.UID)
		r.value(FieldClientID, old.ClientID, next.ClientID, Changed)
		r.value(FieldType, old.Type, next.Type, Widened)
		r.value(FieldDisplayName, old.DisplayName, next.DisplayName, Changed)
		suspension(r, old.Suspended, next.Suspended)
		r.until(FieldExpiresAt, old.ExpiresAt, next.ExpiresAt)
	}
	if is && !was {
		old, home = strictest(nextHome, next), nextHome
		r.value(FieldCredentials, "", credentials(next), Widened)
	} else {
		r.credentials(old, next)
	}
	r.permissions(old, next)
	r.protections(old, next)
	if old.JWTAccessTokens != next.JWTAccessTokens || !followsCeiling(home, old) || !followsCeiling(nextHome, next) {
		r.life(FieldAccessTTL, old.AccessTokenTTL, next.AccessTokenTTL)
	}
	r.holdings(old, next)
}

// runs reports whether the application is not stopped. Its expiry is compared by itself.
func runs(home *model.Organization, a *model.Application) bool {
	return a != nil && !a.Suspended && !home.Suspended
}

// strictest is the application that may do nothing.
func strictest(home *model.Organization, like *model.Application) *model.Application {
	a := &model.Application{Consent: model.Consent{Mode: model.ConsentExplicit}, IDTokenAlg: like.IDTokenAlg, Secrets: like.Secrets, Proofs: like.Proofs}
	if followsCeiling(home, like) {
		a.AccessTokenTTL = like.AccessTokenTTL
	}
	return a
}

// permissions compares sets: to have more is to be able to do more.
func (r record) permissions(old, next *model.Application) {
	r.set(FieldScopes, old.Scopes, next.Scopes)
	r.set(FieldProtocol, old.ProtocolScopes, next.ProtocolScopes)
	r.set(FieldGrantTypes, grantNames(old.GrantTypes), grantNames(next.GrantTypes))
	r.set(FieldRedirects, old.RedirectURIs, next.RedirectURIs)
	r.set(FieldPostLogout, old.PostLogoutRedirectURIs, next.PostLogoutRedirectURIs)
	r.value(FieldBackChannel, cmp.Or(old.BackChannelURI, "nowhere"), cmp.Or(next.BackChannelURI, "nowhere"), Changed)
	r.set(FieldOrigins, old.AllowedOrigins, next.AllowedOrigins)
	r.set(FieldAudiences, old.Audiences, next.Audiences)
	r.set(FieldResources, old.Resources, next.Resources)
}

// protections compares what guards people from the application, and what it gets.
func (r record) protections(old, next *model.Application) {
	r.consent(old.Consent, next.Consent)
	r.allows(FieldPKCE, old.PKCEOptional, next.PKCEOptional, "required", "optional")
	r.allows(FieldFormat, old.JWTAccessTokens, next.JWTAccessTokens, "opaque", "JWTs, whose revocation is not seen by who reads them offline")
	if old.ProtocolScopes.Has(oauth.OpenID) && next.ProtocolScopes.Has(oauth.OpenID) {
		r.value(FieldIDTokenAlg, old.IDTokenAlg, next.IDTokenAlg, Changed)
	}
	r.allows(FieldIntrospection, old.IntrospectsOrganization, next.IntrospectsOrganization, "its own", "the whole organization")
	r.allows(FieldAccess, old.AnyOrganization, next.AnyOrganization, "its own organization", "any organization that admits it")
}

// credentials compares how it proves itself. Anybody can pose as one without a secret.
func (r record) credentials(old, next *model.Application) {
	switch {
	case old.Public() != next.Public():
		effect := Narrowed
		if next.Public() {
			effect = Widened
		}
		r.value(FieldCredentials, credentials(old), credentials(next), effect)
		return
	case anyMore(old.Secrets, next.Secrets):
		r.value(FieldCredentials, credentials(old), "another client secret", Widened)
	case anyMore(next.Secrets, old.Secrets):
		r.value(FieldCredentials, credentials(old), "fewer client secrets", Narrowed)
	}
	r.set(FieldCredentials, old.Proofs.Lines(), next.Proofs.Lines())
}

// anyMore reports whether a secret of next proves something at a time at which it was none
// of old.
func anyMore(old, next []model.ClientSecret) bool {
	return slices.ContainsFunc(next, func(n model.ClientSecret) bool {
		return !slices.ContainsFunc(old, func(o model.ClientSecret) bool {
			ends := o.NotAfter.IsZero() || !n.NotAfter.IsZero() && !n.NotAfter.After(o.NotAfter)
			return o.Digest == n.Digest && !n.NotBefore.Before(o.NotBefore) && ends
		})
	})
}

func credentials(a *model.Application) string {
	switch {
	case a.Public():
		return "nothing: it is public"
	case len(a.Secrets) > 0:
		return "a client secret"
	default:
		return strings.Join(a.Proofs.Lines(), ", ")
	}
}

// consent: to ask less often is wider.
func (r record) consent(old, next model.Consent) {
	rank := func(c model.Consent) time.Duration {
		switch c.Mode {
		case model.ConsentSkip:
			return 1<<63 - 1
		case model.ConsentRemember:
			return 1 + c.MaxAge
		default:
			return 0
		}
	}
	show := func(c model.Consent) string {
		switch c.Mode {
		case model.ConsentSkip:
			return "never"
		case model.ConsentRemember:
			return "once in " + written(c.MaxAge)
		default:
			return "each time"
		}
	}
	effect := Narrowed
	if rank(next) > rank(old) {
		effect = Widened
	}
	r.value(FieldConsent, show(old), show(next), effect)
}

// followsCeiling reports whether its tokens live as long as the organization's may: then
// the ceiling speaks for it.
func followsCeiling(home *model.Organization, a *model.Application) bool {
	if home == nil {
		return false
	}
	ceiling := home.Tokens.AccessToken
	if a.JWTAccessTokens {
		ceiling = min(ceiling, home.Tokens.JWTAccessToken)
	}
	return a.AccessTokenTTL == ceiling
}

// holdings compares what it may do for itself: what Roles give it, within its ceiling and
// for as long as it is served.
func (r record) holdings(old, next *model.Application) {
	before, after := rightsOf(old.Holdings), rightsOf(next.Holdings)
	gains, loses := difference(before.within(old).scopes, after.within(next).scopes, true)
	r.items(FieldOwnScopes, gains, loses)
	if len(gains)+len(loses) > 0 {
		return
	}
	gains, loses = difference(before.roles, after.roles, false)
	if len(gains)+len(loses) > 0 {
		r.add(Change{Effect: Changed, Field: FieldRoles, Gains: gains, Loses: loses})
	}
}

func grantNames(grants []oauth.GrantType) (names []string) {
	for _, g := range grants {
		names = append(names, strings.TrimPrefix(string(g), "urn:ietf:params:oauth:grant-type:"))
	}
	return names
}
