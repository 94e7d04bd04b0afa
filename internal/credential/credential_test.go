package credential_test

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gatehouse-dev/gatehouse/internal/credential"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

var (
	noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	key  = model.NewSensitive("digest key")
)

// failer is what *testing.T and *rapid.T have in common.
type failer interface {
	Fatal(...any)
	Fatalf(string, ...any)
	Errorf(string, ...any)
}

func newSecret(t failer, generation int64, now time.Time) *credential.Secret {
	s, err := credential.Make(rand.Reader, key, generation, now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestASecretHas256BitsAndItsPrefixAndIsNotPrinted(t *testing.T) {
	s := newSecret(t, 1, noon)
	plain := string(s.Plain.Reveal())
	if !strings.HasPrefix(plain, "gcs_") || len(plain) != len("gcs_")+43 {
		t.Errorf("made a secret of %d characters", len(plain))
	}
	if s.Digest != key.Digest([]byte(plain)) || plain == string(newSecret(t, 1, noon).Plain.Reveal()) {
		t.Error("the digest is not its own")
	}
	if printed := fmt.Sprintf("%v %+v %#v %s", s, s, s, credential.Format([]credential.Credential{s.Credential})); strings.Contains(printed, plain) {
		t.Error("it is printed")
	}
}

func TestAnAnnotationIsReadAsItWasWritten(t *testing.T) {
	first, second := newSecret(t, 1, noon).Credential, newSecret(t, 2, noon).Credential
	first.NotAfter = noon.Add(time.Hour)
	list := []credential.Credential{first, second}
	read, err := credential.Parse(credential.Format(list))
	if diff := cmp.Diff(list, read); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	good := credential.Format(list)
	for name, bad := range map[string]string{
		"nothing":             "",
		"an object":           "{}",
		"a short digest":      strings.Replace(good, fmt.Sprintf("%x", first.Digest), "00", 1),
		"a digest of another": strings.Replace(good, fmt.Sprintf("%x", first.Digest), fmt.Sprintf("%x", second.Digest), 1),
		"no digest":           strings.Replace(good, fmt.Sprintf("%x", first.Digest), strings.Repeat("z", 64), 1),
		"twice":               "[" + good[1:len(good)-1] + "," + good[1:],
		"no beginning":        strings.ReplaceAll(good, noon.Format(time.RFC3339), "0001-01-01T00:00:00Z"),
		"no time":             strings.ReplaceAll(good, noon.Format(time.RFC3339), "noon"),
		"too many":            "[" + strings.Repeat("{},", 16) + "{}]",
		"too long":            good + strings.Repeat(" ", 8<<10),
	} {
		if got, err := credential.Parse(bad); err == nil {
			t.Errorf("%s gives %v", name, got)
		}
	}
}

// house is what a life of secrets touches: the Secret, and the memory of its writer.
type house struct {
	plan  credential.Plan
	state credential.State
	kept  *credential.Secret
	known map[string]time.Time // ID → since when its digest is written
	now   time.Time
	acts  []credential.Act
}

// settle does what is to be done until there is nothing more, and returns when to go on.
func (h *house) settle(t failer) time.Time {
	for range 10 {
		kept := ""
		if h.kept != nil {
			kept = h.kept.ID
		}
		d := h.plan.Next(h.state, kept, h.now)
		h.acts = append(h.acts, d.Act)
		switch d.Act {
		case credential.Wait:
			if !d.At.IsZero() && !d.At.After(h.now) {
				t.Fatalf("at %v it waits until %v", h.now, d.At)
			}
			return d.At
		case credential.Issue, credential.Announce:
			h.kept = newSecret(t, h.plan.Generation, h.now)
			h.known[h.kept.ID] = h.now
			if d.Act == credential.Issue {
				h.state = h.plan.Issued(h.state, h.kept.Credential, h.now)
			} else {
				h.state = h.plan.Announced(h.state, h.kept.Credential, h.now)
			}
		case credential.HandOver:
			if since := h.known[h.kept.ID]; h.now.Before(since.Add(credential.Lead)) {
				t.Errorf("a secret is written %v after its digest", h.now.Sub(since))
			}
			h.state = h.plan.HandedOver(h.state, h.now)
		case credential.Tidy:
			h.state = h.state.Tidied(h.now)
		}
	}
	t.Fatalf("it never comes to rest: %v", h.acts)
	return time.Time{}
}

func (h *house) works(id string) bool {
	return slices.ContainsFunc(h.state.Credentials, func(c credential.Credential) bool {
		return c.ID == id && !h.now.Before(c.NotBefore) && (c.NotAfter.IsZero() || h.now.Before(c.NotAfter))
	})
}

// Whatever is declared, whenever the writer loses its memory: what clients find in the
// Secret works, and what they found works on for the whole overlap.
func TestWhoReadsTheSecretAgainWithinTheOverlapIsNeverRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := &house{now: noon, known: map[string]time.Time{}}
		h.plan = credential.Plan{
			Generation: 1,
			Period:     rapid.SampledFrom([]time.Duration{0, time.Hour, 24 * time.Hour}).Draw(t, "period"),
			Overlap:    rapid.SampledFrom([]time.Duration{0, time.Minute, 5 * time.Minute}).Draw(t, "overlap"),
		}
		h.settle(t)
		read, until := h.state.Held, map[string]time.Time{} // what was read before, and how long it must work
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0:
				h.plan.Generation++
			case 1:
				h.kept = nil // another leader
			default:
				h.now = h.now.Add(time.Duration(rapid.IntRange(40, 3000).Draw(t, "seconds")) * time.Second)
			}
			h.settle(t)
			if !h.works(h.state.Held) {
				t.Fatalf("what the Secret holds does not work: %+v", h.state)
			}
			if h.state.Held != read {
				until[read] = h.now.Add(h.plan.Overlap)
				read = h.state.Held
			}
			for id, end := range until {
				if h.works(id) != h.now.Before(end) {
					t.Fatalf("at %v works %v: %s, which is to end at %v: %+v", h.now, h.works(id), id, end, h.state)
				}
			}
			if len(h.state.Credentials) > 8 {
				t.Fatalf("%d are listed", len(h.state.Credentials))
			}
		}
	})
}

