package chart

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"
)

func TestLintFindsNothing(t *testing.T) {
	each(t, func(t *testing.T, h helm) {
		h.must(t, "", "lint", "--strict", path)
		h.must(t, "", "lint", "--strict", path, "--values", everything(t))
	})
}

func TestRenderingTwiceGivesTheSameBytes(t *testing.T) {
	each(t, func(t *testing.T, h helm) {
		for _, args := range [][]string{{"--set", "issuer=" + issuer}, {"--values", everything(t)}} {
			first, err1 := h.template(t, args...)
			second, err2 := h.template(t, args...)
			if err := errors.Join(err1, err2); err != nil {
				t.Fatal(err)
			}
			if first != second {
				t.Errorf("%v: %s", args, cmp.Diff(first, second))
			}
		}
	})
}

// Whoever starts with one can go on with the other.
func TestTheChartAndTheKustomizationDeployTheSame(t *testing.T) {
	for config, values := range map[string]string{
		"default":    "issuer=" + issuer,
		"namespaced": "issuer=" + issuer + ",namespaces={" + namespace + "}",
	} {
		want := objects(t, kubectl(t, "", "", "kustomize", root+"/config/"+config))
		delete(want, "Namespace /"+namespace) // helm install --create-namespace
		each(t, func(t *testing.T, h helm) {
			out, err := h.template(t, "--set", values)
			if err != nil {
				t.Fatal(err)
			}
			got := objects(t, out)
			if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
				t.Errorf("-config/%s +chart:\n%s", config, diff)
			}
			for name := range want {
				if diff := cmp.Diff(text(t, want[name]), text(t, got[name])); diff != "" {
					t.Errorf("%s: -config/%s +chart:\n%s", name, config, diff)
				}
			}
		})
	}
}

// Rights in namespaces are those in the cluster, in each of them and nowhere else.
func TestANamespaceListGivesNoRightsInTheCluster(t *testing.T) {
	each(t, func(t *testing.T, h helm) {
		cluster, err1 := h.template(t, "--set", "issuer="+issuer)
		scoped, err2 := h.template(t, "--set", "issuer="+issuer+",namespaces={acme,globex}")
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		want := objects(t, cluster)["ClusterRole /gatehouse"].(map[string]any)["rules"].([]any)
		want = slices.DeleteFunc(want, func(rule any) bool {
			return fmt.Sprint(rule.(map[string]any)["resources"]) == "[namespaces]"
		})
		got := objects(t, scoped)
		for _, in := range []string{"acme", "globex", namespace} {
			role, _ := got["Role "+in+"/gatehouse-declarations"].(map[string]any)
			if diff := cmp.Diff(text(t, want), text(t, role["rules"])); diff != "" || len(want) == 0 {
				t.Errorf("%s: -cluster +namespace:\n%s", in, diff)
			}
			binding, _ := got["RoleBinding "+in+"/gatehouse-declarations"].(map[string]any)
			if bound := text(t, binding["subjects"]); !strings.Contains(bound, "name: gatehouse\n  namespace: "+namespace) {
				t.Errorf("%s: bound to %s", in, bound)
			}
		}
		for name, object := range got {
			if strings.HasPrefix(name, "ClusterRoleBinding") && strings.Contains(fmt.Sprint(object), "ServiceAccount") {
				t.Errorf("%s gives rights in the cluster", name)
			}
		}
		if !strings.Contains(scoped, "value: acme,"+namespace+",globex") {
			t.Error("the server does not get the list")
		}
	})
}

