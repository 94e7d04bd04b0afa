package compile_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
)

const (
	allTrue     = "Ready=True"
	reconciling = "Ready=False Reconciling"
	stalled     = "Ready=False Stalled"
	ended       = "Ready=False"
)

// told are the conditions of kstatus and Insecure that go with each reason, and how an
// object comes to have it. A reason without a row fails the test.
var told = []struct {
	reason v1alpha1.Reason
	of     string // kind namespace/name
	by     func(*compile.Input)
	want   string // Ready, Reconciling, Stalled, Insecure; those that are not there are left out
	// ready is the reason that Ready has, where it is another one's.
	ready     v1alpha1.Reason
	published compile.Programmed
	probe     *compile.Probe // of an AuthProvider that was asked
	now       time.Time
}{
	{reason: v1alpha1.ReasonAccepted, of: "Role acme/member", want: allTrue, ready: v1alpha1.ReasonProgrammed},
	{reason: v1alpha1.ReasonInvalidSpec, of: "Organization acme/acme", by: mistakes["slug"], want: stalled},
	{reason: v1alpha1.ReasonUnsupportedValue, of: "AuthProvider gatehouse-system/local", by: mistakes["provider type"], want: stalled},
	{reason: v1alpha1.ReasonNotAdmitted, of: "ApiApplication foreign/cli", want: reconciling},
	{reason: v1alpha1.ReasonSlugNotGranted, of: "Organization acme/acme", by: mistakes["slug of another"], want: reconciling},
	{reason: v1alpha1.ReasonSlugConflict, of: "Organization globex/globex", by: func(in *compile.Input) {
		in.Organizations[1].Spec.Slug = "acme"
		in.Namespaces = append(in.Namespaces, compile.Namespace{Name: "globex", Slugs: []string{"acme"}})
	}, want: reconciling},
	{reason: v1alpha1.ReasonClientIDConflict, of: "ApiApplication shop/cli", by: func(in *compile.Input) {
		in.Applications[0].Spec.ClientID = "acme.web"
	}, want: reconciling},
	{reason: v1alpha1.ReasonAudienceConflict, of: "ApiApplication shop/cli", by: mistakes["audience of another"], want: reconciling},
	{reason: v1alpha1.ReasonCycleDetected, of: "Role acme/developer", by: mistakes["role cycle"], want: reconciling},
	{reason: v1alpha1.ReasonResolved, of: "Role acme/member", want: allTrue, ready: v1alpha1.ReasonProgrammed},
	{reason: v1alpha1.ReasonSecretNotFound, of: "ApiApplication acme/ci", by: mistakes["credentials secret"], want: reconciling},
	{reason: v1alpha1.ReasonSecretKeyMissing, of: "ApiApplication acme/ci", by: mistakes["credentials key"], want: reconciling},
	{reason: v1alpha1.ReasonSecretNotOwned, of: "ApiApplication acme/made", by: mistakes["output of another"], want: reconciling},
	{reason: v1alpha1.ReasonRefNotFound, of: "Role acme/developer", by: mistakes["role inherits"], want: reconciling},
	{reason: v1alpha1.ReasonUnknownScope, of: "Role acme/member", by: mistakes["role scope"], want: reconciling},
	{reason: v1alpha1.ReasonProgrammed, of: "Role acme/member", want: allTrue},
	{reason: v1alpha1.ReasonSuspended, of: "ApiApplication shop/cli", by: func(in *compile.Input) { in.Applications[0].Spec.Suspend = true }, want: allTrue},
	{reason: v1alpha1.ReasonPartiallyProgrammed, of: "Role acme/member", by: mistakes["role scope"], want: reconciling, ready: v1alpha1.ReasonUnknownScope},
	{reason: v1alpha1.ReasonNotServed, of: "AuthProvider gatehouse-system/second", by: func(in *compile.Input) {
		second := in.Providers[0].DeepCopy()
		second.Name, second.UID = "second", "second"
		in.Providers = append(in.Providers, second)
	}, want: reconciling},
	{reason: v1alpha1.ReasonExpired, of: "ApiApplication shop/cli", now: time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC), want: ended},
	{reason: v1alpha1.ReasonPending, of: "ApiApplication acme/made", by: mistakes["output gone"], want: reconciling},
	{reason: v1alpha1.ReasonStorageError, of: "Role acme/member", published: compile.Programmed{Reason: v1alpha1.ReasonStorageError, Message: "no"}, want: reconciling},
	{reason: v1alpha1.ReasonReachable, of: "AuthProvider acme/okta", probe: &compile.Probe{Reachable: new(true)}, want: allTrue, ready: v1alpha1.ReasonProgrammed},
	{reason: v1alpha1.ReasonUnreachable, of: "AuthProvider acme/okta", probe: &compile.Probe{Reachable: new(false)}, want: allTrue, ready: v1alpha1.ReasonProgrammed},
	{reason: v1alpha1.ReasonInvalidAnswer, of: "AuthProvider acme/okta", probe: &compile.Probe{Reachable: new(false), Reason: v1alpha1.ReasonInvalidAnswer}, want: allTrue, ready: v1alpha1.ReasonProgrammed},
	{reason: v1alpha1.ReasonWeakSignIn, of: "AuthProvider gatehouse-system/saml", by: func(in *compile.Input) { spec(in, samlOne).SAML.AllowIdPInitiated = true }, want: allTrue + " Insecure", ready: v1alpha1.ReasonProgrammed},
	{reason: v1alpha1.ReasonLoopbackRedirect, of: "ApiApplication acme/web", by: onLoopback, want: allTrue + " Insecure", ready: v1alpha1.ReasonProgrammed},
}

