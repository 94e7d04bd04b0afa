package limits

import (
	"context"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// ledger keeps throttles in memory.
type ledger map[string]store.Throttle

func (l ledger) Throttles(_ context.Context, keys []store.ThrottleKey) ([]store.Throttle, error) {
	found := make([]store.Throttle, len(keys))
	for i, key := range keys {
		found[i] = l[string(key.Hash)]
	}
	return found, nil
}

func (l ledger) ChangeThrottles(ctx context.Context, keys []store.ThrottleKey, change func([]store.Throttle) bool) error {
	found, _ := l.Throttles(ctx, keys)
	if change(found) {
		for i, key := range keys {
			l[string(key.Hash)] = found[i]
		}
	}
	return nil
}

// Of too many throttles the lightest go: who tries many names must not push out the tries at
// one person's codes.
func TestTriesAtCodesWeighWhatTheyAre(t *testing.T) {
	kept, now := ledger{}, time.Unix(1_800_000_000, 0)
	d := NewDurable(kept, model.NewSensitive("key"), 1)
	for range 12 {
		if wait, err := d.Try(t.Context(), now, AppCode("ann", "")...); wait > 0 || err != nil {
			t.Fatalf("wait %v, %v", wait, err)
		}
		now = now.Add(4 * time.Second)
	}
	var heaviest int64
	for _, v := range kept {
		heaviest = max(heaviest, v.Count)
	}
	if heaviest != 12 {
		t.Errorf("twelve tries weigh %d", heaviest)
	}
}
