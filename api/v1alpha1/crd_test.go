package v1alpha1_test

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apimachinery/pkg/util/version"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"sigs.k8s.io/yaml"

	"github.com/gatehouse-dev/gatehouse/config/crd"
)

// oldestCluster is the oldest Kubernetes whose CEL the rules may use.
var oldestCluster = version.MajorMinor(1, 32)

const maxCRDBytes = 200 << 10

type definition struct {
	name string
	size int
	v1   apiextensionsv1.CustomResourceDefinition
}

// definitions are the generated CustomResourceDefinitions.
func definitions(t *testing.T) (all []definition) {
	t.Helper()
	names, err := fs.Glob(crd.FS, "*")
	if err != nil || len(names) != 4 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		raw, err := fs.ReadFile(crd.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		d := definition{name: name, size: len(raw)}
		if err := yaml.UnmarshalStrict(raw, &d.v1); err != nil {
			t.Fatal(name, err)
		}
		all = append(all, d)
	}
	return all
}

func (d definition) schema() *apiextensionsv1.JSONSchemaProps {
	return d.v1.Spec.Versions[0].Schema.OpenAPIV3Schema
}

// fieldNode is one schema on the way from the root to the leaves.
type fieldNode struct {
	path     string // "spec.rules[].scopes[]", "…matchLabels{}"
	optional bool   // a property that may be absent
	schema   apiextensionsv1.JSONSchemaProps
}

// fields lists every schema of ours, in order: not metadata and the type's own words, and
// nothing inside the conditions, which are Kubernetes'.
func (d definition) fields() []fieldNode { return below("", *d.schema()) }

func below(path string, s apiextensionsv1.JSONSchemaProps) (all []fieldNode) {
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		child := s.Properties[name]
		at := strings.TrimPrefix(path+"."+name, ".")
		if slices.Contains([]string{"apiVersion", "kind", "metadata"}, at) {
			continue
		}
		all = append(all, fieldNode{at, !slices.Contains(s.Required, name), child})
		if at != "status.conditions" {
			all = append(all, below(at, child)...)
		}
	}
	if s.Items != nil {
		all = append(all, fieldNode{path + "[]", false, *s.Items.Schema})
		all = append(all, below(path+"[]", *s.Items.Schema)...)
	}
	if s.AdditionalProperties != nil {
		all = append(all, fieldNode{path + "{}", false, *s.AdditionalProperties.Schema})
		all = append(all, below(path+"{}", *s.AdditionalProperties.Schema)...)
	}
	return all
}

// anyJSON is the one field that may hold anything: Go keeps it as it is written, and Compile
// reads no more than 16 KiB of it.
const anyJSON = "spec.mapping.examples[].claims"

func TestEverythingATenantWritesIsBounded(t *testing.T) {
	for _, d := range definitions(t) {
		for _, f := range d.fields() {
			s, at := f.schema, d.v1.Spec.Names.Kind+" "+f.path
			switch {
			case s.Type == "string" && len(s.Enum) == 0:
				if s.MaxLength == nil {
					t.Errorf("%s: no maxLength", at)
				}
				if f.optional && strings.HasPrefix(f.path, "spec") && (s.MinLength == nil || *s.MinLength < 1) {
					t.Errorf("%s: optional, but may be empty", at)
				}
			case s.Type == "array":
				if s.MaxItems == nil {
					t.Errorf("%s: no maxItems", at)
				}
				if s.XListType == nil {
					t.Errorf("%s: no list type", at)
				}
			case s.Type == "object" && s.AdditionalProperties != nil && s.MaxProperties == nil:
				t.Errorf("%s: no maxProperties", at)
			case s.Type == "integer" && strings.HasPrefix(f.path, "spec") && (s.Minimum == nil || s.Maximum == nil):
				t.Errorf("%s: no minimum or maximum", at)
			}
			if s.XPreserveUnknownFields != nil && f.path == anyJSON {
				if s.Type != "object" || s.MaxProperties == nil {
					t.Errorf("%s: no object of a bounded size", at)
				}
			} else if s.XPreserveUnknownFields != nil || s.XIntOrString || s.Format == "date-time" || s.Format == "duration" {
				t.Errorf("%s: admits what Go may refuse to decode", at)
			}
			if strings.HasPrefix(f.path, "spec") && s.Default != nil {
				t.Errorf("%s: defaults in the schema make GitOps drift", at)
			}
		}
	}
}

