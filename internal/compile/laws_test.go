package compile_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func TestEveryObjectGetsOneReportWithSoundConditions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		result := compile.Compile(in)
		if got, want := len(result.Reports), declaredObjects(in); got != want {
			t.Errorf("%d reports for %d objects", got, want)
		}
		checkReports(t, result)
	})
}

func TestTheOrderOfTheInputMeansNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		shuffled := in
		shuffled.Organizations = rapid.Permutation(in.Organizations).Draw(t, "organizations")
		shuffled.Applications = rapid.Permutation(in.Applications).Draw(t, "applications")
		shuffled.Roles = rapid.Permutation(in.Roles).Draw(t, "roles")
		shuffled.Providers = rapid.Permutation(in.Providers).Draw(t, "providers")
		shuffled.Secrets = rapid.Permutation(in.Secrets).Draw(t, "secrets")
		shuffled.Namespaces = rapid.Permutation(in.Namespaces).Draw(t, "namespaces")
		sameVerdict(t, compile.Compile(in), compile.Compile(shuffled))
	})
}

func TestACompilerWithAPastSaysWhatAFreshOneSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c compile.Compiler
		in := drawInput(t)
		before := c.Compile(in)
		for range rapid.IntRange(1, 6).Draw(t, "edits") {
			in = edit(t, in)
			after := c.Compile(in)
			sameVerdict(t, compile.Compile(in), after)
			unchangedReportsStay(t, before, after)
			if before.Snapshot.Digest == after.Snapshot.Digest && !slices.Equal(descriptions(before.Snapshot), descriptions(after.Snapshot)) {
				t.Errorf("one digest for two configurations")
			}
			before = after
		}
	})
}

func TestTheInputIsNotChanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		before := deepCopy(in)
		compile.Compile(in)
		if !reflect.DeepEqual(before, in) {
			t.Errorf("Compile changed its Input:\n%s", cmp.Diff(before, in))
		}
	})
}

func TestNothingPrintsASecret(t *testing.T) {
	in := goodWorld()
	var c compile.Compiler
	result := c.Compile(in)
	var printed bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&printed, nil))
	for _, v := range []any{in, &in, in.Secrets, result, &result, result.Snapshot, *result.Snapshot, result.Reports, &c, in.Secrets[0].Data} {
		fmt.Fprintf(&printed, "%v %+v %#v %s %q %x\n", v, v, v, v, v, v)
		if text, err := json.Marshal(v); err == nil {
			printed.Write(text)
		}
		log.Info("printed", "value", v)
	}
	for o := range result.Snapshot.Organizations() {
		fmt.Fprintf(&printed, "%+v %#v %s\n", o, o, o.Describe())
	}
	for _, form := range printedForms(knownSecret) {
		if strings.Contains(printed.String(), form) {
			t.Errorf("printed %q", form)
		}
	}
}

// printedForms are the ways in which package fmt would write a secret.
func printedForms(secret string) []string {
	raw := []byte(secret)
	hexadecimal := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", raw), "[]byte{"), "}")
	return []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%v", raw), hexadecimal}
}

// A mistake is put into one field of a world in which all is well: nobody may do more
// than before. What only one can have (a slug, a client ID, the place of the Local
// provider) goes to the next in line by rule, so here nobody waits in line.
func TestAMistakeOnlySubtracts(t *testing.T) {
	before := accessOf(compile.Compile(goodWorld()).Snapshot)
	if len(before) < 20 {
		t.Fatalf("the good world serves too little: %v", before)
	}
	for name, spoil := range mistakes {
		t.Run(name, func(t *testing.T) {
			in := goodWorld()
			spoil(&in)
			result := compile.Compile(in)
			after := accessOf(result.Snapshot)
			for who, what := range after {
				if !before[who] {
					t.Errorf("%s gained %v", who, what)
				}
			}
			if len(after) == 0 && name != "no namespace is known" {
				t.Error("one mistake stopped everybody")
			}
			if !slices.ContainsFunc(result.Reports, func(r *compile.Report) bool { return len(r.Findings) > 0 }) {
				t.Error("nobody was told")
			}
		})
	}
}

