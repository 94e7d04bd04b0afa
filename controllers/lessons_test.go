package controllers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// What programs of this kind have got wrong, and this one must not: the table in
// docs/architecture.md says which test is about which.

// An API server hands out lists in pages of 500.
func TestMoreThanAPageOfObjectsIsReadAndGoesWithoutARemainder(t *testing.T) {
	const n = 520
	b := newBench(t, kube)
	b.create(good)
	var g errgroup.Group
	g.SetLimit(16)
	for i := range n {
		g.Go(func() error {
			return b.Create(t.Context(), documents(fmt.Appendf(nil, `{apiVersion: auth.gatehouse.dev/v1alpha1, kind: Role, metadata: {name: page-%d, namespace: acme},
spec: {organizationRef: {name: acme}, rules: [{scopes: ["org:read"]}], subjects: [{kind: User, name: person-%d@acme.example}]}}`, i, i))[0])
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	b.serve() // and so reads them as a list
	people := func() (count int) {
		for o := range b.snapshot().Organizations() {
			for range o.People() {
				count++
			}
		}
		return count
	}
	if got := people(); got != n+1 {
		t.Fatalf("%d people hold a Role, want %d", got, n+1)
	}
	if err := b.DeleteAllOf(t.Context(), &v1alpha1.Role{}, client.InNamespace("acme")); err != nil {
		t.Fatal(err)
	}
	b.eventually("all gone", func() error {
		if left := people(); left > 0 {
			return fmt.Errorf("%d people still hold a Role", left)
		}
		return nil
	})
}

// failing answers 500 to what changes a path, while it is told to.
type failing struct {
	next  http.RoundTripper
	path  string
	on    *atomic.Bool
	tries *atomic.Int64
}

func (f failing) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet || !strings.HasSuffix(r.URL.Path, f.path) || !f.on.Load() {
		return f.next.RoundTrip(r)
	}
	f.tries.Add(1)
	return &http.Response{
		StatusCode: http.StatusInternalServerError, Header: http.Header{}, Request: r,
		Body: io.NopCloser(bytes.NewReader([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"InternalError","code":500}`))),
	}, nil
}

// An error is tried again by itself, never left for the next change or for a long period.
func TestAStatusThatCannotBeWrittenIsWrittenLater(t *testing.T) {
	b := newBench(t, kube)
	var on atomic.Bool
	var tries atomic.Int64
	o := b.options()
	o.Config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return failing{next, "/roles/member/status", &on, &tries}
	})
	on.Store(true)
	b.start(o)
	b.create(good)
	b.eventually("tried", func() error {
		if n := tries.Load(); n < 3 {
			return fmt.Errorf("%d times", n)
		}
		return nil
	})
	if u := b.get(kindRole, "acme", "member"); observed(u) != -1 {
		t.Fatalf("written in spite of it: %v", u.Object["status"])
	}
	b.expect(kindApplication, "acme", "cli", "True") // nobody waits for the other
	on.Store(false)
	b.expect(kindRole, "acme", "member", "True")
}

// What fails for long is tried again and again, with nothing written meanwhile that would
// set off the next try itself.
func TestAFailureThatLastsIsTriedAgainWithoutWritingStatus(t *testing.T) {
	b := newBench(t, kube)
	var w writes
	var tries atomic.Int64
	o := b.options()
	w.wrap(&o)
	publish := o.Publish
	refused := errors.New("the store is away")
	var on atomic.Bool
	o.Publish = func(ctx context.Context, s *model.Snapshot) error {
		if on.Load() {
			tries.Add(1)
			return refused
		}
		return publish(ctx, s)
	}
	b.start(o)
	b.create(good)
	b.expectGood()
	on.Store(true)
	b.change(kindRole, "acme", "member", func(spec map[string]any) { spec["displayName"] = "Member" })
	b.expect(kindRole, "acme", "member", "StorageError")
	b.eventually("told", func() error {
		if told := b.told(b.get(kindRole, "acme", "member")); !slices.Contains(told, "Warning StorageError") {
			return fmt.Errorf("told %q", told)
		}
		return nil
	})
	before, tried := w.other.Load(), tries.Load()
	b.eventually("tried again", func() error {
		if n := tries.Load() - tried; n < 4 {
			return fmt.Errorf("%d times", n)
		}
		return nil
	})
	if n := w.other.Load() - before; n > 0 {
		t.Errorf("%d writes while the store was away", n)
	}
	on.Store(false)
	b.expect(kindRole, "acme", "member", "True")
}

// With the controllers gone, everything can be deleted at once: objects, the Secret that
// was made for one, and so the namespaces and definitions that they are in.
func TestNothingOfOursKeepsWhatIsDeleted(t *testing.T) {
	b := newBench(t, kube)
	_, stop := b.start(b.options())
	b.create(good)
	b.create(`
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: made, namespace: acme}
spec: {organizationRef: {name: acme}, type: Machine, scopes: ["org:read"]}
`)
	b.expectGood()
	b.expect(kindApplication, "acme", "made", "True")
	stop()
	secret := b.secret("made-credentials")
	all := []client.Object{secret}
	for _, o := range append(theGood, [3]string{kindApplication, "acme", "made"}) {
		all = append(all, b.get(o[0], o[1], o[2]))
	}
	for _, o := range all {
		if f := o.GetFinalizers(); len(f) > 0 {
			t.Errorf("%T %s has finalizers %q", o, o.GetName(), f)
		}
		if err := b.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if err := b.Get(t.Context(), client.ObjectKeyFromObject(o), o); !apierrors.IsNotFound(err) {
			t.Errorf("%T %s is still there: %v", o, o.GetName(), err)
		}
	}
}
