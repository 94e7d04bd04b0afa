package controllers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/test/localkube"
)

// side is one of several installations in a test's cluster.
type side struct {
	*bench
	*Cluster
	writes writes
	stop   func()
}

// installation starts another installation beside those of the test. It has its own key
// for client secrets, as every installation has.
func (b *bench) installation(name string, change func(*Options)) *side {
	b.t.Helper()
	s := &side{bench: &bench{Client: b.Client, t: b.t, kube: b.kube}}
	o := b.options()
	o.Installation, o.Publish = name, s.publish
	o.DigestKey = model.NewSensitive(fmt.Sprintf("%032s", name))
	if change != nil {
		change(&o)
	}
	s.writes.wrap(&o)
	s.Cluster, s.stop = b.start(o)
	b.eventually("published by "+name, s.Ready)
	return s
}

func selecting(selector string) func(*Options) {
	return func(o *Options) {
		s, err := labels.Parse(selector)
		if err != nil {
			panic(err)
		}
		o.Selector = s
	}
}

func owner(u *unstructured.Unstructured) string {
	name, _, _ := unstructured.NestedString(u.Object, "status", "installation")
	return name
}

func (s *side) has(clientID string) bool { return s.serves(clientID) == nil }

// settled waits until the leader of each side has renewed its Lease a few times in a row
// without anything else being written by any.
func settled(b *bench, sides ...*side) {
	b.t.Helper()
	type seen struct{ lease, other int64 }
	from := make([]seen, len(sides))
	b.eventually("settled", func() error {
		quiet := true
		for i, s := range sides {
			if now := (seen{s.writes.lease.Load(), s.writes.other.Load()}); from[i].lease == 0 || now.other != from[i].other {
				from[i], quiet = now, false
			} else if now.lease < from[i].lease+8 {
				quiet = false
			}
		}
		if !quiet {
			return fmt.Errorf("writes since the last change: %+v", from)
		}
		return nil
	})
}

// Both see everything and lead. Whatever comes, each object ends up with one of them, which
// alone serves it, writes it and makes its Secret; and then nobody writes.
func TestTwoInstallationsThatSeeTheSameDoNotFight(t *testing.T) {
	b := newBench(t, kube)
	blue, green := b.installation("blue", nil), b.installation("green", nil)
	b.create(good)
	for i := range 20 {
		b.create(fmt.Sprintf(`
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Organization
metadata: {name: race%[1]d, namespace: race%[1]d}
spec: {slug: race%[1]d}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: robot, namespace: race%[1]d}
spec: {organizationRef: {name: race%[1]d}, type: Machine, scopes: ["org:read"]}
`, i))
	}
	b.eventually("owned", func() error {
		for i := range 20 {
			name := fmt.Sprintf("race%d", i)
			for _, u := range []*unstructured.Unstructured{b.get(kindOrganization, name, name), b.get(kindApplication, name, "robot")} {
				if owner(u) == "" {
					return fmt.Errorf("%s %s has no owner", u.GetKind(), name)
				}
			}
		}
		return nil
	})
	settled(b, blue, green)
	made := int64(0)
	for i := range 20 {
		name := fmt.Sprintf("race%d", i)
		app, org := b.get(kindApplication, name, "robot"), b.get(kindOrganization, name, name)
		for _, s := range []*side{blue, green} {
			if want := owner(app) == s.Installation && owner(org) == s.Installation; s.has(name+"."+name+".robot") != want {
				t.Errorf("%s: of %s and %s, served by %s: %t", name, owner(org), owner(app), s.Installation, !want)
			}
			if owner(app) == s.Installation && condition(app, v1alpha1.Accepted).Type == "" {
				t.Errorf("%s: its owner says nothing", name)
			}
		}
		var secrets corev1.SecretList
		if err := b.List(t.Context(), &secrets, client.InNamespace(name)); err != nil {
			t.Fatal(err)
		}
		if want := owner(app) == owner(org); (len(secrets.Items) == 1) != want {
			t.Errorf("%s: %d Secrets, wanted one: %t", name, len(secrets.Items), want)
		}
		made += int64(len(secrets.Items))
	}
	if got := blue.writes.secrets.Load() + green.writes.secrets.Load(); got != made {
		t.Errorf("%d writes of %d Secrets", got, made)
	}
	blue.stop()
	green.stop()
}

// A later object goes with its Organization, whoever sees it first.
func TestANewApplicationGoesWithItsOrganization(t *testing.T) {
	b := newBench(t, kube)
	blue := b.installation("blue", nil)
	b.create(good)
	b.expectGood()
	green := b.installation("green", nil)
	blue.stop()
	b.create(`
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: late, namespace: acme}
spec: {organizationRef: {name: acme}, type: Device, scopes: ["org:read"]}
`)
	b.eventually("left alone", func() error {
		if said := strings.Join(green.Remarks(), "\n"); !strings.Contains(said, `6 objects are those of installation "blue"`) || !strings.Contains(said, "take them over") {
			return fmt.Errorf("it says %q", said)
		}
		return nil
	})
	settled(b, green)
	if u := b.get(kindApplication, "acme", "late"); observed(u) != -1 || green.has("acme.acme.late") {
		t.Errorf("taken from the owner of its Organization: %v", u.Object["status"])
	}
	blue = b.installation("blue", nil)
	if u := b.expect(kindApplication, "acme", "late", "True"); owner(u) != "blue" || !blue.has("acme.acme.late") {
		t.Errorf("owned by %q", owner(u))
	}
}

