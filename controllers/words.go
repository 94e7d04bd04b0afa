package controllers

import (
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
)

// Of words that many objects share one is kept: conditions say the same of nearly all. The
// bounds are against a tenant whose words nobody shares.
const (
	wordsMost      = 4096
	wordLengthMost = 256
)

// words are those that are kept once.
type words struct {
	mu   sync.Mutex
	once map[string]string
}

// share makes the strings those that are kept.
func (w *words) share(all ...*string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range all {
		if known, ok := w.once[*s]; ok {
			*s = known
		} else if len(*s) <= wordLengthMost && len(w.once) < wordsMost {
			w.once[*s] = *s
		}
	}
}

// newTransform makes what trims objects before they are cached: see strip.go.
func newTransform() toolscache.TransformFunc {
	w := &words{once: map[string]string{}}
	return func(o any) (any, error) {
		switch o := o.(type) {
		case *v1alpha1.Organization:
			w.conditions(o.Status.Conditions)
		case *v1alpha1.ApiApplication:
			w.conditions(o.Status.Conditions)
		case *v1alpha1.Role:
			w.conditions(o.Status.Conditions)
		case *v1alpha1.AuthProvider:
			w.conditions(o.Status.Conditions)
		}
		return stripDeclared(o)
	}
}

func (w *words) conditions(all []metav1.Condition) {
	for i := range all {
		c := &all[i]
		status := string(c.Status)
		w.share(&c.Type, &status, &c.Reason, &c.Message)
		c.Status = metav1.ConditionStatus(status)
	}
}