var mistakes = map[string]func(*compile.Input){
	"slug":                      func(in *compile.Input) { in.Organizations[0].Spec.Slug = "Not A Slug" },
	"slug of another":           func(in *compile.Input) { in.Organizations[0].Spec.Slug = "globex" },
	"admission":                 func(in *compile.Input) { in.Organizations[0].Spec.AllowedNamespaces.Roles.From = "?" },
	"admission selector absent": func(in *compile.Input) { in.Organizations[0].Spec.AllowedNamespaces.ApiApplications.Selector = nil },
	"admission selector operator": func(in *compile.Input) {
		in.Organizations[0].Spec.AllowedNamespaces.ApiApplications.Selector.MatchExpressions[0].Operator = "?"
	},
	"admission selector values": func(in *compile.Input) {
		in.Organizations[0].Spec.AllowedNamespaces.ApiApplications.Selector.MatchExpressions[0].Values = nil
	},
	"custom scope name":        func(in *compile.Input) { in.Organizations[0].Spec.Scopes.Custom[0].Name = "org:read" },
	"custom scope implication": func(in *compile.Input) { in.Organizations[0].Spec.Scopes.Custom[0].Implies[0] = "no:such" },
	"login provider":           func(in *compile.Input) { in.Organizations[0].Spec.Login.AuthProviders[0].Name = "nobody" },
	"access ceiling":           func(in *compile.Input) { in.Organizations[0].Spec.Tokens.AccessTokenTTL = "?" },
	"idle ceiling":             func(in *compile.Input) { in.Organizations[0].Spec.Tokens.RefreshTokenIdleTTL = "1s" },
	"absolute ceiling":         func(in *compile.Input) { in.Organizations[0].Spec.Tokens.RefreshTokenAbsoluteTTL = "99999h" },
	"organization reference":   func(in *compile.Input) { in.Applications[0].Spec.OrganizationRef.Name = "nobody" },
	"client ID":                func(in *compile.Input) { in.Applications[0].Spec.ClientID = "globex.tool" },
	"type":                     func(in *compile.Input) { in.Applications[0].Spec.Type = "?" },
	"grant type":               func(in *compile.Input) { in.Applications[0].Spec.GrantTypes[0] = "?" },
	"grant types emptied":      func(in *compile.Input) { in.Applications[1].Spec.GrantTypes = []v1alpha1.GrantTypeName{} },
	"scope":                    func(in *compile.Input) { in.Applications[0].Spec.Scopes[0] = "no:such" },
	"introspection":            func(in *compile.Input) { in.Applications[1].Spec.Introspection = "?" },
	"credentials source":       func(in *compile.Input) { in.Applications[1].Spec.Credentials.Source = "?" },
	"credentials absent":       func(in *compile.Input) { in.Applications[1].Spec.Credentials = nil },
	"credentials secret":       func(in *compile.Input) { in.Applications[1].Spec.Credentials.FromSecret.Name = "nobody" },
	"credentials key":          func(in *compile.Input) { in.Applications[1].Spec.Credentials.FromSecret.Key = "nothing" },
	"access token life":        func(in *compile.Input) { in.Applications[0].Spec.Tokens.AccessTokenTTL = "?" },
	"access token life long":   func(in *compile.Input) { in.Applications[0].Spec.Tokens.AccessTokenTTL = "20h" },
	"expiry":                   func(in *compile.Input) { in.Applications[0].Spec.ExpiresAt = "?" },
	"role organization":        func(in *compile.Input) { in.Roles[0].Spec.OrganizationRef.Name = "nobody" },
	"role inherits":            func(in *compile.Input) { in.Roles[1].Spec.Inherits[0].Name = "nobody" },
	"role cycle":               func(in *compile.Input) { in.Roles[1].Spec.Inherits[0].Name = "developer" },
	"role scope":               func(in *compile.Input) { in.Roles[0].Spec.Rules[0].Scopes[0] = "no:such" },
	"subject kind":             func(in *compile.Input) { in.Roles[1].Spec.Subjects[0].Kind = "?" },
	"subject address":          func(in *compile.Input) { in.Roles[1].Spec.Subjects[0].Name = "?" },
	"subject application":      func(in *compile.Input) { in.Roles[1].Spec.Subjects[1].Name = "nobody" },
	"subject end":              func(in *compile.Input) { in.Roles[1].Spec.Subjects[0].NotAfter = "?" },
	"provider type":            func(in *compile.Input) { in.Providers[0].Spec.Type = "?" },
	"provider namespace":       func(in *compile.Input) { in.Providers[0].Namespace = "acme" },
	"provider password length": func(in *compile.Input) { in.Providers[0].Spec.Local.MinLength = new(int32(1)) },
	"no namespace is known":    func(in *compile.Input) { in.Namespaces = nil },
	"uid":                      func(in *compile.Input) { in.Applications[0].UID = "" },
}

