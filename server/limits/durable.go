package limits

import (
	"context"
	"fmt"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// Ledger is what Durable needs of the store.
type Ledger interface {
	Throttles(ctx context.Context, keys []store.ThrottleKey) ([]store.Throttle, error)
	ChangeThrottles(ctx context.Context, keys []store.ThrottleKey, change func([]store.Throttle) bool) error
}

// Durable counts tries in the store: over restarts, and for all processes that share it.
// What is kept in memory comes first, and spares the store a flood.
type Durable struct {
	ledger Ledger
	key    model.Sensitive
	scale  float64
}

// NewDurable keeps its counts under keyed hashes: people type passwords where names belong.
// At scale 0 it is off.
func NewDurable(ledger Ledger, key model.Sensitive, scale float64) *Durable {
	return &Durable{ledger, key, scale}
}

// Rule is how often a thing may be tried. Exactly one of Delay and Bucket is set.
type Rule struct {
	What    string // is counted: "password of", a source, …
	Account string // whose it is; empty: nobody's
	Delay   *Delay
	Bucket  *Bucket
}

// Delay makes tries beyond the free ones wait: First, doubled with each Step of further
// tries, up to Longest. They are forgotten a day after the last one.
type Delay struct {
	Free           int
	Step           int
	First, Longest time.Duration
}

// Bucket allows Burst tries at once, and one each Interval.
type Bucket struct {
	Burst    int
	Interval time.Duration
}

// The policy that the package's doc states, as far as it is kept in the store.
var (
	pairDelay    = &Delay{Free: 5, Step: 1, First: time.Second, Longest: 15 * time.Minute}
	sourceDelay  = &Delay{Free: 20, Step: 1, First: time.Second, Longest: 15 * time.Minute}
	accountDelay = &Delay{Free: 50, Step: 10, First: 10 * time.Second, Longest: 15 * time.Minute}
	codeBurst    = &Bucket{Burst: 5, Interval: 4 * time.Second}
	codeHour     = &Bucket{Burst: 20, Interval: 3 * time.Minute}
	entryBurst   = &Bucket{Burst: 10, Interval: 6 * time.Second}
)

// Password is what a password that is typed for an account, at a place, counts against. The
// first rule is of this place and account alone.
func Password(account, place string, usual bool) []Rule {
	rules := []Rule{{What: "pair " + account + "\x00" + place, Account: account, Delay: pairDelay}}
	if usual {
		return rules
	}
	return append(rules, Rule{What: "source " + place, Delay: sourceDelay}, Rule{What: "account " + account, Account: account, Delay: accountDelay})
}

// AppCode is what a code of an authenticator app counts against. Where somebody has signed in
// before, tries are counted apart: strangers who guess do not hold them up.
func AppCode(person, usual string) []Rule {
	at := AppCodeKey(person, usual)
	return []Rule{
		{What: "code burst " + at, Account: person, Bucket: codeBurst},
		{What: "code hour " + at, Account: person, Bucket: codeHour},
	}
}

// AppCodeKey is what codes of apps of a person are counted by, at a usual place or, without
// one, by strangers.
func AppCodeKey(person, usual string) string {
	if usual == "" {
		return person
	}
	return person + "\x00" + usual
}

// UserCode is what a code of a device counts against: address, session, person.
func UserCode(keys ...string) []Rule {
	var rules []Rule
	for _, key := range keys {
		rules = append(rules, Rule{What: "user code " + key, Bucket: entryBurst})
	}
	return rules
}

// Try counts a try for all rules and returns 0, or counts nothing and returns how long to
// wait. Call it before what was typed is looked at.
func (d *Durable) Try(ctx context.Context, now time.Time, rules ...Rule) (wait time.Duration, err error) {
	if d.scale <= 0 {
		return 0, nil
	}
	keys := d.keys(rules)
	before, err := d.ledger.Throttles(ctx, keys) // who is held back writes nothing
	if err != nil {
		return 0, fmt.Errorf("read tries: %w", err)
	}
	if wait = d.longest(now, rules, before); wait > 0 {
		return wait, nil
	}
	err = d.ledger.ChangeThrottles(ctx, keys, func(found []store.Throttle) bool {
		if wait = d.longest(now, rules, found); wait > 0 {
			return false
		}
		for i, rule := range rules {
			found[i] = rule.add(now, found[i], d.scale)
		}
		return true
	})
	if err != nil {
		return 0, fmt.Errorf("count try: %w", err)
	}
	return wait, nil
}

// Right takes back a try by the rules of Password: the first, of the place and the account,
// is forgotten, the others are as they were before the try.
func (d *Durable) Right(ctx context.Context, now time.Time, rules ...Rule) error {
	if d.scale <= 0 {
		return nil
	}
	err := d.ledger.ChangeThrottles(ctx, d.keys(rules), func(found []store.Throttle) bool {
		for i := range found {
			if found[i].Count--; i == 0 || found[i].Count <= 0 {
				found[i] = store.Throttle{}
			}
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("take back try: %w", err)
	}
	return nil
}

// Count counts one more of what within the time, and returns how many there are.
func (d *Durable) Count(ctx context.Context, now time.Time, rule Rule, within time.Duration) (count int64, err error) {
	err = d.ledger.ChangeThrottles(ctx, d.keys([]Rule{rule}), func(found []store.Throttle) bool {
		if !now.Before(found[0].Until) {
			found[0] = store.Throttle{Until: now.Add(within)}
		}
		found[0].Count++
		found[0].At, count = now, found[0].Count
		return true
	})
	if err != nil {
		return 0, fmt.Errorf("count %w", err)
	}
	return count, nil
}

// Forget forgets what was counted.
func (d *Durable) Forget(ctx context.Context, rule Rule) error {
	keys := d.keys([]Rule{rule})
	before, err := d.ledger.Throttles(ctx, keys)
	if err != nil || before[0].Until.IsZero() {
		return err
	}
	return d.ledger.ChangeThrottles(ctx, keys, func(found []store.Throttle) bool {
		found[0] = store.Throttle{}
		return true
	})
}

// Mark tells since when an account is unlocked; zero: it is not, of late.
func (d *Durable) Mark(ctx context.Context, account string) (time.Time, error) {
	found, err := d.ledger.Throttles(ctx, []store.ThrottleKey{UnlockedMark(d.key, account)})
	if err != nil {
		return time.Time{}, fmt.Errorf("read lock: %w", err)
	}
	return found[0].At, nil
}

// UnlockedMark is the key of that word. It is nobody's, so that it outlives what it takes away.
func UnlockedMark(key model.Sensitive, account string) store.ThrottleKey {
	return store.ThrottleKey{Hash: keyed(key, "unlocked "+account)}
}

// AccountHash is what the store knows an account by here.
func AccountHash(key model.Sensitive, account string) []byte { return keyed(key, "account "+account) }

// PlaceHash is what the store knows a place of an account by.
func PlaceHash(key model.Sensitive, account, place string) []byte {
	return keyed(key, "place "+account+"\x00"+place)
}

func keyed(key model.Sensitive, text string) []byte {
	sum := key.Digest([]byte("limits " + text))
	return sum[:]
}

func (d *Durable) keys(rules []Rule) []store.ThrottleKey {
	keys := make([]store.ThrottleKey, len(rules))
	for i, rule := range rules {
		keys[i].Hash = keyed(d.key, "tries "+rule.What)
		if rule.Account != "" {
			keys[i].Account = AccountHash(d.key, rule.Account)
		}
	}
	return keys
}

func (d *Durable) longest(now time.Time, rules []Rule, found []store.Throttle) (wait time.Duration) {
	for i, rule := range rules {
		wait = max(wait, rule.wait(now, found[i], d.scale))
	}
	return wait
}

// wait is bounded whatever the store says: a clock that was wrong must lock nobody out.
func (r Rule) wait(now time.Time, t store.Throttle, scale float64) time.Duration {
	if b := r.Bucket; b != nil {
		if !t.At.After(now) {
			return 0
		}
		interval := scaled(b.Interval, scale)
		return min(t.At.Sub(now)-time.Duration(b.Burst-1)*interval, time.Duration(b.Burst)*interval)
	}
	if !now.Before(t.Until) {
		return 0
	}
	d := r.Delay
	count, free := int(t.Count), max(1, int(float64(d.Free)*scale))
	if count < free {
		return 0
	}
	delay := d.First
	for range (count - free) / d.Step {
		if delay *= 2; delay >= d.Longest {
			delay = d.Longest
			break
		}
	}
	delay = scaled(delay, scale)
	return min(delay, delay-now.Sub(t.At))
}

// add counts a try.
func (r Rule) add(now time.Time, t store.Throttle, scale float64) store.Throttle {
	if b := r.Bucket; b != nil {
		if t.At.Before(now) {
			t.At = now
		}
		interval := scaled(b.Interval, scale)
		t.At = t.At.Add(interval)
		// What is full weighs more than what has one: of too many throttles the lightest go.
		return store.Throttle{Count: int64((t.At.Sub(now) + interval - 1) / interval), At: t.At, Until: t.At}
	}
	if !now.Before(t.Until) {
		t.Count = 0
	}
	return store.Throttle{Count: t.Count + 1, At: now, Until: now.Add(forgetAfter)}
}

func scaled(d time.Duration, scale float64) time.Duration {
	return time.Duration(float64(d) / scale)
}
