package controllers

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/gatehouse-dev/gatehouse/internal/jwk"
)

// handed is what a Cluster has handed over of ServiceAccounts' tokens.
type handed struct {
	mu     sync.Mutex
	issuer string
	keys   []jwk.Key
	times  int
}

func (h *handed) take(issuer string, keys []jwk.Key) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.issuer, h.keys = issuer, keys
	h.times++
}

func (h *handed) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.times
}

// As the ServiceAccount of config/rbac, which has no right of ours for this: a real token of
// the API server is verified by what was handed over.
func TestTheKeysOfServiceAccountsTokensAreHandedOver(t *testing.T) {
	b, h := newBench(t, kube), &handed{}
	o := b.options()
	o.ServiceAccountKeys = h.take
	b.start(o)
	b.eventually("handed over", func() error {
		if h.count() == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	b.namespace("keys")
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "keys", Name: "ci"}}
	if err := b.Create(t.Context(), account); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Delete(context.Background(), account) })
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{"https://auth.example.com"}}}
	if err := b.SubResource("token").Create(t.Context(), account, request); err != nil {
		t.Fatal(err)
	}
	token, err := jose.ParseSignedCompact(request.Status.Token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.keys, func(k jwk.Key) bool { return k.ID == token.Signatures[0].Header.KeyID })
	if i < 0 {
		t.Fatalf("%q signed, and handed over were %+v", token.Signatures[0].Header.KeyID, h.keys)
	}
	payload, err := token.Verify(h.keys[i].Public)
	if err != nil || !strings.Contains(string(payload), `"iss":"`+h.issuer+`"`) {
		t.Errorf("%s of %s: %v", payload, h.issuer, err)
	}
}

// gate counts the requests for the keys, and keeps them out while it is shut.
type gate struct {
	http.RoundTripper
	asked atomic.Int64
	shut  atomic.Bool
}

func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path != issuerPath {
		return g.RoundTripper.RoundTrip(r)
	}
	g.asked.Add(1)
	if g.shut.Load() {
		return nil, errors.New("no route to the API server")
	}
	return g.RoundTripper.RoundTrip(r)
}

func TestKeysAreReadAgainInTimeAndWhenAskedButNotOften(t *testing.T) {
	b, h, g := newBench(t, kube), &handed{}, &gate{}
	o := b.options()
	clock := clocktesting.NewFakeClock(time.Now())
	o.Clock, o.ServiceAccountKeys = clock, h.take
	o.Config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		g.RoundTripper = next
		return g
	})
	c := New(o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		c.followKeys(ctx)
		close(done)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	// after steps the clock once the loop waits for it, and says how often it has asked then.
	after := func(d time.Duration, asked int64) {
		t.Helper()
		b.eventually("waiting", func() error {
			if !clock.HasWaiters() {
				return errors.New("not yet")
			}
			return nil
		})
		clock.Step(d)
		b.eventually("asked", func() error {
			if got := g.asked.Load(); got != asked || !clock.HasWaiters() {
				return errors.New("not yet")
			}
			return nil
		})
	}
	after(0, 1)
	for range 100 {
		c.RefreshServiceAccountKeys()
	}
	after(keysPause-time.Millisecond, 1)
	after(time.Millisecond, 2) // all of them are one
	after(keysPause, 2)
	after(keysEvery+keysEvery/10, 3)
	if h.count() != 3 {
		t.Errorf("handed over %d times", h.count())
	}
	g.shut.Store(true)
	after(keysPause, 3)
	after(keysEvery+keysEvery/10, 4)
	after(keysPause, 5) // an outage is tried again soon,
	if h.count() != 3 || len(h.keys) == 0 {
		t.Errorf("handed over %d times, at last %v", h.count(), h.keys) // and takes nothing away
	}
	g.shut.Store(false)
	after(keysPause, 6)
	if h.count() != 4 {
		t.Errorf("handed over %d times", h.count())
	}
}
