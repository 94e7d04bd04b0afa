package mapping

import (
	"slices"
	"sync"

	"github.com/google/cel-go/cel"
)

// shared are the programs of the defaults: thousands of providers say nothing else.
var shared sync.Map // sourceKey → cel.Program

type sourceKey struct{ field, text string }

// program builds one, or takes that of a default.
func program(field, text string) (p cel.Program, wrong string) {
	key := sourceKey{field, text}
	if known, ok := shared.Load(key); ok {
		return known.(cel.Program), ""
	}
	p, wrong = build(text, results[field])
	if wrong == "" && slices.Contains(defaults(), key) {
		shared.Store(key, p)
	}
	return p, wrong
}

// defaults are all expressions that hold where nothing is declared.
var defaults = sync.OnceValue(func() (all []sourceKey) {
	for _, of := range []string{"OIDC", "OAuth2", "GitHub", "SAML", "LDAP"} {
		s := Default(of)
		for _, f := range s.fields() {
			if *f.text != "" {
				all = append(all, sourceKey{f.name, *f.text})
			}
		}
	}
	return all
})

// Default is what holds for a type of provider where nothing is declared. Claims that are
// missing make empty values: most providers leave out what they do not know. An address
// counts as verified only where the provider says so in so many words.
func Default(providerType string) Source {
	switch providerType {
	case "OIDC":
		return Source{
			Subject: `claims.sub`, Email: `claims.?email`, EmailVerified: verified,
			Name: `claims.?name`, Groups: `claims.?groups`,
		}
	case "OAuth2":
		return Source{
			Subject: `string(has(claims.sub) ? claims.sub : claims.id)`, Email: `claims.?email`, EmailVerified: verified,
			Name: `claims.?name`, Groups: `claims.?groups`,
		}
	case "GitHub":
		return Source{
			Subject: `claims.id`, Email: `claims.?email`, EmailVerified: verified,
			Name:   `claims.?name.orValue("") in ["", null] ? claims.login : claims.name`,
			Groups: `claims.?organizations.orValue([]) + claims.?teams.orValue([])`,
		}
	case "SAML":
		// What a SAML provider says of an address is what somebody entered there; no attribute
		// says that it was verified.
		return Source{
			Subject:       `claims.name_id`,
			Email:         `claims.?attributes.?email[?0].or(claims.?attributes.?mail[?0]).or(claims.?attributes[?"urn:oid:0.9.2342.19200300.100.1.3"][?0])`,
			EmailVerified: `false`,
			Name:          `claims.?attributes.?displayName[?0].or(claims.?attributes[?"urn:oid:2.16.840.1.113730.3.1.241"][?0]).or(claims.?attributes.?cn[?0])`,
			Groups:        `claims.?attributes.?groups`,
		}
	case "LDAP":
		return Source{
			Subject: `claims.subject`, Email: `claims.?attributes.?mail[?0]`, EmailVerified: `false`,
			Name: `claims.?attributes.?cn[?0]`, Groups: `claims.?groups`,
		}
	default:
		return Source{}
	}
}

// verified is also true for the text "true", as some providers write it.
const verified = `claims.?email_verified.orValue(false) in [true, "true"]`