func TestOneRotation(t *testing.T) {
	h := &house{now: noon, known: map[string]time.Time{}, plan: credential.Plan{Generation: 1, Overlap: time.Hour}}
	h.settle(t)
	old := h.state.Held
	h.plan.Generation = 2
	if at := h.settle(t); !at.Equal(noon.Add(credential.Lead)) || h.state.Held != old || len(h.state.Credentials) != 2 {
		t.Fatalf("announced: until %v %+v", at, h.state)
	}
	h.now = noon.Add(credential.Lead)
	if at := h.settle(t); !at.Equal(h.now.Add(time.Hour)) || h.state.Held == old || !h.works(old) {
		t.Fatalf("handed over: until %v %+v", at, h.state)
	}
	h.now = h.now.Add(time.Hour)
	if h.works(old) {
		t.Fatal("the old one works after its overlap")
	}
	if at := h.settle(t); !at.IsZero() || len(h.state.Credentials) != 1 {
		t.Fatalf("tidied: until %v %+v", at, h.state)
	}
}

func TestAPeriodCountsFromTheBirthOfASecret(t *testing.T) {
	h := &house{now: noon, known: map[string]time.Time{}, plan: credential.Plan{Generation: 1, Period: time.Hour, Overlap: time.Minute}}
	h.settle(t)
	var seen []time.Duration
	for range 6 {
		h.now = h.settle(t)
		seen = append(seen, h.now.Sub(noon))
	}
	lead, hour, overlap := credential.Lead, time.Hour, time.Minute
	want := []time.Duration{hour, hour + lead, hour + lead + overlap, 2 * hour, 2*hour + lead, 2*hour + lead + overlap}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
}

func TestWhatSomebodyElseDidToTheSecretIsHealed(t *testing.T) {
	one, two := newSecret(t, 1, noon).Credential, newSecret(t, 1, noon).Credential
	ended := one
	ended.NotAfter = noon.Add(time.Hour)
	p := credential.Plan{Generation: 1, Overlap: time.Hour}
	for name, c := range map[string]struct {
		state credential.State
		works []string // besides the new one
	}{
		"deleted":                        {credential.State{}, nil},
		"another value by hand":          {credential.State{Credentials: []credential.Credential{one}}, []string{one.ID}},
		"the one before put back":        {credential.State{Credentials: []credential.Credential{ended, two}, Held: one.ID}, []string{one.ID, two.ID}},
		"an annotation that has nothing": {credential.State{Held: one.ID}, nil},
	} {
		if d := p.Next(c.state, "", noon); d.Act != credential.Issue {
			t.Errorf("%s: %v", name, d)
			continue
		}
		made := newSecret(t, 1, noon).Credential
		after := p.Issued(c.state, made, noon)
		var works []string
		for _, w := range after.Credentials {
			if w.ID == made.ID {
				continue
			}
			works = append(works, w.ID)
			if w.NotAfter.After(noon.Add(time.Hour)) || w.NotAfter.IsZero() {
				t.Errorf("%s: %s works until %v", name, w.ID, w.NotAfter)
			}
		}
		if diff := cmp.Diff(c.works, works); diff != "" || after.Held != made.ID {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
