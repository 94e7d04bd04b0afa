package controllers

import (
	"context"
	"fmt"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// publisher turns the world into what is served.
type publisher struct {
	Options
	world      *world
	compiler   compile.Compiler
	status     *statusWriter
	secrets    *credentialsWriter
	neighbours *neighbours
	progress   *progress
	spacing    spacing
}

// Reconcile judges everything and serves it. A user's mistake is a verdict, never an
// error; an error means that the store refused, and is tried again with backoff.
func (p *publisher) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	p.spacing.wait(ctx, p.Clock)
	defer p.spacing.ended(p.Clock, p.Clock.Now())
	in, foreign := p.world.gather(p.Options)
	p.neighbours.replace(foreign)
	result := p.compiler.Compile(in)
	err := p.Publish(ctx, result.Snapshot) // serve first,
	p.status.replace(result, err)          // then say so: Programmed never lies.
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("publish: %w", err)
	}
	p.secrets.replace(result, in.Outputs) // what is written rests on what is served
	p.progress.publishedFirst()
	return ctrl.Result{}, nil
}

// touched has both writers look at an object again that changed in something which is not
// its declaration. It reports whether there is a verdict on it.
func (p *publisher) touched(id model.ObjectID) bool {
	p.secrets.wake(id)
	return p.status.wake(id)
}
