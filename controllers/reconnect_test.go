package controllers

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

type answers []error

func (a *answers) RoundTrip(*http.Request) (*http.Response, error) {
	err := (*a)[0]
	*a = (*a)[1:]
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK}, nil
}

func TestAReadWaitsForAnAPIServerThatCannotBeReached(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	cut := &net.OpError{Op: "read", Err: errors.New("connection reset")}
	for name, c := range map[string]struct {
		method  string
		answers answers
		ended   bool // the request is given up before
		endless bool // nobody could give it up
		want    error
		waits   int
	}{
		"it is back":                        {method: "GET", answers: answers{refused, refused, nil}, waits: 2},
		"it answers":                        {method: "GET", answers: answers{nil}},
		"an answer is cut off":              {method: "GET", answers: answers{cut, nil}, want: cut},
		"a write is not repeated":           {method: "PATCH", answers: answers{refused, nil}, want: refused},
		"nobody wants the answer any more":  {method: "GET", answers: answers{refused, nil}, ended: true, want: refused},
		"nobody could give it up":           {method: "GET", answers: answers{refused, nil}, endless: true, want: refused},
		"another fault after it could not ": {method: "GET", answers: answers{refused, cut, nil}, want: cut, waits: 1},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if c.ended {
				cancel()
			}
			if c.endless {
				ctx = context.Background()
			}
			r, err := http.NewRequestWithContext(ctx, c.method, "https://kubernetes.default", nil)
			if err != nil {
				t.Fatal(err)
			}
			told := 0
			clock := clocktesting.NewFakeClock(time.Now())
			done := make(chan error, 1)
			go func() {
				answer, err := (&reconnect{next: &c.answers, clock: clock, unreachable: func(error) { told++ }}).RoundTrip(r)
				if answer != nil && answer.Body != nil {
					_ = answer.Body.Close()
				}
				done <- err
			}()
			for range c.waits {
				for !clock.HasWaiters() {
					time.Sleep(time.Millisecond)
				}
				clock.Step(reconnectEvery)
			}
			if err := <-done; !errors.Is(err, c.want) {
				t.Errorf("it ended with %v", err)
			}
			if !c.ended && told != c.waits {
				t.Errorf("told %d times, not %d", told, c.waits)
			}
		})
	}
}
