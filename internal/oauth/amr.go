package oauth

import "slices"

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
