package compile

import (
	"strings"
	"unicode"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
)

// displayName reads what people are shown of an object, often in the middle of a sentence
// that they decide by. A character that nobody sees and that turns or breaks the text around
// it could make that sentence say something else; then the name that is unique is shown.
func displayName(raw, otherwise string, r *Report) string {
	if raw == "" {
		return otherwise
	}
	if strings.ContainsFunc(raw, steersText) {
		r.find(v1alpha1.ReasonInvalidSpec, "spec.displayName", "%s has a character that breaks or turns the text around it; remove control characters and those of U+202A to U+202E and U+2066 to U+2069. Until then people are shown %s", quote(raw), otherwise)
		return otherwise
	}
	return raw
}

// steersText: control characters, line and paragraph separators, and those that embed,
// override or isolate a direction of writing (Unicode Standard Annex 9).
func steersText(c rune) bool {
	return unicode.In(c, unicode.Cc, unicode.Zl, unicode.Zp) || c >= 0x202A && c <= 0x202E || c >= 0x2066 && c <= 0x2069
}
