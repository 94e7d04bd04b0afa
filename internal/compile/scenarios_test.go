package compile_test

import (
	"bytes"
	"encoding/base64"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

var update = flag.Bool("update", false, "write what came out into the scenarios")

const scenarios = "../../test/scenarios"

// A scenario is a txtar file: manifests in *.yaml, the verdict in `want`; optionally the
// time in `now`, the installation's name in `issuer`, a file `dev` for one to try out, a file `no-cluster` for
// one that is served from files, and a
// publishing that failed in `storage-error`.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(scenarios, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios in %s: %v", scenarios, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := readScenario(t, archive)
			got := s.verdict()
			if bytes.Contains([]byte(got), []byte("password")) {
				t.Errorf("the verdict shows a secret:\n%s", got)
			}
			if *update {
				s.write(t, file, archive, got)
				return
			}
			if diff := cmp.Diff(s.want, got); diff != "" {
				t.Errorf("verdict (-want +got); go test ./internal/compile -run TestScenarios -update writes it:\n%s", diff)
			}
		})
	}
}

type scenario struct {
	in        compile.Input
	now       time.Time
	published compile.Programmed
	want      string
}

func readScenario(t *testing.T, archive *txtar.Archive) *scenario {
	t.Helper()
	s := &scenario{
		in:        compile.Input{SystemNamespace: "gatehouse-system", DigestKey: model.NewSensitive("scenario key")},
		now:       time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC),
		published: compile.Programmed{Reason: v1alpha1.ReasonProgrammed},
	}
	for _, f := range archive.Files {
		switch text := strings.TrimSpace(string(f.Data)); {
		case f.Name == "want":
			s.want = string(f.Data)
		case f.Name == "now":
			at, err := time.Parse(time.RFC3339, text)
			if err != nil {
				t.Fatal(err)
			}
			s.now = at
		case f.Name == "issuer":
			s.in.Issuer = text
		case f.Name == "dev":
			s.in.Dev = true
		case f.Name == "no-cluster":
			s.in.NoCluster = true
		case f.Name == "storage-error":
			s.published = compile.Programmed{Reason: v1alpha1.ReasonStorageError, Message: text}
		case strings.HasSuffix(f.Name, ".yaml"):
			for _, document := range strings.Split(string(f.Data), "\n---\n") {
				s.read(t, []byte(document))
			}
		default:
			t.Fatalf("a scenario has no file %q", f.Name)
		}
	}
	return s
}

// read decodes one manifest into the Input. UIDs are made from kind and name, so that
// they are the same each time.
func (s *scenario) read(t *testing.T, document []byte) {
	t.Helper()
	var head struct {
		metav1.TypeMeta   `json:",inline"`
		metav1.ObjectMeta `json:"metadata"`
	}
	decode(t, document, &head)
	switch head.Kind {
	case "Namespace":
		n := compile.Namespace{Name: head.Name, Labels: head.Labels}
		if slugs := head.Annotations[v1alpha1.SlugsAnnotation]; slugs != "" {
			n.Slugs = strings.Split(slugs, ",")
		}
		s.in.Namespaces = append(s.in.Namespaces, n)
	case "Secret":
		secret := secretOf(t, head.ObjectMeta, document)
		switch head.Labels[v1alpha1.SecretLabel] {
		case v1alpha1.SecretInput:
			s.in.Secrets = append(s.in.Secrets, secret)
		case v1alpha1.SecretOutput:
			s.in.Outputs = append(s.in.Outputs, s.output(head.ObjectMeta, secret))
		case "refused": // the API server said that there is one of that name
			s.in.Outputs = append(s.in.Outputs, compile.Output{Namespace: head.Namespace, Name: head.Name, Version: "1"})
		}
	case "Organization":
		s.in.Organizations = append(s.in.Organizations, declared[v1alpha1.Organization](t, document))
	case "ApiApplication":
		s.in.Applications = append(s.in.Applications, declared[v1alpha1.ApiApplication](t, document))
	case "Role":
		s.in.Roles = append(s.in.Roles, declared[v1alpha1.Role](t, document))
	case "AuthProvider":
		s.in.Providers = append(s.in.Providers, declared[v1alpha1.AuthProvider](t, document))
	default:
		t.Fatalf("a scenario has no kind %q in\n%s", head.Kind, document)
	}
}

func declared[T any, P interface {
	*T
	metav1.Object
}](t *testing.T, document []byte) P {
	t.Helper()
	var head metav1.TypeMeta
	decode(t, document, &head)
	o := P(new(T))
	decode(t, document, o)
	o.SetGeneration(1)
	if o.GetUID() == "" {
		o.SetUID(types.UID(fmt.Sprintf("uid of %s %s/%s", head.Kind, o.GetNamespace(), o.GetName())))
	}
	return o
}

func secretOf(t *testing.T, head metav1.ObjectMeta, document []byte) compile.Secret {
	t.Helper()
	var body struct {
		Data       map[string]string `json:"data"`
		StringData map[string]string `json:"stringData"`
	}
	decode(t, document, &body)
	s := compile.Secret{Namespace: head.Namespace, Name: head.Name, Version: "1", Data: map[string]model.Sensitive{}}
	for k, v := range body.StringData {
		s.Data[k] = model.NewSensitive(v)
	}
	for k, v := range body.Data {
		plain, err := base64.StdEncoding.DecodeString(v)
		if err != nil {
			t.Fatal(err)
		}
		s.Data[k] = model.NewSensitive(plain)
	}
	return s
}

