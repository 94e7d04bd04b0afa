package controllers

import (
	"context"
	"fmt"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/gatehouse-dev/gatehouse/internal/compile"
)

// publisher turns the world into what is served.
type publisher struct {
	Options
	world    *world
	compiler compile.Compiler
	status   *statusWriter
	progress *progress
}

// Reconcile judges everything and serves it. A user's mistake is a verdict, never an
// error; an error means that the store refused, and is tried again with backoff.
func (p *publisher) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	result := p.compiler.Compile(p.world.gather(p.Options))
	err := p.Publish(ctx, result.Snapshot) // serve first,
	p.status.replace(result, err)          // then say so: Programmed never lies.
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("publish: %w", err)
	}
	p.progress.publishedFirst()
	return ctrl.Result{}, nil
}
