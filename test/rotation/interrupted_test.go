package rotation

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/credential"
)

const (
	period       = 3 * time.Hour
	shortOverlap = 30 * time.Minute
)

// Secrets are replaced because it is time, and each time something happens between the
// moment when the next one is announced and the one when it takes over.
func TestWhatInterruptsARotationFailsNoRequest(t *testing.T) {
	in := build(t)
	in.declare()
	in.rotateBy(period, shortOverlap)
	in.eventually("the Secret is there", func() error { _, err := in.secret(); return err })
	first, _ := in.secret()
	in.eventually("known", in.known) // by both: the first one has no lead
	in.eventually("it is served", func() error { return in.token(first) })
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	turns := make([]atomic.Int64, 4)
	for i := range turns {
		clients.Go(func() { in.client(ctx, &turns[i]) })
	}
	for _, interruption := range []struct {
		what        string
		before, end func()
	}{
		{"the leader's controllers start again", func() { r := in.leader(); r.stop(); r.start() }, func() {}},
		{"another leads", func() { in.replaceLeader(turns) }, in.startAll},
		{"nobody leads, then somebody", func() {
			for _, r := range in.replicas {
				r.stop()
			}
			in.everybodyReadsAgain(turns)
			in.startAll()
		}, func() {}},
	} {
		t.Log(interruption.what)
		in.rotateInTime(turns, interruption.before)
		interruption.end()
	}
	stop()
	clients.Wait()
	t.Logf("%d requests", in.asked.Load())
	if n := in.refused.Load(); n > 0 {
		t.Errorf("%d of %d requests failed, the first with %v", n, in.asked.Load(), in.firstRefusal.Load())
	}
	if in.asked.Load() < 100 {
		t.Errorf("only %d requests were made", in.asked.Load())
	}
}

// rotateInTime lets the period pass, then the lead, then the overlap.
func (in *installation) rotateInTime(turns []atomic.Int64, interrupt func()) {
	t := in.t
	t.Helper()
	before, err := in.secret()
	if err != nil {
		t.Fatal(err)
	}
	in.clock.Step(period)
	in.eventually("announced", func() error { return in.listed(2) })
	lost, err := in.list()
	if err != nil {
		t.Fatal(err)
	}
	interrupt()
	in.eventually("announced anew", func() error { // for who leads now has not what was announced
		list, err := in.list()
		if err == nil && (len(list) != 2 || list[1].ID == lost[1].ID) {
			err = fmt.Errorf("%d are listed, the last is %s", len(list), list[len(list)-1].ID)
		}
		return err
	})
	in.eventually("known", in.known)
	if now, err := in.secret(); err != nil || string(now.Data["client-secret"]) != string(before.Data["client-secret"]) {
		t.Errorf("the next secret took over before its time: %v", err)
	}
	in.clock.Step(credential.Lead)
	in.takesOver(before, turns)
	in.clock.Step(shortOverlap)
	in.eventually("the one before has ended", func() error { return in.listed(1) })
	in.eventually("known", in.known)
	if err := in.token(before); err == nil {
		t.Error("the secret of before works after its overlap")
	}
}

// replaceLeader ends the leader's controllers and waits until the other replica leads.
func (in *installation) replaceLeader(turns []atomic.Int64) {
	in.t.Helper()
	old := in.leader()
	old.stop()
	if next := in.leader(); next == old {
		in.t.Error("who was stopped leads")
	}
	in.everybodyReadsAgain(turns)
}

// startAll starts the controllers that do not run.
func (in *installation) startAll() {
	in.t.Helper()
	for _, r := range in.replicas {
		r.stop()
		r.start()
	}
}

func (in *installation) rotateBy(period, overlap time.Duration) {
	in.t.Helper()
	in.eventually("changed", func() error {
		app := &v1alpha1.ApiApplication{}
		if err := in.kube.Get(in.t.Context(), client.ObjectKey{Namespace: "acme", Name: "ci"}, app); err != nil {
			return err
		}
		app.Spec.Credentials.Rotation.Period = v1alpha1.Duration(fmt.Sprintf("%dm", int(period.Minutes())))
		app.Spec.Credentials.Rotation.Overlap = v1alpha1.Duration(fmt.Sprintf("%dm", int(overlap.Minutes())))
		return in.kube.Update(in.t.Context(), app)
	})
}