// accessOf lists, as sentences, everything that anybody may do.
func accessOf(snapshot *model.Snapshot) map[string]bool {
	access := map[string]bool{}
	say := func(format string, args ...any) { access[fmt.Sprintf(format, args...)] = true }
	for o := range snapshot.Organizations() {
		for _, p := range o.Providers {
			say("people sign in to %s by %s with %d characters", o.ID, p.Name, p.Local.MinLength)
		}
		for minutes := 1; minutes <= 60; minutes++ {
			if o.Tokens.AccessToken >= time.Duration(minutes)*time.Minute {
				say("tokens of %s live %d minutes", o.ID, minutes)
			}
		}
		for address, held := range o.People() {
			sayHoldings(say, o.ID+" "+address, held)
		}
		for a := range o.Applications() {
			who := fmt.Sprintf("%s %s public=%v", o.ID, a.UID, a.Public())
			sayHoldings(say, who, a.Holdings)
			say("%s as %s expires=%v introspects=%v lives %v", who, a.ClientID, a.ExpiresAt, a.IntrospectsOrganization, a.AccessTokenTTL)
			for _, g := range a.GrantTypes {
				say("%s uses %s", who, g)
			}
			for _, s := range a.Scopes.Union(a.ProtocolScopes) {
				say("%s may be granted %s", who, s)
			}
		}
	}
	return access
}

func sayHoldings(say func(string, ...any), who string, held []model.Holding) {
	for _, h := range held {
		for _, s := range h.Role.Scopes {
			say("%s holds %s until %v", who, s, h.NotAfter)
		}
	}
}

func checkReports(t *rapid.T, result compile.Result) {
	if !slices.IsSortedFunc(result.Reports, func(a, b *compile.Report) int {
		return slices.Compare([]string{a.Object.Kind, a.Object.Namespace, a.Object.Name, a.Object.UID},
			[]string{b.Object.Kind, b.Object.Namespace, b.Object.Name, b.Object.UID})
	}) {
		t.Errorf("reports are not in order")
	}
	for _, r := range result.Reports {
		if !slices.Contains(result.Snapshot.Objects, r.Object) {
			t.Errorf("%v is not among the objects of the snapshot", r.Object)
		}
		conditions := r.Conditions(compile.Programmed{Reason: v1alpha1.ReasonProgrammed}, noon)
		ready := conditions[3]
		if (len(r.Findings) == 0 && r.ExpiresAt.IsZero()) != (ready.Status == metav1.ConditionTrue) && r.ExpiresAt.IsZero() {
			t.Errorf("%v: %d findings and Ready is %s", r.Object, len(r.Findings), ready.Status)
		}
		for _, c := range conditions {
			if c.Reason == "" || c.Message == "" || len(c.Message) > 32768 || !c.LastTransitionTime.IsZero() {
				t.Errorf("%v: condition %+v", r.Object, c)
			}
		}
	}
}

func declaredObjects(in compile.Input) int {
	objects := map[any]bool{}
	for _, o := range in.Organizations {
		objects[o] = o != nil
	}
	for _, o := range in.Applications {
		objects[o] = o != nil
	}
	for _, o := range in.Roles {
		objects[o] = o != nil
	}
	for _, o := range in.Providers {
		objects[o] = o != nil
	}
	n := 0
	for _, declared := range objects {
		if declared {
			n++
		}
	}
	return n
}