func TestAnObjectOfAnotherInstallationIsLeftAloneUntilItIsClaimed(t *testing.T) {
	b := newBench(t, kube)
	registry := prometheus.NewRegistry()
	blue := b.installation("blue", func(o *Options) { o.Metrics = registry })
	b.create(good)
	b.expectGood()
	u := b.get(kindApplication, "acme", "cli")
	if owner(u) != "blue" || !blue.has("acme.acme.cli") {
		t.Fatalf("owned by %q", owner(u))
	}

	// Whoever may write its status can take it from its installation, and no more than that.
	forged := u.DeepCopy()
	forged.Object["status"].(map[string]any)["installation"] = "mallory"
	if err := b.Status().Update(t.Context(), forged); err != nil {
		t.Fatal(err)
	}
	b.eventually("dropped", func() error {
		if blue.has("acme.acme.cli") {
			return errors.New("still served")
		}
		return nil
	})
	if got := gauge(t, registry, "gatehouse_foreign_objects", kindApplication); got != 1 {
		t.Errorf("gatehouse_foreign_objects is %v", got)
	}
	settled(b, blue)
	b.change(kindApplication, "acme", "cli", func(spec map[string]any) { spec["displayName"] = "Mine" })
	settled(b, blue)
	if now := b.get(kindApplication, "acme", "cli"); owner(now) != "mallory" || observed(now) == now.GetGeneration() {
		t.Errorf("written although it is not ours: %v", now.Object["status"])
	}

	id := model.ObjectID{Kind: kindApplication, Namespace: "acme", Name: "cli", UID: "an-earlier-one"}
	if err := Claim(t.Context(), b.Client, id, "mallory", "blue"); err == nil {
		t.Error("claimed an incarnation that is gone")
	}
	id.UID = string(u.GetUID())
	if err := Claim(t.Context(), b.Client, id, "mallory", "blue"); err != nil {
		t.Fatal(err)
	}
	if now := b.expect(kindApplication, "acme", "cli", "True"); owner(now) != "blue" || !blue.has("acme.acme.cli") {
		t.Errorf("owned by %q", owner(now))
	}
	if got := gauge(t, registry, "gatehouse_foreign_objects", kindApplication); got != 0 {
		t.Errorf("gatehouse_foreign_objects is %v", got)
	}
}

