package mapping

import (
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf8"
)

// Bounds of claims: whoever answers for a provider writes them.
const (
	depthMost   = 16
	valuesMost  = 20_000
	textMost    = 4096    // bytes of a text that can be read
	textAllMost = 1 << 20 // bytes of all texts together
)

// wholeMost is the largest number up to which float64 tells all whole ones apart.
const wholeMost = 1 << 53

// plainClaims is a copy of the claims in the types that expressions know, or says why there
// is none. A text of more than 4096 bytes is left out, such as a picture, and one that is
// not UTF-8: no expression could read it.
//
// Whole numbers become ints, so that string(claims.id) is "4711" and never "4.711e+03". One
// that has lost its last digits on its way through a float64 is left out: two people's could
// be the same number.
func plainClaims(claims map[string]any) (plain map[string]any, wrong string) {
	c := copying{}
	plain = c.object(claims, 1)
	return plain, c.wrong
}

type copying struct {
	values, bytes int
	wrong         string
}

func (c *copying) object(m map[string]any, depth int) map[string]any {
	plain := make(map[string]any, len(m))
	for name, v := range m {
		if v, ok := c.value(v, depth); c.text(name) && ok {
			plain[name] = v
		}
		if c.wrong != "" {
			return nil
		}
	}
	return plain
}

// text reports whether one can be read.
func (c *copying) text(s string) bool {
	if len(s) > textMost || !utf8.ValidString(s) {
		return false
	}
	if c.bytes += len(s); c.bytes > textAllMost {
		c.wrong = whyTooLarge
	}
	return c.wrong == ""
}

// value copies one; ok is false for what is left out.
func (c *copying) value(v any, depth int) (plain any, ok bool) {
	if c.values++; c.values > valuesMost || depth > depthMost {
		c.wrong = whyTooLarge
		return nil, false
	}
	switch v := v.(type) {
	case nil, bool:
		return v, true
	case string:
		return v, c.text(v)
	case float64:
		return number(v)
	case int:
		return int64(v), true
	case int64:
		return v, true
	case json.Number:
		if whole, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			return whole, true
		}
		f, err := v.Float64()
		if err != nil {
			return nil, false
		}
		return number(f)
	case []string:
		list := make([]any, len(v))
		for i, s := range v {
			list[i] = s
		}
		return c.list(list, depth)
	case []any:
		return c.list(v, depth)
	case map[string]any:
		return c.object(v, depth+1), c.wrong == ""
	default:
		c.wrong = whyNotClaims
		return nil, false
	}
}

func (c *copying) list(list []any, depth int) (plain any, ok bool) {
	all := make([]any, 0, len(list))
	for _, v := range list {
		v, ok := c.value(v, depth+1)
		if c.wrong != "" {
			return nil, false
		}
		if ok {
			all = append(all, v)
		}
	}
	return all, true
}

func number(f float64) (plain any, ok bool) {
	switch {
	case f != math.Trunc(f) && !math.IsInf(f, 0) && !math.IsNaN(f):
		return f, true
	case math.Abs(f) < wholeMost:
		return int64(f), true
	default:
		return nil, false
	}
}
