package model

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// Describe writes what is served of the organization in lines of a fixed order, for
// people, golden files and digests. It shows no secret, and no UID.
func (o *Organization) Describe() string {
	var b strings.Builder
	fmt.Fprintf(&b, "organization %s (%s/%s) %q%s\n", o.Slug, o.Namespace, o.Name, o.DisplayName, mark(o.Suspended, " suspended"))
	fmt.Fprintf(&b, "  tokens access %v, JWT %v, refresh idle %v, refresh absolute %v\n",
		o.Tokens.AccessToken, o.Tokens.JWTAccessToken, o.Tokens.RefreshIdle, o.Tokens.RefreshAbsolute)
	describeList(&b, "  applications of others", o.External.ClientIDs)
	b.WriteString(mark(o.External.All, "  applications of others all\n"))
	for _, p := range o.Providers {
		fmt.Fprintf(&b, "  sign-in %s\n", p.Describe())
	}
	for _, s := range o.Catalogue.Scopes {
		fmt.Fprintf(&b, "  scope %s %q includes [%s]\n", s.Name, s.Description, s.Includes)
	}
	applications := slices.SortedFunc(o.Applications(), func(a, b *Application) int { return strings.Compare(a.ClientID, b.ClientID) })
	for _, a := range applications {
		a.describe(&b)
	}
	var addresses []string
	for address := range o.people {
		addresses = append(addresses, address)
	}
	slices.Sort(addresses)
	for _, address := range addresses {
		fmt.Fprintf(&b, "  person %s\n", address)
		describeHoldings(&b, o.people[address])
	}
	return b.String()
}

// Describe writes what is served of the provider on one line.
func (p *Provider) Describe() string {
	text := fmt.Sprintf("%s/%s %s %q", p.Namespace, p.Name, p.Type, p.DisplayName)
	if p.Local != nil {
		text += fmt.Sprintf(" at least %d characters%s%s%s", p.Local.MinLength, mark(p.Local.CheckCommon, ", not a common one"),
			mark(p.Local.Registration != RegistrationClosed, ", registration "+p.Local.Registration), mark(!p.Local.ResetEnabled, ", no resets by mail"))
	}
	return text
}

func (a *Application) describe(b *strings.Builder) {
	fmt.Fprintf(b, "  application %s (%s/%s) %s %q%s%s\n", a.ClientID, a.Namespace, a.Name, a.Type, a.DisplayName,
		mark(a.Public(), " public"), mark(a.Suspended, " suspended"))
	for _, proof := range a.Proofs.Lines() {
		fmt.Fprintf(b, "    proven by %s\n", proof)
	}
	fmt.Fprintf(b, "    grants %v\n", a.GrantTypes)
	fmt.Fprintf(b, "    scopes [%s] protocol [%s]\n", a.Scopes, a.ProtocolScopes)
	fmt.Fprintf(b, "    access token %v%s%s%s\n", a.AccessTokenTTL, mark(a.JWTAccessTokens, " JWT"), until(a.ExpiresAt),
		mark(a.IntrospectsOrganization, ", introspects the organization"))
	if a.ProtocolScopes.Has(oauth.OpenID) {
		fmt.Fprintf(b, "    ID token %s\n", a.IDTokenAlg)
	}
	describeList(b, "    codes to", a.RedirectURIs)
	describeList(b, "    after sign-out to", a.PostLogoutRedirectURIs)
	describeList(b, "    scripts of", a.AllowedOrigins)
	if a.Allows(oauth.AuthorizationCode) {
		fmt.Fprintf(b, "    consent %s%s, PKCE %s\n", a.Consent.Mode, mark(a.Consent.MaxAge > 0, fmt.Sprint(" for ", a.Consent.MaxAge)),
			mark(a.PKCEOptional, "optional")+mark(!a.PKCEOptional, "required"))
	}
	describeList(b, "    serves", a.Audiences)
	describeList(b, "    asks for", a.Resources)
	if a.AnyOrganization {
		fmt.Fprintf(b, "    in other organizations [%s]\n", a.Declared)
	}
	describeHoldings(b, a.Holdings)
}

// describeList writes nothing of an empty list.
func describeList(b *strings.Builder, what string, list []string) {
	if len(list) > 0 {
		fmt.Fprintf(b, "%s %q\n", what, list)
	}
}

func describeHoldings(b *strings.Builder, holdings []Holding) {
	for _, h := range holdings {
		fmt.Fprintf(b, "    holds %s/%s %q [%s]%s\n", h.Role.Namespace, h.Role.Name, h.Role.DisplayName, h.Role.Scopes, until(h.NotAfter))
	}
}

func until(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return " until " + at.Format(time.RFC3339Nano)
}

func mark(on bool, text string) string {
	if on {
		return text
	}
	return ""
}
