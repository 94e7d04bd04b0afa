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
	o.Login.describe(&b)
	describeList(&b, "  domains", o.Domains)
	o.Branding.describe(&b)
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
	o.describeGroups(&b)
	for _, r := range o.defaults {
		fmt.Fprintf(&b, "  members without another role\n")
		describeHoldings(&b, []Holding{{Role: r}})
	}
	return b.String()
}

func (o *Organization) describeGroups(b *strings.Builder) {
	var lines []string
	for g, holdings := range o.groups {
		name := ""
		if p := o.Provider(g.ProviderUID); p != nil {
			name = p.Namespace + "/" + p.Name
		}
		var line strings.Builder
		fmt.Fprintf(&line, "  group %q of %s\n", g.Name, name)
		describeHoldings(&line, holdings)
		lines = append(lines, line.String())
	}
	slices.Sort(lines)
	for _, line := range lines {
		b.WriteString(line)
	}
}

// describe writes only what is not as it is for everybody.
func (l *LoginRules) describe(b *strings.Builder) {
	b.WriteString(mark(l.EnforceSSO, "  local sign-ins do not count\n"))
	describeList(b, "  local sign-ins count, with a second factor, for", l.BreakGlass)
	if l.SSOMaxAge != SSOMaxAgeDefault {
		fmt.Fprintf(b, "  sign-in elsewhere counts for %v\n", l.SSOMaxAge)
	}
	for _, limit := range []struct {
		what string
		d    time.Duration
	}{
		{"unused session counts for", l.Session.Idle}, {"session counts for", l.Session.Absolute},
		{"time to add a second factor", l.SecondFactor.GracePeriod},
	} {
		if limit.d > 0 {
			fmt.Fprintf(b, "  %s %v\n", limit.what, limit.d)
		}
	}
	b.WriteString(mark(l.SecondFactor.Required, "  second factor required\n"))
	b.WriteString(mark(l.SecondFactor.ProviderAMR, "  second factor elsewhere counts\n"))
}

// describe names pictures by their hash.
func (br *Branding) describe(b *strings.Builder) {
	for _, part := range []struct{ what, value string }{{"colour", br.PrimaryColor}, {"support", br.SupportURL}, {"logo", br.LogoPath}} {
		if part.value != "" {
			fmt.Fprintf(b, "  %s %q\n", part.what, part.value)
		}
	}
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
	if a.BackChannelURI != "" {
		fmt.Fprintf(b, "    tells of sign-outs %q\n", a.BackChannelURI)
	}
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
		fmt.Fprintf(b, "    holds %s/%s %q [%s]%s%s\n", h.Role.Namespace, h.Role.Name, h.Role.DisplayName, h.Role.Scopes,
			mark(h.Role.Priority != 0, fmt.Sprintf(" rank %d", h.Role.Priority)), until(h.NotAfter))
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
