package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-dev/gatehouse/test/process"
)

// An operation is one kind of request, repeated by every worker.
type operation struct {
	name   string
	budget float64 // CPU seconds per 1,000
	// next returns the worker's next request, and sees the answer to it.
	next func(worker int) (*http.Request, func(status int, body []byte) error)
}

// result is what one measurement found.
type result struct {
	cpuPer1000 float64
	perSecond  float64
	p99        time.Duration
}

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: concurrency, DisableCompression: true}}

// run sends requests from all workers until length has passed, and reads the server's CPU
// time before and after. The first unexpected answer ends it.
func run(ctx context.Context, p *process.Process, op operation, length time.Duration) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	before, err := p.CPU()
	if err != nil {
		return result{}, err
	}
	began := time.Now()
	times := make([][]time.Duration, concurrency)
	errs := make([]error, concurrency)
	var workers sync.WaitGroup
	for w := range concurrency {
		workers.Go(func() {
			for ctx.Err() == nil && errs[w] == nil {
				sent := time.Now()
				errs[w] = exchange(op, w)
				times[w] = append(times[w], time.Since(sent))
			}
		})
	}
	workers.Wait()
	took := time.Since(began)
	after, err := p.CPU()
	if err != nil {
		return result{}, err
	}
	for _, err := range errs {
		if err != nil {
			return result{}, fmt.Errorf("%s: %w", op.name, err)
		}
	}
	all := slices.Concat(times...)
	slices.Sort(all)
	return result{
		cpuPer1000: (after - before).Seconds() * 1000 / float64(len(all)),
		perSecond:  float64(len(all)) / took.Seconds(),
		p99:        all[len(all)*99/100],
	}, nil
}

func exchange(op operation, worker int) error {
	request, seen := op.next(worker)
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	return seen(answer.StatusCode, body)
}

func post(target string, form url.Values, user, password string) *http.Request {
	r, err := http.NewRequest(http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if user != "" {
		r.SetBasicAuth(user, password)
	}
	return r
}

// median returns the middle one of the results by CPU time.
func median(results []result) result {
	slices.SortFunc(results, func(a, b result) int {
		switch {
		case a.cpuPer1000 < b.cpuPer1000:
			return -1
		case a.cpuPer1000 > b.cpuPer1000:
			return 1
		}
		return 0
	})
	return results[len(results)/2]
}
