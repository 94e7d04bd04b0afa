package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	kube "sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/compile/compiletest"
	"github.com/gatehouse-dev/gatehouse/test/localkube"
	"github.com/gatehouse-dev/gatehouse/test/process"
)

const (
	serviceAccount = "system:serviceaccount:gatehouse-system:gatehouse"
	// loaders is how many objects are written at the same time.
	loaders = 32
	// quiet is for how long nothing must have been written for the world to be settled.
	quiet = 5 * time.Second
)

// scale is a Kubernetes API and a Gatehouse that is started on it time and again.
type scale struct {
	dir, binary string
	cluster     *localkube.Cluster
	audit       *localkube.Audit
	admin       kube.WithWatch

	gatehouse *process.Process // nil: none runs
	started   time.Time
	asked     []localkube.Event // by Gatehouse, from its start until it had settled
}

func newScale(ctx context.Context) (*scale, error) {
	dir, err := os.MkdirTemp("", "gatehouse-bench-")
	if err != nil {
		return nil, err
	}
	s := &scale{dir: dir}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *scale) prepare(ctx context.Context) (err error) {
	log.SetLogger(logr.Discard())
	if s.binary, err = process.Build(ctx, s.dir); err != nil {
		return err
	}
	if s.audit, err = localkube.NewAudit(s.dir); err != nil {
		return err
	}
	definitions, err := localkube.Definitions()
	if err != nil {
		return err
	}
	if s.cluster, err = localkube.Start("", definitions, s.audit.Option()); err != nil {
		return err
	}
	if err := s.install(ctx); err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(v1alpha1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
		return err
	}
	admin, err := s.cluster.AddUser(envtest.User{Name: "bench", Groups: []string{"system:masters"}}, &rest.Config{QPS: -1})
	if err != nil {
		return err
	}
	s.admin, err = kube.NewWithWatch(admin.Config(), kube.Options{Scheme: scheme})
	return err
}

// install applies what config/default gives a cluster besides the definitions, and makes
// the service account's kubeconfig the one that Gatehouse finds.
func (s *scale) install(ctx context.Context) error {
	kubectl, err := localkube.Kubectl()
	if err != nil {
		return err
	}
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("find the root of the module: %w", err)
	}
	admin := filepath.Join(s.dir, "admin.kubeconfig")
	if err := os.WriteFile(admin, s.cluster.KubeConfig, 0o600); err != nil {
		return err
	}
	for _, part := range [][]string{{"-f", "config/default/namespace.yaml"}, {"-k", "config/rbac"}} {
		apply := exec.CommandContext(ctx, kubectl, append([]string{"apply", "--kubeconfig", admin}, part...)...)
		apply.Dir = string(bytes.TrimSpace(root))
		if out, err := apply.CombinedOutput(); err != nil {
			return fmt.Errorf("kubectl apply: %w\n%s", err, out)
		}
	}
	account, err := s.cluster.AddUser(envtest.User{
		Name: serviceAccount, Groups: []string{"system:serviceaccounts", "system:serviceaccounts:gatehouse-system"},
	}, &rest.Config{})
	if err != nil {
		return err
	}
	kubeconfig, err := account.KubeConfig()
	if err != nil {
		return err
	}
	path := filepath.Join(s.dir, "kubeconfig")
	return errors.Join(os.WriteFile(path, kubeconfig, 0o600), os.Setenv("KUBECONFIG", path))
}

