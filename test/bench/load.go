package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-dev/gatehouse/test/process"
)

// An operation is what a client wants of one server, in one request or several, repeated
// by every worker.
type operation struct {
	server *process.Process
	// prepare gets what the operation needs before each measurement; it is not measured.
	prepare func(context.Context) error
	// once does it once; a worker never runs twice at the same time.
	once func(worker int, send sender) error
	// requests is how many once sends; 0 where nobody needs to know.
	requests int
}

// A sender sends one request and does not follow redirects.
type sender func(*http.Request) (answer, error)

type answer struct {
	status int
	header http.Header
	body   []byte
}

// result is what one measurement found.
type result struct {
	cpuPer1000 float64 // seconds
	perSecond  float64
	p99        time.Duration
	requests   int // of the operation
}

var client = &http.Client{
	Transport:     &http.Transport{MaxIdleConnsPerHost: concurrency, DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func send(r *http.Request) (answer, error) {
	response, err := client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, body}, err
}

// measure prepares an operation, does it unmeasured for a while, so that caches,
// connections and just-in-time compilers are warm, and measures it.
func measure(ctx context.Context, op operation, warm, length time.Duration) (result, error) {
	if op.prepare != nil {
		if err := op.prepare(ctx); err != nil {
			return result{}, fmt.Errorf("prepare: %w", err)
		}
	}
	if _, err := repeat(ctx, op, warm); err != nil {
		return result{}, err
	}
	before, err := op.server.CPU()
	if err != nil {
		return result{}, err
	}
	began := time.Now()
	times, err := repeat(ctx, op, length)
	if err != nil {
		return result{}, err
	}
	took := time.Since(began)
	after, err := op.server.CPU()
	if err != nil {
		return result{}, err
	}
	slices.Sort(times)
	return result{
		cpuPer1000: (after - before).Seconds() * 1000 / float64(len(times)),
		perSecond:  float64(len(times)) / took.Seconds(),
		p99:        times[len(times)*99/100],
		requests:   op.requests,
	}, nil
}

// repeat runs an operation from all workers until length has passed, at least once each,
// and returns how long each took. The first error ends it.
func repeat(ctx context.Context, op operation, length time.Duration) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	times := make([][]time.Duration, concurrency)
	errs := make([]error, concurrency)
	var workers sync.WaitGroup
	for w := range concurrency {
		workers.Go(func() {
			for first := true; errs[w] == nil && (first || ctx.Err() == nil); first = false {
				sent := time.Now()
				errs[w] = op.once(w, send)
				times[w] = append(times[w], time.Since(sent))
			}
			if errs[w] != nil {
				cancel()
			}
		})
	}
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return slices.Concat(times...), nil
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

func get(target, token string) *http.Request {
	r, err := http.NewRequest(http.MethodGet, target, nil)
	if err != nil {
		panic(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
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

// simple is an operation of one request, which must be answered 200.
func simple(server *process.Process, request func() *http.Request) operation {
	return operation{server: server, once: func(_ int, send sender) error {
		_, err := expect(http.StatusOK, request(), send)
		return err
	}}
}

// expect sends a request that must be answered with this status.
func expect(status int, r *http.Request, send sender) (answer, error) {
	a, err := send(r)
	if err == nil && a.status != status {
		err = fmt.Errorf("%s %s: status %d: %s", r.Method, r.URL.Path, a.status, a.body)
	}
	return a, err
}

// browser keeps cookies and follows redirects, one request at a time.
type browser struct{ jar http.CookieJar }

func newBrowser() browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // it has no options that could be wrong
	}
	return browser{jar}
}

// visit sends a request with the browser's cookies and returns where the answer redirects.
func (b browser) visit(r *http.Request, send sender) (*url.URL, error) {
	for _, c := range b.jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	a, err := send(r)
	if err != nil {
		return nil, err
	}
	response := http.Response{Header: a.header, Request: r}
	if cookies := response.Cookies(); len(cookies) > 0 {
		b.jar.SetCookies(r.URL, cookies)
	}
	to, err := response.Location()
	if err != nil {
		return nil, fmt.Errorf("%s %s: status %d without a redirect: %.300s", r.Method, r.URL.Path, a.status, a.body)
	}
	return to, nil
}

// recorded is a request that can be sent again.
type recorded struct {
	method, uri string
	header      http.Header
	body        []byte
}

// record does an operation once and returns the requests that it took.
func record(op operation) ([]recorded, error) {
	var all []recorded
	err := op.once(0, func(r *http.Request) (answer, error) {
		var body []byte
		if r.Body != nil {
			var err error
			if body, err = io.ReadAll(r.Body); err != nil {
				return answer{}, err
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		all = append(all, recorded{r.Method, r.URL.RequestURI(), r.Header.Clone(), body})
		return send(r)
	})
	return all, err
}

// replay sends the same requests to another server, whatever that one answers.
func replay(server *process.Process, all []recorded) operation {
	return operation{server: server, requests: len(all), once: func(_ int, send sender) error {
		for _, one := range all {
			r, err := http.NewRequest(one.method, server.URL+one.uri, bytes.NewReader(one.body))
			if err != nil {
				return err
			}
			r.Header = one.header.Clone()
			if _, err := send(r); err != nil {
				return err
			}
		}
		return nil
	}}
}
