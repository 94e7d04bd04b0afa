package compile

import (
	"cmp"
	"fmt"
	"time"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
)

// bounds of a duration, both allowed, and what to say after them.
type bounds struct {
	least, most time.Duration
	note        string
}

// length reads a duration within bounds, or takes the default where none is declared. It
// restricts, so a bad one means that the object is not served.
func length(d v1alpha1.Duration, field string, within bounds, byDefault time.Duration, r *Report) time.Duration {
	if d == "" {
		return byDefault
	}
	v, err := d.Parse()
	switch {
	case err != nil:
		r.refuse(v1alpha1.ReasonInvalidSpec, field, "%s is not a duration; write it like 90s, 15m or 1h30m", quote(d))
	case v < within.least || v > within.most:
		r.refuse(v1alpha1.ReasonInvalidSpec, field, "%s is out of bounds; use %s to %s%s", quote(d), written(within.least), written(within.most), within.note)
	}
	return v
}

// moment reads a point in time; ok is false if it is none.
func moment(t v1alpha1.Timestamp) (at time.Time, ok bool) {
	at, err := t.Parse()
	return at.UTC(), err == nil
}

// written writes a length of time as a declaration would: 1h30m, not 1h30m0s.
func written(d time.Duration) v1alpha1.Duration {
	text := ""
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}, {time.Millisecond, "ms"}} {
		if n := d / unit.length; n > 0 {
			text += fmt.Sprint(int64(n)) + unit.name
			d %= unit.length
		}
	}
	return v1alpha1.Duration(cmp.Or(text, "0s"))
}
