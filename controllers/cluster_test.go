package controllers

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/test/localkube"
)

const (
	systemNamespace = "gatehouse-system"
	// patience bounds every wait: far more than anything here takes, so that a slow
	// machine fails no test.
	patience = 40 * time.Second
)

// kube is one real Kubernetes API for all tests of the package. The tests take turns: each
// starts its own Cluster and removes what it declared.
var kube *localkube.Cluster

// audit is kube's audit log.
var audit *localkube.Audit

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := withKube(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withKube(run func() int) (code int, err error) {
	definitions, err := localkube.Definitions()
	if err != nil {
		return 1, err
	}
	dir, err := os.MkdirTemp("", "gatehouse-controllers-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if audit, err = localkube.NewAudit(dir); err != nil {
		return 1, err
	}
	if kube, err = localkube.Start("", definitions, audit.Option()); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, kube.Stop()) }()
	if err := install(kube); err != nil {
		return 1, err
	}
	return run(), nil
}

// install applies what config/default gives a cluster besides the definitions.
func install(k *localkube.Cluster) error {
	admin, err := client.New(k.Config, client.Options{})
	if err != nil {
		return err
	}
	files := []string{"default/namespace.yaml"}
	rbac, err := filepath.Glob("../config/rbac/*.yaml")
	if err != nil {
		return err
	}
	for _, f := range rbac {
		if filepath.Base(f) != "kustomization.yaml" {
			files = append(files, filepath.Join("rbac", filepath.Base(f)))
		}
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join("../config", f))
		if err != nil {
			return err
		}
		for _, u := range documents(b) {
			if err := admin.Create(context.Background(), u); err != nil {
				return fmt.Errorf("%s: %w", f, err)
			}
		}
	}
	return nil
}

func documents(b []byte) []*unstructured.Unstructured {
	var all []*unstructured.Unstructured
	for d := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(b), 4096); ; {
		u := &unstructured.Unstructured{}
		if err := d.Decode(&u.Object); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			panic(err)
		}
		if u.Object != nil {
			all = append(all, u)
		}
	}
}

// asServiceAccount is the configuration of the service account of config/rbac: what it may
// not do, the controllers cannot do here either.
func asServiceAccount(t *testing.T, k *localkube.Cluster) *rest.Config {
	t.Helper()
	user, err := k.AddUser(envtest.User{
		Name:   "system:serviceaccount:" + systemNamespace + ":gatehouse",
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + systemNamespace},
	}, &rest.Config{QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	return user.Config()
}

// bench is a test's own end of a cluster: an administrator's client, and what was published.
type bench struct {
	client.Client
	t    *testing.T
	kube *localkube.Cluster

	refuse atomic.Pointer[error] // what Publish returns
	mu     sync.Mutex
	last   *model.Snapshot
	count  int
}

func newBench(t *testing.T, k *localkube.Cluster) *bench {
	t.Helper()
	b := newGuest(t, k)
	t.Cleanup(b.removeAll)
	return b
}

// newGuest is a bench in a cluster that ends with the test: it leaves everything as it is.
func newGuest(t *testing.T, k *localkube.Cluster) *bench {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme, apiextensionsv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.New(rest.CopyConfig(k.Config), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return &bench{Client: c, t: t, kube: k}
}

func (b *bench) publish(_ context.Context, s *model.Snapshot) error {
	if err := b.refuse.Load(); err != nil {
		return *err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = s
	b.count++
	return nil
}

func (b *bench) snapshot() *model.Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last
}

func (b *bench) published() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.count
}

// quick is a Lease that changes hands fast.
var quick = leaseTimes{duration: 3 * time.Second, renew: 2 * time.Second, retry: 200 * time.Millisecond}

func (b *bench) options() Options {
	return Options{
		Config: asServiceAccount(b.t, b.kube), SystemNamespace: systemNamespace, Installation: "test",
		DigestKey: model.NewSensitive("0123456789abcdef0123456789abcdef"),
		Publish:   b.publish, Log: testLog(), lease: quick,
	}
}

// testLog prints with -v only: a failing test says by itself what is wrong.
func testLog() logr.Logger {
	if !testing.Verbose() {
		return logr.Discard()
	}
	return funcr.New(func(prefix, args string) { fmt.Fprintln(os.Stderr, prefix, args) }, funcr.Options{})
}

// start runs a Cluster and returns it with the function that stops it, which the end of
// the test calls as well.
func (b *bench) start(o Options) (*Cluster, context.CancelFunc) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	c, done := New(o), make(chan struct{})
	go func() {
		defer close(done)
		if err := c.Run(ctx); err != nil {
			b.t.Errorf("Run returned %v", err)
		}
	}()
	stop := func() {
		cancel()
		<-done
	}
	b.t.Cleanup(stop)
	return c, stop
}

