package controllers

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// writes counts requests that change something, those to the Lease apart, and among the
// others those to Secrets.
type writes struct{ lease, other, secrets atomic.Int64 }

func (w *writes) wrap(o *Options) {
	o.Config.Wrap(func(next http.RoundTripper) http.RoundTripper { return roundTripper{next, w} })
}

type roundTripper struct {
	next   http.RoundTripper
	writes *writes
}

func (t roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	switch {
	case r.Method == http.MethodGet:
	case strings.Contains(r.URL.Path, "/leases"):
		t.writes.lease.Add(1)
	default:
		t.writes.other.Add(1)
		if strings.Contains(r.URL.Path, "/secrets") {
			t.writes.secrets.Add(1)
		}
	}
	return t.next.RoundTrip(r)
}

func TestASettledWorldWritesNothingButItsLease(t *testing.T) {
	b := newBench(t, kube)
	var w writes
	o := b.options()
	w.wrap(&o)
	b.start(o)
	b.create(good)
	b.create(`
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: broken, namespace: acme}
spec: {organizationRef: {name: acme}, type: NoSuchType, scopes: ["org:read"]}
`)
	b.expectGood()
	b.expect(kindApplication, "acme", "broken", "UnsupportedValue")
	renewed := func(times int64) {
		b.t.Helper()
		from := w.lease.Load()
		b.eventually("renewed", func() error {
			if got := w.lease.Load() - from; got < times {
				return fmt.Errorf("%d times", got)
			}
			return nil
		})
	}
	renewed(8) // the counts of Organizations are written within a second
	before, published := w.other.Load(), b.published()
	renewed(15)
	if got := w.other.Load() - before; got != 0 {
		t.Errorf("%d writes", got)
	}
	if got := b.published() - published; got != 0 {
		t.Errorf("published %d times", got)
	}
}

func TestAnotherReplicaWritesWhenTheLeaderIsGone(t *testing.T) {
	b := newBench(t, kube)
	var first, second writes
	o := b.options()
	first.wrap(&o)
	_, stop := b.start(o)
	b.create(good)
	b.expectGood()
	o = b.options()
	second.wrap(&o)
	follower, _ := b.start(o)
	b.eventually("following", follower.Ready)
	if got := second.other.Load(); got != 0 {
		t.Errorf("a replica that does not lead wrote %d times", got)
	}
	stop()
	b.change(kindRole, "acme", "member", func(spec map[string]any) { spec["displayName"] = "Member" })
	b.expect(kindRole, "acme", "member", "True")
	if second.other.Load() == 0 {
		t.Error("nobody wrote")
	}
}

func TestWhoLosesTheLeaseServesOnAndWritesNothing(t *testing.T) {
	b := newBench(t, kube)
	lost := make(chan struct{}, 16)
	o := b.options()
	o.Log = funcr.New(func(_, args string) {
		if strings.Contains(args, "not leading") {
			lost <- struct{}{}
		}
	}, funcr.Options{})
	b.start(o)
	b.create(good)
	b.expectGood()

	giveBack := b.steal("gatehouse-test")
	<-lost
	b.create(`
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: late, namespace: acme}
spec: {organizationRef: {name: acme}, type: Device, scopes: ["org:read"]}
`)
	b.eventually("served", func() error {
		if _, a := b.snapshot().Application("acme.acme.late"); a == nil {
			return errors.New("not in the snapshot")
		}
		return nil
	})
	if u := b.get(kindApplication, "acme", "late"); observed(u) != -1 {
		t.Errorf("status was written without the Lease: %v", u.Object["status"])
	}
	giveBack()
	b.expect(kindApplication, "acme", "late", "True")
}

// steal takes the Lease and renews it until the returned function is called.
func (b *bench) steal(name string) (giveBack func()) {
	b.t.Helper()
	take := func() error {
		var l coordinationv1.Lease
		if err := b.Get(b.t.Context(), client.ObjectKey{Namespace: systemNamespace, Name: name}, &l); err != nil {
			return err
		}
		thief, now := "thief", metav1.NowMicro()
		l.Spec.HolderIdentity, l.Spec.RenewTime = &thief, &now
		return b.Update(b.t.Context(), &l)
	}
	b.eventually("stolen", take)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(100 * time.Millisecond); ; {
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
				_ = take() // a conflict is as good as a renewal
			}
		}
	}()
	return func() {
		close(stop)
		<-done
	}
}

// The API server answers everything but the Lease: who cannot renew must stop writing before
// another may begin, and lead again when it can.
func TestWhoCannotRenewTheLeaseStopsWritingAndLeadsAgain(t *testing.T) {
	b := newBench(t, kube)
	var blocked atomic.Bool
	o, turns := b.options(), make(chan string, 16)
	o.Log = funcr.New(func(_, args string) {
		for _, turn := range []string{"not leading", "leading: writing"} {
			if strings.Contains(args, turn) {
				turns <- turn
				return
			}
		}
	}, funcr.Options{})
	var w writes
	w.wrap(&o)
	o.Config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			if blocked.Load() && strings.Contains(r.URL.Path, "/leases") {
				return nil, errors.New("no answer")
			}
			return next.RoundTrip(r)
		})
	})
	c, _ := b.start(o)
	b.create(good)
	b.expectGood()
	if turn := <-turns; turn != "leading: writing" {
		t.Fatalf("%q came first", turn)
	}

	blocked.Store(true)
	if turn := <-turns; turn != "not leading" {
		t.Fatalf("%q came next", turn)
	}
	before := w.other.Load()
	b.change(kindRole, "acme", "member", func(spec map[string]any) { spec["displayName"] = "Renamed" })
	b.eventually("served", func() error {
		org := b.snapshot().OrganizationBySlug("acme")
		for _, holding := range org.RolesOf(model.Person{Addresses: []model.ProvenAddress{{Address: "ann@acme.example"}}}, time.Now()) {
			if holding.DisplayName == "Renamed" {
				return nil
			}
		}
		return errors.New("the Role has its old name")
	})
	if err := c.Ready(); err != nil {
		t.Errorf("not ready: %v", err)
	}
	if u := b.get(kindRole, "acme", "member"); observed(u) == u.GetGeneration() || w.other.Load() != before {
		t.Errorf("%d writes without the Lease", w.other.Load()-before)
	}
	blocked.Store(false)
	if turn := <-turns; turn != "leading: writing" {
		t.Fatalf("%q came last", turn)
	}
	b.expect(kindRole, "acme", "member", "True")
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
