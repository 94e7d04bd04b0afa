package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/config/crd"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Whatever the schema admits, Go decodes and Compile judges: nothing that one tenant writes
// can stop the server from seeing everybody else's objects.
func TestWhatTheSchemaAdmitsIsDecodedAndJudged(t *testing.T) {
	const enough = 20
	admitted := map[string]int{}
	rare := func(kind string) bool { return admitted[kind] < enough }
	// How many are admitted is chance; a schema that refuses nearly all of them is none.
	for round := 0; round < 5 && slices.ContainsFunc(slices.Collect(maps.Keys(decoders)), rare); round++ {
		t.Run("law", func(t *testing.T) { rapid.Check(t, func(t *rapid.T) { admitAndJudge(t, admitted) }) })
	}
	for kind := range decoders {
		if rare(kind) {
			t.Errorf("only %d objects of kind %s were admitted; the law says little", admitted[kind], kind)
		}
	}
}

func FuzzWhatTheSchemaAdmitsIsDecodedAndJudged(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) { admitAndJudge(t, map[string]int{}) }))
}

func admitAndJudge(t *rapid.T, admitted map[string]int) {
	set := newSet(Options{SystemNamespace: "gatehouse-system"})
	l := &loader{Set: set}
	for i := range rapid.IntRange(1, 12).Draw(t, "objects") {
		kind := rapid.SampledFrom(slices.Sorted(maps.Keys(decoders))).Draw(t, "kind")
		value := randomObject(t, kind, i)
		if len(schemas()[kind].admit(value)) > 0 {
			continue
		}
		admitted[kind]++
		resource, err := decoders[kind](value)
		if err != nil {
			raw, _ := json.Marshal(value)
			t.Fatalf("the schema admits what Go does not decode: %v\n%s", err, raw)
		}
		u := unstructured.Unstructured{Object: value}
		id := model.ObjectID{Kind: kind, Namespace: u.GetNamespace(), Name: u.GetName()}
		identify(resource, id, "law", value["spec"])
		l.objects[id] = &object{id: id, resource: resource}
	}
	in := set.Input(model.NewSensitive("key"))
	in.AnySlug = rapid.Bool().Draw(t, "anySlug")
	if got := compile.Compile(in); len(got.Reports) != len(set.objects) {
		t.Fatalf("%d reports on %d objects", len(got.Reports), len(set.objects))
	}
}

// Whatever a file holds, reading it ends, with objects or with problems that have a place.
func FuzzAnyFileIsReadOrExplained(f *testing.F) {
	for _, seed := range []string{"", "---\n", "a: &x [*x]\n", "a: &x {b: 1}\n<<: *x\n", "? [a]\n: b\n", "{\"kind\": 7}", "kind: List\napiVersion: v1\nitems: [{}]\n",
		"apiVersion: v1\nkind: Secret\nmetadata: {name: s, labels: {auth.gatehouse.dev/secret: input}}\ndata: {a: YQ==}\n",
		"apiVersion: auth.gatehouse.dev/v1alpha1\nkind: Role\nmetadata: {name: r, labels: [1]}\nspec: {rules: [{scopes: [x:y]}], subjects: null}\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set, problems := Load([]string{Stdin}, Options{Stdin: strings.NewReader(text)})
		last := 1 + len(regexp.MustCompile("[\n\r\u0085\u2028\u2029]").FindAllString(text, -1)) // YAML 1.1's line breaks
		for _, p := range append(problems, set.Notes...) {
			if p.File != "stdin" || p.Line < 0 || p.Line > last || p.Message == "" {
				t.Errorf("%+v", p)
			}
		}
		compile.Compile(set.Input(model.NewSensitive("key")))
	})
}

// openAPI are the schemas that objects are made from.
var openAPI = func() map[string]*apiextensionsv1.JSONSchemaProps {
	byKind := map[string]*apiextensionsv1.JSONSchemaProps{}
	names, err := fs.Glob(crd.FS, "*")
	for _, name := range names {
		definition, readErr := readCRD(name)
		err = errors.Join(err, readErr)
		byKind[definition.Spec.Names.Kind] = definition.Spec.Versions[0].Schema.OpenAPIV3Schema
	}
	if err != nil {
		panic(err)
	}
	return byKind
}()

// words make references meet now and then.
var words = []string{"acme", "globex", "default", "gatehouse-system", "cli", "member", "local", "Local", "Device", "Machine",
	"User", "ApiApplication", "acme.cli", "org:read", "org:admin", "billing:read", "offline_access", "device_code", "refresh_token",
	"client_credentials", "demo@example.com", "Web", "SPA", "Native", "authorization_code", "openid",
	"https://app.example.com/callback", "http://localhost:3000", "com.example.app:/callback", "https://app.example.com", "urn:example:api", "JWT", "ES256", "1h", "1ms", "9999h", "99999h99999h99999h99999h", "2027-02-30T00:00:00Z", "FromSecret", "None"}

