package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-dev/gatehouse/test/process"
)

// listener is a server that keeps what it was sent, and answers with do.
func listener(t *testing.T, do http.HandlerFunc) (*process.Process, func() []string) {
	var mu sync.Mutex
	var got []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, fmt.Sprintf("%s %s %s %s %s", r.Method, r.RequestURI, r.Header.Get("Cookie"), r.Header.Get("Authorization"), body))
		do(w, r)
	}))
	t.Cleanup(s.Close)
	return &process.Process{URL: s.URL}, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return got
	}
}

func TestBareHandlerGetsTheRequestsThatTheOperationSent(t *testing.T) {
	server, sent := listener(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/authorize" {
			w.Header().Set("Set-Cookie", "session=s")
			w.Header().Set("Location", "/resume")
			w.WriteHeader(http.StatusSeeOther)
		}
	})
	bare, replayed := listener(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	op := operation{server: server, once: func(_ int, send sender) error {
		b := newBrowser()
		to, err := b.visit(get(server.URL+"/authorize?scope=a+b", ""), send)
		if err != nil {
			return err
		}
		for _, c := range b.jar.Cookies(to) {
			if _, err := expect(http.StatusOK, get(to.String(), c.Value), send); err != nil {
				return err
			}
		}
		_, err = expect(http.StatusOK, post(server.URL+"/token", url.Values{"code": {"c"}}, "client", "secret"), send)
		return err
	}}
	requests, err := record(op)
	if err != nil {
		t.Fatal(err)
	}
	again := replay(bare, requests)
	if err := again.once(0, send); err != nil {
		t.Fatal(err)
	}
	if len(sent()) != 3 || again.requests != 3 {
		t.Fatalf("sent %q, counted %d", sent(), again.requests)
	}
	if diff := cmp.Diff(sent(), replayed()); diff != "" {
		t.Error(diff)
	}
}

func TestFirstUnexpectedAnswerEndsAMeasurement(t *testing.T) {
	server, sent := listener(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "the disk is full", http.StatusServiceUnavailable)
	})
	op := simple(server, func() *http.Request { return get(server.URL+"/jwks", "") })
	_, err := repeat(context.Background(), op, time.Hour)
	if err == nil || !strings.Contains(err.Error(), "GET /jwks: status 503: the disk is full") {
		t.Errorf("error %v", err)
	}
	if n := len(sent()); n > concurrency {
		t.Errorf("%d requests were sent", n)
	}
}

func TestScaledCountsEveryRequestOfAnOperation(t *testing.T) {
	// Twice as slow a machine: the bare handler takes 0.092 for two requests, not 0.046.
	got := scaled(result{cpuPer1000: 1.2}, result{cpuPer1000: 0.092, requests: 2})
	if got < 0.599 || got > 0.601 {
		t.Errorf("scaled to %.3f", got)
	}
}