func sameVerdict(t *rapid.T, a, b compile.Result) {
	if a.Snapshot.Digest != b.Snapshot.Digest {
		t.Errorf("digests differ")
	}
	if diff := cmp.Diff(descriptions(a.Snapshot), descriptions(b.Snapshot)); diff != "" {
		t.Errorf("snapshots differ:\n%s", diff)
	}
	if diff := cmp.Diff(a.Snapshot.Objects, b.Snapshot.Objects, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("objects differ:\n%s", diff)
	}
	if diff := cmp.Diff(a.Snapshot.Providers, b.Snapshot.Providers, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("providers differ:\n%s", diff)
	}
	if diff := cmp.Diff(a.Reports, b.Reports, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("reports differ:\n%s", diff)
	}
}

func unchangedReportsStay(t *rapid.T, before, after compile.Result) {
	for _, old := range before.Reports {
		alike := 0
		for _, r := range before.Reports {
			if r.Object == old.Object {
				alike++
			}
		}
		i := slices.IndexFunc(after.Reports, func(r *compile.Report) bool { return reflect.DeepEqual(r, old) })
		if i >= 0 && alike == 1 && after.Reports[i] != old && !slices.Contains(after.Reports, old) {
			t.Errorf("the report on %v did not change, yet is another one", old.Object)
		}
	}
}

// edit is what a watch brings: an object that is new, gone or another one, a Secret or a
// Namespace that changed, or the same world in another order.
func edit(t *rapid.T, in compile.Input) compile.Input {
	switch rapid.IntRange(0, 6).Draw(t, "edit") {
	case 0:
		in.Organizations = editList(t, in.Organizations, drawOrganization)
	case 1:
		in.Applications = editList(t, in.Applications, drawApplication)
	case 2:
		in.Roles = editList(t, in.Roles, drawRole)
	case 3:
		in.Providers = editList(t, in.Providers, drawProvider)
	case 4:
		in.Secrets = editList(t, in.Secrets, drawSecret)
	case 5:
		in.Namespaces = editList(t, in.Namespaces, drawNamespace)
	default:
		in.Applications = rapid.Permutation(in.Applications).Draw(t, "applications")
	}
	return in
}

func editList[T any](t *rapid.T, list []T, draw func(*rapid.T) T) []T {
	list = slices.Clone(list)
	i := rapid.IntRange(0, len(list)).Draw(t, "at")
	switch {
	case i == len(list):
		return append(list, draw(t))
	case rapid.Bool().Draw(t, "delete"):
		return slices.Delete(list, i, i+1)
	default:
		list[i] = draw(t)
		return list
	}
}

func deepCopy(in compile.Input) compile.Input {
	in.Organizations = copies(in.Organizations, (*v1alpha1.Organization).DeepCopy)
	in.Applications = copies(in.Applications, (*v1alpha1.ApiApplication).DeepCopy)
	in.Roles = copies(in.Roles, (*v1alpha1.Role).DeepCopy)
	in.Providers = copies(in.Providers, (*v1alpha1.AuthProvider).DeepCopy)
	in.Secrets, in.Namespaces = slices.Clone(in.Secrets), slices.Clone(in.Namespaces)
	for i, n := range in.Namespaces {
		in.Namespaces[i].Labels = map[string]string{"team": n.Labels["team"]}
		in.Namespaces[i].Slugs = slices.Clone(n.Slugs)
	}
	return in
}

func copies[T any](list []*T, deepCopy func(*T) *T) []*T {
	list = slices.Clone(list)
	for i, o := range list {
		list[i] = deepCopy(o)
	}
	return list
}

