package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/gatehouse-dev/gatehouse/test/process"
)

// paired is how the operations are measured.
type paired struct {
	length time.Duration
	rounds int
	peers  bool
	wanted func(name string) bool
}

// measureOperations prints one row for each operation: Gatehouse next to a bare handler
// and its peers, in turn and in the same minute.
func measureOperations(ctx context.Context, how paired) error {
	dir, err := os.MkdirTemp("", "gatehouse-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	bare, err := startBare(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = bare.Stop() }()
	_, ours, err := startWorld(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { _ = ours.stop() }()
	subjects := []*subject{ours}
	if how.peers {
		peers, err := startPeers(ctx, dir)
		for _, p := range peers {
			defer func() { _ = p.stop() }()
		}
		if err != nil {
			return err
		}
		subjects = append(subjects, peers...)
	}
	t := newTable(subjects)
	t.begin(how.rounds)
	for _, b := range budgets {
		if !how.wanted(b.name) {
			continue
		}
		medians, err := how.measure(ctx, b.name, bare, subjects)
		if err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		t.row(b.name, b.budget, medians)
	}
	return t.end()
}

// measure measures one operation in rounds: every subject that has it, then the bare
// handler with the requests that Gatehouse got. It returns the medians by the names of the
// subjects.
func (how paired) measure(ctx context.Context, name string, bare *process.Process, subjects []*subject) (map[string]result, error) {
	results := map[string][]result{}
	for round := range how.rounds {
		warm := how.length / 10
		if round == 0 {
			warm = how.length // a just-in-time compiler sees the operation for the first time
		}
		for _, s := range subjects {
			op, has := s.operations[name]
			if !has {
				continue
			}
			r, err := measure(ctx, op, warm, how.length)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			results[s.name] = append(results[s.name], r)
		}
		op, has := subjects[0].operations[name]
		if !has {
			continue
		}
		requests, err := record(op)
		if err != nil {
			return nil, err
		}
		r, err := measure(ctx, replay(bare, requests), warm, how.length)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", bareName, err)
		}
		results[bareName] = append(results[bareName], r)
	}
	medians := make(map[string]result, len(results))
	for name, all := range results {
		medians[name] = median(all)
	}
	return medians, nil
}