// A claim is of what was looked at: not of one that a third installation took since, nor of
// one that was made anew by whoever may create objects there.
func TestAClaimIsRefusedIfTheObjectChangedMeanwhile(t *testing.T) {
	b := newBench(t, kube)
	b.create(good)
	given := func(owner string) {
		u := b.get(kindRole, "acme", "member")
		u.Object["status"] = map[string]any{"observedGeneration": int64(-1)}
		if owner != "" {
			u.Object["status"].(map[string]any)["installation"] = owner
		}
		if err := b.Status().Update(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	owners, err := NewOwners(kube.Config, Scope{Installation: "blue", SystemNamespace: systemNamespace})
	if err != nil {
		t.Fatal(err)
	}
	found := func() Owned {
		all, err := owners.Foreign(t.Context(), []string{"mallory"})
		if err != nil || len(all) != 1 || all[0].Organization.String() != "acme/acme" || all[0].Refused != "" {
			t.Fatalf("found %+v, %v", all, err)
		}
		return all[0]
	}
	for says, change := range map[string]func(){
		`it was of installation "mallory" and is of "eve" now`: func() { given("eve") },
		`it was of installation "mallory" and is nobody's now`: func() { given("") },
		"it was deleted and made anew": func() {
			u := b.get(kindRole, "acme", "member")
			if err := b.Delete(t.Context(), u); err != nil {
				t.Fatal(err)
			}
			u.SetUID("")
			u.SetResourceVersion("")
			if err := b.Create(t.Context(), u); err != nil {
				t.Fatal(err)
			}
			given("mallory")
		},
	} {
		given("mallory")
		was := found()
		change()
		before := owner(b.get(kindRole, "acme", "member"))
		if err := owners.Claim(t.Context(), was); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
		if now := owner(b.get(kindRole, "acme", "member")); now != before {
			t.Errorf("%s: taken over, and of %q", says, now)
		}
	}
	given("mallory")
	was := found()
	if err := owners.Claim(t.Context(), was); err != nil || owner(b.get(kindRole, "acme", "member")) != "blue" {
		t.Errorf("not taken over: %v", err)
	}
	if err := owners.Claim(t.Context(), was); err != nil {
		t.Errorf("it is ours already: %v", err)
	}
	if err := b.Delete(t.Context(), b.get(kindRole, "acme", "member")); err != nil {
		t.Fatal(err)
	}
	if err := owners.Claim(t.Context(), was); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "it is gone") {
		t.Errorf("gone: %v", err)
	}
}

// Who owns it stays, whatever its labels: an edit of a label must not hand over people's
// sessions, nor take them away for good, without somebody who says so.
func TestALabelEditHandsOverNothing(t *testing.T) {
	b := newBench(t, kube)
	const label = "auth.gatehouse.dev/installation"
	blue, green := b.installation("blue", selecting(label+"=blue")), b.installation("green", selecting(label+"=green"))
	manifests := strings.ReplaceAll(good, "namespace: acme}", "namespace: acme, labels: {"+label+": blue}}")
	b.create(strings.ReplaceAll(manifests, "namespace: gatehouse-system}", "namespace: gatehouse-system, labels: {"+label+": blue}}"))
	b.expectGood()
	for _, o := range theGood {
		if u := b.get(o[0], o[1], o[2]); owner(u) != "blue" {
			t.Errorf("%v is owned by %q", o, owner(u))
		}
	}
	if len(green.snapshot().Objects) != 0 || green.writes.other.Load() != 0 {
		t.Errorf("green knows %v and wrote %d times", green.snapshot().Objects, green.writes.other.Load())
	}
	relabel := func(value string) {
		b.eventually("relabelled", func() error {
			u := b.get(kindApplication, "acme", "cli")
			u.SetLabels(map[string]string{label: value})
			return b.Update(t.Context(), u)
		})
	}
	relabel("green")
	b.eventually("nobody's", func() error {
		if blue.has("acme.acme.cli") || len(green.Remarks()) != 1 {
			return fmt.Errorf("served by blue: %t; green says %q", blue.has("acme.acme.cli"), green.Remarks())
		}
		return nil
	})
	settled(b, blue, green)
	relabel("blue")
	b.eventually("blue's again", func() error {
		if !blue.has("acme.acme.cli") || len(green.Remarks()) != 0 {
			return errors.New("not yet")
		}
		return nil
	})
	settled(b, blue, green)
	if green.writes.other.Load() != 0 {
		t.Errorf("green wrote %d times", green.writes.other.Load())
	}
}

// A new keyring is a new installation, and says so instead of taking everything.
func TestAfterTheKeyringIsLostTheCureIsSaid(t *testing.T) {
	b := newBench(t, kube)
	first := b.installation("first", nil)
	b.create(good)
	b.expectGood()
	first.stop()
	second := b.installation("second", nil)
	if said := strings.Join(second.Remarks(), "\n"); !strings.Contains(said, `5 objects are those of installation "first"`) || !strings.Contains(said, "keyring is lost, take them over: gatehouse adopt --all --from that ID (docs/operations.md, Two installations)") {
		t.Errorf("it says %q", said)
	}
	settled(b, second)
	if second.has("acme.acme.cli") || second.writes.other.Load() != 0 {
		t.Errorf("wrote %d times", second.writes.other.Load())
	}
	for _, o := range theGood {
		if err := Claim(t.Context(), b.Client, identify(o[0], b.get(o[0], o[1], o[2])), "first", "second"); err != nil {
			t.Fatal(err)
		}
	}
	b.expectGood()
	if len(second.Remarks()) != 0 || !second.has("acme.acme.cli") {
		t.Errorf("it says %q", second.Remarks())
	}
}

var takeover = regexp.MustCompile("(?s)```sh takeover\n(.*?)```")

func TestTheCommandsOfTheDocsHandOverWhatAnotherInstallationOwns(t *testing.T) {
	b := newBench(t, kube)
	first := b.installation("first", nil)
	b.create(good)
	b.expectGood()
	first.stop()
	second := b.installation("second", nil)
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	found := takeover.FindSubmatch(page)
	if found == nil {
		t.Fatal("docs/operations.md has no such commands")
	}
	kubectl, err := localkube.Kubectl()
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, kube.KubeConfig, 0o600); err != nil {
		t.Fatal(err)
	}
	shell := exec.CommandContext(t.Context(), "bash", "-eo", "pipefail", "-c", strings.ReplaceAll(string(found[1]), "OWNER", "first"))
	shell.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "PATH="+filepath.Dir(kubectl)+":"+os.Getenv("PATH"))
	if out, err := shell.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b.expectGood()
	for _, o := range theGood {
		if u := b.get(o[0], o[1], o[2]); owner(u) != "second" {
			t.Errorf("%v is owned by %q", o, owner(u))
		}
	}
	if len(second.Remarks()) != 0 || !second.has("acme.acme.cli") {
		t.Errorf("it says %q", second.Remarks())
	}
}

// gauge reads a metric by the value of its one label.
func gauge(t *testing.T, from prometheus.Gatherer, name, label string) float64 {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == label {
				return m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("no metric %s of %s", name, label)
	return 0
}
