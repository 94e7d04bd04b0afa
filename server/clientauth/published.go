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
	// mostAtOnce bounds how many requests wait for the doors of others, and mostOfOne those of
	// one organization: whoever has many slow doors keeps nobody else's keys from being read,
	// or a key that was withdrawn would go on for a day.
	mostAtOnce = 32
	mostOfOne  = 4
	// mostSets bounds the memory; more applications than that read theirs more often.
	mostSets = 20_000
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
	sets  map[string]*keySet // by UID of the application
	busy  map[string]int     // fetches under way, by ID of the organization
	swept time.Time
}

// keySet is what one application publishes at one URI; at another one it is another set, in
// the place of this one.
type keySet struct {
	uri        string
	keys       []jwk.Key
	read       time.Time // zero: never
	tried      time.Time
	beingAsked bool
}

// NewKeySets returns KeySets that nothing is known of yet.
func NewKeySets(f Fetcher, log *slog.Logger) *KeySets {
	return &KeySets{fetcher: f, log: log, sets: map[string]*keySet{}, busy: map[string]int{}}
}

// Keys returns those of the application. When they are old, or none has the key ID, one
// request asks for newer ones and waits; all others go on with what is known.
func (k *KeySets) Keys(ctx context.Context, of Client, kid string, now time.Time) (keys []jwk.Key) {
	app, at := of.Application, of.Organization.ID
	set, known, ask := k.begin(app, at, kid, now)
	if !ask {
		return known
	}
	var fresh []jwk.Key
	defer func() { keys = k.end(set, at, fresh, now) }() // whatever happens, or nobody asks again
	// Whoever hangs up does not keep everybody else from newer keys.
	raw, err := k.fetcher.Get(context.WithoutCancel(ctx), app.Proofs.KeysURI)
	if err == nil {
		fresh, err = k.readable(raw)
	}
	if err != nil {
		k.log.Warn("the keys that an application publishes could not be read; the last good ones count for a day", "client_id", app.ClientID, "error", err)
	}
	return nil
}

// begin returns what is known, and whether the caller is to ask for more.
func (k *KeySets) begin(app *model.Application, organization, kid string, now time.Time) (set *keySet, known []jwk.Key, ask bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sweep(now)
	set = k.sets[app.UID]
	if set == nil || set.uri != app.Proofs.KeysURI {
		k.makeRoom(app.UID)
		set = &keySet{uri: app.Proofs.KeysURI}
		k.sets[app.UID] = set
	}
	known = set.usable(now)
	due := now.Sub(set.read) >= readAgain || kid != "" && !knows(known, kid)
	if !due || set.beingAsked || now.Sub(set.tried) < askPause || k.all() >= mostAtOnce || k.busy[organization] >= mostOfOne {
		return set, known, false
	}
	set.beingAsked, set.tried = true, now
	k.busy[organization]++
	return set, known, true
}

// all is how many fetches are under way; k.mu is held.
func (k *KeySets) all() (n int) {
	for _, of := range k.busy {
		n += of
	}
	return n
}

// makeRoom forgets any set if there are too many; k.mu is held.
func (k *KeySets) makeRoom(uid string) {
	if k.sets[uid] != nil || len(k.sets) < mostSets {
		return
	}
	for other := range k.sets {
		delete(k.sets, other)
		return
	}
}

// end keeps what came, nil for nothing, and returns what counts now. A set that was
// forgotten meanwhile, or whose application has moved, counts for this request alone.
func (k *KeySets) end(set *keySet, organization string, keys []jwk.Key, now time.Time) []jwk.Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.busy[organization]--; k.busy[organization] <= 0 {
		delete(k.busy, organization)
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
