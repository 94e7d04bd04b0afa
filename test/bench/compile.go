package main

import (
	"fmt"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/compile/compiletest"
)

// measureCompile compiles a large world from scratch, and again after one change.
func measureCompile() {
	in := compiletest.World(compiletest.Large)
	var c compile.Compiler
	began := time.Now()
	c.Compile(in)
	first := time.Since(began)

	const changes = 20
	var worst, sum time.Duration
	for i := range changes {
		in.Applications[i] = in.Applications[i].DeepCopy()
		in.Applications[i].Generation++
		in.Applications[i].Spec.DisplayName = fmt.Sprintf("Changed %d", i)
		began = time.Now()
		c.Compile(in)
		took := time.Since(began)
		sum += took
		worst = max(worst, took)
	}
	fmt.Printf("\ncompile, 10,000 applications, 2,000 roles, 100 organizations: first %s (budget 1s); one change %s, worst of %d %s (budget 5ms)\n",
		first.Round(time.Millisecond), (sum / changes).Round(10*time.Microsecond), changes, worst.Round(10*time.Microsecond))
}