func onLoopback(in *compile.Input) {
	in.Applications[3].Spec.RedirectURIs = []v1alpha1.RedirectURI{"http://localhost:3000/callback"}
}

func TestEveryReasonSetsTheConditionsItIsListedWith(t *testing.T) {
	tried := map[v1alpha1.Reason]bool{}
	for _, row := range told {
		t.Run(string(row.reason), func(t *testing.T) {
			tried[row.reason] = true
			in := goodWorld()
			if row.by != nil {
				row.by(&in)
			}
			now, published := row.now, row.published
			if now.IsZero() {
				now = noon
			}
			if published.Reason == "" {
				published.Reason = v1alpha1.ReasonProgrammed
			}
			report := reportOn(t, in, row.of)
			conditions := report.Conditions(published, now)
			if row.probe != nil {
				conditions = report.ProviderStatus(published, *row.probe, now).Conditions
			}
			verdict := verdictOf(row.reason)
			i := slices.IndexFunc(conditions, func(c metav1.Condition) bool { return c.Type == verdict.Condition })
			if i < 0 || conditions[i].Reason != string(row.reason) || (conditions[i].Status == metav1.ConditionTrue) != verdict.True {
				t.Errorf("%s is not %s with the status of its verdict: %+v", verdict.Condition, row.reason, conditions)
			}
			if diff := cmp.Diff(row.want, abnormal(conditions)); diff != "" {
				t.Error(diff)
			}
			if row.ready == "" {
				row.ready = row.reason
			}
			sayTheSame(t, conditions, row.ready)
		})
	}
	for _, v := range v1alpha1.Verdicts {
		if !tried[v.Reason] {
			t.Errorf("reason %s has no row: add how an object comes to have it, and the conditions that it sets", v.Reason)
		}
	}
}

// abnormal lists Ready, and which of the conditions that are there only when something is
// abnormal are.
func abnormal(conditions []metav1.Condition) string {
	var words []string
	for _, c := range conditions {
		switch c.Type {
		case v1alpha1.Ready:
			words = append(words, "Ready="+string(c.Status))
		case v1alpha1.Reconciling, v1alpha1.Stalled, v1alpha1.Insecure:
			words = append(words, c.Type)
			if c.Status != metav1.ConditionTrue {
				words = append(words, "which is not True")
			}
		}
	}
	return strings.Join(words, " ")
}

