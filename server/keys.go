package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/passkeys"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// What a challenge may be for. One that was made for one of them is worth nothing with
// another.
const (
	passkeySignIn = "sign-in with a passkey"
	keyAsSecond   = "key as second factor"
	keyEnrolment  = "key enrolment"
)

// ceremony is a challenge that waits for its answer. It is sealed in its page, and remembered
// when it is answered: once, for all processes.
type ceremony struct {
	Challenge []byte    `json:"challenge"`
	For       string    `json:"for"` // the session, or the sign-in under way; empty: the browser, by its form
	At        time.Time `json:"at"`
}

// newCeremony returns the challenge, and what the page carries of it.
func (s *Server) newCeremony(r *request, purpose, of string) (challenge []byte, sealed string, err error) {
	challenge = passkeys.NewChallenge()
	sealed, err = s.sealed.Seal(purpose, ceremony{Challenge: challenge, For: of, At: r.now})
	return challenge, sealed, err
}

// openCeremony reads what newCeremony made for this purpose and holder; nil: it is none, or
// too old.
func (s *Server) openCeremony(r *request, purpose, of, sealed string) *ceremony {
	var c ceremony
	if !s.sealed.Open(purpose, sealed, &c) || c.For != of || r.now.Sub(c.At) >= passkeys.AnswerFor {
		return nil
	}
	return &c
}

// once is the challenge as the store remembers it.
func (s *Server) once(c *ceremony) store.Once {
	sum := s.Keyring.LookupKey().Digest(append([]byte("challenge "), c.Challenge...))
	return store.Once{Hash: sum[:], Until: c.At.Add(passkeys.AnswerFor)}
}

// credential is a factor as passkeys knows it.
func credential(f store.Factor) passkeys.Credential {
	k := f.Key
	return passkeys.Credential{
		ID: k.CredentialID, PublicKey: k.PublicKey, SignCount: k.SignCount, AAGUID: k.AAGUID, Transports: k.Transports,
		UserVerified: k.UserVerified, Discoverable: k.Discoverable, BackupEligible: k.BackupEligible, BackedUp: k.BackedUp,
	}
}

// possession is the method of RFC 8176 that a key proves: one that may be copied to other
// devices lives in software, one that may not in the device. It is what the key says.
func possession(k store.Key) string {
	if k.BackupEligible {
		return oauth.AMRSoftwareKey
	}
	return oauth.AMRHardwareKey
}

// signsInAlone reports whether a key takes the place of password and second factor: it asked
// who it is when it was made. One that did not may have been found without a PIN, and given
// one (Web Authentication section 7.2 step 21).
//
// It takes the place of the account's own password, so it is for whoever signs in here: who
// comes by another provider goes on to do so, and ends with what that one says.
func signsInAlone(u store.User, f store.Factor) bool {
	return u.Login != "" && asksWhoItIs(f)
}

func asksWhoItIs(f store.Factor) bool { return f.Kind == store.FactorKey && f.Key.UserVerified }

// keysOf are the keys that somebody may use.
func keysOf(all []store.Factor) (usable []passkeys.Credential) {
	for _, f := range all {
		if f.Kind == store.FactorKey && f.Key.BlockedAt.IsZero() {
			usable = append(usable, credential(f))
		}
	}
	return usable
}

const (
	keyRefused = "That did not work. Try again, or sign in in another way."
	keyTooSlow = "That took too long. Try again."
)

// useKey counts an answer that was verified. why says why it proves nothing all the same;
// empty: it does.
func (s *Server) useKey(ctx context.Context, r *request, u store.User, f store.Factor, c *ceremony, use passkeys.Use) (why string, err error) {
	err = s.Store.UseKey(ctx, store.KeyUse{
		UserID: u.ID, FactorID: f.ID, Challenge: s.once(c), SignCount: use.SignCount, BackedUp: use.BackedUp,
	}, s.usedSecond(r, u, "factor.used", f.ID))
	switch {
	case errors.Is(err, store.ErrCopied):
		return "key may have been copied: its counter went back", nil
	case errors.Is(err, store.ErrConflict):
		return "key was used with this challenge before, or may not be used", nil
	case err != nil:
		return "", fmt.Errorf("use key: %w", err)
	}
	return "", nil
}

// keyForm is a form that hands an answer in; the zero value: keys cannot be used here.
func keyForm(options, sealed, token string) pages.KeyForm {
	return pages.KeyForm{Options: options, Ceremony: sealed, Token: token}
}
