package oauth_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// ASVS 6.8.4: that a provider elsewhere says mfa is no second factor, unless it is trusted.
func TestWhatAnotherSaysCountsOnlyWhereItIsTrusted(t *testing.T) {
	kept := oauth.Elsewhere([]string{"pwd", "mfa", "two words", "", strings.Repeat("x", 33), "elsewhere:mfa", "a:b"})
	if slices.Contains(kept, oauth.AMRMulti) || oauth.ACR(kept) != oauth.ACROne {
		t.Errorf("kept as proven here: %q", kept)
	}
	if got := oauth.Trusted(kept, false); len(got) != 0 {
		t.Errorf("not trusted, and told: %q", got)
	}
	if got := oauth.Trusted(kept, true); !slices.Equal(got, []string{"pwd", "mfa"}) {
		t.Errorf("trusted: %q", got)
	}
	if got := oauth.Trusted(append(kept, "otp", "mfa"), false); !slices.Equal(got, []string{"otp", "mfa"}) {
		t.Errorf("with a second factor proven here: %q", got)
	}
	if got := oauth.Elsewhere(slices.Repeat([]string{"a"}, 100)); len(got) > 8 {
		t.Errorf("%d methods are kept", len(got))
	}
}
