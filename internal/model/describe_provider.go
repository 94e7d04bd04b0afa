package model

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// Describe writes what is served of the provider on one line: no secret, and no UID.
func (p *Provider) Describe() string {
	text := fmt.Sprintf("%s/%s %s %q%s%s", p.Namespace, p.Name, p.Type, p.DisplayName, mark(!p.Installation(), " of its own"), mark(p.Suspended, " suspended"))
	if p.Local != nil {
		text += fmt.Sprintf(" at least %d characters%s%s%s", p.Local.MinLength, mark(p.Local.CheckCommon, ", not a common one"),
			mark(p.Local.Registration != RegistrationClosed, ", registration "+p.Local.Registration), mark(!p.Local.ResetEnabled, ", no resets by mail"))
	}
	var parts []string
	for _, s := range append(p.Settings(), p.Rules()...) {
		parts = append(parts, s.Name+" "+s.Value)
	}
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	return text
}

// Setting is one of a provider, under the name by which it is declared.
type Setting struct{ Name, Value string }

// settings are those that are in force.
type settings []Setting

func (s *settings) text(name, value string) {
	if value != "" {
		*s = append(*s, Setting{name, fmt.Sprintf("%q", value)})
	}
}

// long is a text that nobody reads: its digest tells it from another.
func (s *settings) long(name, value string) {
	if value != "" {
		*s = append(*s, Setting{name, fmt.Sprintf("sha256 %.16x", sha256.Sum256([]byte(value)))})
	}
}

func (s *settings) list(name string, values []string) {
	if len(values) > 0 {
		*s = append(*s, Setting{name, fmt.Sprintf("%q", values)})
	}
}

func (s *settings) truth(name string, on bool) {
	if on {
		*s = append(*s, Setting{name, "true"})
	}
}

// Settings are those by which the provider is asked, in a fixed order. Of a secret they say
// that there is one.
func (p *Provider) Settings() []Setting {
	var s settings
	switch {
	case p.OIDC != nil:
		s.text("issuer", p.OIDC.Issuer)
		s.text("clientID", p.OIDC.ClientID)
		s.list("scopes", p.OIDC.Scopes)
		s.truth("pkce", p.OIDC.PKCE)
		s.text("prompt", p.OIDC.Prompt)
		s.long("caBundle", p.OIDC.CABundle)
	case p.OAuth2 != nil:
		s.text("authorizationURL", p.OAuth2.AuthorizationURL)
		s.text("tokenURL", p.OAuth2.TokenURL)
		s.text("userInfoURL", p.OAuth2.UserInfoURL)
		s.text("clientID", p.OAuth2.ClientID)
		s.list("scopes", p.OAuth2.Scopes)
		s.truth("pkce", p.OAuth2.PKCE)
		s.long("caBundle", p.OAuth2.CABundle)
	case p.GitHub != nil:
		s.text("baseURL", p.GitHub.BaseURL)
		s.text("clientID", p.GitHub.ClientID)
		s.list("organizations", p.GitHub.Organizations)
		s.long("caBundle", p.GitHub.CABundle)
	case p.SAML != nil:
		s.text("metadataURL", p.SAML.MetadataURL)
		s.long("metadata", p.SAML.Metadata)
		s.text("entityID", p.SAML.EntityID)
		s.text("nameIDFormat", p.SAML.NameIDFormat)
		s.truth("allowIdPInitiated", p.SAML.AllowIdPInitiated)
		s.long("caBundle", p.SAML.CABundle)
	case p.LDAP != nil:
		s.text("url", p.LDAP.URL)
		s.truth("startTLS", p.LDAP.StartTLS)
		s.text("bindDN", p.LDAP.BindDN)
		s.search("userSearch", &p.LDAP.UserSearch)
		s.search("groupSearch", p.LDAP.GroupSearch)
		s.long("caBundle", p.LDAP.CABundle)
	}
	s.truth("secret", !p.Secret().IsZero())
	return s
}

func (s *settings) search(name string, search *LDAPSearch) {
	if search == nil {
		return
	}
	s.text(name+".baseDN", search.BaseDN)
	s.text(name+".filter", search.Filter)
	s.text(name+".attribute", search.Attribute)
}

// Rules are what is read from the provider's answers, and what becomes of whom it names.
func (p *Provider) Rules() []Setting {
	var s settings
	if p.Mapping != nil {
		m := p.Mapping.Source()
		s.text("mapping.subject", m.Subject)
		s.text("mapping.email", m.Email)
		s.text("mapping.emailVerified", m.EmailVerified)
		s.text("mapping.name", m.Name)
		s.text("mapping.groups", m.Groups)
		s.text("mapping.require", m.Require)
		s.text("mapping.amr", m.AMR)
	}
	s.text("provisioning.mode", p.Provisioning.Mode)
	s.text("provisioning.linkBy", p.Provisioning.LinkBy)
	if p.GroupsMaxAge > 0 {
		s = append(s, Setting{"groupsMaxAge", p.GroupsMaxAge.String()})
	}
	return s
}
