package upstream

import (
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"
	"golang.org/x/text/unicode/norm"
)

const (
	usernameMost = 256  // bytes
	passwordMost = 1024 // bytes
)

// nameable reports whether a name can be asked for. Directories compare names as people read
// them (RFC 4518): forms that only look like another one are refused, and so are signs that
// nobody sees.
func nameable(name string) bool {
	if name == "" || len(name) > usernameMost || !utf8.ValidString(name) || strings.TrimSpace(name) != name || norm.NFKC.String(name) != norm.NFC.String(name) {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) })
}

// presentable reports whether a password can prove anything. A server that ends it at a zero
// byte would take one that begins so for none at all (RFC 4513 section 5.1.2).
func presentable(password string) bool {
	return password != "" && len(password) <= passwordMost && !strings.Contains(password, "\x00")
}

// filled is a filter for somebody, of whom nothing is more than a value in it (RFC 4515
// section 3).
func filled(filter, username, dn string) string {
	return strings.NewReplacer("{username}", ldap.EscapeFilter(username), "{dn}", ldap.EscapeFilter(dn)).Replace(filter)
}

// named is a template of a DN for somebody, of whom nothing is more than a value in it (RFC
// 4514 section 2.4).
func named(template, username string) string {
	return strings.ReplaceAll(template, "{username}", ldap.EscapeDN(username))
}

// secretAttributes are what a service account may read and nobody is told: passwords, and
// what they can be found by.
var secretAttributes = []string{
	"userpassword", "unicodepwd", "dbcspwd", "ntpwdhistory", "lmpwdhistory", "supplementalcredentials", "pwdhistory", "authpassword",
	"sambantpassword", "sambalmpassword", "sambapasswordhistory", "krbprincipalkey", "ipanthash", "olcrootpw", "ds-pwp-retired-password",
	"oathsecret", "ms-mcs-admpwd", "mslaps-password", "passwordhistory",
}

// attributesOf are those of an entry that are text, by their names in lower case.
func attributesOf(e *ldap.Entry) map[string]any {
	all := map[string]any{}
	for _, a := range e.Attributes {
		name := strings.ToLower(a.Name)
		base, _, _ := strings.Cut(name, ";")
		if slices.Contains(secretAttributes, base) {
			continue
		}
		values := []any{}
		for _, v := range a.Values {
			if utf8.ValidString(v) {
				values = append(values, v)
			}
		}
		if len(values) > 0 {
			all[name] = values
		}
	}
	return all
}

const objectGUID = "objectguid"

var errSubject = errors.New("the entry has not exactly one value of the subject's attribute, as text")

// subjectOf reads the attribute that is never another person's.
func subjectOf(e *ldap.Entry, attribute string) (string, error) {
	values := e.GetEqualFoldRawAttributeValues(attribute)
	if len(values) != 1 || len(values[0]) == 0 {
		return "", errSubject
	}
	if strings.EqualFold(attribute, objectGUID) {
		return guid(values[0])
	}
	text := string(values[0])
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return "", errSubject
	}
	return text, nil
}

// guid writes an objectGUID as everybody does: the first three parts are numbers with their
// lowest byte first.
func guid(raw []byte) (string, error) {
	if len(raw) != 16 {
		return "", errSubject
	}
	b := slices.Clone(raw)
	slices.Reverse(b[:4])
	slices.Reverse(b[4:6])
	slices.Reverse(b[6:8])
	text := hex.EncodeToString(b)
	return strings.Join([]string{text[:8], text[8:12], text[12:16], text[16:20], text[20:]}, "-"), nil
}

// bySubject is a filter that finds the entry with a subject again.
func bySubject(attribute, subject string) (string, error) {
	value := ldap.EscapeFilter(subject)
	if strings.EqualFold(attribute, objectGUID) {
		b, err := hex.DecodeString(strings.ReplaceAll(subject, "-", ""))
		if err != nil || len(b) != 16 {
			return "", errSubject
		}
		slices.Reverse(b[:4])
		slices.Reverse(b[4:6])
		slices.Reverse(b[6:8])
		var escaped strings.Builder
		for _, c := range b {
			escaped.WriteString(`\` + hex.EncodeToString([]byte{c}))
		}
		value = escaped.String()
	}
	return "(" + attribute + "=" + value + ")", nil
}

// lockedForGood is a pwdAccountLockedTime that only an administrator gives: that of others
// says when somebody guessed wrong too often, which anybody can do to anybody.
const lockedForGood = "000001010000Z"

// disabled reports whether an administrator has closed the account: in Active Directory, by
// OpenLDAP's password policy, in the 389 Directory Server and FreeIPA, or in eDirectory.
func disabled(e *ldap.Entry) bool {
	const accountDisable = 0x2
	flags := e.GetEqualFoldAttributeValues("userAccountControl")
	for _, f := range flags {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil || n&accountDisable != 0 {
			return true
		}
	}
	is := func(attribute, value string) bool {
		return slices.ContainsFunc(e.GetEqualFoldAttributeValues(attribute), func(v string) bool { return strings.EqualFold(v, value) })
	}
	return is("pwdAccountLockedTime", lockedForGood) || is("nsAccountLock", "TRUE") || is("loginDisabled", "TRUE")
}
