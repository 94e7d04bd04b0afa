package compile_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// instants are before, between and after the moments that worlds speak of.
var instants = []time.Time{
	time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC), noon, time.Date(2027, 6, 1, 0, 0, 0, 0, time.UTC),
}

type sayer func(format string, args ...any)

// atLeast says a sentence for every length that the given one reaches, so that a longer
// one says more.
func (say sayer) atLeast(d time.Duration, sentence string) {
	for _, m := range []time.Duration{1, 2, 4, 5, 8, 10, 15, 30, 60, 120, 24 * 60, 30 * 24 * 60, 90 * 24 * 60, 365 * 24 * 60} {
		if d >= m*time.Minute {
			say("%s %v", sentence, m*time.Minute)
		}
	}
}

// accessOf lists, as sentences, everything that anybody may do: more sentences, more power.
func accessOf(snapshot *model.Snapshot) map[string]bool {
	access := map[string]bool{}
	say := sayer(func(format string, args ...any) { access[fmt.Sprintf(format, args...)] = true })
	for o := range snapshot.Organizations() {
		if o.Suspended {
			continue
		}
		for _, p := range o.Providers {
			if p.Local == nil {
				saySignIn(say, o, p)
				continue
			}
			for n := p.Local.MinLength; n <= 64; n++ {
				say("a new password of %d characters is taken by %s for %s", n, p.Name, o.ID)
				if !p.Local.CheckCommon {
					say("a common password of %d characters is taken by %s for %s", n, p.Name, o.ID)
				}
			}
		}
		say.atLeast(o.Tokens.AccessToken, "tokens of "+o.ID+" live")
		say.atLeast(o.Tokens.JWTAccessToken, "JWTs of "+o.ID+" live")
		say.atLeast(o.Tokens.RefreshIdle, "idle refresh tokens of "+o.ID+" live")
		say.atLeast(o.Tokens.RefreshAbsolute, "refresh tokens of "+o.ID+" live")
		for address, held := range o.People() {
			sayHoldings(say, o.ID+" "+address, held)
		}
		for home := range snapshot.Organizations() {
			for a := range home.Applications() {
				if snapshot.ApplicationIn(o, a.UID) == a {
					sayApplication(say, o, home, a)
				}
			}
		}
	}
	return access
}

// saySignIn: another place to ask is neither more nor less, so it is part of the name.
func saySignIn(say sayer, o *model.Organization, p *model.Provider) {
	who := fmt.Sprintf("%s by %s %q as %+v", o.ID, p.UID, p.Settings(), p.Mapping.Source())
	say("sign-ins to %s count by %s", o.ID, p.UID)
	say.atLeast(p.GroupsMaxAge, "groups count in "+o.ID+" of "+p.UID)
	if p.Suspended {
		return
	}
	say("people sign in to %s", who)
	if p.Provisioning.Mode == model.ProvisionJIT {
		say("new people sign in to %s", who)
	}
	if p.Provisioning.Mode != model.ProvisionDeny {
		say("people connect their accounts to %s", who)
	}
	if p.Provisioning.LinkBy == model.LinkByVerifiedEmail {
		say("accounts are found by address in %s", who)
	}
}

func sayApplication(say sayer, o, home *model.Organization, a *model.Application) {
	// What is neither more nor less is part of the name.
	who := fmt.Sprintf("%s %s of %s public=%v", a.ClientID, a.UID, home.ID, a.Public())
	for _, at := range instants {
		if a.Served(at) {
			say("%s is served in %s at %v", who, o.ID, at)
		}
	}
	if a.Suspended || home.Suspended {
		return
	}
	for _, s := range a.ScopesIn(o).Union(a.ProtocolScopes) {
		say("%s may be granted %s in %s", who, s, o.ID)
	}
	if o != home {
		return
	}
	sayHoldings(say, who, a.Holdings)
	sayCodeFlow(say, who, a)
	say.atLeast(a.AccessTokenTTL, "tokens of "+who+" live")
	for _, g := range a.GrantTypes {
		say("%s uses %s", who, g)
	}
	for _, secret := range a.Secrets {
		for _, at := range instants {
			if a.Proves(secret.Digest, at) {
				say("%s is proven by %x at %v", who, secret.Digest, at)
			}
		}
	}
	for _, k := range a.Proofs.Keys {
		for _, algorithm := range k.Algorithms {
			say("%s is proven by the key %s %s with %s", who, k.ID, k.Thumbprint, algorithm)
		}
	}
	if a.Proofs.KeysURI != "" {
		say("%s is proven by the keys at %s", who, a.Proofs.KeysURI)
	}
	for _, s := range a.Proofs.ServiceAccounts {
		say("%s is proven by %s", who, s)
	}
	if a.Public() {
		say("%s is anybody", who)
	}
	if a.IntrospectsOrganization {
		say("%s introspects its organization", who)
	}
	if a.JWTAccessTokens {
		say("%s has tokens whose revocation nobody sees", who)
	}
	for _, audience := range a.Audiences {
		say("%s serves %s", who, audience)
	}
	for _, resource := range a.Resources {
		say("%s asks for %s", who, resource)
	}
}

func sayCodeFlow(say sayer, who string, a *model.Application) {
	for _, uri := range a.RedirectURIs {
		say("%s gets codes at %s", who, uri)
		if a.Type == model.TypeNative && strings.HasPrefix(uri, "http:") {
			say("%s gets codes at any port of %s", who, uri)
		}
	}
	for _, uri := range a.PostLogoutRedirectURIs {
		say("people leave %s for %s", who, uri)
	}
	for _, origin := range a.AllowedOrigins {
		say("scripts of %s read the answers to %s", origin, who)
	}
	if a.PKCEOptional {
		say("%s does without PKCE", who)
	}
	switch a.Consent.Mode {
	case model.ConsentExplicit:
	case model.ConsentRemember:
		say.atLeast(a.Consent.MaxAge, "people are not asked again whether they let in "+who+" for")
	case model.ConsentSkip:
		say("people are never asked whether they let in %s", who)
		say.atLeast(365*24*time.Hour, "people are not asked again whether they let in "+who+" for")
	}
}

func sayHoldings(say sayer, who string, held []model.Holding) {
	for _, h := range held {
		for _, s := range h.Role.Scopes {
			for _, at := range instants {
				if h.NotAfter.IsZero() || at.Before(h.NotAfter) {
					say("%s holds %s at %v", who, s, at)
				}
			}
		}
	}
}