// text is an object for people who compare it.
func text(t *testing.T, object any) string {
	t.Helper()
	b, err := sigsyaml.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// bookkeeping is what Helm or Kustomize writes for itself; labels of the objects are no
// part of what runs, but for those that give rights (aggregation).
func bookkeeping(key string) bool {
	return strings.HasPrefix(key, "app.kubernetes.io/") || strings.HasPrefix(key, "helm.sh/")
}

// objects are the manifests by kind, namespace and name.
func objects(t *testing.T, manifests string) map[string]any {
	t.Helper()
	all := map[string]any{}
	for d := yaml.NewYAMLOrJSONDecoder(strings.NewReader(manifests), 4096); ; {
		u := unstructured.Unstructured{}
		if err := d.Decode(&u.Object); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		if len(u.Object) == 0 {
			continue
		}
		for _, field := range []string{"labels", "annotations"} {
			entries, _, err := unstructured.NestedStringMap(u.Object, "metadata", field)
			if err != nil {
				t.Fatal(err)
			}
			for key := range entries {
				if bookkeeping(key) {
					unstructured.RemoveNestedField(u.Object, "metadata", field, key)
					delete(entries, key)
				}
			}
			if len(entries) == 0 {
				unstructured.RemoveNestedField(u.Object, "metadata", field)
			}
		}
		all[u.GetKind()+" "+u.GetNamespace()+"/"+u.GetName()] = u.Object
	}
}

// The chart can read no files outside itself, so it has copies.
func TestTheCopiesInTheChartAreThoseOfConfig(t *testing.T) {
	for dir, pattern := range map[string]string{"crd": "auth.gatehouse.dev_*.yaml", "rbac": "*role.yaml", "admission": "protect_*.yaml"} {
		sources, err := filepath.Glob(filepath.Join(root, "config", dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		copies, err := filepath.Glob(filepath.Join(path, "files", dir, "*"))
		if err != nil || len(copies) != len(sources) || len(copies) == 0 {
			t.Errorf("%s: %d copies of %d files, %v: run `make generate`", dir, len(copies), len(sources), err)
		}
		for _, source := range sources {
			want, err1 := os.ReadFile(source)
			got, err2 := os.ReadFile(filepath.Join(path, "files", dir, filepath.Base(source)))
			if !bytes.Equal(want, got) {
				t.Errorf("%s differs from its copy in the chart: run `make generate` (%v)", source, errors.Join(err1, err2))
			}
		}
	}
}

func TestAWrongValueIsRefusedByItsName(t *testing.T) {
	wrong := []struct{ set, names, cure string }{
		{"logLevel=info", "issuer: missing", "--set issuer=https://auth.example.com"},
		{"issuer=http://auth.example.com", `"http://auth.example.com"`, "must be https"},
		{"issuer=https://auth.example.com/", "issuer", "nothing after it"},
		{"issuer=" + issuer + ",logLevel=loud", "/logLevel", "'debug', 'info', 'warn', 'error'"},
		{"issuer=" + issuer + ",replicas=3", "replicas", "not allowed"},
		{"issuer=" + issuer + ",image.tagg=1.0", "tagg", "not allowed"},
		{"issuer=" + issuer + ",trustedProxies={10.0.0.0}", "/trustedProxies/0", "does not match"},
		{"issuer=" + issuer + ",namespaces={Acme}", "/namespaces/0", "does not match"},
		{"issuer=" + issuer + ",allowUpstreamCIDRs={internal}", "/allowUpstreamCIDRs/0", "does not match"},
		{"issuer=" + issuer + ",smtp.url=mail.acme.com:25", "/smtp/url", "does not match"},
		{"issuer=" + issuer + `,smtp.url=smtp://ann:secret@mail.acme.com,smtp.from=a@b.c`, "/smtp/url", "does not match"},
		{"issuer=" + issuer + ",smtp.url=smtp://mail.acme.com", "/smtp/from", "minLength"},
		{"issuer=" + issuer + ",smtp.url=smtp://mail.acme.com,smtp.from=a@b.c,smtp.username=x", "/smtp/secretName", "minLength"},
		{"issuer=" + issuer + ",crds.keep=yes", "/crds/keep", "want boolean"},
	}
	each(t, func(t *testing.T, h helm) {
		for _, w := range wrong {
			_, err := h.template(t, "--set", w.set)
			if err == nil || !strings.Contains(err.Error(), w.names) || !strings.Contains(err.Error(), w.cure) {
				t.Errorf("--set %s: %v, want %s and %s", w.set, err, w.names, w.cure)
			}
		}
	})
}

func TestEveryValueReachesWhatIsDeployed(t *testing.T) {
	each(t, func(t *testing.T, h helm) {
		out, err := h.template(t, "--values", everything(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			"--tls-cert=/tls/tls.crt", "secretName: pair", "--trusted-proxies=10.0.0.0/8,192.168.0.0/16", "--log-level=debug",
			"value: \"https://auth.acme.com\"", "image: \"registry.acme.com/gatehouse@sha256:", "imagePullPolicy: Always", "- name: puller",
			"name: sign-in-view", "type: LoadBalancer", "of-service: x", "host: \"auth.acme.com\"", "ingressClassName: outer",
			"of-ingress: x", "secretName: outer-pair", "--smtp-url=smtp://mail.acme.com:587", "--smtp-from=no-reply@acme.com", "--smtp-username=gatehouse",
			"--smtp-password-file=/smtp/password", "--smtp-ca-file=/smtp/ca.crt", "secretName: mail-server", "--audit-retention=2400h", "--audit-stdout", "--audit-webhook=https://siem.acme.com/gatehouse", "--audit-webhook-secret-file=/audit/secret", "secretName: siem",
			"claimName: kept", "of-account: x", "runAsUser: 1000650000",
			"value: acme,gatehouse-system,globex", "value: \"auth.gatehouse.dev/installation=blue\"",
			"memory: 1Gi", "of-pod: x", "label-of-pod: x", "disk: fast", "key: reserved", "nodeAffinity",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("%s is not rendered", want)
			}
		}
		for _, absent := range []string{"CustomResourceDefinition", "PersistentVolumeClaim"} {
			if strings.Contains(out, "kind: "+absent) {
				t.Errorf("%s is rendered, though switched off", absent)
			}
		}
		if _, found := objects(t, out)["Deployment gatehouse-system/sign-in"]; !found {
			t.Error("fullnameOverride does not name the Deployment")
		}
	})
}

// Nobody thinks of quotes around a zero, and without them it is a number, and false.
func TestEventsAreKeptForEverByAZero(t *testing.T) {
	each(t, func(t *testing.T, h helm) {
		for _, set := range []string{"--set", "--set-string"} {
			out, err := h.template(t, "--set", "issuer="+issuer, set, "audit.retention=0")
			if err != nil || !strings.Contains(out, "--audit-retention=0\n") {
				t.Errorf("%s audit.retention=0: %v", set, err)
			}
		}
		if _, err := h.template(t, "--set", "issuer="+issuer+",audit.retention=24"); err == nil {
			t.Error("a number without its unit is taken")
		}
	})
}

func TestTheReleaseNamesAllObjects(t *testing.T) {
	each(t, func(t *testing.T, h helm) {
		out, err := h.run(t, "", "template", "sso", path, "--kube-version", kubeVersion, "--set", "issuer="+issuer+",crds.install=false,ingress.enabled=true")
		if err != nil {
			t.Fatal(err)
		}
		for name, object := range objects(t, out) {
			_, own, _ := strings.Cut(name, "/")
			if !strings.HasPrefix(own, "sso-gatehouse") {
				t.Errorf("%s does not bear the release's name", name)
			}
			for _, field := range []string{"roleRef", "subjects"} {
				if text := fmt.Sprint(object.(map[string]any)[field]); text != "<nil>" && !strings.Contains(text, "name:sso-gatehouse") {
					t.Errorf("%s has %s %s", name, field, text)
				}
			}
		}
	})
}

// everything is a file with a value for all there is to set.
func everything(t *testing.T) string {
	t.Helper()
	file, err := filepath.Abs("testdata/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	set, all := leaves(t, file), leaves(t, path+"/values.yaml")
	for _, name := range all {
		if !slices.ContainsFunc(set, func(s string) bool { return s == name || strings.HasPrefix(s, name+".") }) {
			t.Errorf("testdata/everything.yaml does not set %s", name)
		}
	}
	return file
}

// leaves are the names of all values in a file.
func leaves(t *testing.T, file string) []string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := sigsyaml.UnmarshalStrict(content, &values); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	var names []string
	var walk func(string, map[string]any)
	walk = func(prefix string, values map[string]any) {
		for key, value := range values {
			if below, ok := value.(map[string]any); ok && len(below) > 0 && key != "podSecurityContext" && key != "resources" {
				walk(prefix+key+".", below)
			} else {
				names = append(names, prefix+key)
			}
		}
	}
	walk("", values)
	slices.Sort(names)
	return names
}

var row = regexp.MustCompile("(?m)^\\| `([a-zA-Z.]+)` \\|")

func TestTheReadmeNamesEveryValue(t *testing.T) {
	page, err := os.ReadFile(path + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, m := range row.FindAllSubmatch(page, -1) {
		told = append(told, string(m[1]))
	}
	slices.Sort(told)
	if diff := cmp.Diff(leaves(t, path+"/values.yaml"), told); diff != "" {
		t.Errorf("-values.yaml +README.md:\n%s", diff)
	}
}
