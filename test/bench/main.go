// Command bench measures the budgets of docs/performance.md: server CPU seconds per 1,000
// operations at concurrency 16, next to a bare net/http handler in the same run, so that
// the figures mean the same on a noisy machine. It starts what it measures on loopback,
// and stops it again.
//
//	go run ./test/bench [-for 3s] [-rounds 3] [-only refresh]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"
)

const concurrency = 16

func main() {
	bare := flag.Bool("bare", false, "be the bare handler (used by bench itself)")
	length := flag.Duration("for", 3*time.Second, "length of one measurement")
	rounds := flag.Int("rounds", 3, "measurements of each operation, bare handler in between")
	only := flag.String("only", "", "measure only operations whose name contains this, or compile, or cluster")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if *bare {
		err = serveBare(ctx)
	} else {
		err = measureAll(ctx, *length, *rounds, *only)
	}
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// measureAll prints one table after another; a part that fails ends the run.
func measureAll(ctx context.Context, length time.Duration, rounds int, only string) error {
	wanted := func(name string) bool { return strings.Contains(name, only) }
	if only != "compile" && only != "cluster" {
		if err := measureOperations(ctx, length, rounds, wanted); err != nil {
			return err
		}
	}
	if wanted("compile") {
		measureCompile()
	}
	if wanted("cluster") {
		return measureCluster(ctx)
	}
	return nil
}
