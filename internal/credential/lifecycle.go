package credential

import (
	"slices"
	"time"
)

// Lead is how long the digest of a secret is known before the secret itself can be read: by
// then every replica knows the digest, so that whoever reads the secret is never refused.
const Lead = 30 * time.Second

// Plan is what is declared of one application's secrets.
type Plan struct {
	Period     time.Duration // how long one is the newest; 0: for ever
	Overlap    time.Duration // how long the old one works beside the new one
	Generation int64         // another one replaces the secret now
}

// State is what is written of them.
type State struct {
	Credentials []Credential // oldest first
	Held        string       // ID of the one that clients find in the Secret; empty: none
}

// Act is what is to be done.
type Act int

// What there is to do. Each but Wait is one write.
const (
	// Wait until Decision.At, if it is not zero.
	Wait Act = iota
	// Issue a new secret at once, because clients find none that works.
	Issue
	// Announce a new secret: write its digest, and keep the secret itself.
	Announce
	// HandOver the secret that was announced: write it.
	HandOver
	// Tidy away what has ended.
	Tidy
)

// Decision is what to do now, and when to ask again if nothing else changes.
type Decision struct {
	Act Act
	At  time.Time
}

// Next decides. kept is the ID of the announced secret that whoever asks still has; a secret
// that was announced and lost is announced no more, and another one takes its place.
func (p Plan) Next(s State, kept string, now time.Time) Decision {
	live := s.live(now)
	held := slices.IndexFunc(live, func(c Credential) bool { return c.ID == s.Held })
	if held < 0 || !live[held].NotAfter.IsZero() {
		return Decision{Act: Issue}
	}
	current, newest := live[held], live[len(live)-1]
	if newest.ID != current.ID {
		switch due := newest.NotBefore.Add(Lead); {
		case newest.ID != kept || newest.Generation != p.Generation:
			return Decision{Act: Announce}
		case now.Before(due):
			return Decision{At: due}
		default:
			return Decision{Act: HandOver}
		}
	}
	due := p.Due(current)
	switch {
	case current.Generation != p.Generation || !due.IsZero() && !now.Before(due):
		return Decision{Act: Announce}
	case len(live) < len(s.Credentials):
		return Decision{Act: Tidy}
	}
	return Decision{At: earliest(due, live)}
}

// Due is when the plan replaces the credential for its age; zero for never.
func (p Plan) Due(c Credential) time.Time {
	if p.Period == 0 {
		return time.Time{}
	}
	return c.NotBefore.Add(p.Period)
}

// Issued is the state after a new secret was written at once. What worked before works on
// for the overlap: somebody may still have it in memory.
func (p Plan) Issued(s State, made Credential, now time.Time) State {
	return State{bounded(append(p.retired(s.live(now), now), made)), made.ID}
}

// Announced is the state after the digest of a new secret was written. One that was
// announced before, and that nobody ever read, goes.
func (p Plan) Announced(s State, made Credential, now time.Time) State {
	live := s.live(now)
	held := slices.IndexFunc(live, func(c Credential) bool { return c.ID == s.Held })
	return State{bounded(append(live[:held+1], made)), s.Held}
}

// HandedOver is the state after the announced secret took its place.
func (p Plan) HandedOver(s State, now time.Time) State {
	live := s.live(now)
	last := len(live) - 1
	return State{append(p.retired(live[:last], now), live[last]), live[last].ID}
}

// Tidied is the state without what has ended.
func (s State) Tidied(now time.Time) State { return State{s.live(now), s.Held} }

// live is a list of its own of what works at the moment.
func (s State) live(now time.Time) []Credential {
	return slices.DeleteFunc(slices.Clone(s.Credentials), func(c Credential) bool { return !c.live(now) })
}

// retired gives an end to those that have none. One that would work for no moment goes.
func (p Plan) retired(list []Credential, now time.Time) []Credential {
	end := seconds(now.Add(p.Overlap))
	for i := range list {
		if list[i].NotAfter.IsZero() {
			list[i].NotAfter = end
		}
	}
	return slices.DeleteFunc(list, func(c Credential) bool { return !c.live(now) })
}

// bounded drops the oldest of a list that has become too long for an annotation: a secret
// that is rotated again and again within its overlap.
func bounded(list []Credential) []Credential {
	const most = maxCredentials / 2
	return list[max(0, len(list)-most):]
}

// earliest is the first of the moments at which something ends or is due; zero for none.
func earliest(due time.Time, live []Credential) time.Time {
	for _, c := range live {
		if !c.NotAfter.IsZero() && (due.IsZero() || c.NotAfter.Before(due)) {
			due = c.NotAfter
		}
	}
	return due
}
