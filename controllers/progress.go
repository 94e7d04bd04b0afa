package controllers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
)

// progress is how far the first publishing has come, for people who wait for it.
type progress struct {
	mu         sync.Mutex
	phase      string            // what is being waited for
	unreadable map[string]string // kind → why it could not be read
	published  bool
}

func (p *progress) set(phase string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.phase, p.unreadable = phase, map[string]string{}
}

func (p *progress) cannotRead(kind string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.published {
		p.unreadable[kind] = err.Error()
	}
}

func (p *progress) publishedFirst() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.published, p.unreadable = true, nil
}

func (p *progress) err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.published {
		return nil
	}
	parts := []string{p.phase}
	for _, kind := range slices.Sorted(maps.Keys(p.unreadable)) {
		parts = append(parts, p.unreadable[kind])
	}
	return errors.New(strings.Join(parts, "; "))
}

// plurals of the four kinds, as in their CustomResourceDefinitions' names.
var plurals = []string{"apiapplications", "authproviders", "organizations", "roles"}

// awaitKinds returns once the API server serves the four kinds. It asks each second:
// definitions that are installed after us are no reason to end.
func (c *Cluster) awaitKinds(ctx context.Context) error {
	d, err := discovery.NewDiscoveryClientForConfig(c.Config)
	if err != nil {
		return fmt.Errorf("make discovery client: %w", err)
	}
	said := ""
	return wait.PollUntilContextCancel(ctx, time.Second, true, func(context.Context) (bool, error) {
		phase := missing(d)
		if phase == "" {
			return true, nil
		}
		c.progress.set(phase)
		if phase != said {
			c.Log.Info("waiting", "for", phase)
			said = phase
		}
		return false, nil
	})
}

// missing says what keeps the four kinds from being watched, empty for nothing.
func missing(d discovery.DiscoveryInterface) string {
	served, err := d.ServerResourcesForGroupVersion(v1alpha1.GroupVersion.String())
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Sprintf("the Kubernetes API server does not answer: %v", err)
	}
	absent := slices.Clone(plurals)
	if err == nil {
		for _, r := range served.APIResources {
			absent = slices.DeleteFunc(absent, func(plural string) bool { return plural == r.Name })
		}
	}
	if len(absent) == 0 {
		return ""
	}
	for i, plural := range absent {
		absent[i] = plural + "." + v1alpha1.GroupName
	}
	return fmt.Sprintf("CustomResourceDefinitions are missing: %s; install them with `kubectl apply -k config/crd`", strings.Join(absent, ", "))
}
