package login

import (
	"context"
	"errors"
	"fmt"
)

// Session is a login in use.
type Session struct {
	*Client
	Book  *Book
	Login Login
}

// ErrNoIDToken means that the login cannot have an ID token.
var ErrNoIDToken = errors.New("the login has no ID token")

// Fresh returns tokens of which the access token lasts a while; with needID also the ID
// token. It asks the server only when what is kept does not suffice. Of any number of
// processes that do so at once one refreshes, and the others find what it kept.
//
// The error is ErrNone or ErrEnded when somebody must sign in again, and ErrNoIDToken when
// that would not help as it is declared.
func (s *Session) Fresh(ctx context.Context, needID bool) (Tokens, error) {
	t, err := s.Book.Tokens(ctx, s.Login)
	if err != nil || s.suffices(t, needID) {
		return t, err
	}
	if needID && !t.Scopes.Has("openid") {
		return Tokens{}, ErrNoIDToken
	}
	if t.Refresh == "" {
		return Tokens{}, ErrEnded
	}
	m, err := s.Discover(ctx)
	if err != nil {
		return Tokens{}, err
	}
	unlock, err := s.Book.lock(ctx, s.Login)
	if err != nil {
		return Tokens{}, err
	}
	defer unlock()
	t, err = s.Book.Tokens(ctx, s.Login)
	if err != nil || s.suffices(t, needID) {
		return t, err // somebody was first
	}
	// From here to the end an interruption would lose the successor of the refresh token. Each
	// step has a limit of its own.
	return s.rotate(context.WithoutCancel(ctx), m, t, needID)
}

func (s *Session) suffices(t Tokens, needID bool) bool {
	now := s.Now()
	return t.AccessFresh(now) && !needID || needID && t.IDFresh(now)
}

func (s *Session) rotate(ctx context.Context, m Metadata, t Tokens, needID bool) (Tokens, error) {
	next, err := s.Refresh(ctx, m, t)
	if err != nil {
		return Tokens{}, err
	}
	if err := s.Book.keep(ctx, s.Login, next); err != nil {
		// The predecessor is still there, and good for some seconds more.
		return Tokens{}, fmt.Errorf("%w; cure that and try again within seconds, or sign in again", err)
	}
	if needID && next.ID == "" {
		return Tokens{}, ErrNoIDToken
	}
	return next, nil
}

// End signs out: the server is asked to end the login, and what is kept is removed whether
// it did or not, and also when ctx ends meanwhile. unrevoked says why the server did not.
func (s *Session) End(ctx context.Context) (unrevoked, err error) {
	t, err := s.Book.Tokens(ctx, s.Login)
	if err == nil {
		unrevoked = s.revoke(ctx, t)
	} else if !errors.Is(err, ErrNone) {
		unrevoked = err
	}
	return unrevoked, s.Book.Remove(context.WithoutCancel(ctx), s.Login)
}

func (s *Session) revoke(ctx context.Context, t Tokens) error {
	m, err := s.Discover(ctx)
	if err != nil {
		return err
	}
	return s.Revoke(ctx, m, t)
}
