package server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatehouse-dev/gatehouse/server"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

// RFC 9700 B-2.1.1d: an application whose code_challenge or nonce is always the same is
// told of in the log, once for each value, and the value is not.
func TestAConstantChallengeOrNonceIsToldOnce(t *testing.T) {
	for name, c := range map[string]struct {
		codes            int
		challenge, nonce func(i int) string
		warned           map[string]int // by parameter
	}{
		"new ones each time":                         {60, challengeOf, nonceOf, nil},
		"the same challenge, but not so often":       {49, constant(challengeOf), nonceOf, nil},
		"the same challenge fifty times":             {50, constant(challengeOf), nonceOf, map[string]int{"code_challenge": 1}},
		"the same challenge, and it goes on":         {120, constant(challengeOf), nonceOf, map[string]int{"code_challenge": 1}},
		"the same nonce":                             {60, challengeOf, constant(nonceOf), map[string]int{"nonce": 1}},
		"both the same":                              {60, constant(challengeOf), constant(nonceOf), map[string]int{"code_challenge": 1, "nonce": 1}},
		"a nonce that equals the constant challenge": {30, constant(challengeOf), constant(challengeOf), nil},
		"no nonce at all":                            {60, challengeOf, func(int) string { return "-" }, nil},
		"two constant challenges in turn":            {100, func(i int) string { return challengeOf(i % 2) }, nonceOf, map[string]int{"code_challenge": 2}},
	} {
		t.Run(name, func(t *testing.T) {
			var metrics prometheus.Gatherer
			w := servertest.New(t, func(c *server.Config) { metrics = c.Registry.(*prometheus.Registry) })
			b := w.SignedIn(t, servertest.Ann)
			for i := range c.codes {
				b.Code(t, site, "scope", "openid project:read", "code_challenge", c.challenge(i), "nonce", c.nonce(i))
			}
			// Another application's are its own, however often the first has sent the same.
			b.Code(t, spa, "scope", "openid", "code_challenge", c.challenge(0), "nonce", c.nonce(0))
			w.HTTP.Close() // no request is under way any more
			for _, parameter := range []string{"code_challenge", "nonce"} {
				if got := warnings(w.Log.String(), parameter, site); got != c.warned[parameter] {
					t.Errorf("%d warnings about %s, want %d", got, parameter, c.warned[parameter])
				}
				if got := counted(t, metrics, parameter); got != c.warned[parameter] {
					t.Errorf("%d counted for %s, want %d", got, parameter, c.warned[parameter])
				}
			}
			for _, value := range []string{c.challenge(0), c.nonce(0)} {
				if len(value) > 1 && strings.Contains(w.Log.String(), value) {
					t.Errorf("the log has the value %q", value)
				}
			}
		})
	}
}

// What gives no code is not counted: neither reloading a page nor a stranger's requests.
func TestOnlyCodesAreCountedForConstantChallenges(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	for range 60 {
		b.Authorize(t, web)
		w.Browser().Authorize(t, web)
		w.Browser().Authorize(t, web, "prompt", "none")
	}
	w.HTTP.Close()
	if warnings(w.Log.String(), "code_challenge", web) != 0 {
		t.Error("it is told of an application that got no code")
	}
}

func challengeOf(i int) string { return fmt.Sprintf("challenge-%033d", i) }
func nonceOf(i int) string     { return fmt.Sprintf("nonce-%033d", i) }

func constant(f func(int) string) func(int) string { return func(int) string { return f(0) } }

// warnings counts the lines of the log that name the application for a parameter; a line
// about any other application counts a thousand.
func warnings(log, parameter, client string) (n int) {
	for line := range strings.Lines(log) {
		if !strings.Contains(line, `"level":"WARN"`) || !strings.Contains(line, `"parameter":"`+parameter+`"`) {
			continue
		}
		if n++; !strings.Contains(line, `"application":"`+client+`"`) || !strings.Contains(line, `"times":50`) {
			n += 1000
		}
	}
	return n
}

func counted(t *testing.T, metrics prometheus.Gatherer, parameter string) int {
	t.Helper()
	families, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "gatehouse_constant_parameters_total" && m.GetLabel()[0].GetValue() == parameter {
				return int(m.GetCounter().GetValue())
			}
		}
	}
	return 0
}
