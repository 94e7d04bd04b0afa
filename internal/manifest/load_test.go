package manifest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

const organization = `apiVersion: auth.gatehouse.dev/v1alpha1
kind: Organization
metadata: {name: acme, namespace: acme}
spec:
  slug: acme
`

func load(t *testing.T, text string) (*Set, []Problem) {
	t.Helper()
	return Load([]string{Stdin}, Options{Installation: "test", SystemNamespace: "gatehouse-system", Stdin: strings.NewReader(text)})
}

func lines(problems []Problem) (all []string) {
	for _, p := range problems {
		all = append(all, p.Error())
	}
	return all
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Each document is wrong in one way; the message gives the place, the field and the cure.
func TestProblemsSayWhereWhatAndHowToCure(t *testing.T) {
	const header = "apiVersion: auth.gatehouse.dev/v1alpha1\n"
	app := func(spec string) string {
		return header + "kind: ApiApplication\nmetadata: {name: cli, namespace: acme}\nspec:\n  organizationRef: {name: acme}\n  type: Device\n  scopes: [org:read]\n" + spec
	}
	secret := "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  namespace: acme\n  labels: {auth.gatehouse.dev/secret: input}\n"
	for name, c := range map[string]struct{ text, want string }{
		"syntax":            {"a: b\n  c: d\n", `stdin:2: is not valid YAML: mapping values are not allowed in this context`},
		"syntax later":      {organization + "---\n# note\na: [\n", `stdin:8: is not valid YAML: did not find expected node content`},
		"not a map":         {"- a\n", `stdin:1: is not a Kubernetes object: must be a map with apiVersion, kind and metadata`},
		"no kind":           {"a: b\n", `stdin:1: has no apiVersion and kind; keep files that are not Kubernetes objects elsewhere`},
		"duplicate key":     {organization + "  slug: other\n", `stdin:6: key "slug" is given twice; remove one`},
		"unknown kind":      {header + "kind: Rolle\nmetadata: {name: a}\n", `stdin:2: Rolle a: kind: there is no such kind; there are ApiApplication, AuthProvider, Organization, Role`},
		"other version":     {"apiVersion: auth.gatehouse.dev/v1\nkind: Role\nmetadata: {name: a}\n", `stdin:1: Role a: apiVersion: "auth.gatehouse.dev/v1": this version reads auth.gatehouse.dev/v1alpha1`},
		"unknown field":     {organization + "  login:\n    authProvider: []\n", `stdin:7: Organization acme/acme: spec.login.authProvider: unknown field; there are authProviders, breakGlass, enforceSSO, secondFactor, session, ssoMaxAge`},
		"unknown metadata":  {strings.Replace(organization, "{name", "{lables: {}, name", 1), `stdin:3: Organization acme/acme: metadata.lables: unknown field`},
		"no name":           {strings.Replace(organization, "name: acme, ", "", 1), `stdin:3: Organization: metadata.name: required value; files cannot use generateName`},
		"no metadata":       {header + "kind: Role\nspec: {}\n", `stdin:1: Role: metadata: must be a map with a name`},
		"missing field":     {header + "kind: Organization\nmetadata: {name: a}\nspec: {}\n", `stdin:4: Organization default/a: spec.slug: required value`},
		"wrong type":        {strings.Replace(organization, "slug: acme", "slug: 7", 1), `stdin:5: Organization acme/acme: spec.slug: must be of type string, not integer`},
		"YAML 1.1 boolean":  {app("  displayName: yes\n"), `stdin:8: ApiApplication acme/cli: spec.displayName: must be of type string, not boolean`},
		"pattern":           {strings.Replace(organization, "slug: acme", "slug: Acme", 1), `stdin:5: Organization acme/acme: spec.slug: "Acme": should match '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'; write it like acme-labs, in lower case`},
		"enum":              {app("  introspection: Everybody\n"), `stdin:8: ApiApplication acme/cli: spec.introspection: "Everybody": supported values: "Own", "Organization"`},
		"list set":          {strings.Replace(app(""), "[org:read]", "[org:read, org:read]", 1), `stdin:7: ApiApplication acme/cli: spec.scopes[1]: "org:read": duplicate value`},
		"rule":              {app("  credentials: {source: FromSecret}\n"), `stdin:8: ApiApplication acme/cli: spec.credentials.fromSecret: name the Secret and key with source: FromSecret, and only then`},
		"rule on the name":  {strings.Replace(organization, "name: acme", "name: a.b", 1), `stdin:1: Organization acme/a.b: metadata.name: must have at most 63 characters and no dots`},
		"twice":             {organization + "---\n" + organization, `stdin:7: Organization acme/acme: is declared twice, here and at stdin:1; remove one`},
		"list item":         {"apiVersion: v1\nkind: List\nitems:\n- apiVersion: auth.gatehouse.dev/v1alpha1\n  kind: Organization\n  metadata: {name: a}\n  spec:\n    slug: A\n", `stdin:8: Organization default/a: spec.slug: "A": should match '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'; write it like acme-labs, in lower case`},
		"list of nothing":   {"apiVersion: v1\nkind: List\nitems: [1]\n", `stdin:3: must be a Kubernetes object, and not a List of its own`},
		"Secret not base64": {secret + "data:\n  key: hunter-two\n", `stdin:8: Secret acme/s: data[key]: must be base64; give plain text in stringData`},
		"Secret number":     {secret + "stringData:\n  key: 31337\n", `stdin:8: Secret acme/s: stringData[key]: must be a string; put the value in quotes`},
		"Secret field":      {secret + "dataa: {key: hunter-two}\n", `stdin:7: Secret acme/s: dataa: unknown field; there are apiVersion, kind, metadata, type, immutable, data, stringData`},
		"Secret alias":      {secret + "stringData:\n  key: *hunter-two\n", `stdin:1: is not valid YAML: a value that begins with * must be in quotes`},
		"Secret syntax":     {secret + "stringData:\n  key: hunter-two: x\n", `stdin:8: is not valid YAML: mapping values are not allowed in this context`},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := load(t, c.text)
			if diff := cmp.Diff([]string{c.want}, lines(problems)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Names, keys and file names are their author's; the reader is a terminal, or a runner of
// builds that takes a line of its own for a command.
func TestAProblemIsOneLineThatSteersNoTerminal(t *testing.T) {
	_, problems := load(t, "apiVersion: auth.gatehouse.dev/v1alpha1\nkind: Role\nmetadata: {name: \"a\\n::error::b\\e[2J\\u202e\"}\n\"spec\\n\": 1\n")
	if len(problems) == 0 {
		t.Fatal("no problems")
	}
	for _, line := range lines(problems) {
		if strings.ContainsAny(line, "\n\x1b\u202e") {
			t.Errorf("%q", line)
		}
	}
	if line := lines(problems)[0]; !strings.Contains(line, `a\n::error::b\x1b[2J\u202e`) {
		t.Errorf("the name is not recognizable: %s", line)
	}
}

// The answer stands in the log of a build, and an answer about a text shows the text.
func TestAPrivateKeyInAManifestIsNotRepeated(t *testing.T) {
	const private = "x8PJRFTs4uLvbqNp"
	_, problems := load(t, `apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: bot, namespace: acme}
spec:
  organizationRef: {name: acme}
  type: Machine
  scopes: [org:read]
  credentials:
    source: PublicKey
    publicKey:
      jwks: '{"keys": [{"kty": "oct", "k": "`+private+`"}]}'
`)
	if len(problems) != 1 || !strings.Contains(lines(problems)[0], "spec.credentials.publicKey.jwks: has a private or shared key in it") {
		t.Fatalf("problems: %q", lines(problems))
	}
	if all := fmt.Sprintf("%+v", problems); strings.Contains(all, private) {
		t.Error(all)
	}
}

// Each problem once read the whole document again: this would take minutes.
func TestManyProblemsOfOneDocumentCostLittle(t *testing.T) {
	const many = 5000
	text := "apiVersion: v1\nkind: List\nitems:\n" + strings.Repeat("- {apiVersion: auth.gatehouse.dev/v1alpha1, kind: Nope, metadata: {name: a}}\n", many)
	_, problems := load(t, text)
	if len(problems) != many || problems[many-1].Line != many+3 {
		t.Errorf("%d problems, the last at line %d", len(problems), problems[len(problems)-1].Line)
	}
}

func TestOtherKindsAreLeftOutWithANote(t *testing.T) {
	set, problems := load(t, organization+"---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {key: hunter2}\n---\n# nothing\n")
	want := []string{
		`stdin:7: Deployment a: apps/v1 Deployment is not for Gatehouse and left out`,
		`stdin:11: Secret default/s: has no label auth.gatehouse.dev/secret: input, so no resource can refer to it`,
	}
	if diff := cmp.Diff(want, lines(set.Notes)); diff != "" || len(problems) > 0 {
		t.Error(diff, problems)
	}
	if set.Len() != 1 || set.Has(kindSecret) {
		t.Errorf("%d objects", set.Len())
	}
}

func TestDirectoriesAreReadWithoutKustomizationsAndHiddenFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.yaml", organization)
	write(t, dir, "sub/b.json", `{"apiVersion": "auth.gatehouse.dev/v1alpha1", "kind": "Role",`+"\n\t"+`"metadata": {"name": "r", "namespace": "acme"}, "spec": {"organizationRef": {"name": "acme"}}}`)
	write(t, dir, "kustomization.yaml", "resources: [a.yaml]\n")
	write(t, dir, "..2026/a.yaml", organization)
	write(t, dir, "README.md", "no YAML: at: all")
	set, problems := Load([]string{dir, filepath.Join(dir, "a.yaml")}, Options{})
	if len(problems) > 0 || set.Len() != 2 || set.Files != 2 {
		t.Errorf("%v: %d objects in %d files", problems, set.Len(), set.Files)
	}
}

func TestWhatCannotBeReadIsNamed(t *testing.T) {
	_, problems := load(t, strings.Repeat("#", maxFileBytes+1))
	if diff := cmp.Diff([]string{"stdin: has more than 4 MiB; split it into smaller files"}, lines(problems)); diff != "" {
		t.Error(diff)
	}
	_, problems = load(t, strings.Repeat("---\n", maxDocuments+1))
	if diff := cmp.Diff([]string{"stdin: there are more than 50000 documents; read fewer files"}, lines(problems)); diff != "" {
		t.Error(diff)
	}
	_, problems = Load([]string{Stdin}, Options{})
	if diff := cmp.Diff([]string{"stdin: cannot be read here; give files or a directory"}, lines(problems)); diff != "" {
		t.Error(diff)
	}
	empty := write(t, t.TempDir(), "a.yaml", "")
	_, problems = Load([]string{empty}, Options{})
	if diff := cmp.Diff([]string{empty + ": is empty; remove it if it declares nothing"}, lines(problems)); diff != "" {
		t.Error(diff)
	}
	_, problems = Load([]string{"testdata/absent"}, Options{})
	if diff := cmp.Diff([]string{"testdata/absent: cannot be read: no such file or directory"}, lines(problems)); diff != "" {
		t.Error(diff)
	}
}

func TestEqualSpecsHaveEqualGenerationsAndNamesHaveUIDs(t *testing.T) {
	load := func(installation, text string) (uid string, generation int64) {
		set, problems := Load([]string{Stdin}, Options{Installation: installation, Stdin: strings.NewReader(text)})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		o := set.Input(model.Sensitive{}).Organizations[0]
		return string(o.UID), o.Generation
	}
	uid, generation := load("one", organization)
	commented, g := load("one", "# a comment\n"+strings.Replace(organization, "slug: acme", `"slug": 'acme'`, 1))
	if commented != uid || g != generation || generation <= 0 {
		t.Errorf("the same spec: %s %d, %s %d", uid, generation, commented, g)
	}
	if same, g := load("one", organization+"  suspend: true\n"); same != uid || g == generation {
		t.Errorf("another spec: %s %d", same, g)
	}
	if other, _ := load("two", organization); other == uid {
		t.Error("another installation has the same UID")
	}
	if forged, _ := load("one", strings.Replace(organization, "{name", "{uid: forged, generation: 3, creationTimestamp: 2020-01-01T00:00:00Z, name", 1)); forged != uid {
		t.Errorf("the author's UID counts: %s", forged)
	}
}

func TestInputHoldsSecretsAndNamespaces(t *testing.T) {
	set, problems := load(t, organization+`---
apiVersion: v1
kind: Secret
metadata: {name: s, namespace: acme, labels: {auth.gatehouse.dev/secret: input}}
data: {a: aHVudGVyMg==, b: b3ZlcndyaXR0ZW4=}
stringData: {b: plain}
---
apiVersion: v1
kind: Namespace
metadata: {name: globex, labels: {team: x}, annotations: {auth.gatehouse.dev/slugs: "one, two,"}}
`)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	in := set.Input(model.NewSensitive("key"))
	if got := string(in.Secrets[0].Data["a"].Reveal()) + string(in.Secrets[0].Data["b"].Reveal()); got != "hunter2plain" {
		t.Errorf("data %q", got)
	}
	if in.Secrets[0].Version == set.Input(model.NewSensitive("other")).Secrets[0].Version {
		t.Error("the version of a Secret does not depend on the key")
	}
	if strings.Contains(fmt.Sprintf("%+v %+v", set, in), "hunter2") {
		t.Error("a secret is printed")
	}
	want := []string{"globex [one two] map[kubernetes.io/metadata.name:globex team:x]", "acme [] map[kubernetes.io/metadata.name:acme]"}
	var got []string
	for _, ns := range in.Namespaces {
		got = append(got, fmt.Sprint(ns.Name, ns.Slugs, ns.Labels))
	}
	if diff := cmp.Diff(want, got, cmp.Transformer("spaces", func(s string) string { return strings.ReplaceAll(s, " ", "") })); diff != "" {
		t.Error(diff)
	}
	if at := set.Position(model.ObjectID{Kind: kindSecret, Namespace: "acme", Name: "s"}, "data"); at.Line != 7 {
		t.Errorf("the Secret is at %s", at)
	}
}

func TestAChangedImmutableFieldKeepsThePreviousVersion(t *testing.T) {
	role := "---\napiVersion: auth.gatehouse.dev/v1alpha1\nkind: Role\nmetadata: {name: r, namespace: acme}\nspec:\n  organizationRef: {name: acme}\n"
	first, _ := load(t, organization+role)
	second, problems := load(t, strings.Replace(organization, "slug: acme", "displayName: Acme\n  slug: other", 1)+role+"  displayName: New\n")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for range 2 { // what was kept is what the next reading is compared with
		var refused []Problem
		first, refused = second.Following(first)
		want := []string{`stdin:6: Organization acme/acme: spec.slug: "other": cannot be changed; create a new Organization with the new slug; the previous version stays in force`}
		if diff := cmp.Diff(want, lines(refused)); diff != "" {
			t.Error(diff)
		}
		in := first.Input(model.Sensitive{})
		if o := in.Organizations[0]; o.Spec.Slug != "acme" || o.Spec.DisplayName != "" {
			t.Errorf("served %+v", o.Spec)
		}
		if in.Roles[0].Spec.DisplayName != "New" {
			t.Error("the change of its neighbour is lost")
		}
	}
}
