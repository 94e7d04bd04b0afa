package tokens

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
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
	d := json.NewDecoder(bytes.NewReader(raw))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return claims{}, false
	}
	var seen []string
	for d.More() {
		token, err := d.Token()
		name, isName := token.(string)
		if err != nil || !isName {
			return claims{}, false
		}
		for _, before := range seen {
			if before == name {
				return claims{}, false
			}
		}
		if seen = append(seen, name); len(seen) > maxClaims {
			return claims{}, false
		}
		var value json.RawMessage
		if d.Decode(&value) != nil || !c.set(name, value) {
			return claims{}, false
		}
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return claims{}, false
	}
	_, err := d.Token()
	complete := c.issuer != "" && c.subject != "" && c.audience != "" && !c.issued.IsZero() && !c.expires.IsZero()
	return c, errors.Is(err, io.EOF) && complete
}

// maxClaims is more than we write.
const maxClaims = 64

func (c *claims) set(name string, value json.RawMessage) bool {
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
	return value[0] == '"' && json.Unmarshal(value, text) == nil
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
