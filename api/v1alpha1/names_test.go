package v1alpha1_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: other people's manifests and scripts use these names; if the change is meant and compatible, run with -update\n%s", path, diff)
	}
}

func TestNamesAreFrozen(t *testing.T) {
	var b strings.Builder
	for _, d := range definitions(t) {
		s, n := d.v1.Spec, d.v1.Spec.Names
		fmt.Fprintf(&b, "%s/%s %s\n", s.Group, s.Versions[0].Name, n.Kind)
		fmt.Fprintf(&b, "  %s %s %v %v %v\n", n.Plural, n.Singular, n.ShortNames, n.Categories, s.Scope)
		for _, c := range s.Versions[0].AdditionalPrinterColumns {
			fmt.Fprintf(&b, "  %-10s %-7s %s\n", c.Name, c.Type, c.JSONPath)
		}
	}
	golden(t, "testdata/names.golden", b.String())
}

func TestFieldsAreFrozen(t *testing.T) {
	var b strings.Builder
	for _, d := range definitions(t) {
		for _, f := range d.fields() {
			mark := ""
			if strings.HasPrefix(f.path, "spec") && !f.optional && !strings.HasSuffix(f.path, "]") && !strings.HasSuffix(f.path, "}") {
				mark = " required"
			}
			fmt.Fprintf(&b, "%s %s %s%s\n", d.v1.Spec.Names.Kind, f.path, f.schema.Type, mark)
		}
	}
	golden(t, "testdata/fields.golden", b.String())
}

// The constants are read from the source, so that a new one cannot be forgotten here.
func TestEveryReasonHasOneVerdict(t *testing.T) {
	source, err := os.ReadFile("conditions.go")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[v1alpha1.Reason]int{}
	for _, v := range v1alpha1.Verdicts {
		listed[v.Reason]++
		if (v.Cure == "") != (v.True && v.Reason != v1alpha1.ReasonSuspended && v.Condition != v1alpha1.Insecure) {
			t.Errorf("%s: cure %q", v.Reason, v.Cure)
		}
		if v.True && v.Stalled {
			t.Errorf("%s is True and Stalled", v.Reason)
		}
	}
	constants := regexp.MustCompile(`(?m)^\tReason\w+ +Reason = "(\w+)"$`).FindAllSubmatch(source, -1)
	for _, c := range constants {
		if n := listed[v1alpha1.Reason(c[1])]; n != 1 {
			t.Errorf("reason %s is listed %d times in Verdicts", c[1], n)
		}
	}
	if len(constants) != len(listed) || len(constants) < 20 {
		t.Errorf("%d constants, %d verdicts", len(constants), len(listed))
	}
}

// With several findings the first in Verdicts is the reason, so a condition's reasons
// stand together, in the order of the conditions.
func TestVerdictsAreOrderedByCondition(t *testing.T) {
	var order []string
	for _, v := range v1alpha1.Verdicts {
		if len(order) == 0 || order[len(order)-1] != v.Condition {
			order = append(order, v.Condition)
		}
	}
	if diff := cmp.Diff([]string{v1alpha1.Accepted, v1alpha1.ResolvedRefs, v1alpha1.Programmed, v1alpha1.Reachable, v1alpha1.Insecure}, order); diff != "" {
		t.Error(diff)
	}
}

func TestDurationsAndTimestampsAreParsedOrNamed(t *testing.T) {
	if d, err := v1alpha1.Duration("1h30m").Parse(); err != nil || d != 90*time.Minute {
		t.Error(d, err)
	}
	if m, err := v1alpha1.Timestamp("2027-01-31T00:00:00+01:00").Parse(); err != nil || m.UTC().Hour() != 23 {
		t.Error(m, err)
	}
	for _, bad := range []string{"", "1d", "-1h", "1"} {
		if _, err := v1alpha1.Duration(bad).Parse(); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q is not a duration", bad)) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, bad := range []string{"", "2027-02-30T00:00:00Z", "2027-01-31", "2027-01-31t00:00:00z"} {
		if _, err := v1alpha1.Timestamp(bad).Parse(); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q is not a moment", bad)) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
