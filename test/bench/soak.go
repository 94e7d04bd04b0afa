package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// mix is how often each operation comes in a mixed load, of all shares together. Tokens
// are used far more often than they are issued.
var mix = []struct {
	name  string
	share int
}{
	{introspection, 30},
	{apiCall, 20},
	{userinfoCall, 5},
	{metadata, 5},
	{jwks, 5},
	{clientCredentials, 8},
	{clientCredentialsJWT, 4},
	{refresh, 8},
	{pendingPoll, 8},
	{deviceRequest, 3},
	{codeFlowES256, 3},
	{codeFlowRS256, 1},
}

const (
	// sampleEvery is how often a row is printed; a load of less than twelve such times is
	// sampled twelve times.
	sampleEvery = 10 * time.Second
	// looks is how often heap and goroutines are read for one sample. The least counts: that
	// is close to what a collection left alive, and to what runs without a request.
	looks = 10
	// renewEvery is how often the device codes that are polled are replaced: they expire
	// after ten minutes.
	renewEvery = 4 * time.Minute
)

// loadMixed sends one Gatehouse all operations, mixed, for so long, and fails if its
// memory or its goroutines grow all the while.
func loadMixed(ctx context.Context, length time.Duration) error {
	dir, err := os.MkdirTemp("", "gatehouse-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	w, ours, err := startWorld(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { _ = ours.stop() }()
	if err := w.askForDevices(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, length, errLoaded)
	defer cancel()
	var times timings
	worked := make(chan error, 1)
	go func() {
		defer cancel()
		worked <- w.work(ctx, ours, &times)
	}()
	trends, watched := w.watch(ctx, min(sampleEvery, length/12), &times)
	cancel()
	if err := errors.Join(watched, <-worked); err != nil {
		return err
	}
	if cause := context.Cause(ctx); !errors.Is(cause, errLoaded) {
		return cause
	}
	var grown []error
	fmt.Println()
	for _, t := range trends {
		said, err := t.judge()
		fmt.Println(said)
		grown = append(grown, err)
	}
	return errors.Join(grown...)
}

// errLoaded ends a load in time.
var errLoaded = errors.New("the load is over")

// work runs operations from all workers until ctx ends, chosen by their shares. The first
// unexpected answer ends all.
func (w *world) work(ctx context.Context, ours *subject, times *timings) error {
	var chosen []operation // one entry a share
	for _, m := range mix {
		op, has := ours.operations[m.name]
		if !has {
			return fmt.Errorf("mix: Gatehouse has no operation %q", m.name)
		}
		chosen = append(chosen, slices.Repeat([]operation{op}, m.share)...)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	errs := make([]error, concurrency+1)
	var workers sync.WaitGroup
	for worker := range concurrency {
		workers.Go(func() {
			for ctx.Err() == nil && errs[worker] == nil {
				began := time.Now()
				errs[worker] = chosen[rand.IntN(len(chosen))].once(worker, send)
				times.add(time.Since(began))
			}
			stop()
		})
	}
	workers.Go(func() { errs[concurrency] = w.renew(ctx) })
	workers.Wait()
	return errors.Join(errs...)
}

// renew replaces the device codes before they expire, until ctx ends.
func (w *world) renew(ctx context.Context) error {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := w.askForDevices(ctx); err != nil {
				return err
			}
		}
	}
}

// watch prints a row every so often until ctx ends, and returns what must stay flat.
func (w *world) watch(ctx context.Context, every time.Duration, times *timings) ([]*trend, error) {
	resident := &trend{name: "resident memory", unit: "MiB", slack: 8}
	heap := &trend{name: "heap", unit: "MiB", slack: 4}
	goroutines := &trend{name: "goroutines", unit: "of them", slack: concurrency}
	fmt.Printf("%s; mixed load at concurrency %d, a row every %s\n\n", machine(), concurrency, every.Round(time.Millisecond))
	fmt.Println("| time | operations | p99 | resident MiB | least heap MiB | least goroutines | store MiB |\n|--:|--:|--:|--:|--:|--:|--:|")
	tick := time.NewTicker(every / looks)
	defer tick.Stop()
	began, leastHeap, leastRunning := time.Now(), math.Inf(1), math.Inf(1)
	for look := 1; ; look++ {
		select {
		case <-ctx.Done():
			return []*trend{resident, heap, goroutines}, nil
		case <-tick.C:
		}
		live, running, err := w.look()
		if err != nil {
			return nil, err
		}
		leastHeap, leastRunning = min(leastHeap, live), min(leastRunning, running)
		if look%looks != 0 {
			continue
		}
		rss, err1 := w.RSS()
		stored, err2 := w.stored()
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		at := time.Since(began)
		resident.add(at, rss)
		heap.add(at, leastHeap)
		goroutines.add(at, leastRunning)
		done, p99 := times.take()
		fmt.Printf("| %s | %d | %s | %.1f | %.1f | %.0f | %.1f |\n", at.Round(time.Second/10), done, p99.Round(time.Millisecond/10), rss, leastHeap, leastRunning, stored)
		leastHeap, leastRunning = math.Inf(1), math.Inf(1)
	}
}

// look reads the live heap, in MiB, and the number of goroutines from the metrics.
func (w *world) look() (heap, goroutines float64, err error) {
	a, err := expect(http.StatusOK, get(w.metrics, ""), send)
	if err != nil {
		return 0, 0, err
	}
	found := 0
	for line := range strings.Lines(string(a.body)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		var into *float64
		switch name {
		case "go_memstats_heap_alloc_bytes":
			into = &heap
		case "go_goroutines":
			into = &goroutines
		default:
			continue
		}
		found++
		if *into, err = strconv.ParseFloat(value, 64); err != nil {
			return 0, 0, fmt.Errorf("metrics: %w", err)
		}
	}
	if found != 2 {
		return 0, 0, errors.New("metrics: the heap or the goroutines are not among them")
	}
	return heap / (1 << 20), goroutines, nil
}

// stored returns the size of the store's files in MiB.
func (w *world) stored() (float64, error) {
	files, err := filepath.Glob(filepath.Join(w.dir, "gatehouse.db*"))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("no store in %s: %w", w.dir, err)
	}
	var size int64
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			return 0, err
		}
		size += info.Size()
	}
	return float64(size) / (1 << 20), nil
}

// timings are how long operations took since they were last taken.
type timings struct {
	mu  sync.Mutex
	all []time.Duration
}

func (t *timings) add(took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, took)
}

// take returns how many there were and the slowest but one in a hundred.
func (t *timings) take() (int, time.Duration) {
	t.mu.Lock()
	all := t.all
	t.all = nil
	t.mu.Unlock()
	if len(all) == 0 {
		return 0, 0
	}
	slices.Sort(all)
	return len(all), all[len(all)*99/100]
}
