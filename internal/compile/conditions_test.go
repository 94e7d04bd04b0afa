package compile_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/compile/compiletest"
)

var published = compile.Programmed{Reason: v1alpha1.ReasonProgrammed}

func TestTheReasonOfReadyIsThatOfTheFirstCauseThatIsNot(t *testing.T) {
	expires := noon
	for _, test := range []struct {
		name      string
		report    compile.Report
		published compile.Programmed
		want      string // Ready's status, its reason, the abnormal condition
	}{
		{"all is well", compile.Report{}, published, "True Programmed"},
		{"suspended", compile.Report{Suspended: true}, published, "True Suspended"},
		{"not published yet", compile.Report{}, compile.Programmed{Reason: v1alpha1.ReasonPending, Message: "wait"}, "False Pending Reconciling"},
		{"suspended, and the store refuses", compile.Report{Suspended: true}, compile.Programmed{Reason: v1alpha1.ReasonStorageError, Message: "no"}, "False StorageError Reconciling"},
		{"expired", compile.Report{ExpiresAt: expires}, published, "False Expired"},
		{"expired and suspended", compile.Report{ExpiresAt: expires, Suspended: true}, published, "False Expired"},
		{"not expired yet", compile.Report{ExpiresAt: expires.Add(time.Nanosecond)}, published, "True Programmed"},
		{"invalid", findings(true, v1alpha1.ReasonInvalidSpec), published, "False InvalidSpec Stalled"},
		{"invalid and expired", compile.Report{ExpiresAt: expires, Findings: findings(false, v1alpha1.ReasonInvalidSpec).Findings}, published, "False InvalidSpec Stalled"},
		{"not admitted", findings(true, v1alpha1.ReasonNotAdmitted), published, "False NotAdmitted Reconciling"},
		{"unsupported before an unknown scope", findings(false, v1alpha1.ReasonUnsupportedValue, v1alpha1.ReasonUnknownScope), published, "False UnsupportedValue Stalled"},
		{"not served, and that is all", findings(true, v1alpha1.ReasonNotServed), published, "False NotServed Reconciling"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.report.Generation = 7
			conditions := test.report.Conditions(test.published, noon)
			var got []string
			for i, c := range conditions {
				if c.ObservedGeneration != 7 {
					t.Errorf("%s observed generation %d", c.Type, c.ObservedGeneration)
				}
				switch {
				case i == 3:
					got = append(got, string(c.Status), c.Reason)
				case i > 3:
					got = append(got, c.Type)
				}
			}
			if diff := cmp.Diff(test.want, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAServedWeaknessIsSaidAndReadyStays(t *testing.T) {
	r := compile.Report{Weak: []compile.Finding{{Reason: v1alpha1.ReasonLoopbackRedirect, Field: "spec.redirectURIs", Message: "spec.redirectURIs: on loopback"}}}
	conditions := r.Conditions(published, noon)
	want := metav1.Condition{Type: v1alpha1.Insecure, Status: metav1.ConditionTrue, Reason: "LoopbackRedirect", Message: "spec.redirectURIs: on loopback"}
	if ready := conditions[3]; ready.Status != metav1.ConditionTrue {
		t.Errorf("%+v", ready)
	}
	if diff := cmp.Diff([]metav1.Condition{want}, conditions[4:]); diff != "" {
		t.Error(diff)
	}
	r.NotServed, r.Findings = true, findings(true, v1alpha1.ReasonInvalidSpec).Findings
	for _, c := range r.Conditions(published, noon) {
		if c.Type == v1alpha1.Insecure {
			t.Error("what is not served is called insecure")
		}
	}
}

func findings(notServed bool, reasons ...v1alpha1.Reason) compile.Report {
	r := compile.Report{NotServed: notServed}
	for _, reason := range reasons {
		r.Findings = append(r.Findings, compile.Finding{Reason: reason, Field: "spec.x", Message: "spec.x: is wrong"})
	}
	return r
}

func TestAMessageIsBoundedWhateverIsDeclared(t *testing.T) {
	in := compiletest.World(compiletest.Size{Organizations: 1, Roles: 1})
	var scopes []v1alpha1.ScopeName
	for i := range 500 {
		scopes = append(scopes, v1alpha1.ScopeName(fmt.Sprint(strings.Repeat("é\x00", 5000), i)))
	}
	in.Roles[0].Spec.Rules[0].Scopes = scopes
	in.Roles[0].Spec.Inherits = []v1alpha1.ObjectReference{{Name: strings.Repeat("x", 100_000)}}
	for _, r := range compile.Compile(in).Reports {
		for _, c := range r.Conditions(published, noon) {
			if len(c.Message) > 32768 {
				t.Errorf("%s of %s has %d bytes", c.Type, r.Object.Name, len(c.Message))
			}
		}
	}
}

func TestStatusIsFactsAndConditionsTogether(t *testing.T) {
	result := compile.Compile(compiletest.World(compiletest.Size{Organizations: 1, Applications: 1, Roles: 1}))
	for _, r := range result.Reports {
		var conditions []metav1.Condition
		switch r.Object.Kind {
		case "Organization":
			s := r.OrganizationStatus(published, noon)
			conditions = s.Conditions
			if s.ID != r.Object.UID || s.Applications != 1 || s.Roles != 1 || s.Providers != 0 || s.ObservedGeneration != 1 {
				t.Errorf("%+v", s)
			}
		case "ApiApplication":
			s := r.ApplicationStatus(published, noon)
			conditions = s.Conditions
			if s.ClientID != "org-0.org-0.app-0" || s.Effective.AccessTokenTTL != "1h" {
				t.Errorf("%+v", s)
			}
		case "Role":
			s := r.RoleStatus(published, noon)
			conditions = s.Conditions
			if s.Scopes != 3 || s.Subjects != 2 {
				t.Errorf("%+v", s)
			}
		default:
			conditions = r.ProviderStatus(published, compile.Probe{}, noon).Conditions
		}
		if len(conditions) != 4 || conditions[3].Status != metav1.ConditionTrue {
			t.Errorf("%v: %+v", r.Object, conditions)
		}
	}
}

// Whoever looks at status sees what is served, not what was asked for.
func TestStatusShowsWhatIsServedAfterDefaultsAndWhatWasLeftOut(t *testing.T) {
	in := goodWorld()
	web := in.Applications[3]
	web.Spec.RedirectURIs = append(web.Spec.RedirectURIs, "https://*.acme.com")
	web.Spec.Tokens.AccessTokenTTL = ""
	for _, r := range compile.Compile(in).Reports {
		if r.Application == nil || r.Object.Name != "web" {
			continue
		}
		want := &v1alpha1.EffectiveApplication{
			GrantTypes:             []v1alpha1.GrantTypeName{"authorization_code", "refresh_token"},
			Scopes:                 []v1alpha1.ApplicationScope{"email", "openid", "org:read"},
			TokenFormat:            "JWT",
			AccessTokenTTL:         "8m",
			IDTokenSigningAlg:      "ES256",
			RedirectURIs:           []v1alpha1.RedirectURI{"https://app.acme.com/callback", "https://app.acme.com/other"},
			PostLogoutRedirectURIs: []v1alpha1.RedirectURI{"https://app.acme.com/"},
			AllowedOrigins:         []v1alpha1.WebOrigin{"https://app.acme.com"},
			PKCE:                   "Optional",
			ConsentMode:            "Remember",
			ConsentMaxAge:          "1h",
			Audiences:              []v1alpha1.Audience{"https://api.acme.com"},
			Resources:              []v1alpha1.Audience{"https://api.acme.com"},
			OrganizationAccess:     "Selected",
		}
		if diff := cmp.Diff(want, r.ApplicationStatus(published, noon).Effective); diff != "" {
			t.Error(diff)
		}
		return
	}
	t.Error("the application has no report")
}

func TestTheMomentsAtWhichAVerdictChangesAreListed(t *testing.T) {
	in := goodWorld()
	in.Roles[1].Spec.Subjects = append(in.Roles[1].Spec.Subjects, v1alpha1.Subject{Kind: "User", Name: "bob@acme.com", NotAfter: "2026-12-31T23:00:00-01:00"})
	got := map[string][]time.Time{}
	for _, r := range compile.Compile(in).Reports {
		if len(r.NextBounds) > 0 {
			got[r.Object.Name] = r.NextBounds
		}
	}
	january := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)
	want := map[string][]time.Time{"cli": {january}, "developer": {time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), january}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// One tenant's Roles, in one chain, one circle, or each inheriting from many: none of it
// may take long, for everybody waits for it.
func TestManyRolesOfOneTenantCostLittle(t *testing.T) {
	const roles = 2000
	for name, next := range map[string]func(i, k int) int{
		"chain":  func(i, _ int) int { return min(i+1, roles-1) },
		"circle": func(i, _ int) int { return (i + 1) % roles },
		"thicket": func(i, k int) int {
			return (i*7 + k*131 + 1) % roles
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := compiletest.World(compiletest.Size{Organizations: 1, Roles: roles})
			for i, r := range in.Roles {
				r.Spec.Inherits = nil
				for k := range 16 {
					r.Spec.Inherits = append(r.Spec.Inherits, v1alpha1.ObjectReference{Name: fmt.Sprint("role-", next(i, k))})
				}
			}
			start := time.Now()
			compile.Compile(in)
			// Far above what it takes, far below what searching every way around would.
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %v", took)
			} else {
				t.Log(took)
			}
		})
	}
}
