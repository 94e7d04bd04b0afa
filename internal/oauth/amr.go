package oauth

import (
	"slices"
	"strings"
)

// Methods of authentication, as in the claim amr (RFC 8176 section 2).
const (
	AMRPassword = "pwd" // a password
	AMROneTime  = "otp" // a code of an authenticator app, or a recovery code
	// A key proves that it is there: one that lives in a device and cannot be copied, or one
	// that may be on several.
	AMRHardwareKey = "hwk"
	AMRSoftwareKey = "swk"
	AMRUser        = "user" // somebody was there and let it
	AMRMulti       = "mfa"  // more than one factor, whatever they were
)

// Values of the claim acr. They are those of ISO/IEC 29115 as far as a sign-in can fulfil
// them: level 3 also asks how somebody's identity was established, of which nothing is
// known here.
const (
	ACROne = "1" // one factor
	ACRTwo = "2" // more than one
)

// ACR is what authentication by these methods amounts to.
func ACR(amr []string) string {
	if slices.Contains(amr, AMRMulti) {
		return ACRTwo
	}
	return ACROne
}

// elsewhere marks a method of which a provider elsewhere says that it was used. It is no word
// of RFC 8176, and never told as it is.
const elsewhere = "elsewhere:"

// Longest lists and words that are kept of what another says.
const (
	elsewhereMost = 8
	elsewhereWord = 32
)

// Elsewhere marks methods as said by a provider elsewhere: they count as proven only where
// that provider is trusted with it. What is no word of a claim is left out.
func Elsewhere(amr []string) (marked []string) {
	for _, method := range amr {
		method = strings.TrimPrefix(method, elsewhere)
		odd := strings.ContainsFunc(method, func(c rune) bool { return c <= ' ' || c > '~' || c == ':' })
		if method == "" || len(method) > elsewhereWord || odd || len(marked) == elsewhereMost {
			continue
		}
		marked = append(marked, elsewhere+method)
	}
	return marked
}

// Trusted is what counts as proven, and is told: what was proven here, and, where a provider
// elsewhere is trusted with it, what that says.
func Trusted(amr []string, provider bool) []string {
	if !slices.ContainsFunc(amr, func(method string) bool { return strings.HasPrefix(method, elsewhere) }) {
		return amr
	}
	var told []string
	for _, method := range amr {
		said, by := strings.CutPrefix(method, elsewhere)
		if (!by || provider) && !slices.Contains(told, said) {
			told = append(told, said)
		}
	}
	return told
}
