package main

import (
	"math/rand/v2"
	"testing"
	"time"
)

// samples are those of a load of ten minutes, one every ten seconds.
func samples(value func(i int) float64) *trend {
	t := &trend{name: "heap", unit: "MiB", slack: 4}
	for i := range 60 {
		t.add(time.Duration(i+1)*10*time.Second, value(i))
	}
	return t
}

func TestMemoryThatFillsItsCachesAndStaysIsFlat(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, value := range map[string]func(int) float64{
		"constant":                  func(int) float64 { return 80 },
		"settles in the first half": func(i int) float64 { return 80 + 3*float64(min(i, 28)) },
		"saw tooth":                 func(i int) float64 { return 80 + 2*float64(i%7) },
		"noise":                     func(int) float64 { return 80 + 20*r.Float64() },
		"a few peaks at the end":    func(i int) float64 { return 80 + 200*float64(i/57) },
		"shrinks":                   func(i int) float64 { return 200 - float64(i) },
		"small, within the slack":   func(i int) float64 { return 10 + float64(i)/20 },
	} {
		if said, err := samples(value).judge(); err != nil {
			t.Errorf("%s: %v (%s)", name, err, said)
		}
	}
}

func TestMemoryThatGrowsIsNotFlat(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for name, value := range map[string]func(int) float64{
		"a leak":                   func(i int) float64 { return 80 + float64(i)/2 },
		"a leak below noise":       func(i int) float64 { return 80 + float64(i)/2 + 10*r.Float64() },
		"a leak below a saw tooth": func(i int) float64 { return 80 + float64(i)/2 + 2*float64(i%7) },
		"a leak after a while":     func(i int) float64 { return 80 + 2*float64(max(0, i-35)) },
	} {
		if said, err := samples(value).judge(); err == nil {
			t.Errorf("%s: %s", name, said)
		}
	}
}

func TestAFewSamplesAreNoTrend(t *testing.T) {
	s := &trend{name: "heap", unit: "MiB"}
	for i := range samplesNeeded {
		s.add(time.Duration(i)*time.Second, 80)
	}
	if said, err := s.judge(); err == nil {
		t.Errorf("judged: %s", said)
	}
}