// output is a Secret that was written before. In its annotation `digest of X` stands for
// the ID of the secret X, a comma, and its digest, as in [{digest of X, "notBefore": …}].
func (s *scenario) output(head metav1.ObjectMeta, secret compile.Secret) compile.Output {
	o := compile.Output{Namespace: head.Namespace, Name: head.Name, Version: "1", Values: map[string]model.SecretDigest{}}
	o.Credentials = digestOf.ReplaceAllStringFunc(head.Annotations[v1alpha1.CredentialsAnnotation], func(text string) string {
		digest := s.in.DigestKey.Digest([]byte(strings.TrimPrefix(text, "digest of ")))
		return fmt.Sprintf(`"id": "%x", "digest": "%x"`, digest[:4], digest)
	})
	for key, value := range secret.Data {
		o.Values[key] = s.in.DigestKey.Digest(value.Reveal())
	}
	for _, owner := range head.OwnerReferences {
		o.Owner = string(owner.UID)
	}
	return o
}

var digestOf = regexp.MustCompile(`digest of [-a-z0-9]+`)

func decode(t *testing.T, document []byte, into any) {
	t.Helper()
	if err := yaml.Unmarshal(document, into); err != nil {
		t.Fatalf("%v in\n%s", err, document)
	}
}

// verdict writes what Compile said: of every object the conditions, the findings and the
// facts for status, then what is served, short of the built-in scopes.
func (s *scenario) verdict() string {
	result := compile.Compile(s.in)
	var b strings.Builder
	for _, r := range result.Reports {
		fmt.Fprintf(&b, "%s %s/%s%s\n", r.Object.Kind, r.Object.Namespace, r.Object.Name, facts(r))
		for _, c := range r.Conditions(s.published, s.now) {
			fmt.Fprintf(&b, "  %-12s %-5s %s\n", c.Type, c.Status, c.Reason)
			if c.Type == v1alpha1.Programmed && c.Status == metav1.ConditionFalse {
				fmt.Fprintf(&b, "    %s\n", c.Message)
			}
		}
		b.WriteString(credentials(r))
		for _, f := range r.Findings {
			fmt.Fprintf(&b, "  - %s: %s\n", f.Reason, f.Message)
		}
		for _, f := range r.Weak {
			fmt.Fprintf(&b, "  ! %s: %s\n", f.Reason, f.Message)
		}
	}
	b.WriteString("\n" + served(result.Snapshot))
	return b.String()
}

func facts(r *compile.Report) string {
	switch {
	case r.Organization != nil:
		o := r.Organization
		return fmt.Sprintf(": %d applications, %d roles, %d providers", o.Applications, o.Roles, o.Providers)
	case r.Application != nil && r.Application.Effective != nil:
		e := r.Application.Effective
		return fmt.Sprintf(": %s %v for %s, scopes %v", r.Application.ClientID, e.GrantTypes, e.AccessTokenTTL, e.Scopes)
	case r.Application != nil && r.Application.ClientID != "":
		return ": " + r.Application.ClientID
	case r.Role != nil:
		return fmt.Sprintf(": %d scopes, %d subjects, inherits from %d", r.Role.Scopes, r.Role.Subjects, r.Role.Inherits)
	}
	return ""
}

// credentials shows what is known and wanted of the Secret that an application's secret is
// written to; IDs change with the key, and are left out.
func credentials(r *compile.Report) string {
	var b strings.Builder
	if r.Application != nil && r.Application.CredentialsSecretName != "" {
		fmt.Fprintf(&b, "  secrets in %s", r.Application.CredentialsSecretName)
		for _, c := range r.Application.Credentials {
			fmt.Fprintf(&b, " [%s to %s]", c.NotBefore, c.NotAfter)
		}
		fmt.Fprintf(&b, " next %s\n", r.Application.NextRotationTime)
	}
	switch w := r.Output; {
	case w == nil || w.Name == "":
	case !w.Made && w.SecretKey == "":
		fmt.Fprintf(&b, "  wants Secret %s: %v, labels %v, annotations %v, no client secret\n", w.Name, w.Data, w.Labels, w.Annotations)
	case !w.Made:
		fmt.Fprintf(&b, "  wants Secret %s: %s %v, labels %v, annotations %v, a copy of %d bytes\n", w.Name, w.SecretKey, w.Data, w.Labels, w.Annotations, len(w.Copied.Reveal()))
	default:
		fmt.Fprintf(&b, "  wants Secret %s: %s %v, labels %v, annotations %v, %+v\n", w.Name, w.SecretKey, w.Data, w.Labels, w.Annotations, w.Plan)
	}
	return b.String()
}

func served(snapshot *model.Snapshot) string {
	var lines []string
	for _, text := range descriptions(snapshot) {
		for line := range strings.Lines(text) {
			if !builtinScope(line) {
				lines = append(lines, line)
			}
		}
	}
	if len(lines) == 0 {
		return "nothing is served\n"
	}
	return strings.Join(lines, "")
}

// builtinScope reports whether a line describes a scope that every Organization has.
func builtinScope(line string) bool {
	name, isScope := strings.CutPrefix(line, "  scope ")
	name, _, _ = strings.Cut(name, " ")
	family, _, _ := strings.Cut(name, ":")
	switch family {
	case "org", "member", "team", "project", "event", "alerts":
		return isScope && name != "project:deploy"
	}
	return false
}

func (s *scenario) write(t *testing.T, file string, archive *txtar.Archive, got string) {
	t.Helper()
	files := archive.Files[:0]
	for _, f := range archive.Files {
		if f.Name != "want" {
			files = append(files, f)
		}
	}
	archive.Files = append(files, txtar.File{Name: "want", Data: []byte(got)})
	if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}
