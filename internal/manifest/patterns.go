package manifest

import "strings"

// written is what is right where the schema's pattern refuses a value: few people read
// patterns at a glance, and most mistakes are one of a few, such as 7d for a week.
var written = map[string]string{
	`^([0-9]{1,5}(ms|s|m|h)){1,4}$`:                                     "90s, 15m or 168h; there are no days",
	`^([a-z0-9]([-a-z0-9]*[a-z0-9])?\.)+[a-z0-9]([-a-z0-9]*[a-z0-9])?$`: "acme.com, in lower case, without * or @",
	`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`:                                   "acme-labs, in lower case",
	`^#[0-9a-fA-F]{6}$`:                                                 "#5b3df5",
	`^https://[^\s]+$`:                                                  "https://help.acme.com/",
	`^https://[^\s#]+$`:                                                 "https://api.acme.com",
	`^ldaps?://[^\s]+$`:                                                 "ldaps://directory.acme.com",
	`^[a-z][a-z0-9_-]*(:[a-z][a-z0-9_-]*)+$`:                            "billing:read",
	`^data:image/png;base64,[A-Za-z0-9+/]+={0,2}$`:                      "data:image/png;base64,iVBORw0KGgo=",
}

// asWritten adds to a refusal by a pattern what would be right.
func asWritten(detail string) string {
	_, pattern, found := strings.Cut(detail, "should match '")
	if right := written[strings.TrimSuffix(pattern, "'")]; found && right != "" {
		return detail + "; write it like " + right
	}
	return detail
}
