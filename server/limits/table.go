package limits

import (
	"hash/maphash"
	"sync"
	"time"
)

const (
	shardCount    = 32
	shardCapacity = 4096 // entries of one generation of one shard
)

// table is a bounded map in two generations. An entry that is used moves to the young
// one; when that is as old as the idle time, or full, it becomes the old one, whose
// remaining entries go.
type table[V any] struct {
	idle   time.Duration // an entry unused for so long says nothing any more
	seed   maphash.Seed
	shards [shardCount]shard[V]
}

type shard[V any] struct {
	mu         sync.Mutex
	young, old map[uint64]V
	born       time.Time // when young began
}

func newTable[V any](idle time.Duration) *table[V] {
	return &table[V]{idle: idle, seed: maphash.MakeSeed()}
}

// update calls change with the entry of the key, or with the zero value, and keeps what
// it returns.
func (t *table[V]) update(now time.Time, key string, change func(V) V) {
	h := maphash.String(t.seed, key)
	s := &t.shards[h%shardCount]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(now, t.idle)
	s.young[h] = change(s.find(h))
}

// look returns the entry of the key, or the zero value. It makes no entry: who is held
// back must not push out what is known of others by asking again under many names.
func (t *table[V]) look(now time.Time, key string) V {
	h := maphash.String(t.seed, key)
	s := &t.shards[h%shardCount]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(now, t.idle)
	return s.find(h)
}

// turn begins a new generation when it is time.
func (s *shard[V]) turn(now time.Time, idle time.Duration) {
	if s.young != nil && now.Sub(s.born) < idle && len(s.young) < shardCapacity {
		return
	}
	if now.Sub(s.born) >= 2*idle {
		s.young = nil
	}
	s.old, s.young, s.born = s.young, map[uint64]V{}, now
}

// find returns an entry, which moves to the young ones.
func (s *shard[V]) find(h uint64) V {
	v, found := s.young[h]
	if found {
		return v
	}
	if v, found = s.old[h]; found {
		delete(s.old, h)
		s.young[h] = v
	}
	return v
}

// size counts the entries, for tests.
func (t *table[V]) size() (n int) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += len(s.young) + len(s.old)
		s.mu.Unlock()
	}
	return n
}
