package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/compile/compiletest"
	"github.com/gatehouse-dev/gatehouse/test/incluster"
)

const (
	singleChanges = 100    // one after the other
	wave          = 1_000  // applications, at once
	foreign       = 30_000 // Secrets without our label
	labelled      = 3_000  // Secrets with it that no application names
)

// measureScale runs Gatehouse as its service account against a real kube-apiserver with
// 10,000 applications in it, and prints what that costs.
func measureScale(ctx context.Context) (err error) {
	s, err := newScale(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	for _, step := range []func(context.Context) error{
		s.measureEmpty, s.measureFirstStart, s.measureRestart, s.measureChanges, s.measureWave, s.measureSecrets,
	} {
		if err := step(ctx); err != nil {
			if s.gatehouse != nil {
				err = fmt.Errorf("%w\n%s", err, s.gatehouse.Printed)
			}
			return err
		}
	}
	return nil
}

// row prints one figure; a part of the table is there before the next is measured.
func row(what, budget, measured string) { fmt.Printf("| %s | %s | %s |\n", what, budget, measured) }

func rounded(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(10 * time.Millisecond)
}

// measureEmpty: with nothing declared.
func (s *scale) measureEmpty(ctx context.Context) error {
	fmt.Printf("\n%s; against kube-apiserver, as the service account of config/rbac\n\n", machine())
	fmt.Print("| what | budget | measured |\n|---|---|---|\n")
	ready, err := s.start(ctx)
	if err != nil {
		return err
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	rss, _, err := s.memory()
	if err != nil {
		return err
	}
	row("nothing declared, first start ever, with keys to be made: start to ready", "–", rounded(ready).String())
	row("nothing declared: resident memory", "40 MiB", fmt.Sprintf("%.0f MiB", rss))
	return s.stop()
}

// measureFirstStart declares the world and starts: everything gets its status.
func (s *scale) measureFirstStart(ctx context.Context) error {
	began := time.Now()
	n, err := s.Declare(ctx, compiletest.Large)
	if err != nil {
		return err
	}
	row(fmt.Sprintf("the API server takes %d objects from %d writers", n, incluster.Writers), "–", rounded(time.Since(began)).String())
	arrived, err := s.awaitReady(ctx, compiletest.Large.Applications+1, nil)
	if err != nil {
		return err
	}
	began = time.Now()
	ready, err := s.start(ctx)
	if err != nil {
		return err
	}
	if err := <-arrived; err != nil {
		return err
	}
	row("first start with them: start to ready", "3s", rounded(ready).String())
	row("first start with them: start to every status written", "–", rounded(time.Since(began)).String())
	if err := s.settle(ctx); err != nil {
		return err
	}
	rss, peak, err := s.memory()
	if err != nil {
		return err
	}
	row("first start with them: resident memory at rest; at its peak", "150 MiB; –", fmt.Sprintf("%.0f MiB; %.0f MiB", rss, peak))
	row("first start with them: API calls", "–", s.calls())
	used, err := s.gatehouse.CPU()
	if err != nil {
		return err
	}
	row("first start with them: CPU time of Gatehouse", "–", rounded(used).String())
	return s.stop()
}

// measureRestart starts upon what has its status: nothing is left to be written.
func (s *scale) measureRestart(ctx context.Context) error {
	ready, err := s.start(ctx)
	if err != nil {
		return err
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	rss, peak, err := s.memory()
	if err != nil {
		return err
	}
	row("start on the settled world: start to ready", "3s", rounded(ready).String())
	row("start on the settled world: API calls", "no write but the Lease", s.calls())
	row("resident memory at rest; at its peak", "150 MiB; –", fmt.Sprintf("%.0f MiB; %.0f MiB", rss, peak))
	return nil
}

// measureChanges: one change at a time, from the API server's answer to the first answer
// of Gatehouse that shows it.
func (s *scale) measureChanges(ctx context.Context) error {
	roles, err := s.world().changeRole(ctx, s.Admin, largeRole)
	if err != nil {
		return err
	}
	row(fmt.Sprintf("Role changed → seen at introspection, p50; p99 of %d", len(roles)), "–; 100ms", quantiles(roles))
	applications, err := s.addApplications(ctx, singleChanges)
	if err != nil {
		return err
	}
	row(fmt.Sprintf("application made → served, p50; p99 of %d", len(applications)), "–; 100ms", quantiles(applications))
	return nil
}

func quantiles(times []time.Duration) string {
	slices.Sort(times)
	return fmt.Sprintf("%s; %s", rounded(times[len(times)/2]), rounded(times[len(times)*99/100]))
}

// measureWave declares many applications at once.
func (s *scale) measureWave(ctx context.Context) error {
	arrived, err := s.awaitReady(ctx, wave, inWave)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := s.declareWave(ctx); err != nil {
		return err
	}
	written := time.Now()
	if err := <-arrived; err != nil {
		return err
	}
	row(fmt.Sprintf("%d applications at once → all Ready, beyond the API server's own %s", wave, rounded(written.Sub(began))),
		"5s", rounded(time.Since(written)).String())
	_, peak, err := s.memory()
	if err != nil {
		return err
	}
	row("resident memory at its peak in all this", "–", fmt.Sprintf("%.0f MiB", peak))
	return s.stop()
}

// measureSecrets: what others keep in Secrets costs nothing, and what bears our label no
// more than its bound. Each figure is of a new start, as the lists of a start cost most.
func (s *scale) measureSecrets(ctx context.Context) error {
	for _, step := range []struct {
		what string
		add  func(context.Context) error
	}{
		{"before", func(context.Context) error { return nil }},
		{fmt.Sprintf("with %d foreign Secrets of 1 to 10 KiB", foreign), s.addForeignSecrets},
		{fmt.Sprintf("and with %d labelled ones of 10 KiB that nobody names", labelled), s.addLabelledSecrets},
	} {
		if err := step.add(ctx); err != nil {
			return err
		}
		if _, err := s.start(ctx); err != nil {
			return err
		}
		if err := s.settle(ctx); err != nil {
			return err
		}
		rss, peak, err := s.memory()
		if err != nil {
			return err
		}
		row("resident memory at rest; at its peak, "+step.what, "–", fmt.Sprintf("%.0f MiB; %.0f MiB", rss, peak))
		if err := s.stop(); err != nil {
			return err
		}
	}
	return nil
}

// calls are the requests of Gatehouse since its last start, by verb and resource.
func (s *scale) calls() string {
	counts := map[string]int{}
	for _, e := range s.asked {
		what := e.Resource
		if e.Subresource != "" {
			what += "/" + e.Subresource
		}
		if what == "" {
			what = "the API's own lists"
		}
		counts[e.Verb+" "+what]++
	}
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", what, counts[what]))
	}
	return strings.Join(parts, ", ")
}