func (s *scale) close() error {
	var errs []error
	if s.gatehouse != nil {
		errs = append(errs, s.stop())
	}
	if s.cluster != nil {
		errs = append(errs, s.cluster.Stop())
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}

// start starts Gatehouse and returns how long it took to be ready.
func (s *scale) start(ctx context.Context) (time.Duration, error) {
	listen, err1 := process.FreeAddress()
	ops, err2 := process.FreeAddress()
	if err := errors.Join(err1, err2); err != nil {
		return 0, err
	}
	s.started = time.Now()
	var err error
	s.gatehouse, err = process.Start(ctx, "http://"+listen, "http://"+ops+"/readyz", s.binary, "serve", "--dev", "--rate-limit-scale", "0",
		"--data-dir", filepath.Join(s.dir, "data"), "--issuer", "http://"+listen, "--listen", listen, "--ops-listen", ops)
	return time.Since(s.started), err
}

func (s *scale) stop() error {
	p := s.gatehouse
	s.gatehouse = nil
	return p.Stop()
}

// world is the running Gatehouse, as the parts of the bench that ask it know it.
func (s *scale) world() *world { return &world{Process: s.gatehouse, secret: compiletest.Secret} }

// settle waits until Gatehouse has written nothing but its Lease for a while, and notes
// what it asked for since its start.
func (s *scale) settle(ctx context.Context) error {
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(time.Second) {
		events, err := s.audit.Events()
		if err != nil {
			return err
		}
		last := s.started
		s.asked = s.asked[:0]
		for _, e := range events {
			if e.User != serviceAccount || e.Time.Before(s.started) || e.Stage == localkube.StageComplete && e.Verb == "watch" {
				continue
			}
			s.asked = append(s.asked, e)
			if e.Writes() && e.Resource != "leases" {
				last = e.Time
			}
		}
		if time.Since(last) > quiet {
			return nil
		}
	}
	return errors.Join(ctx.Err(), errors.New("it never stopped writing"))
}

// memory returns what is resident now and what was at the peak, in MiB.
func (s *scale) memory() (now, peak float64, err error) {
	now, err1 := s.gatehouse.RSS()
	peak, err2 := s.gatehouse.PeakRSS()
	return now, peak, errors.Join(err1, err2)
}

// create writes objects, many at a time; the first error ends it.
func (s *scale) create(ctx context.Context, n int, object func(i int) kube.Object) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range loaders {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := s.admin.Create(ctx, object(i)); err != nil {
					cancel(err)
				}
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}

// declare writes the world that the budgets speak of, and returns of how many objects it is.
func (s *scale) declare(ctx context.Context) (int, error) {
	in := compiletest.World(compiletest.Large)
	var namespaces, objects []kube.Object
	for _, n := range in.Namespaces {
		namespaces = append(namespaces, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: n.Name, Labels: n.Labels}})
	}
	for _, n := range in.Secrets {
		objects = append(objects, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: n.Namespace, Name: n.Name, Labels: map[string]string{v1alpha1.SecretLabel: v1alpha1.SecretInput}},
			StringData: map[string]string{"client-secret": compiletest.Secret},
		})
	}
	objects = append(objects, heldAlone(in)...)
	for _, o := range in.Providers {
		objects = append(objects, o)
	}
	for _, o := range in.Organizations {
		objects = append(objects, o)
	}
	for _, o := range in.Applications {
		objects = append(objects, o)
	}
	for _, o := range in.Roles {
		objects = append(objects, o)
	}
	for _, o := range objects { // the API server's to give
		o.SetUID("")
		o.SetGeneration(0)
		o.SetCreationTimestamp(metav1.Time{})
	}
	for _, all := range [][]kube.Object{namespaces, objects} {
		if err := s.create(ctx, len(all), func(i int) kube.Object { return all[i] }); err != nil {
			return 0, err
		}
	}
	return len(namespaces) + len(objects), nil
}

// heldAlone are a machine client and the only Role that it holds.
func heldAlone(in compile.Input) []kube.Object {
	client, role := in.Applications[0].DeepCopy(), in.Roles[0].DeepCopy()
	client.Name, role.Name = "held", largeRole.name
	client.Spec.Scopes = []v1alpha1.ApplicationScope{"org:read", "project:read"}
	role.Spec.Subjects = []v1alpha1.Subject{{Kind: v1alpha1.SubjectApiApplication, Name: client.Name}}
	return []kube.Object{client, role}
}

// inWave labels the applications that are declared at once.
var inWave = kube.MatchingLabels{"wave": "1"}

