package compile

import (
	"cmp"
	"net/url"
	"regexp"
	"strings"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// What stands for somebody in a filter and in a name.
const (
	placeUsername = "{username}"
	placeDN       = "{dn}"
)

// Defaults of an LDAP provider, and bounds of what the schema bounds too.
const (
	userFilterDefault     = "(uid={username})"
	subjectDefault        = "entryUUID" // RFC 4530: never given to another entry
	groupFilterDefault    = "(member={dn})"
	groupNameDefault      = "cn"
	ldapTextMost          = 1024
	ldapFilterDepthMost   = 16
	ldapAttributeNameMost = 128
)

var ldapAttribute = regexp.MustCompile(`^[A-Za-z][-A-Za-z0-9]*$`)

// dnTemplate is a name in which what was typed is the whole value of one attribute: there
// it can be escaped so that it stays that (RFC 4514 section 2.4).
var dnTemplate = regexp.MustCompile(`^[A-Za-z][-A-Za-z0-9]*=\{username\}(,[^{}]+)$`)

func ldapSettings(o *v1alpha1.LDAPProvider, r *Report) *model.LDAPSettings {
	const field = "spec.ldap."
	s := &model.LDAPSettings{
		URL: ldapURL(o, r), StartTLS: o.StartTLS, BindDN: dn(o.BindDN, field+"bindDN", r), CABundle: caBundle(o.CABundle, field+"caBundle", r),
		UserSearch: model.LDAPSearch{
			BaseDN:    string(o.UserSearch.BaseDN),
			Attribute: ldapName(o.UserSearch.Attribute, subjectDefault, field+"userSearch.attribute", r),
		},
	}
	switch {
	case (o.BindDN == "") != (o.BindPasswordRef == nil):
		r.refuse(v1alpha1.ReasonInvalidSpec, field+"bindPasswordRef", "must be given with bindDN, and only then: nobody searches without a password")
	case o.BindDN != "":
		dn(o.UserSearch.BaseDN, field+"userSearch.baseDN", r)
		s.UserSearch.Filter = ldapFilter(o.UserSearch.Filter, userFilterDefault, field+"userSearch.filter", placeUsername, r)
	default:
		if len(o.UserSearch.BaseDN) > ldapTextMost || !dnTemplate.MatchString(s.UserSearch.BaseDN) {
			r.refuse(v1alpha1.ReasonInvalidSpec, field+"userSearch.baseDN", "%s is not the name of a person's entry; without bindDN write it like uid={username},ou=people,dc=example,dc=com", quote(s.UserSearch.BaseDN))
		}
		if o.UserSearch.Filter != "" {
			r.refuse(v1alpha1.ReasonInvalidSpec, field+"userSearch.filter", "is only read with bindDN, since nobody searches; remove it, or give bindDN")
		}
	}
	if g := o.GroupSearch; g != nil {
		s.GroupSearch = &model.LDAPSearch{
			BaseDN: dn(g.BaseDN, field+"groupSearch.baseDN", r), Filter: ldapFilter(g.Filter, groupFilterDefault, field+"groupSearch.filter", placeDN, r),
			Attribute: ldapName(g.Attribute, groupNameDefault, field+"groupSearch.attribute", r),
		}
		if g.BaseDN == "" {
			r.refuse(v1alpha1.ReasonInvalidSpec, field+"groupSearch.baseDN", "must name the entry below which groups are")
		}
	}
	return s
}

// ldapURL admits connections of TLS alone: passwords travel on them.
func ldapURL(o *v1alpha1.LDAPProvider, r *Report) string {
	const field = "spec.ldap.url"
	u, wrong := readURI(o.URL)
	switch {
	case wrong != "" && wrong != uriUnreadable:
	case wrong != "" || u.Scheme != "ldap" && u.Scheme != "ldaps":
		wrong = "is not the address of a directory; write it like ldaps://directory.example.com"
	case len(o.URL) > 270:
		wrong = "is too long; use at most 270 characters"
	case checkAuthority(o.URL, u) == uriUser:
		wrong = uriUser
	case checkAuthority(o.URL, u) != "" || o.URL != u.Scheme+"://"+u.Host:
		wrong = "must be a host in lower case, and a port or none, as in ldaps://directory.example.com"
	case u.Scheme == "ldap" && !o.StartTLS:
		r.refuse(v1alpha1.ReasonInvalidSpec, field, "%s sends passwords in the clear; use ldaps://, or set startTLS: true", quote(o.URL))
	case u.Scheme == "ldaps" && o.StartTLS:
		r.refuse(v1alpha1.ReasonInvalidSpec, "spec.ldap.startTLS", "an ldaps:// connection is one of TLS from the start; remove it, or use ldap://")
	}
	switch {
	case wrong == "":
	case strings.Contains(o.URL, "@"): // what stands before it may be a password
		r.refuse(v1alpha1.ReasonInvalidSpec, field, "%s", wrong)
	default:
		r.refuse(v1alpha1.ReasonInvalidSpec, field, "%s %s", quote(o.URL), wrong)
	}
	return o.URL
}

// dn admits a name in which nothing stands for anybody. Its syntax is the directory's to
// judge.
func dn(declared v1alpha1.DistinguishedName, field string, r *Report) string {
	name := string(declared)
	if len(name) > ldapTextMost || strings.ContainsAny(name, "{}\x00\r\n") || name != "" && !strings.Contains(name, "=") {
		r.refuse(v1alpha1.ReasonInvalidSpec, field, "%s is not the name of an entry; write it like ou=people,dc=example,dc=com", quote(name))
	}
	return name
}

func ldapName(declared v1alpha1.LDAPAttribute, otherwise, field string, r *Report) string {
	name := cmp.Or(string(declared), otherwise)
	if len(name) > ldapAttributeNameMost || !ldapAttribute.MatchString(name) {
		r.refuse(v1alpha1.ReasonInvalidSpec, field, "%s is not the name of an attribute; use letters, digits and hyphens", quote(name))
	}
	return name
}

// ldapFilter admits a filter (RFC 4515) that names the person: one that does not finds the
// same entry for everybody.
func ldapFilter(declared v1alpha1.LDAPFilter, otherwise, field, place string, r *Report) string {
	filter := cmp.Or(string(declared), otherwise)
	rest, ok := readFilter(filter, 0)
	switch {
	case len(filter) > ldapTextMost || !ok || rest != "":
		r.refuse(v1alpha1.ReasonInvalidSpec, field, "%s is not a filter; write it like %s, with {username} or {dn} in the place of a value only", quote(filter), otherwise)
	case !strings.Contains(filter, place) && (place == placeUsername || !strings.Contains(filter, placeUsername)):
		r.refuse(v1alpha1.ReasonInvalidSpec, field, "%s finds the same for everybody; write %s in the place of a value, as in %s", quote(filter), place, otherwise)
	case place == placeUsername && strings.Contains(filter, placeDN):
		r.refuse(v1alpha1.ReasonInvalidSpec, field, "%s is what it looks for; {dn} is known in a groupSearch only", quote(placeDN))
	}
	return filter
}

// readFilter reads one filter and returns what follows it.
func readFilter(text string, depth int) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(text, "(")
	if !ok || rest == "" || depth > ldapFilterDepthMost {
		return "", false
	}
	switch rest[0] {
	case '&', '|':
		rest = rest[1:]
		for n := 0; ; n++ {
			if after, end := strings.CutPrefix(rest, ")"); end {
				return after, n > 0
			}
			if rest, ok = readFilter(rest, depth+1); !ok {
				return "", false
			}
		}
	case '!':
		if rest, ok = readFilter(rest[1:], depth+1); !ok {
			return "", false
		}
		return strings.CutPrefix(rest, ")")
	default:
		item, after, ended := strings.Cut(rest, ")")
		return after, ended && readItem(item)
	}
}

// ldapItem is an attribute, or a rule to compare it by, and how it is compared.
var ldapItem = regexp.MustCompile(`^([A-Za-z0-9][-A-Za-z0-9.;]*)?(:dn)?(:[A-Za-z0-9.-]+)?(:=|~=|>=|<=|=)(.*)$`)

// readItem reports whether an item compares an attribute with a value, in which only whole
// placeholders have braces.
func readItem(item string) bool {
	parts := ldapItem.FindStringSubmatch(item)
	if parts == nil || parts[1] == "" && parts[3] == "" || parts[5] == "" {
		return false
	}
	value := strings.NewReplacer(placeUsername, "", placeDN, "").Replace(parts[5])
	for i := 0; i < len(value); i++ {
		if value[i] == '\\' { // two digits follow
			if _, err := url.PathUnescape("%" + value[i+1:min(i+3, len(value))]); err != nil || i+3 > len(value) {
				return false
			}
			i += 2
		}
	}
	return !strings.ContainsAny(value, "(){}\x00\r\n")
}
