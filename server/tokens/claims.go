package tokens

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// claims are those that we read of a JWT of ours.
type claims struct {
	issuer, subject, audience string
	issued, expires           time.Time
	id, organizationID, scope string
}

// parseClaims reads a JWT's claims. All of RFC 7519 section 4.1 that we write must be there,
// as we write them: one audience, whole seconds. A name that is there twice could mean
// something else to somebody else (RFC 7519 section 4) and makes the whole worthless; names
// that are not known mean nothing.
func parseClaims(raw []byte) (c claims, ok bool) {
	raw = trimSpace(raw)
	if len(raw) == 0 || raw[0] != '{' || !json.Valid(raw) {
		return claims{}, false
	}
	var room [16]string
	seen := room[:0]
	for rest := trimSpace(raw[1:]); rest[0] != '}'; {
		var name string
		var quoted, value []byte
		quoted, rest = cutValue(rest)
		value, rest = cutValue(trimSpace(trimSpace(rest)[1:])) // after the colon
		if !parseText(quoted, &name) || slices.Contains(seen, name) || len(seen) == maxClaims || !c.set(name, value) {
			return claims{}, false
		}
		seen = append(seen, name)
		if rest = trimSpace(rest); rest[0] == ',' {
			rest = trimSpace(rest[1:])
		}
	}
	return c, c.issuer != "" && c.subject != "" && c.audience != "" && !c.issued.IsZero() && !c.expires.IsZero()
}

// maxClaims is more than we write.
const maxClaims = 64

// trimSpace cuts the white space of JSON before a value.
func trimSpace(b []byte) []byte { return bytes.TrimLeft(b, " \t\r\n") }

// cutValue cuts the first value off JSON that is valid.
func cutValue(b []byte) (value, rest []byte) {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			if quoted = !quoted; !quoted && depth == 0 {
				return b[:i+1], b[i+1:]
			}
		case quoted:
		case c == '{' || c == '[':
			depth++
		case depth > 0 && (c == '}' || c == ']'):
			if depth--; depth == 0 {
				return b[:i+1], b[i+1:]
			}
		case depth == 0 && bytes.IndexByte([]byte(",}] \t\r\n:"), c) >= 0: // ends a number or a word
			return b[:i], b[i:]
		}
	}
	return b, nil
}

// parseText reads a string. Most need no unescaping, and no reflection then.
func parseText(value []byte, text *string) bool {
	if len(value) < 2 || value[0] != '"' {
		return false
	}
	if inner := value[1 : len(value)-1]; bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		*text = string(inner)
		return true
	}
	return json.Unmarshal(value, text) == nil
}

func (c *claims) set(name string, value []byte) bool {
	var text *string
	switch name {
	case "iss":
		text = &c.issuer
	case "sub":
		text = &c.subject
	case "aud":
		text = &c.audience
	case "jti":
		text = &c.id
	case "org_id":
		text = &c.organizationID
	case "scope":
		text = &c.scope
	case "iat":
		return parseSeconds(value, &c.issued)
	case "exp":
		return parseSeconds(value, &c.expires)
	default:
		return true
	}
	return parseText(value, text)
}

// lastSecond is the end of the year 9999, the last that RFC 3339 can write.
const lastSecond = 253402300799

// parseSeconds reads a NumericDate (RFC 7519 section 2) as we write it: whole seconds after
// 1970, in digits only.
func parseSeconds(value []byte, t *time.Time) bool {
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || n <= 0 || n > lastSecond {
		return false
	}
	*t = time.Unix(n, 0).UTC()
	return true
}

// appendClaim appends a claim that is a string, if there is one.
func appendClaim(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendQuoted(appendName(b, name), value)
}

// appendSeconds appends a claim that is a time, if there is one. Parts of a second are cut
// off: nothing is said to last longer than it does.
func appendSeconds(b []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	return strconv.AppendInt(appendName(b, name), t.Unix(), 10)
}

// appendList appends a claim that is a list of strings, if there is one: an empty list is.
func appendList(b []byte, name string, values []string) []byte {
	if values == nil {
		return b
	}
	b = append(appendName(b, name), '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendQuoted(b, v)
	}
	return append(b, ']')
}

// appendName begins a claim; name needs no escaping.
func appendName(b []byte, name string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	return append(append(append(b, '"'), name...), '"', ':')
}

const hexDigits = "0123456789abcdef"

// appendQuoted appends a JSON string (RFC 8259 section 7). What is not UTF-8 becomes U+FFFD.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
