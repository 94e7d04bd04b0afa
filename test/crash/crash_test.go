// Package crash ends Gatehouse as a power cut would, in the middle of load, and looks at
// what it had promised: whatever was acknowledged is still true after a restart.
package crash

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/test/leaks"
	"github.com/gatehouse-dev/gatehouse/test/person"
	"github.com/gatehouse-dev/gatehouse/test/process"
)

const (
	workers     = 4
	deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"
)

var client = &http.Client{Transport: leaks.Transport(http.DefaultTransport)}

// promises are what the server acknowledged.
type promises struct {
	mu       sync.Mutex
	redeemed []string // device codes that gave tokens: never again
	live     []string // newest refresh tokens: must still work
	revoked  []string // refresh tokens revoked: must not
}

func (p *promises) add(list *[]string, value string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*list = append(*list, value)
}

func TestNothingAcknowledgedIsLostAndNothingIsRedeemedTwice(t *testing.T) {
	kills := 5
	if n, err := strconv.Atoi(os.Getenv("GATEHOUSE_KILLS")); err == nil {
		kills = n
	}
	binary, err := process.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	address, err := process.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	o := process.Options{Binary: binary, Manifests: "../../config/samples", DataDir: filepath.Join(t.TempDir(), "data"), Address: address}
	browsers := make([]*person.Person, workers)
	for i := range browsers {
		browsers[i] = person.New()
	}
	var kept promises
	for round := range kills {
		server, err := process.Serve(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		kept.verify(t, server.URL)
		load(t, server, browsers, &kept, 20+7*round%60)
	}
	server, err := process.Serve(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	kept.verify(t, server.URL)
	if err := server.Stop(); err != nil {
		t.Errorf("the last server: %v\n%s", err, server.Printed)
	}
	t.Logf("%d kills: %d codes redeemed, %d grants revoked", kills, len(kept.redeemed), len(kept.revoked))
}

// load signs people in, redeems, refreshes and revokes until so many acts were
// acknowledged; then it kills the server under the workers' feet.
func load(t *testing.T, server *process.Process, browsers []*person.Person, kept *promises, acts int) {
	t.Helper()
	password, err := server.DemoPassword(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	acknowledged := make(chan struct{})
	var done sync.WaitGroup
	for _, browser := range browsers {
		done.Go(func() {
			w := worker{url: server.URL, browser: browser, password: password, kept: kept, acknowledged: acknowledged}
			for ctx.Err() == nil && w.run(ctx) == nil {
			}
		})
	}
	for range acts {
		select {
		case <-acknowledged:
		case <-ctx.Done():
			t.Fatalf("the load stands still\n%s", server.Printed)
		}
	}
	server.Kill()
	cancel()
	done.Wait()
}

type worker struct {
	url, password string
	browser       *person.Person
	kept          *promises
	acknowledged  chan<- struct{}
	rounds        int
}

// run makes one grant, uses it twice, and revokes every other one.
func (w *worker) run(ctx context.Context) error {
	var device struct {
		Code     string `json:"device_code"`
		Complete string `json:"verification_uri_complete"`
	}
	if err := post(ctx, w.url+"/oauth/device/code/", url.Values{"client_id": {"acme.cli"}}, &device); err != nil {
		return err
	}
	if err := w.browser.Approve(ctx, device.Complete, "demo@example.com", w.password); err != nil {
		return err
	}
	var token tokens
	if err := post(ctx, w.url+"/oauth/token/", redeeming(device.Code), &token); err != nil {
		return err
	}
	w.kept.add(&w.kept.redeemed, device.Code)
	w.acknowledge(ctx)
	newest := token.Refresh
	for range 2 {
		if err := post(ctx, w.url+"/oauth/token/", refreshing(newest), &token); err != nil {
			w.kept.add(&w.kept.live, newest) // the answer was lost: the old one gets it again
			return err
		}
		newest = token.Refresh
		w.acknowledge(ctx)
	}
	if w.rounds++; w.rounds%2 == 0 {
		w.kept.add(&w.kept.live, newest)
		return nil
	}
	if err := post(ctx, w.url+"/oauth/revoke/", url.Values{"client_id": {"acme.cli"}, "token": {newest}}, nil); err != nil {
		return err // unknown which: nothing was acknowledged
	}
	w.kept.add(&w.kept.revoked, newest)
	w.acknowledge(ctx)
	return nil
}

func (w *worker) acknowledge(ctx context.Context) {
	select {
	case w.acknowledged <- struct{}{}:
	case <-ctx.Done():
	}
}

// verify asks the restarted server for everything that was acknowledged so far.
func (p *promises) verify(t *testing.T, issuer string) {
	t.Helper()
	for _, code := range p.redeemed {
		if err := post(t.Context(), issuer+"/oauth/token/", redeeming(code), nil); err == nil {
			t.Errorf("a device code was redeemed twice")
		}
	}
	for _, refresh := range p.revoked {
		if err := post(t.Context(), issuer+"/oauth/token/", refreshing(refresh), nil); err == nil {
			t.Errorf("an acknowledged revocation was lost")
		}
	}
	for i, refresh := range p.live {
		var token tokens
		if err := post(t.Context(), issuer+"/oauth/token/", refreshing(refresh), &token); err != nil {
			t.Errorf("an acknowledged refresh token was lost: %v", err)
			continue
		}
		p.live[i] = token.Refresh
	}
}

type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

func redeeming(code string) url.Values {
	return url.Values{"client_id": {"acme.cli"}, "grant_type": {deviceGrant}, "device_code": {code}}
}

func refreshing(token string) url.Values {
	return url.Values{"client_id": {"acme.cli"}, "grant_type": {"refresh_token"}, "refresh_token": {token}}
}

// post reads the answer into a value; any status but 200 is an error.
func post(ctx context.Context, target string, form url.Values, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", answer.Status, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}
