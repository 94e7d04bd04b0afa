package model

import (
	"strconv"
	"strings"
)

// Plain escapes what steers a terminal or begins a line: names, keys and paths are their
// author's, and what is printed of them is read by people and by the runners of builds.
func Plain(text string) string {
	if !strings.ContainsFunc(text, unprintable) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if unprintable(r) {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func unprintable(r rune) bool { return !strconv.IsPrint(r) }
