// Package interop has clients that others wrote, as they are, sign people in at Gatehouse.
package interop

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-dev/gatehouse/test/interop/house"
)

// gatehouse is what all tests share, except those that change its keys.
var gatehouse *house.House

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if gatehouse, err = house.Open(ctx, dir); err != nil {
		return 0, err
	}
	code = m.Run()
	return code, gatehouse.Close()
}

// bounded ends what a test waits for after three minutes.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// header reads the header of a JWT, which is verified elsewhere.
func header(t *testing.T, token string) jose.Header {
	t.Helper()
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	must(t, err)
	return signed.Signatures[0].Protected
}
