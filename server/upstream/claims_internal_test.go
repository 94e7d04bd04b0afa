package upstream

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestValuesAreReadAsTheyAreWritten(t *testing.T) {
	for raw, want := range map[string]any{
		`7`: int64(7), `-7`: int64(-7), `1.5`: 1.5, `1e3`: 1000.0, `9007199254740993`: int64(9007199254740993), `92233720368547758070`: "92233720368547758070",
		`"x"`: "x", `null`: nil, `[1,{"a":2}]`: []any{int64(1), map[string]any{"a": int64(2)}},
	} {
		if v, err := value([]byte(raw)); err != nil || !reflect.DeepEqual(v, want) {
			t.Errorf("%s: %#v, %v", raw, v, err)
		}
	}
	for _, raw := range []string{``, `{`, `{} {}`, `{}x`, `{"a":1,"a":2}`, `1e999`, `[1e999]`, `{"a":[{"b":1e999}]}`, strings.Repeat("[", 100_000)} {
		if v, err := value([]byte(raw)); err == nil {
			t.Errorf("%.20s: %#v", raw, v)
		}
	}
}

func TestOfAnErrorOnlyACodeIsShown(t *testing.T) {
	for code, shown := range map[string]bool{
		"access_denied": true, "invalid_grant": true, "x.y-Z_9": true,
		"": false, "two words": false, "a\nb": false, "<b>": false, strings.Repeat("a", 65): false, "\x1b[31m": false, "ä": false,
	} {
		err := answered(code)
		if !errors.Is(err, ErrRefused) || code != "" && strings.Contains(err.Error(), code) != shown {
			t.Errorf("%q: %v", code, err)
		}
	}
}

// Whatever a provider says: nothing ends this process, and without its key nothing is proven.
func FuzzWhatAProviderSays(f *testing.F) {
	f.Add("eyJhbGciOiJub25lIn0.e30.", `{"iss":"https://idp.example","aud":["a"],"exp":1}`)
	f.Add("eyJhbGciOiJSUzI1NiIsImtpZCI6ImsxIn0.e30.AA", `{"aud":{},"exp":1e300,"iat":"x","auth_time":[],"at_hash":1}`)
	f.Fuzz(func(t *testing.T, token, payload string) {
		if parsed, err := parseIDToken(token); err == nil && parsed.keyOf(nil) != nil {
			t.Error("a key of nobody")
		}
		claims, err := object([]byte(payload))
		if err != nil {
			return
		}
		methods(claims["amr"])
		if _, err := json.Marshal(claims); err != nil {
			t.Errorf("claims that are not JSON's: %v", err)
		}
		e := expected{now: time.Unix(1e9, 0), issuer: "https://idp.example", clientID: "c", nonce: "not in the payload", access: "x", algorithm: "RS256"}
		if e.check(claims) == nil && !strings.Contains(payload, "not in the payload") {
			t.Errorf("taken without our nonce: %s", payload)
		}
	})
}