// goodWorld has every field set, and nothing wrong with any.
func goodWorld() compile.Input {
	meta := func(namespace, name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: name, Generation: 1, UID: types.UID(namespace + "/" + name)}
	}
	acme := v1alpha1.ObjectReference{Name: "acme", Namespace: "acme"}
	selector := &v1alpha1.LabelSelector{MatchExpressions: []v1alpha1.LabelSelectorRequirement{{Key: "team", Operator: "In", Values: []v1alpha1.LabelValue{"acme"}}}}
	return compile.Input{
		SystemNamespace: "gatehouse-system", DigestKey: model.NewSensitive(knownSecret),
		Namespaces: []compile.Namespace{{Name: "shop", Labels: map[string]string{"team": "acme"}}, {Name: "foreign", Labels: map[string]string{"team": "?"}}},
		Secrets:    []compile.Secret{{Namespace: "acme", Name: "ci", Version: "1", Data: map[string]model.Sensitive{"secret": model.NewSensitive(knownSecret)}}},
		Providers: []*v1alpha1.AuthProvider{{ObjectMeta: meta("gatehouse-system", "local"), Spec: v1alpha1.AuthProviderSpec{
			Type: "Local", Local: &v1alpha1.LocalProvider{MinLength: new(int32(16))},
		}}},
		Organizations: []*v1alpha1.Organization{{ObjectMeta: meta("acme", "acme"), Spec: v1alpha1.OrganizationSpec{
			Slug: "acme",
			AllowedNamespaces: &v1alpha1.AllowedNamespaces{
				ApiApplications: &v1alpha1.NamespaceAdmission{From: "Selector", Selector: selector},
				Roles:           &v1alpha1.NamespaceAdmission{From: "Same"},
			},
			Scopes: &v1alpha1.ScopeCatalogue{Custom: []v1alpha1.CustomScope{{Name: "billing:admin", Description: "words", Implies: []v1alpha1.ScopeName{"org:read"}}}},
			Login:  &v1alpha1.Login{AuthProviders: []v1alpha1.ObjectReference{{Name: "local", Namespace: "gatehouse-system"}}},
			Tokens: &v1alpha1.TokenCeilings{AccessTokenTTL: "30m", RefreshTokenIdleTTL: "1h", RefreshTokenAbsoluteTTL: "2h"},
		}}, {ObjectMeta: meta("globex", "globex"), Spec: v1alpha1.OrganizationSpec{Slug: "globex"}}},
		Applications: []*v1alpha1.ApiApplication{
			{ObjectMeta: meta("shop", "cli"), Spec: v1alpha1.ApiApplicationSpec{
				OrganizationRef: acme, Type: "Device", ClientID: "acme.tool", GrantTypes: []v1alpha1.GrantTypeName{"device_code"},
				Scopes: []v1alpha1.ApplicationScope{"billing:admin", "team:read"}, Tokens: &v1alpha1.ApplicationTokens{AccessTokenTTL: "5m"},
				ExpiresAt: "2027-01-31T00:00:00Z",
			}},
			{ObjectMeta: meta("acme", "ci"), Spec: v1alpha1.ApiApplicationSpec{
				OrganizationRef: acme, Type: "Machine", GrantTypes: []v1alpha1.GrantTypeName{"client_credentials"}, Introspection: "Own",
				Scopes:      []v1alpha1.ApplicationScope{"org:read"},
				Credentials: &v1alpha1.Credentials{Source: "FromSecret", FromSecret: &v1alpha1.SecretKeyReference{Name: "ci", Key: "secret"}},
			}},
			{ObjectMeta: meta("foreign", "cli"), Spec: v1alpha1.ApiApplicationSpec{OrganizationRef: acme, Type: "Device", Scopes: []v1alpha1.ApplicationScope{"org:read"}}},
		},
		Roles: []*v1alpha1.Role{
			{ObjectMeta: meta("acme", "member"), Spec: v1alpha1.RoleSpec{OrganizationRef: acme, Rules: []v1alpha1.RoleRule{{Scopes: []v1alpha1.ScopeName{"billing:admin", "team:read"}}}}},
			{ObjectMeta: meta("acme", "developer"), Spec: v1alpha1.RoleSpec{
				OrganizationRef: acme, Inherits: []v1alpha1.ObjectReference{{Name: "member"}}, Rules: []v1alpha1.RoleRule{{Scopes: []v1alpha1.ScopeName{"event:read"}}},
				Subjects: []v1alpha1.Subject{{Kind: "User", Name: "ann@acme.com", NotAfter: "2027-01-31T00:00:00Z"}, {Kind: "ApiApplication", Name: "ci"}},
			}},
			{ObjectMeta: meta("foreign", "intruder"), Spec: v1alpha1.RoleSpec{OrganizationRef: acme, Rules: []v1alpha1.RoleRule{{Scopes: []v1alpha1.ScopeName{"org:admin"}}}, Subjects: []v1alpha1.Subject{{Kind: "User", Name: "eve@example.com"}}}},
		},
	}
}
