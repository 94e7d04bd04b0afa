package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kube "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile/compiletest"
	"github.com/gatehouse-dev/gatehouse/test/incluster"
	"github.com/gatehouse-dev/gatehouse/test/localkube"
)

// rest is for how long nothing must have been written for the world to be settled, and
// memory to be that of a process at rest.
const rest = 15 * time.Second

// scale is a Kubernetes API and a Gatehouse that is started on it time and again.
type scale struct {
	*incluster.Cluster
	dir       string
	gatehouse *incluster.Replica // nil: none runs
	started   time.Time
	ready     time.Time
	asked     []localkube.Event // by Gatehouse, from its start until it had settled
}

func newScale(ctx context.Context) (*scale, error) {
	dir, err := os.MkdirTemp("", "gatehouse-bench-")
	if err != nil {
		return nil, err
	}
	s := &scale{dir: dir}
	if s.Cluster, err = incluster.Start(ctx, dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

func (s *scale) close() error {
	var errs []error
	if s.gatehouse != nil {
		errs = append(errs, s.stop())
	}
	return errors.Join(append(errs, s.Stop(), os.RemoveAll(s.dir))...)
}

// start starts Gatehouse and returns how long it took to be ready.
func (s *scale) start(ctx context.Context) (time.Duration, error) {
	s.started = time.Now()
	var err error
	s.gatehouse, err = s.Run(ctx, "gatehouse")
	s.ready = time.Now()
	return s.ready.Sub(s.started), err
}

func (s *scale) stop() error {
	r := s.gatehouse
	s.gatehouse = nil
	return r.Stop()
}

// world is the running Gatehouse, as the parts of the bench that ask it know it.
func (s *scale) world() *world {
	return &world{Process: s.gatehouse.Process, secret: compiletest.Secret}
}

// settle waits until Gatehouse has written nothing but its Lease for a while, and notes
// what it asked for since its start.
func (s *scale) settle(ctx context.Context) error {
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(time.Second) {
		asked, err := s.Asked(s.gatehouse)
		if err != nil {
			return err
		}
		last := s.ready
		s.asked = s.asked[:0]
		for _, e := range asked {
			if e.Time.Before(s.started) || e.Stage == localkube.StageComplete && e.Verb == "watch" {
				continue
			}
			s.asked = append(s.asked, e)
			if e.Writes() && e.Resource != "leases" {
				last = e.Time
			}
		}
		if time.Since(last) > rest {
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
	return s.Create(ctx, wave, func(i int) kube.Object {
		a := newApplication(i, "wave")
		a.Labels = inWave
		return a
	})
}

// awaitReady watches the applications with these labels, and sends once so many are Ready
// for the declaration that they have.
func (s *scale) awaitReady(ctx context.Context, want int, labels kube.MatchingLabels) (<-chan error, error) {
	w, err := s.Admin.Watch(ctx, &v1alpha1.ApiApplicationList{}, labels)
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
		if err := s.Admin.Create(ctx, a); err != nil {
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
	return s.Create(ctx, foreign, func(i int) kube.Object { return filled(i, "foreign", i%10+1) })
}

func (s *scale) addLabelledSecrets(ctx context.Context) error {
	return s.Create(ctx, labelled, func(i int) kube.Object {
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
