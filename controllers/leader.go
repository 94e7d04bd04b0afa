package controllers

import (
	"context"
	"fmt"
	"os"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// leaseTimes: a leader that could not renew for `renew` stops; others take over `duration`
// after its last renewal.
type leaseTimes struct{ duration, renew, retry time.Duration }

var usualLease = leaseTimes{duration: 15 * time.Second, renew: 10 * time.Second, retry: 2 * time.Second}

// leadership starts the writers when the Lease is gained and cancels them, and only them,
// when it is lost.
type leadership struct {
	Options
	lead func(context.Context) // returns when its context ends
}

// Start competes for the Lease until ctx ends; losing it is no reason to stop.
func (l *leadership) Start(ctx context.Context) error {
	lock, err := l.lock()
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		ended := make(chan struct{})
		elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Name: l.leaseName(), Lock: lock, ReleaseOnCancel: true,
			LeaseDuration: l.lease.duration, RenewDeadline: l.lease.renew, RetryPeriod: l.lease.retry,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(ctx context.Context) {
					defer close(ended)
					l.Log.Info("leading: writing status", "lease", lock.Describe())
					l.lead(ctx)
				},
				OnStoppedLeading: func() { l.Log.Info("not leading: serving only", "lease", lock.Describe()) },
			},
		})
		if err != nil {
			return fmt.Errorf("make leader elector: %w", err)
		}
		elector.Run(ctx)
		if ctx.Err() == nil { // it led, and lost
			<-ended
		}
	}
	return nil
}

func (l *leadership) leaseName() string { return "gatehouse-" + l.Installation }

func (l *leadership) lock() (*resourcelock.LeaseLock, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("name this replica: %w", err)
	}
	config := rest.CopyConfig(l.Config)
	config.Timeout = l.lease.renew / 2 // a server that hangs must not cost the Lease
	leases, err := coordinationv1.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make lease client: %w", err)
	}
	return &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: l.SystemNamespace, Name: l.leaseName()},
		Client:     leases,
		LockConfig: resourcelock.ResourceLockConfig{Identity: host + "_" + string(uuid.NewUUID())},
	}, nil
}
