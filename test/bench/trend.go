package main

import (
	"fmt"
	"slices"
	"time"
)

// A trend is one figure over the time of a load.
type trend struct {
	name  string
	unit  string
	slack float64 // growth that says nothing, in units
	at    []time.Duration
	value []float64
}

func (t *trend) add(at time.Duration, value float64) {
	t.at, t.value = append(t.at, at), append(t.value, value)
}

// How a trend is judged. Caches fill and the heap finds its size at the beginning of a
// load, so its first half does not count. Of the rest, the slope is the median of the slopes
// between all pairs of samples (Theil and Sen), which single peaks do not move; times the
// length of that rest it is the growth. Growth of more than growthAllowed of the middle
// value, and of more than the figure's slack, is not flat.
const (
	growthAllowed = 0.1
	samplesNeeded = 6
)

// judge says what the trend is, and returns an error if it is not flat.
func (t *trend) judge() (string, error) {
	from := len(t.at) / 2
	at, value := t.at[from:], t.value[from:]
	if len(at) < samplesNeeded {
		return "", fmt.Errorf("%s: %d samples after the first half, %d are needed: load for longer", t.name, len(at), samplesNeeded)
	}
	var slopes []float64
	for i := range at {
		for j := range i {
			if took := (at[i] - at[j]).Seconds(); took > 0 {
				slopes = append(slopes, (value[i]-value[j])/took)
			}
		}
	}
	middle := middleOf(value)
	grown := middleOf(slopes) * (at[len(at)-1] - at[0]).Seconds()
	said := fmt.Sprintf("%s: %.1f %s in the middle, %+.1f %s from %s to the end", t.name, middle, t.unit, grown, t.unit, at[0].Round(time.Second))
	if grown > t.slack && grown > growthAllowed*middle {
		return said, fmt.Errorf("%s is not flat: it grew by %.1f %s, more than %.0f %% and more than %.0f %s", t.name, grown, t.unit, growthAllowed*100, t.slack, t.unit)
	}
	return said + ": flat", nil
}

func middleOf(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