func newApplication(i int, name string) *v1alpha1.ApiApplication {
	organization := fmt.Sprintf("org-%d", i%compiletest.Large.Organizations)
	return &v1alpha1.ApiApplication{
		ObjectMeta: metav1.ObjectMeta{Namespace: organization, Name: fmt.Sprintf("%s-%d", name, i)},
		Spec: v1alpha1.ApiApplicationSpec{
			OrganizationRef: v1alpha1.ObjectReference{Name: organization},
			Type:            v1alpha1.TypeDevice,
			Scopes:          []v1alpha1.ApplicationScope{"org:read", "project:write", "offline_access"},
		},
	}
}

func (s *scale) declareWave(ctx context.Context) error {
	return s.create(ctx, wave, func(i int) kube.Object {
		a := newApplication(i, "wave")
		a.Labels = inWave
		return a
	})
}

// awaitReady watches the applications with these labels, and sends once so many are Ready
// for the declaration that they have.
func (s *scale) awaitReady(ctx context.Context, want int, labels kube.MatchingLabels) (<-chan error, error) {
	w, err := s.admin.Watch(ctx, &v1alpha1.ApiApplicationList{}, labels)
	if err != nil {
		return nil, err
	}
	arrived := make(chan error, 1)
	go func() {
		defer w.Stop()
		ready := map[string]bool{}
		for e := range w.ResultChan() {
			a, ok := e.Object.(*v1alpha1.ApiApplication)
			if !ok {
				arrived <- fmt.Errorf("watch: %v", e.Object)
				return
			}
			for _, c := range a.Status.Conditions {
				if c.Type == v1alpha1.Ready && c.Status == metav1.ConditionTrue && c.ObservedGeneration == a.Generation {
					ready[a.Namespace+"/"+a.Name] = true
				}
			}
			if len(ready) == want {
				arrived <- nil
				return
			}
		}
		arrived <- fmt.Errorf("the watch ended when %d of %d were ready", len(ready), want)
	}()
	return arrived, nil
}

// addApplications makes applications one after the other and asks each for a device code.
func (s *scale) addApplications(ctx context.Context, n int) ([]time.Duration, error) {
	var times []time.Duration
	for i := range n {
		a := newApplication(i, "single")
		if err := s.admin.Create(ctx, a); err != nil {
			return nil, err
		}
		made := time.Now()
		form := url.Values{"client_id": {fmt.Sprintf("%[1]s.%[1]s.%[2]s", a.Namespace, a.Name)}}
		for {
			answer, err := send(post(s.gatehouse.URL+"/oauth/device/code/", form, "", ""))
			if err != nil {
				return nil, err
			}
			if answer.status == http.StatusOK {
				break
			}
			if time.Since(made) > 10*time.Second {
				return nil, fmt.Errorf("%s is not served after 10 s: %s", a.Name, answer.body)
			}
			time.Sleep(time.Millisecond)
		}
		times = append(times, time.Since(made))
	}
	return times, nil
}

func (s *scale) addForeignSecrets(ctx context.Context) error {
	return s.create(ctx, foreign, func(i int) kube.Object { return filled(i, "foreign", i%10+1) })
}

func (s *scale) addLabelledSecrets(ctx context.Context) error {
	return s.create(ctx, labelled, func(i int) kube.Object {
		o := filled(i, "labelled", 10)
		o.Labels = map[string]string{v1alpha1.SecretLabel: v1alpha1.SecretInput}
		return o
	})
}

// filled is a Secret of so many values of 1 KiB.
func filled(i int, name string, values int) *corev1.Secret {
	s := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: fmt.Sprintf("org-%d", i%compiletest.Large.Organizations), Name: fmt.Sprintf("%s-%d", name, i)},
		Data:       map[string][]byte{},
	}
	for v := range values {
		s.Data[fmt.Sprintf("value-%d", v)] = bytes.Repeat([]byte("x"), 1<<10)
	}
	return s
}
