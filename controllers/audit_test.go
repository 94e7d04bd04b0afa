package controllers

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/gatehouse-dev/gatehouse/internal/credential"
	"github.com/gatehouse-dev/gatehouse/test/clocktest"
	"github.com/gatehouse-dev/gatehouse/test/localkube"
)

// In either scope nothing that the controllers ask is refused, nothing that they may is in
// excess, and of Secrets they ask for nothing but what bears the label.
func TestTheAPIServersAuditLogShowsNothingForbiddenAndNothingInExcess(t *testing.T) {
	for scope, start := range map[string]func(*bench) (Options, []string){
		"cluster": func(b *bench) (Options, []string) {
			return b.options(), []string{"role.yaml"}
		},
		"namespaces": func(b *bench) (Options, []string) {
			b.grant("acme")
			b.grant("globex")
			return b.inNamespaces("acme", "globex"), []string{"namespace/role.yaml", "role.yaml"}
		},
	} {
		t.Run(scope, func(t *testing.T) {
			b := newBench(t, kube)
			o, roles := start(b)
			from := len(b.requests())
			b.life(o)
			user := "system:serviceaccount:" + o.SystemNamespace + ":gatehouse"
			asked := slices.DeleteFunc(b.requests()[from:], func(r localkube.Event) bool { return r.User != user })
			used := map[string]bool{}
			for _, r := range asked {
				if r.Code == http.StatusForbidden {
					t.Errorf("forbidden: %+v", r)
				}
				if scope == "namespaces" && r.Resource != "" && r.Namespace == "" {
					t.Errorf("asked of the whole cluster: %+v", r)
				}
				used[right(r.Group, r.Resource, r.Subresource, r.Verb)] = true
			}
			delete(used, right("", "", "", "get")) // discovery, which is everybody's
			given := granted(t, roles, scope == "namespaces")
			for _, name := range slices.Sorted(maps.Keys(given)) {
				streamed := strings.HasPrefix(name, "list ") // the test below has the use of it
				if !used[name] && !streamed {
					t.Errorf("granted and never used: %s", name)
				}
			}
			for _, name := range slices.Sorted(maps.Keys(used)) {
				if !given[name] {
					t.Errorf("used and never granted: %s", name)
				}
			}
			secretsAreAskedForByLabel(t, asked)
		})
	}
}

func secretsAreAskedForByLabel(t *testing.T, asked []localkube.Event) {
	t.Helper()
	ours := map[string]bool{"machine-credentials": true, "other": true, "": true} // a creation is logged without its name
	for _, r := range asked {
		if r.Resource != "secrets" {
			continue
		}
		switch r.Verb {
		case "list", "watch":
			if r.LabelSelector() != visible.String() || r.Name != "" {
				t.Errorf("it sees other Secrets: %+v with selector %q", r, r.LabelSelector())
			}
		case "create", "update", "delete":
			if !ours[r.Name] {
				t.Errorf("not ours: %+v", r)
			}
		default:
			t.Errorf("no need to: %+v", r)
		}
	}
}

// Newer versions of Kubernetes stream what is there as the beginning of a watch; others are
// asked for lists, which is what the rights to list are for.
func TestAnAPIServerThatStreamsNoListsIsAskedForThem(t *testing.T) {
	definitions, err := localkube.Definitions()
	if err != nil {
		t.Fatal(err)
	}
	log, err := localkube.NewAudit(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, clusterOfItsOwn(t, definitions, log.Option(), localkube.Flag("feature-gates", "WatchList=false")))
	b.serve()
	b.create(good)
	b.expectGood()
	all, err := log.Events()
	if err != nil {
		t.Fatal(err)
	}
	asked := slices.DeleteFunc(all, func(r localkube.Event) bool {
		return r.User != "system:serviceaccount:"+systemNamespace+":gatehouse"
	})
	used := map[string]bool{}
	for _, r := range asked {
		if r.Code == http.StatusForbidden {
			t.Errorf("forbidden: %+v", r)
		}
		used[right(r.Group, r.Resource, r.Subresource, r.Verb)] = true
	}
	for name := range granted(t, []string{"role.yaml"}, false) {
		if strings.HasPrefix(name, "list ") && !used[name] {
			t.Errorf("granted and never used: %s", name)
		}
	}
	secretsAreAskedForByLabel(t, asked)
}

