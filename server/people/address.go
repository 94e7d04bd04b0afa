package people

import (
	"fmt"
	"net/mail"
	"strings"
	"unicode"
)

// maxAddressLength is what a mail path can carry (RFC 5321 section 4.5.3.1.3).
const maxAddressLength = 254

// Address is the form in which addresses are kept and compared: lower case, without the
// white space that a form or a terminal added around it.
func Address(typed string) string { return strings.ToLower(strings.TrimSpace(typed)) }

// CheckAddress says what is wrong with an address in the form that Address returns.
func CheckAddress(address string) error {
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Name != "" || parsed.Address != address ||
		len(address) > maxAddressLength || strings.ContainsFunc(address, isControl) || strings.ContainsAny(address, " \"") {
		return fmt.Errorf("%q is not an email address; write it like ann@example.com", address)
	}
	return nil
}

func isControl(r rune) bool { return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp) }
