package controllers

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/go-logr/logr"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/compile/compiletest"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// BenchmarkOneChange is what one changed application costs among 10,000, from its event to
// the verdicts; the budget of the compile in it is 5 ms.
func BenchmarkOneChange(b *testing.B) {
	in := compiletest.World(compiletest.Large)
	o := Options{
		SystemNamespace: in.SystemNamespace, DigestKey: in.DigestKey, Log: logr.Discard(),
		Clock:   clocktesting.NewFakeClock(time.Now()), // stands still: nothing is spaced
		Publish: func(context.Context, *model.Snapshot) error { return nil },
	}
	w := filled(in)
	p := &publisher{
		Options: o, world: w, status: newStatusWriter(nil, w, nil, o), secrets: newCredentialsWriter(nil, w, nil, o), progress: &progress{},
	}
	if _, err := p.Reconcile(b.Context(), ctrl.Request{}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		a := in.Applications[i%len(in.Applications)].DeepCopy()
		a.Generation += int64(i) + 1
		a.Spec.DisplayName = fmt.Sprintf("Changed %d", i)
		w.applications[client.ObjectKeyFromObject(a)] = a
		if _, err := p.Reconcile(b.Context(), ctrl.Request{}); err != nil {
			b.Fatal(err)
		}
	}
}

// filled is a world that has been delivered the Input.
func filled(in compile.Input) *world {
	w := newWorld(Options{})
	for _, o := range in.Organizations {
		w.organizations[client.ObjectKeyFromObject(o)] = o
	}
	for _, o := range in.Applications {
		w.applications[client.ObjectKeyFromObject(o)] = o
	}
	for _, o := range in.Roles {
		w.roles[client.ObjectKeyFromObject(o)] = o
	}
	for _, o := range in.Providers {
		w.providers[client.ObjectKeyFromObject(o)] = o
	}
	for _, s := range in.Secrets {
		w.secrets[client.ObjectKey{Namespace: s.Namespace, Name: s.Name}] = secretFact{version: s.Version, input: &s}
	}
	for _, n := range in.Namespaces {
		w.namespaces[client.ObjectKey{Name: n.Name}] = n
	}
	return w
}
