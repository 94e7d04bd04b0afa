package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"time"

	"github.com/gatehouse-dev/gatehouse/test/process"
)

// startBare starts this program as a bare net/http handler with a fixed JSON body.
func startBare(ctx context.Context) (*process.Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	address, err := process.FreeAddress()
	if err != nil {
		return nil, err
	}
	if err := os.Setenv("BENCH_BARE_ADDRESS", address); err != nil {
		return nil, err
	}
	return process.Start(ctx, "http://"+address, "http://"+address, self, "-bare")
}

func serveBare(ctx context.Context) error {
	body := []byte(`{"access_token":"0123456789abcdef","token_type":"Bearer","expires_in":3600}`)
	s := &http.Server{Addr: os.Getenv("BENCH_BARE_ADDRESS"), ReadHeaderTimeout: time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(body)
		})}
	context.AfterFunc(ctx, func() { _ = s.Close() })
	return s.ListenAndServe()
}

func machine() string {
	return fmt.Sprintf("%s, %s/%s, %d cores, %s", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), time.Now().Format(time.DateOnly))
}