// life is everything that the controllers ever do, short of an outage.
func (b *bench) life(o Options) {
	b.t.Helper()
	now := clocktest.New(b.t)
	o.Clock, o.Issuer = now, "https://auth.example.com"
	o.Installation = "life-" + uuid.NewString() // with a Lease of its own to make
	begun := len(b.requests())
	first, stop := b.start(o)
	b.eventually("published", first.Ready)
	second, _ := b.start(o)
	b.eventually("published", second.Ready)
	b.samples(o.SystemNamespace)
	b.create(`
apiVersion: v1
kind: Secret
metadata: {name: private, namespace: acme}
stringData: {key: not-for-gatehouse}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: machine, namespace: acme}
spec:
  organizationRef: {name: acme}
  type: Machine
  scopes: ["org:read"]
  credentials: {rotation: {overlap: 1h, generation: 1}}
`)
	b.expect(kindApplication, "acme", "machine", "True")
	b.expect(kindProvider, o.SystemNamespace, "local", "True")
	b.expect(kindRole, "acme", "member", "True")
	before := b.becomes("machine-credentials", "made", func(*corev1.Secret) bool { return true })

	b.change(kindApplication, "acme", "machine", func(spec map[string]any) {
		spec["credentials"].(map[string]any)["rotation"] = map[string]any{"overlap": "1h", "generation": int64(2)}
	})
	b.becomes("machine-credentials", "announced", func(s *corev1.Secret) bool { return len(b.credentials(s)) == 2 })
	now.Step(credential.Lead)
	b.becomes("machine-credentials", "rotated", func(s *corev1.Secret) bool {
		return string(s.Data["client-secret"]) != string(before.Data["client-secret"])
	})
	for range 2 { // the same Event twice is one that is counted up
		gone := b.secret("machine-credentials")
		if err := b.Delete(b.t.Context(), gone); err != nil {
			b.t.Fatal(err)
		}
		b.becomes("machine-credentials", "made again", func(s *corev1.Secret) bool { return s.UID != gone.UID })
	}
	b.eventually("counted up", func() error {
		if !slices.ContainsFunc(b.requests()[begun:], func(r localkube.Event) bool { return r.Resource == "events" && r.Verb == "patch" }) {
			return errors.New("no Event was written again")
		}
		return nil
	})
	stop() // the other one leads
	b.change(kindApplication, "acme", "machine", func(spec map[string]any) {
		spec["credentials"] = map[string]any{"output": map[string]any{"secretName": "other"}}
	})
	b.becomes("other", "made", func(*corev1.Secret) bool { return true })
	b.eventually("removed", func() error {
		if err := b.Delete(b.t.Context(), b.get(kindApplication, "acme", "machine")); err != nil {
			return err
		}
		return nil
	})
	b.eventually("no longer served", func() error {
		if b.serves("acme.acme.machine") == nil {
			return fmt.Errorf("it is")
		}
		return nil
	})
}

// samples creates config/samples, with the providers in the given namespace.
func (b *bench) samples(system string) {
	b.t.Helper()
	files, err := filepath.Glob("../config/samples/[1-9]*.yaml")
	if err != nil || len(files) == 0 {
		b.t.Fatalf("%d samples: %v", len(files), err)
	}
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err != nil {
			b.t.Fatal(err)
		}
		b.create(strings.ReplaceAll(string(content), systemNamespace, system))
	}
}

func (b *bench) requests() []localkube.Event {
	b.t.Helper()
	all, err := audit.Events()
	if err != nil {
		b.t.Fatal(err)
	}
	return all
}

func right(group, resource, subresource, verb string) string {
	if subresource != "" {
		resource += "/" + subresource
	}
	return verb + " " + resource + "." + group
}

// granted are the rights that files of config/rbac give; without those in the cluster, if
// they are given in namespaces.
func granted(t *testing.T, files []string, namespaced bool) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, f := range files {
		content, err := os.ReadFile("../config/rbac/" + f)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range documents(content) {
			if namespaced && u.GetKind() == "ClusterRole" {
				continue
			}
			for _, rule := range rules(t, u) {
				for _, group := range rule.APIGroups {
					for _, resource := range rule.Resources {
						for _, verb := range rule.Verbs {
							all[right(group, resource, "", verb)] = true
						}
					}
				}
			}
		}
	}
	return all
}

func rules(t *testing.T, u *unstructured.Unstructured) []rbacv1.PolicyRule {
	t.Helper()
	var role rbacv1.Role
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &role); err != nil {
		t.Fatal(err)
	}
	return role.Rules
}
