// Package decide holds the one decision function: whether a token may be used, for what,
// and why not. Everything that accepts a token asks it.
package decide

import (
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// World is what is in force: one configuration, and when objects of it were last gone. It
// is swapped whole, and never changed afterwards.
type World struct {
	*model.Snapshot
	// Gone is, by UID, when an object was last absent. What was issued for it at that
	// moment or earlier is dead, though the object may be back.
	Gone map[string]time.Time
}

// Alive reports whether something issued at that moment for the object with this UID
// has not been cut off by the object's absence since.
func (w *World) Alive(uid string, issued time.Time) bool {
	gone, ever := w.Gone[uid]
	return !ever || issued.After(gone)
}
