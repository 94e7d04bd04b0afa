package upstream

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	strict "github.com/go-jose/go-jose/v4/json" // tells case, and takes no name twice
)

// value reads one JSON value, and nothing behind it. An integer stays one: as a float two
// large numbers of two people would be the same. What no int64 holds is the string that it
// is written as.
func value(raw []byte) (any, error) {
	d := strict.NewDecoder(bytes.NewReader(raw))
	d.SetNumberType(strict.UnmarshalJSONNumber)
	var v any
	if d.Decode(&v) != nil {
		return nil, errNoJSON
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errNoJSON
	}
	return plain(v)
}

// object is value for an object.
func object(raw []byte) (map[string]any, error) {
	v, err := value(raw)
	if err != nil {
		return nil, err
	}
	o, ok := v.(map[string]any)
	if !ok {
		return nil, errNoJSON
	}
	return o, nil
}

var errNoJSON = errors.New("no JSON as it should be")

func plain(v any) (_ any, err error) {
	switch v := v.(type) {
	case strict.Number:
		return number(string(v))
	case map[string]any:
		for name, of := range v {
			if v[name], err = plain(of); err != nil {
				return nil, err
			}
		}
	case []any:
		for i, of := range v {
			if v[i], err = plain(of); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

func number(as string) (any, error) {
	if n, err := strconv.ParseInt(as, 10, 64); err == nil {
		return n, nil
	}
	if !strings.ContainsAny(as, ".eE") {
		return as, nil
	}
	f, err := strconv.ParseFloat(as, 64)
	if err != nil {
		return nil, errNoJSON
	}
	return f, nil
}

// moment is a NumericDate (RFC 7519 section 2).
func moment(v any) (time.Time, bool) {
	switch n := v.(type) {
	case int64:
		return time.Unix(n, 0).UTC(), n > 0 && n < latest
	case float64:
		return time.Unix(int64(n), 0).UTC(), n > 0 && n < latest
	}
	return time.Time{}, false
}

// latest is the end of the year 9999.
const latest = 253402300799

// list are the strings of a claim that is one or several (RFC 7519 section 4.1.3); false:
// it is neither.
func list(v any) ([]string, bool) {
	switch v := v.(type) {
	case string:
		return []string{v}, true
	case []any:
		var all []string
		for _, of := range v {
			s, ok := of.(string)
			if !ok {
				return nil, false
			}
			all = append(all, s)
		}
		return all, true
	}
	return nil, false
}

// methods are those of an amr claim, as far as they are words.
func methods(v any) (amr []string) {
	all, _ := list(v)
	for _, m := range all {
		if m != "" && len(m) <= 64 && !strings.ContainsFunc(m, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) && !slices.Contains(amr, m) && len(amr) < 16 {
			amr = append(amr, m)
		}
	}
	return amr
}

// encoded is v as JSON.
func encoded(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return raw
}