func randomObject(t *rapid.T, kind string, i int) map[string]any {
	s := openAPI[kind]
	spec := randomValue(t, s.Properties["spec"])
	if kind == "AuthProvider" {
		matchType(t, spec)
	}
	word := func(what string, among ...string) string { return rapid.SampledFrom(among).Draw(t, what) }
	return map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": kind, "spec": spec,
		"metadata": map[string]any{
			"name":      word("name", "acme", "globex", "cli", "member", "local", fmt.Sprint("o", i)),
			"namespace": word("namespace", "acme", "globex", "gatehouse-system"),
		},
	}
}

// matchType gives most providers the settings of their type and no others, as the schema has
// it.
func matchType(t *rapid.T, spec any) {
	fields, _ := spec.(map[string]any)
	of := map[string]string{"oidc": "OIDC", "oauth2": "OAuth2", "github": "GitHub", "saml": "SAML", "ldap": "LDAP"}
	for _, name := range slices.Sorted(maps.Keys(of)) {
		if _, there := fields[name]; there && rapid.IntRange(0, 3).Draw(t, "type") > 0 {
			fields["type"] = of[name]
		}
	}
	for name, typed := range of {
		if fields["type"] != typed {
			delete(fields, name)
		}
	}
	if fields["type"] == "Local" {
		for _, name := range []string{"mapping", "provisioning", "groupsMaxAge"} {
			delete(fields, name)
		}
	} else {
		delete(fields, "local")
	}
}

// randomJSON is what a field may hold that may hold anything.
func randomJSON(t *rapid.T, depth int) any {
	switch kind := rapid.IntRange(0, 5).Draw(t, "any"); {
	case kind == 0 && depth > 0:
		return []any{randomJSON(t, depth-1), randomJSON(t, depth-1)}
	case kind == 1 && depth > 0:
		return map[string]any{rapid.String().Draw(t, "name"): randomJSON(t, depth-1)}
	case kind == 2:
		return rapid.Int64().Draw(t, "integer")
	case kind == 3:
		return rapid.Float64Range(-1e300, 1e300).Draw(t, "number")
	case kind == 4:
		return nil
	}
	return rapid.String().Draw(t, "text")
}

func randomValue(t *rapid.T, s apiextensionsv1.JSONSchemaProps) any {
	switch s.Type {
	case "object":
		return randomMap(t, s)
	case "array":
		list := []any{}
		least := int(valueOr(s.MinItems, 0))
		for range rapid.IntRange(least, max(least, min(3, int(*s.MaxItems)))).Draw(t, "items") {
			list = append(list, randomValue(t, *s.Items.Schema))
		}
		return list
	case "boolean":
		return rapid.Bool().Draw(t, "boolean")
	case "integer":
		return rapid.Int64Range(int64(valueOr(s.Minimum, -3)), int64(valueOr(s.Maximum, 99))).Draw(t, "integer")
	}
	return randomString(t, s)
}

func randomMap(t *rapid.T, s apiextensionsv1.JSONSchemaProps) any {
	object := map[string]any{}
	if s.XPreserveUnknownFields != nil {
		for _, name := range []string{"sub", "email", "groups"} {
			object[name] = randomJSON(t, 3)
		}
	}
	if s.AdditionalProperties != nil {
		for range rapid.IntRange(0, 2).Draw(t, "entries") {
			object[rapid.String().Draw(t, "key")] = randomValue(t, *s.AdditionalProperties.Schema)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if slices.Contains(s.Required, name) || rapid.Bool().Draw(t, name) {
			object[name] = randomValue(t, s.Properties[name])
		}
	}
	return object
}

func randomString(t *rapid.T, s apiextensionsv1.JSONSchemaProps) any {
	if len(s.Enum) > 0 {
		var value any
		if err := json.Unmarshal(rapid.SampledFrom(s.Enum).Draw(t, "enum").Raw, &value); err != nil {
			t.Fatal(err)
		}
		return value
	}
	fitting := slices.DeleteFunc(slices.Clone(words), func(w string) bool { return !fits(w, s) })
	kinds := []*rapid.Generator[string]{rapid.StringMatching(valueOrPattern(s)), rapid.StringMatching(valueOrPattern(s)), rapid.StringN(-1, -1, int(*s.MaxLength))}
	if len(fitting) > 0 {
		kinds = append(kinds, rapid.SampledFrom(fitting), rapid.SampledFrom(fitting), rapid.SampledFrom(fitting))
	}
	value := rapid.OneOf(kinds...).Draw(t, "string")
	if len(value) == 0 && valueOr(s.MinLength, 0) > 0 && len(fitting) > 0 {
		value = fitting[0] // a schema that refuses everything teaches nothing
	}
	return value
}

func fits(word string, s apiextensionsv1.JSONSchemaProps) bool {
	return int64(len(word)) <= *s.MaxLength && int64(len(word)) >= valueOr(s.MinLength, 0) && regexp.MustCompile(s.Pattern).MatchString(word)
}

func valueOrPattern(s apiextensionsv1.JSONSchemaProps) string {
	if s.Pattern == "" {
		return `[ -~]{1,20}`
	}
	return s.Pattern
}

func valueOr[T any](p *T, otherwise T) T {
	if p != nil {
		return *p
	}
	return otherwise
}