// serve starts a Cluster and waits until it has published.
func (b *bench) serve() *Cluster {
	b.t.Helper()
	c, _ := b.start(b.options())
	b.eventually("published", func() error { return c.Ready() })
	return c
}

// eventually waits until what holds.
func (b *bench) eventually(what string, check func() error) {
	b.t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	b.t.Fatalf("never %s: %v", what, err)
}

// create creates objects from YAML, with the namespaces they are in.
func (b *bench) create(manifests string) {
	b.t.Helper()
	for _, u := range documents([]byte(manifests)) {
		b.namespace(u.GetNamespace())
		if err := b.Create(b.t.Context(), u); err != nil {
			b.t.Fatalf("create %s %s: %v", u.GetKind(), u.GetName(), err)
		}
	}
}

func (b *bench) namespace(name string) {
	b.t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := b.Create(b.t.Context(), ns); err != nil && !apierrors.IsAlreadyExists(err) {
		b.t.Fatal(err)
	}
}

// get reads one object of the four kinds, as "Kind namespace/name".
func (b *bench) get(kind, namespace, name string) *unstructured.Unstructured {
	b.t.Helper()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
	if err := b.Get(context.Background(), client.ObjectKey{Namespace: namespace, Name: name}, u); err != nil {
		b.t.Fatalf("get %s %s/%s: %v", kind, namespace, name, err)
	}
	return u
}

// condition finds a condition; the zero one if it is absent.
func condition(u *unstructured.Unstructured, kind string) metav1.Condition {
	all, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, item := range all {
		var c metav1.Condition
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.(map[string]any), &c); err != nil {
			panic(err)
		}
		if c.Type == kind {
			return c
		}
	}
	return metav1.Condition{}
}

func observed(u *unstructured.Unstructured) int64 {
	g, _, _ := unstructured.NestedInt64(u.Object, "status", "observedGeneration")
	return g
}

// expect waits for the Ready condition: True, or False with a reason.
func (b *bench) expect(kind, namespace, name, ready string) *unstructured.Unstructured {
	b.t.Helper()
	var u *unstructured.Unstructured
	b.eventually(fmt.Sprintf("%s %s/%s %s", kind, namespace, name, ready), func() error {
		u = b.get(kind, namespace, name)
		c := condition(u, v1alpha1.Ready)
		if observed(u) == u.GetGeneration() && (string(c.Status) == ready || c.Status == metav1.ConditionFalse && c.Reason == ready) {
			return nil
		}
		return fmt.Errorf("generation %d, observed %d, Ready=%s %s: %s", u.GetGeneration(), observed(u), c.Status, c.Reason, c.Message)
	})
	return u
}

// change edits one object.
func (b *bench) change(kind, namespace, name string, edit func(map[string]any)) {
	b.t.Helper()
	b.eventually("changed", func() error {
		u := b.get(kind, namespace, name)
		edit(u.Object["spec"].(map[string]any))
		return b.Update(b.t.Context(), u)
	})
}

// removeAll deletes everything that was declared and waits until it is gone. Namespaces
// stay: without a controller manager none is ever gone.
func (b *bench) removeAll() {
	ctx := context.Background()
	var namespaces corev1.NamespaceList
	if err := b.List(ctx, &namespaces); err != nil {
		b.t.Error(err)
		return
	}
	for _, ns := range namespaces.Items {
		for _, o := range []client.Object{&v1alpha1.Organization{}, &v1alpha1.ApiApplication{}, &v1alpha1.Role{}, &v1alpha1.AuthProvider{}, &corev1.Secret{}} {
			if err := b.DeleteAllOf(ctx, o, client.InNamespace(ns.Name)); err != nil && !apierrors.IsNotFound(err) {
				b.t.Errorf("remove %T: %v", o, err)
			}
		}
	}
}
