package clientauth

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// house publishes keys, and counts who asks.
type house struct {
	keys  map[string]crypto.Signer
	body  []byte // in their place, if there is one
	fault error
	asked atomic.Int64
	hold  chan struct{} // answers wait until it is closed; nil: none do
	begun chan struct{} // is told of every request that waits so
}

func (h *house) Get(ctx context.Context, _ string) ([]byte, error) {
	h.asked.Add(1)
	if h.hold != nil {
		h.begun <- struct{}{}
		<-h.hold
	}
	if err := errors.Join(ctx.Err(), h.fault); err != nil {
		return nil, err
	}
	if h.body != nil {
		return h.body, nil
	}
	return published(h.keys), nil
}

func elsewhere(uid string) *model.Application {
	return &model.Application{UID: uid, ClientID: "acme." + uid, Proofs: model.Proofs{KeysURI: "https://ci.example/jwks"}}
}

func newKeySets(h *house) (*KeySets, *bytes.Buffer) {
	var log bytes.Buffer
	return NewKeySets(h, slog.New(slog.NewTextHandler(&log, nil))), &log
}

func (h *house) wantAsked(t *testing.T, when string, want int64) {
	t.Helper()
	if got := h.asked.Load(); got != want {
		t.Errorf("%s: asked %d times, want %d", when, got, want)
	}
}

func TestPublishedKeysAreReadOnceAndAgainWhenTheyAreOld(t *testing.T) {
	h := &house{keys: map[string]crypto.Signer{"a": stranger}}
	k, _ := newKeySets(h)
	app := elsewhere("1")
	for range 3 {
		if keys := k.Keys(t.Context(), app, "a", noon); len(keys) != 1 {
			t.Fatalf("%v", keys)
		}
	}
	h.wantAsked(t, "at first", 1)
	k.Keys(t.Context(), app, "a", noon.Add(readAgain-1))
	h.wantAsked(t, "before they are old", 1)
	h.keys = map[string]crypto.Signer{"b": stranger}
	if keys := k.Keys(t.Context(), app, "a", noon.Add(readAgain)); len(keys) != 1 || keys[0].ID != "b" {
		t.Errorf("a key that was withdrawn is still there: %v", keys)
	}
	h.wantAsked(t, "when they are old", 2)
}

// Whoever sends unknown key IDs makes nobody knock on a door more often than this.
func TestAnUnknownKeyIsAskedForOnceInAWhile(t *testing.T) {
	h := &house{keys: map[string]crypto.Signer{"a": stranger}}
	k, _ := newKeySets(h)
	app := elsewhere("1")
	k.Keys(t.Context(), app, "a", noon)
	for i := range 100 {
		k.Keys(t.Context(), app, fmt.Sprint("x", i), noon.Add(askPause-1))
	}
	h.wantAsked(t, "within the pause", 1)
	h.keys["b"] = private["ES256"]
	if keys := k.Keys(t.Context(), app, "b", noon.Add(askPause)); !knows(keys, "b") {
		t.Errorf("a new key is not found: %v", keys)
	}
	h.wantAsked(t, "after the pause", 2)
	k.Keys(t.Context(), elsewhere("2"), "a", noon.Add(askPause))
	h.wantAsked(t, "for another application", 3)
	moved := elsewhere("1")
	moved.Proofs.KeysURI = "https://ci.example/other"
	k.Keys(t.Context(), moved, "a", noon.Add(askPause))
	h.wantAsked(t, "at another place", 4)
}

func TestAnOutageKeepsTheLastGoodKeysForADay(t *testing.T) {
	h := &house{keys: map[string]crypto.Signer{"a": stranger}}
	k, log := newKeySets(h)
	app := elsewhere("1")
	k.Keys(t.Context(), app, "a", noon)
	h.fault = errors.New("no route")
	for _, after := range []time.Duration{readAgain, time.Hour, goodFor - 1} {
		if keys := k.Keys(t.Context(), app, "a", noon.Add(after)); len(keys) != 1 {
			t.Errorf("after %v: %v", after, keys)
		}
	}
	if !strings.Contains(log.String(), "acme.1") || !strings.Contains(log.String(), "no route") {
		t.Errorf("the log says %q", log)
	}
	if keys := k.Keys(t.Context(), app, "a", noon.Add(goodFor)); len(keys) > 0 {
		t.Errorf("after a day: %v", keys)
	}
	h.fault = nil
	if keys := k.Keys(t.Context(), app, "a", noon.Add(goodFor+askPause)); len(keys) != 1 {
		t.Errorf("once it answers again: %v", keys)
	}
}

