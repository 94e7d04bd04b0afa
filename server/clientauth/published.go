package clientauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/jwk"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// When the keys that an application publishes are read.
const (
	// readAgain is after how long they are read again once they are needed: a key that was
	// withdrawn proves nothing from then on.
	readAgain = 5 * time.Minute
	// askPause is between two tries for one application, whatever is asked for: whoever sends
	// unknown key IDs does not make us knock on somebody's door.
	askPause = 30 * time.Second
	// goodFor is how long the last good ones stand in while there are no newer ones.
	goodFor = 24 * time.Hour
	// mostAtOnce bounds how many requests wait for the doors of others.
	mostAtOnce = 16
)

// Fetcher gets what is at an https URL, bounded in time and size; see package outbound.
type Fetcher interface {
	Get(ctx context.Context, from string) ([]byte, error)
}

// KeySets keeps the keys that applications publish. It is safe for concurrent use.
type KeySets struct {
	fetcher Fetcher
	log     *slog.Logger

	mu    sync.Mutex
	sets  map[place]*keySet
	busy  int // fetches under way
	swept time.Time
}

// place is where an application publishes: another URI is another set, and so is that of
// another application.
type place struct{ uid, uri string }

type keySet struct {
	keys       []jwk.Key
	read       time.Time // zero: never
	tried      time.Time
	beingAsked bool
}

// NewKeySets returns KeySets that nothing is known of yet.
func NewKeySets(f Fetcher, log *slog.Logger) *KeySets {
	return &KeySets{fetcher: f, log: log, sets: map[place]*keySet{}}
}

// Keys returns those of the application. When they are old, or none has the key ID, one
// request asks for newer ones and waits; all others go on with what is known.
func (k *KeySets) Keys(ctx context.Context, app *model.Application, kid string, now time.Time) []jwk.Key {
	set, ask := k.begin(place{app.UID, app.Proofs.KeysURI}, kid, now)
	if !ask {
		return set
	}
	// Whoever hangs up does not keep everybody else from newer keys.
	raw, err := k.fetcher.Get(context.WithoutCancel(ctx), app.Proofs.KeysURI)
	var keys []jwk.Key
	if err == nil {
		keys, err = k.readable(raw)
	}
	if err != nil {
		k.log.Warn("the keys that an application publishes could not be read; the last good ones count for a day", "client_id", app.ClientID, "error", err)
	}
	return k.end(place{app.UID, app.Proofs.KeysURI}, keys, now)
}

// begin returns what is known, and whether the caller is to ask for more.
func (k *KeySets) begin(at place, kid string, now time.Time) (known []jwk.Key, ask bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sweep(now)
	set := k.sets[at]
	if set == nil {
		set = &keySet{}
		k.sets[at] = set
	}
	known = set.usable(now)
	due := now.Sub(set.read) >= readAgain || kid != "" && !knows(known, kid)
	if !due || set.beingAsked || now.Sub(set.tried) < askPause || k.busy >= mostAtOnce {
		return known, false
	}
	set.beingAsked, set.tried = true, now
	k.busy++
	return known, true
}

// end keeps what came, nil for nothing, and returns what counts now.
func (k *KeySets) end(at place, keys []jwk.Key, now time.Time) []jwk.Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.busy--
	set := k.sets[at]
	if set == nil { // swept meanwhile
		return keys
	}
	set.beingAsked = false
	if keys != nil {
		set.keys, set.read = keys, now
	}
	return set.usable(now)
}

func (s *keySet) usable(now time.Time) []jwk.Key {
	if now.Sub(s.read) >= goodFor {
		return nil
	}
	return s.keys
}

// sweep forgets sets that nobody asked for in a day: those of applications that are gone.
func (k *KeySets) sweep(now time.Time) {
	if now.Sub(k.swept) < time.Hour {
		return
	}
	k.swept = now
	for at, set := range k.sets {
		if !set.beingAsked && now.Sub(set.tried) >= goodFor {
			delete(k.sets, at)
		}
	}
}

// readable are the keys of a set that can be used; others are left out (RFC 7517 section 5),
// among them a private key that was published.
func (k *KeySets) readable(raw []byte) ([]jwk.Key, error) {
	keys, problems := jwk.Parse(raw)
	if len(keys) > 0 {
		return keys, nil
	}
	if len(problems) == 0 {
		return nil, errors.New("the set has no keys")
	}
	return nil, fmt.Errorf("the set has no key that can be used: %s %s", problems[0].Path, problems[0].Message)
}