// sayTheSame: Reconciling and Stalled copy Ready, and each condition is False only for its
// own reasons.
func sayTheSame(t *testing.T, conditions []metav1.Condition, ready v1alpha1.Reason) {
	t.Helper()
	for _, c := range conditions {
		v := verdictOf(v1alpha1.Reason(c.Reason))
		switch c.Type {
		case v1alpha1.Ready, v1alpha1.Reconciling, v1alpha1.Stalled:
			if c.Reason != string(ready) || c.Message != conditions[3].Message {
				t.Errorf("%s has reason %s, want %s as Ready", c.Type, c.Reason, ready)
			}
		default:
			if v.Condition != c.Type || v.True != (c.Status == metav1.ConditionTrue) {
				t.Errorf("%s is %s with the reason %s of %s", c.Type, c.Status, c.Reason, v.Condition)
			}
		}
		if c.Message == "" || c.Reason == "" {
			t.Errorf("%+v says nothing", c)
		}
	}
}

func verdictOf(reason v1alpha1.Reason) v1alpha1.Verdict {
	for _, v := range v1alpha1.Verdicts {
		if v.Reason == reason {
			return v
		}
	}
	return v1alpha1.Verdict{}
}

func reportOn(t *testing.T, in compile.Input, of string) *compile.Report {
	t.Helper()
	for _, r := range compile.Compile(in).Reports {
		if of == r.Object.Kind+" "+r.Object.Namespace+"/"+r.Object.Name {
			return r
		}
	}
	t.Fatalf("no report on %s", of)
	return nil
}

// restricting fields: what they say can only be wrong by refusing the whole object, for it
// must never run without its restriction.
var restricting = map[string][]string{
	"Organization acme/acme": {
		"access ceiling", "idle ceiling", "absolute ceiling", "JWT ceiling", // tokens
	},
	"ApiApplication shop/cli": {
		"grant type", "scope", "PKCE without a secret", "access token life", "access token life long", "expiry", "rotation without a source",
	},
	"ApiApplication acme/web": {"PKCE", "token format", "signature", "JWT life", "organization access"},
	"ApiApplication acme/ci":  {"grant types emptied", "credentials source", "credentials secret", "credentials key"},
	"ApiApplication acme/made": {
		"output name", "output label", "output annotation ordered", "output key", "output of another", "rotation period", "rotation overlap",
		"rotation generation", "generated for a public client",
	},
	"AuthProvider gatehouse-system/local": {"provider password length", "provider: local of a tenant"},
	"AuthProvider acme/okta":              {"provider: mapping require", "provider: example subject", "provider: link by address of a tenant", "provider: age of groups"},
	"AuthProvider gatehouse-system/hub":   {"provider: GitHub organization"},
}

func TestABadRestrictionMeansThatTheObjectIsNotServed(t *testing.T) {
	for of, names := range restricting {
		for _, name := range names {
			in := goodWorld()
			mistakes[name](&in)
			r := reportOn(t, in, of)
			if conditions := r.Conditions(published, noon); !r.NotServed || conditions[2].Status != metav1.ConditionFalse {
				t.Errorf("%s: %s is served: %+v", name, of, conditions[2])
			}
		}
	}
	in := goodWorld()
	mistakes["subject end"](&in)
	if r := reportOn(t, in, "Role acme/developer"); r.NotServed || r.Role.Subjects != 1 {
		t.Errorf("a subject whose end cannot be read must be left out, and alone: %+v", r.Role)
	}
}

// What is not served weakens nothing: neither what is suspended nor what has expired.
func TestInsecureIsOnlyWhatIsServed(t *testing.T) {
	for name, stop := range map[string]func(*v1alpha1.ApiApplicationSpec){
		"suspended":  func(s *v1alpha1.ApiApplicationSpec) { s.Suspend = true },
		"expired":    func(s *v1alpha1.ApiApplicationSpec) { s.ExpiresAt = "2026-01-31T00:00:00Z" },
		"not served": func(s *v1alpha1.ApiApplicationSpec) { s.Tokens.Format = "?" },
	} {
		in := goodWorld()
		onLoopback(&in)
		stop(&in.Applications[3].Spec)
		if got := abnormal(reportOn(t, in, "ApiApplication acme/web").Conditions(published, noon)); strings.Contains(got, v1alpha1.Insecure) {
			t.Errorf("%s: %s", name, got)
		}
	}
	in := goodWorld()
	onLoopback(&in)
	in.Applications[3].Spec.PostLogoutRedirectURIs[0] = "acme.com" // the rest of it is served
	if got := abnormal(reportOn(t, in, "ApiApplication acme/web").Conditions(published, noon)); got != stalled+" Insecure" {
		t.Errorf("partly served: %s", got)
	}
}