// An answer that is no set of public keys takes nothing away, and gives nothing.
func TestOnlyPublicKeysOfASetCount(t *testing.T) {
	h := &house{body: []byte(`{"keys":[]}`)}
	k, log := newKeySets(h)
	if keys := k.Keys(t.Context(), elsewhere("1"), "a", noon); len(keys) > 0 || !strings.Contains(log.String(), "keys") {
		t.Errorf("%v, %q", keys, log)
	}
	symmetric := `{"kty":"oct","kid":"k","k":"c2VjcmV0LXRoYXQtaXMtc2hvd24"},`
	h.body = []byte(strings.Replace(string(published(map[string]crypto.Signer{"a": stranger})), `[`, `[`+symmetric, 1))
	if keys := k.Keys(t.Context(), elsewhere("2"), "a", noon); len(keys) != 1 || keys[0].ID != "a" {
		t.Errorf("%v", keys)
	}
	if strings.Contains(log.String(), "c2VjcmV0") {
		t.Errorf("the log shows a key: %s", log)
	}
}

// One request waits for a slow door; the others go on, and a caller who hangs up spoils
// nothing.
func TestOneRequestWaitsForASlowDoor(t *testing.T) {
	h := &house{keys: map[string]crypto.Signer{"a": stranger}, hold: make(chan struct{}), begun: make(chan struct{}, mostAtOnce)}
	k, _ := newKeySets(h)
	app := elsewhere("1")
	ctx, hangUp := context.WithCancel(t.Context())
	got := make(chan int)
	go func() { got <- len(k.Keys(ctx, app, "a", noon)) }()
	<-h.begun
	hangUp()
	if keys := k.Keys(t.Context(), app, "a", noon.Add(time.Hour)); len(keys) > 0 {
		t.Errorf("%v", keys)
	}
	close(h.hold)
	if n := <-got; n != 1 {
		t.Errorf("%d keys came", n)
	}
	h.wantAsked(t, "by two requests", 1)
	if keys := k.Keys(t.Context(), app, "a", noon); len(keys) != 1 {
		t.Errorf("%v", keys)
	}
}

func TestFewRequestsWaitForTheDoorsOfOthers(t *testing.T) {
	h := &house{keys: map[string]crypto.Signer{"a": stranger}, hold: make(chan struct{}), begun: make(chan struct{}, mostAtOnce)}
	k, _ := newKeySets(h)
	done := make(chan struct{}, mostAtOnce)
	for i := range mostAtOnce {
		go func() {
			k.Keys(t.Context(), elsewhere(fmt.Sprint(i)), "a", noon)
			done <- struct{}{}
		}()
	}
	for range mostAtOnce {
		<-h.begun
	}
	if keys := k.Keys(t.Context(), elsewhere("late"), "a", noon); len(keys) > 0 {
		t.Errorf("%v", keys)
	}
	close(h.hold)
	for range mostAtOnce {
		<-done
	}
	h.wantAsked(t, "at once", mostAtOnce)
}

func TestSetsOfApplicationsThatAreGoneAreForgotten(t *testing.T) {
	k, _ := newKeySets(&house{keys: map[string]crypto.Signer{"a": stranger}})
	for i := range 50 {
		k.Keys(t.Context(), elsewhere(fmt.Sprint(i)), "a", noon)
	}
	k.Keys(t.Context(), elsewhere("other"), "a", noon.Add(2*goodFor))
	if len(k.sets) != 1 {
		t.Errorf("%d sets are kept", len(k.sets))
	}
}

// From the outside: the key that an application changed to is taken without anybody
// declaring anything, and the one it withdrew is not.
func TestAnApplicationChangesItsPublishedKeyByItself(t *testing.T) {
	c := newClients(t)
	h := &house{keys: map[string]crypto.Signer{"ES256": private["ES256"]}}
	k, _ := newKeySets(h)
	c.Published = k
	o := model.Organization{ID: "o", Slug: "acme"}.WithMembers([]*model.Application{elsewhere("1")}, nil)
	c.snapshot = model.NewSnapshot("", []*model.Organization{o}, nil, nil)
	own := claimSet{"iss": "acme.1", "sub": "acme.1"}
	c.want(t, "its key", "", "", asserted(byKey(good().but(own))))
	c.want(t, "a key of its own making", oauth.InvalidClient, "", asserted(sign(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), "ES256", nil, good().but(own))))
	h.wantAsked(t, "by a known key ID", 1)
	h.keys = map[string]crypto.Signer{"ES384": private["ES384"]}
	at := noon
	noonLater := func(form func() string, want string, after time.Duration, name string) {
		t.Helper()
		got, err := c.Authenticate(t.Context(), c.snapshot, at.Add(after), "", asserted(form()))
		if (err == nil) != (want == "") {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	next := func() string { return sign(private["ES384"], "ES384", nil, good().but(own)) }
	noonLater(next, oauth.InvalidClient, 0, "within the pause")
	noonLater(next, "", askPause, "the next key")
	noonLater(func() string { return byKey(good().but(own)) }, oauth.InvalidClient, askPause, "the key before")
}
