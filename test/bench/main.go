// Command bench measures the budgets of docs/performance.md: server CPU seconds per 1,000
// operations at concurrency 16, next to a bare net/http handler and to other servers in
// the same run, so that the figures mean the same on a noisy machine. It starts what it
// measures on loopback, and stops it again.
//
//	go run ./test/bench [-for 3s] [-rounds 3] [-only refresh] [-peers=false]
//	go run ./test/bench -load 10m
//
// Start reading at budgets in subjects.go: one line an operation.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

const concurrency = 16

func main() {
	bare := flag.Bool("bare", false, "be the bare handler (used by bench itself)")
	length := flag.Duration("for", 3*time.Second, "length of one measurement")
	rounds := flag.Int("rounds", 3, "measurements of each operation, all servers in turn; the median counts")
	only := flag.String("only", "", "measure only operations whose name contains this, or compile, cluster, scale or signin")
	peers := flag.Bool("peers", true, "measure oidc-provider and zitadel/oidc as well")
	load := flag.Duration("load", 0, "instead, load one Gatehouse with all operations for so long, and watch its memory")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch {
	case *rounds < 1 || *length <= 0 || *load < 0:
		err = fmt.Errorf("-rounds %d -for %s -load %s: must be positive", *rounds, *length, *load)
	case *bare:
		err = serveBare(ctx)
	case *load > 0:
		err = loadMixed(ctx, *load)
	default:
		err = measureAll(ctx, paired{*length, *rounds, *peers, func(name string) bool { return strings.Contains(name, *only) }}, *only)
	}
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// measureAll prints one table after another; a part that fails ends the run.
func measureAll(ctx context.Context, how paired, only string) error {
	if !slices.Contains([]string{"compile", "cluster", "scale", "signin"}, only) {
		if err := measureOperations(ctx, how); err != nil {
			return err
		}
	}
	if how.wanted("compile") {
		measureCompile()
	}
	if how.wanted("cluster") {
		if err := measureCluster(ctx); err != nil {
			return err
		}
	}
	if how.wanted("scale") {
		if err := measureScale(ctx); err != nil {
			return err
		}
	}
	if how.wanted("signin") {
		return measureSignIn(ctx)
	}
	return nil
}
