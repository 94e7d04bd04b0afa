// Package upstream is how people prove elsewhere who they are: at a provider of OpenID
// Connect, OAuth 2.0, GitHub, SAML, or in a directory by LDAP. Each type is one file that
// implements Backend; nothing outside of this package knows the types apart.
//
// A backend proves what its provider says, and judges nothing of it: what of the claims is
// a subject, an address or a group says the mapping, and which account it is the accounts.
// Clocks are passed in. Start reading at Backend.
package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

// Backend is one provider, as it is configured. It is safe for concurrent use.
type Backend interface {
	// Describe says how the provider is configured here. It asks nobody and never fails.
	Describe() Description
	// Authenticate begins a sign-in: it says where the browser goes, or, with a backend
	// that asks for credentials, what these prove. ErrRefused, ErrUnavailable.
	Authenticate(ctx context.Context, a Attempt) (Step, error)
	// Validate proves what the provider returned with the browser. ErrRefused,
	// ErrUnavailable.
	Validate(ctx context.Context, a Answer) (Proof, error)
	// FindUser finds the account that an identity of the provider belongs to.
	// store.ErrNotFound: it is not known.
	FindUser(ctx context.Context, subject string) (store.User, error)
	// SaveUser keeps what the provider says of a person: with a new account if nobody has
	// the identity, else in theirs.
	SaveUser(ctx context.Context, p Person) (store.User, error)
}

var (
	// ErrRefused: what came back proves nothing. Whoever is told learns no more than that;
	// the reason, which holds neither tokens nor anything else that was sent, is for the log.
	ErrRefused = errors.New("the provider's answer was refused")
	// ErrUnavailable: the provider cannot be asked now, and no settings of it are known.
	ErrUnavailable = errors.New("the provider cannot be reached")
	// ErrGone: the provider says that the account is no more, or is disabled.
	ErrGone = errors.New("the provider does not know the account any more")
)

// Description is what there is to know of a backend without asking it.
type Description struct {
	Asks        bool   // people type name and password here, not there
	CallbackURL string // to be entered there; empty: there is none
	Issuer      string // who the provider is, as it calls itself; empty: not known before it was asked
	// Metadata is our own, for providers that want it (SAML); empty: none.
	Metadata []byte
	// Until is when the last certificate ends that its answers are proven by; zero: none.
	Until time.Time
}

// Attempt is a sign-in that begins.
type Attempt struct {
	Now                time.Time
	Username, Password string // as they were typed, where the backend Asks; never trimmed
	Hint               string // login_hint; empty: none
	Again              bool   // the person has to prove it again there, whoever is signed in
	MaxAge             time.Duration
}

// Step is what follows on an Attempt: Redirect with State, or Proof.
type Step struct {
	// Redirect is where the browser goes.
	Redirect string
	// State is what Validate needs of this attempt: nonce, verifier, request ID. The caller
	// seals it, binds it to browser and provider, and sends its own handle as Handle says.
	State json.RawMessage
	// Handle is the random value that the provider gives back as it got it (state,
	// RelayState), by which the caller finds the State again. At least 128 bits.
	Handle string
	Proof  *Proof // nil: the browser goes elsewhere
}

// Answer is what came back with the browser.
type Answer struct {
	Now   time.Time
	State json.RawMessage // of the Step; nil: nobody here asked for it
	Form  url.Values      // query, or the form that was posted
}

// Proof is what a provider said of a person, proven to be from it, for us and for now.
type Proof struct {
	Claims   map[string]any // in JSON's types
	AuthTime time.Time      // when the person proved it there; zero: it does not say
	AMR      []string       // how (RFC 8176), as the provider says; nil: it does not
	// SessionUntil is when the session there ends, and with it what it proves (SAML's
	// SessionNotOnOrAfter); zero: it does not say.
	SessionUntil time.Time
	// Once is what may be used a single time until Until: the ID of an assertion. Empty:
	// what was proven cannot come again.
	Once  string
	Until time.Time
	// Renewal is what Recheck needs to ask again without the person, such as a refresh
	// token. It is a secret: the caller seals it. Nil: there is nothing.
	Renewal []byte
}

// Rechecker is a Backend that can ask about somebody who is not there.
type Rechecker interface {
	// Recheck asks whether the account of this subject is still there, and what is said of
	// it now. ErrGone, ErrUnavailable. A Renewal of the Proof replaces the one before, also
	// when there is an error: a refresh token may count only once.
	Recheck(ctx context.Context, now time.Time, subject string, renewal []byte) (Proof, error)
}

// Prober is a Backend whose settings are fetched: everybody but Local.
type Prober interface {
	// Probe asks the provider whether it is there, and takes its settings anew. What was
	// taken before stays in use when it fails. The error holds nothing of the answer.
	Probe(ctx context.Context, now time.Time) error
}

// Person is somebody as the mapping read them from a Proof.
type Person struct {
	Now           time.Time
	Subject       string
	Email         string // lower-cased; empty: it says none
	EmailVerified bool
	Name          string
	Groups        []string
	Renewal       []byte // of the Proof, sealed; nil: there is none
	IP, RequestID string // of the request, for the audit log
}