func TestEveryRuleNamesTheFieldAndTheCure(t *testing.T) {
	shape := regexp.MustCompile(`^[a-z][A-Za-z0-9.]*: [^ ].{10,}$`)
	for _, d := range definitions(t) {
		for _, f := range append(d.fields(), fieldNode{schema: *d.schema()}) {
			for _, rule := range f.schema.XValidations {
				if !shape.MatchString(rule.Message) {
					t.Errorf("%s %s: message %q does not read `field: what is wrong and the cure`", d.v1.Spec.Names.Kind, f.path, rule.Message)
				}
			}
		}
	}
}

// The API server's own judgement of a definition: structure, list types, and the estimated
// cost of each rule and of all together.
func TestTheAPIServerAcceptsTheDefinitions(t *testing.T) {
	for _, d := range definitions(t) {
		if d.size > maxCRDBytes {
			t.Errorf("%s has %d bytes, more than %d", d.name, d.size, maxCRDBytes)
		}
		var internal apiextensions.CustomResourceDefinition
		apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&d.v1.Spec)
		if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(&d.v1, &internal, nil); err != nil {
			t.Fatal(err)
		}
		internal.Status.StoredVersions = []string{"v1alpha1"}
		for _, err := range validation.ValidateCustomResourceDefinition(context.Background(), &internal) {
			t.Errorf("%s: %v", d.name, err)
		}
	}
}

func TestTheRulesCompileOnTheOldestSupportedCluster(t *testing.T) {
	env := environment.MustBaseEnvSet(oldestCluster)
	rules := 0
	for _, d := range definitions(t) {
		var props apiextensions.JSONSchemaProps
		if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(d.schema(), &props, nil); err != nil {
			t.Fatal(err)
		}
		root, err := schema.NewStructural(&props)
		if err != nil {
			t.Fatal(err)
		}
		visitor := schema.Visitor{Structural: func(s *schema.Structural) bool {
			isRoot := s.Properties["spec"].Type != ""
			results, err := cel.Compile(s, model.SchemaDeclType(s, isRoot), celconfig.PerCallLimit, env, cel.NewExpressionsEnvLoader())
			if err != nil {
				t.Errorf("%s: %v", d.name, err)
			}
			for i, r := range results {
				rules++
				if r.Error != nil {
					t.Errorf("%s: %s: %v", d.name, s.XValidations[i].Rule, r.Error)
				}
			}
			return false
		}}
		visitor.Visit(root)
	}
	if rules < 10 {
		t.Errorf("only %d rules were compiled", rules)
	}
}

// Before the first verdict a status says that nothing has been observed, so that kstatus
// waits for it.
func TestStatusDefaultsToNothingObserved(t *testing.T) {
	for _, d := range definitions(t) {
		status := d.schema().Properties["status"]
		if status.Default == nil || string(status.Default.Raw) != `{"observedGeneration":-1}` {
			t.Errorf("%s: status defaults to %v", d.name, status.Default)
		}
		if d.v1.Spec.Versions[0].Subresources.Status == nil {
			t.Errorf("%s has no status subresource", d.name)
		}
	}
}

// `kubectl explain` is documentation: each field of a spec says what it is, and an optional
// value also what holds without it, in lines that a terminal shows as they are.
func TestEveryFieldIsExplained(t *testing.T) {
	const explained = 76 // columns that kubectl has for a text: 80 without its indentation
	for _, d := range definitions(t) {
		for _, f := range d.fields() {
			text := strings.Join(strings.Fields(f.schema.Description), " ")
			at := fmt.Sprintf("%s %s: %q", d.v1.Spec.Names.Kind, f.path, text)
			for line := range strings.Lines(f.schema.Description) {
				if n := utf8.RuneCountInString(strings.TrimSpace(line)); n > explained && strings.Contains(strings.TrimSpace(line), " ") {
					t.Errorf("%s: a line of %d characters; kubectl explain breaks it after %d, and its rest is a line of its own", at, n, explained)
				}
			}
			if !strings.HasSuffix(text, ".") && !strings.HasSuffix(f.path, "}") {
				t.Errorf("%s is no sentence", at)
			}
			scalar := slices.Contains([]string{"string", "boolean", "integer"}, f.schema.Type)
			if strings.HasPrefix(f.path, "spec.") && f.optional && scalar && !strings.Contains(text, "Default") {
				t.Errorf("%s does not say the default", at)
			}
		}
	}
}
