package server

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/limits"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// passwordTry is a password that somebody is about to type for an account.
type passwordTry struct {
	account, place string
	rules          []limits.Rule
}

// tryPassword counts a try before the password is looked at, in memory and in the store, or
// says how long to wait. The account is counted by the name that was typed, in the form in
// which names are compared, whether there is one or not.
func (s *Server) tryPassword(r *request, account string) (try passwordTry, wait time.Duration, err error) {
	try.account = account
	if s.RateLimitScale <= 0 {
		return try, 0, nil
	}
	usual := false
	if try.place, usual, err = s.place(r, try.account); err != nil {
		return try, 0, err
	}
	unlocked, err := s.lockouts.Mark(r.Context(), try.account)
	if err != nil {
		return try, 0, err
	}
	s.signIns.Unlocked(r.now, try.account, try.place, unlocked)
	if usual { // a process that has just begun does not know it
		s.signIns.Arrive(r.now, try.account, try.place)
	}
	if wait = s.signIns.Try(r.now, try.account, try.place); wait > 0 {
		return try, wait, nil
	}
	try.rules = limits.Password(try.account, try.place, usual)
	ctx := context.WithoutCancel(r.Context()) // nobody guesses uncounted by leaving
	wait, err = s.lockouts.Try(ctx, r.now, try.rules...)
	return try, wait, err
}

// rightPassword takes back the try.
func (s *Server) rightPassword(ctx context.Context, now time.Time, try passwordTry) error {
	s.signIns.Right(now, try.account, try.place)
	return s.lockouts.Right(ctx, now, try.rules...)
}

// place is where a try for an account comes from, and whether somebody has signed in to it
// there: the device, if it is known there; else the source.
func (s *Server) place(r *request, account string) (place string, usual bool, err error) {
	source := limits.Source(r.ip)
	if device := s.sessions.Device(r.Request); device != "" {
		place = "device " + device
		if usual, err = s.isUsual(r, account, place); err != nil || usual {
			return place, usual, err
		}
	}
	usual, err = s.isUsual(r, account, source)
	return source, usual, err
}

func (s *Server) isUsual(r *request, account, place string) (bool, error) {
	usual, err := s.Store.UsualPlace(r.Context(), limits.PlaceHash(s.Keyring.LookupKey(), account, place), r.now)
	if err != nil {
		return false, fmt.Errorf("look for a usual place: %w", err)
	}
	return usual, nil
}

// arrived makes the place of a whole sign-in a usual one of the account: its source, and the
// device, which gets a cookie. Of a sign-in from elsewhere than ever the owner is told (ASVS
// 6.3.5).
func (s *Server) arrived(r *request, u store.User) (*http.Cookie, error) {
	account, source := accountName(u), limits.Source(r.ip)
	device, cookie := s.sessions.KeepDevice(r.Request)
	s.signIns.Arrive(r.now, account, source)
	key := s.Keyring.LookupKey()
	elsewhere, err := s.Store.KeepPlaces(context.WithoutCancel(r.Context()), limits.AccountHash(key, account), [][]byte{
		limits.PlaceHash(key, account, source), limits.PlaceHash(key, account, "device "+device),
	}, r.now)
	if err != nil {
		return nil, fmt.Errorf("keep the place of a sign-in: %w", err)
	}
	if elsewhere {
		s.notify(r, u, newPlaceLetter)
	}
	return cookie, nil
}

// accountName is what tries at an account are counted by: the address that it signs in with.
func accountName(u store.User) string { return cmp.Or(u.Login, u.ID) }

// tryAppCode counts a code of an app, at a usual place apart from those of strangers. In the store it counts for the person alone: what
// holds back a source is kept in memory.
func (s *Server) tryAppCode(ctx context.Context, r *request, u store.User) (time.Duration, error) {
	if s.RateLimitScale <= 0 {
		return 0, nil
	}
	unlocked, err := s.lockouts.Mark(ctx, u.ID)
	if err != nil {
		return 0, err
	}
	at, usual, err := s.place(r, accountName(u))
	if err != nil {
		return 0, err
	}
	if !usual {
		at = ""
	}
	key := limits.AppCodeKey(u.ID, at)
	s.factorTries.Unlocked(r.now, key, unlocked)
	if wait := s.factorTries.Try(r.now, key, limits.Source(r.ip)); wait > 0 {
		return wait, nil
	}
	return s.lockouts.Try(ctx, r.now, limits.AppCode(u.ID, at)...)
}

const (
	// suspicious is how many wrong codes of a second factor make their owner be told: whoever
	// typed them knows the password.
	suspicious = 5
	// suspiciousWithin is the time in which they are counted.
	suspiciousWithin = 24 * time.Hour
)

func wrongCodes(person string) limits.Rule {
	return limits.Rule{What: "wrong codes " + person, Account: person}
}

// wrongSecondFactor counts a code that was wrong, and tells the owner at the fifth.
func (s *Server) wrongSecondFactor(ctx context.Context, r *request, u store.User) error {
	count, err := s.lockouts.Count(ctx, r.now, wrongCodes(u.ID), suspiciousWithin)
	if err == nil && count == suspicious {
		s.notify(r, u, guessingLetter)
	}
	return err
}
