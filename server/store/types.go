package store

import (
	"errors"
	"slices"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// Errors that callers tell apart; everything else is a fault of the store.
var (
	// ErrNotFound: there is no such row, or not in the state asked for.
	ErrNotFound = errors.New("not found")
	// ErrConflict: a unique value is taken, or somebody else was first.
	ErrConflict = errors.New("conflict")
	// ErrUnavailable: the store cannot answer now; say 503 and let the client retry.
	ErrUnavailable = errors.New("store unavailable")
)

// User is a person's account. ID is opaque, never reused, and never equal to a client ID.
type User struct {
	ID string // "usr_" and 22 characters
	// Email is the address that others see, lower-cased: Login, or else what a provider
	// said last. Empty: none is known. Only Login is unique.
	Email string
	// Login is the address that they sign in with here; empty: they do not.
	Login        string
	Name         string
	PasswordHash string // argon2id in PHC format, or an imported bcrypt hash; empty: no password
	Disabled     bool
	CreatedAt    time.Time
	// EmailProvenBy says who proved that Login is theirs ("operator"); empty: nobody did.
	EmailProvenBy string
	EmailProvenAt time.Time
	SecondFactor  bool // they have a factor besides what they sign in with first

	// Identities and Memberships are filled in where one account is read, not in lists.
	Identities  []Identity // the oldest first; without Renewal
	Memberships []model.Membership
}

// Person is what of the account decides which roles it holds.
func (u *User) Person() model.Person {
	p := model.Person{Memberships: u.Memberships}
	if u.EmailProvenBy != "" {
		p.Addresses = append(p.Addresses, model.ProvenAddress{Address: u.Login, At: u.EmailProvenAt})
	}
	for _, i := range u.Identities {
		if i.Email != "" && !i.EmailProvenAt.IsZero() {
			p.Addresses = append(p.Addresses, model.ProvenAddress{Address: i.Email, ProviderUID: i.ProviderUID, At: i.EmailProvenAt})
		}
		if len(i.Groups) > 0 {
			p.Groups = append(p.Groups, model.GroupFact{ProviderUID: i.ProviderUID, Names: i.Groups, At: i.GroupsAt})
		}
	}
	return p
}

// Identity is somebody as a provider knows them: the provider and the subject there are the
// key, never an address. It belongs to one account.
type Identity struct {
	ProviderUID   string
	Subject       string
	UserID        string
	Email         string    // lower-cased; empty: it says none
	EmailProvenAt time.Time // when the provider first said that it is theirs; zero: it does not
	Name          string
	Groups        []string  // sorted, each once
	GroupsAt      time.Time // when it said so
	CreatedAt     time.Time
	LastUsedAt    time.Time
	CheckedAt     time.Time // when the provider last knew the account
	Renewal       []byte    // sealed; what it can be asked with again
}

// SignIn is one way in which a person proved who they are in a session.
type SignIn struct {
	ProviderUID string
	AuthTime    time.Time
	AMR         []string  // RFC 8176
	ExpiresAt   time.Time // nothing rests on it any more then
	// LongestIdle is for how long the session was unused at the longest since.
	LongestIdle time.Duration
}

// Session is a person's sign-in in one browser. Its identifier is kept as a keyed hash.
type Session struct {
	Hash        []byte // keyed hash of the identifier in the cookie
	ID          string // stable over changes of the identifier; "ses_" and 22 characters
	UserID      string
	ProviderUID string // the AuthProvider that the person signed in with
	AuthTime    time.Time
	CreatedAt   time.Time
	LastUsedAt  time.Time
	LongestIdle time.Duration // between two uses since the last sign-in
	ExpiresAt   time.Time     // absolute limit
	IP          string
	UserAgent   string
	AMR         []string // how the person proved who they are (RFC 8176)
	// Before are the last sign-ins by other providers in the same session, in the order of
	// their providers. Only Session fills it in.
	Before []SignIn
	// Proven is the password hash that the sign-in has proven. It is not kept: a session
	// begins only while the account has it. Empty: whatever it has.
	Proven string
}

// SignIns are all that was proven in the session: the last one by each provider, the newest
// of all first.
func (s *Session) SignIns() []SignIn {
	all := append([]SignIn{{s.ProviderUID, s.AuthTime, s.AMR, s.ExpiresAt, s.LongestIdle}}, s.Before...)
	for i := range all { // since those before is since the last one, too
		all[i].LongestIdle = max(all[i].LongestIdle, s.LongestIdle)
	}
	return all
}

// MultiFactor reports whether more than one factor was proven for the session.
func (s *Session) MultiFactor() bool { return slices.Contains(s.AMR, oauth.AMRMulti) }

// DeviceState is how far a device authorization has come (RFC 8628).
type DeviceState string

// States of a device authorization: pending → approved | denied → consumed. Expiry is not
// a state: it is compared with the clock in every step.
const (
	DevicePending  DeviceState = "pending"
	DeviceApproved DeviceState = "approved"
	DeviceDenied   DeviceState = "denied"
	DeviceConsumed DeviceState = "consumed"
)

// DeviceCode is a device authorization (RFC 8628). Both codes are kept as keyed hashes.
type DeviceCode struct {
	Hash           []byte // of device_code; the key of the row
	UserCodeHash   []byte // of user_code; unique while the row lives
	ApplicationUID string
	OrganizationID string
	ClientID       string
	Scopes         []string // asked for, within the ceiling at that time
	Resource       string   // the audience asked for; empty: the organization's own
	State          DeviceState
	CreatedAt      time.Time
	ExpiresAt      time.Time
	IP             string // of the device, to show to the person
	UserAgent      string

	Approval // set from DeviceApproved on
}

// Approval is what a person agreed to.
type Approval struct {
	UserID      string
	ProviderUID string // of the session that approved
	AuthTime    time.Time
	AMR         []string // of the session (RFC 8176)
	Granted     []string // scopes granted
	// SessionID is the session in which it is approved. It is not kept: what follows does not
	// end with it. Empty: none in particular.
	SessionID string
}

// AuthorizationCode is a code of RFC 6749 section 4.1 with what it was given for. The
// code itself is kept as a keyed hash.
type AuthorizationCode struct {
	Hash           []byte // of the code; the key of the row
	ApprovalID     []byte // random, of the form that was approved; unique
	UserID         string
	ApplicationUID string
	OrganizationID string // where the grant works
	ClientID       string
	SessionID      string    // of the session that approved
	SessionEndsAt  time.Time // its absolute limit
	ProviderUID    string
	AuthTime       time.Time
	AMR            []string
	Granted        []string // scopes granted
	Resource       string   // the audience asked for; empty: the organization's own
	RedirectURI    string   // as it was sent; empty: it was not
	Challenge      string   // code_challenge, method S256; empty: none was sent
	Nonce          string
	CreatedAt      time.Time
	ExpiresAt      time.Time
	UsedAt         time.Time // it was redeemed, or burned; zero: neither
	GrantID        [16]byte  // what it was redeemed for; zero: nothing
}

// Consent is what a person has let an application do in an organization, remembered.
type Consent struct {
	UserID         string
	ApplicationUID string
	OrganizationID string
	Scopes         []string
	GrantedAt      time.Time
	ExpiresAt      time.Time
}

// Grant is one approval in force: what its tokens are derived from.
type Grant struct {
	ID             [16]byte
	UserID         string
	ApplicationUID string
	OrganizationID string
	ClientID       string
	Scopes         []string // granted
	SessionID      string   // the session it ends with; empty: none (device flow, offline_access)
	Resource       string   // the audience of its tokens; empty: the organization's own
	ProviderUID    string
	AuthTime       time.Time
	AMR            []string
	CreatedAt      time.Time
	// Generation of the refresh token in force, from 1; 0: there is no refresh token.
	Generation    int64
	RotatedAt     time.Time // when Generation came to be
	Seed          []byte    // random, mixed into the refresh tokens
	IdleExpiresAt time.Time // the refresh token ends then unless it is used
	ExpiresAt     time.Time // absolute end
	RevokedAt     time.Time // zero: in force
	RevokedReason string
	// Login is of the application that wants to know when the session ends in which this was
	// approved. It is kept apart; nil: it does not.
	Login *Login
}

// Revocation is one access token that must no longer be accepted.
type Revocation struct {
	Serial    [12]byte
	ExpiresAt time.Time // the token's own; the row may go then
}

// Event is a row of the audit log; it is written in the transaction of what it tells of.
// It never holds a secret.
type Event struct {
	ID             int64 // rises with each event; set where events are read
	Time           time.Time
	Actor          string // user ID, client ID, or "operator"
	OrganizationID string
	ApplicationUID string
	Action         string // "grant.created"
	Target         string // ID of what was acted upon
	IP             string
	RequestID      string
	Outcome        string // "ok", "refused"
	Reason         string
}

// Object is one incarnation of a declared object that the store remembers.
type Object struct {
	Kind, Namespace, Name, UID string
	// GoneAt is when it was last absent; zero: never. What was issued for it until then is
	// dead for good.
	GoneAt time.Time
	// OrganizationID is where an ApiApplication was served last; empty: nowhere yet.
	OrganizationID string
}

// Remembered is an object, present or gone.
type Remembered struct {
	Object
	Present bool
}
