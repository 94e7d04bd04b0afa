package server

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/sessions"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/upstream"
)

const (
	// ssoFor is how long somebody may take at the provider.
	ssoFor = 10 * time.Minute
	// ssoAtOnce is how many sign-ins one browser may have under way.
	ssoAtOnce = 4
	// ssoCarried is how much one browser carries of them, in bytes: it sends all of it with
	// every request, whose header has 16 KiB at the most.
	ssoCarried = 10 << 10
)

// What a browser carries of a sign-in: the one cookie goes wherever the browser goes by
// itself, the other also where a provider has it post to.
const (
	attemptCookie = "gatehouse-sso-"
	postedCookie  = "gatehouse-posted-"
)

// An intent is what somebody goes to a provider for.
type intent string

const (
	toSignIn  intent = "sign in"
	toConnect intent = "connect"
)

// attempt is a sign-in at a provider, from the moment the browser leaves to the one it
// comes back. It is sealed in a cookie of that browser: an answer is worth nothing in any
// other (RFC 9700 section 4.7), and nothing is kept for who does not come back.
type attempt struct {
	Provider     string          `json:"provider"`
	Settings     []byte          `json:"settings"` // digest of what is declared of it
	Handle       string          `json:"handle"`
	State        json.RawMessage `json:"state"`
	Next         string          `json:"next"`
	Organization string          `json:"organization,omitempty"` // slug
	Intent       intent          `json:"intent"`
	Session      string          `json:"session,omitempty"` // of who connects: its ID
	At           time.Time       `json:"at"`
}

func attemptPurpose(providerUID string) string { return "sign-in at " + providerUID }

// handleName is how the cookie of an attempt is called: several may be under way.
func handleName(handle string) string {
	sum := sha256.Sum256([]byte(handle))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

// carry seals an attempt into cookies of this browser, and drops what is under way besides
// it if that is too much: a browser that sends too much is answered nothing at all.
func (s *Server) carry(r *request, p *model.Provider, a attempt) ([]*http.Cookie, error) {
	name := handleName(a.Handle)
	sealed, err := s.sealed.Seal(attemptPurpose(p.UID), a)
	if err != nil {
		return nil, err
	}
	cookies := s.sessions.Carry(attemptCookie+name, sealed, ssoFor)
	if p.SAML != nil { // it has the browser post its answer, and where that leads is known later
		a.Next = ""
		posted, err := s.sealed.Seal(attemptPurpose(p.UID), a)
		if err != nil {
			return nil, err
		}
		cookies = append(cookies, s.sessions.CarryPast(postedCookie+name, posted, ssoFor)...)
	}
	size := sizeOf(cookies)
	if size > ssoCarried || len(sealed) > sessions.MostCarried {
		return nil, oauth.Refuse(oauth.InvalidRequest, "the request of the application is too long to be kept while you sign in elsewhere")
	}
	under := s.sessions.CarriedNames(r.Request, attemptCookie)
	all := append(slices.Clone(under), s.sessions.CarriedNames(r.Request, postedCookie)...)
	for _, name := range all {
		size += len(name) + len(s.sessions.Carried(r.Request, name))
	}
	if len(under) >= ssoAtOnce || len(all) >= 2*ssoAtOnce || size > ssoCarried {
		for _, name := range all {
			cookies = append(s.sessions.PutDown(r.Request, name), cookies...)
		}
	}
	return cookies, nil
}

func sizeOf(cookies []*http.Cookie) (size int) {
	for _, c := range cookies {
		size += len(c.Name) + len(c.Value)
	}
	return size
}

// carried finds the attempt of this browser that an answer belongs to; nil: there is none
// at this provider, or what it rests on is no longer so.
func (s *Server) carried(r *request, uid, handle, cookie string) *attempt {
	sealed := s.sessions.Carried(r.Request, cookie+handleName(handle))
	var a attempt
	if handle == "" || sealed == "" || !s.sealed.Open(attemptPurpose(uid), sealed, &a) {
		return nil
	}
	if !model.NewSensitive([]byte(a.Handle)).Equal(model.NewSensitive([]byte(handle))) || r.now.Sub(a.At) >= ssoFor {
		return nil
	}
	p := r.Provider(uid)
	if p == nil || a.Provider != uid || !r.stillServed(uid, a.At) || string(a.Settings) != string(s.settingsOf(p)) {
		return nil
	}
	return &a
}

// putDown forgets an attempt.
func (s *Server) putDown(r *request, handle string) []*http.Cookie {
	name := handleName(handle)
	return append(s.sessions.PutDown(r.Request, attemptCookie+name), s.sessions.PutDown(r.Request, postedCookie+name)...)
}

// settingsOf tells two declarations of a provider apart: an answer to a request that was
// made by other settings is none. Secrets are no part of it, so that they can be rotated.
func (s *Server) settingsOf(p *model.Provider) []byte {
	text, err := json.Marshal([]any{p.UID, p.Type, p.OrganizationID, p.OIDC, p.OAuth2, p.GitHub, p.SAML, p.LDAP})
	if err != nil {
		return nil
	}
	sum := s.Keyring.LookupKey().Digest(append([]byte("settings of a provider "), text...))
	return sum[:]
}

// used uses up what may be used once, on whatever replica; false: it was before.
func (s *Server) used(r *request, what string, until time.Time) (before bool, err error) {
	sum := s.Keyring.LookupKey().Digest([]byte(what))
	err = s.Store.UseAssertion(r.Context(), sum[:], until)
	if errors.Is(err, store.ErrConflict) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("use what is good once: %w", err)
	}
	return false, nil
}

// arrival is somebody who came back from a provider that has proven who they are. Where
// the provider has the browser post, that post comes without the cookies of a session
// (SameSite=Lax), so this travels on, sealed, to a page that has them.
type arrival struct {
	Provider string           `json:"provider"`
	Handle   string           `json:"handle,omitempty"` // of the attempt; empty: nobody here asked for it
	User     string           `json:"user,omitempty"`   // who signs in
	Person   *upstream.Person `json:"person,omitempty"` // who is connected
	Name     string           `json:"name,omitempty"`   // as the provider says, or else what it knows them by
	Email    string           `json:"email,omitempty"`
	AuthTime time.Time        `json:"authTime"`
	AMR      []string         `json:"amr,omitempty"`
	At       time.Time        `json:"at"`
	Settings []byte           `json:"settings"` // digest of what was declared of the provider
}

const arrivalPurpose = "arrival"

// signedInAt is the session of who connects, if it is the one that began to.
func (a *attempt) signedInAt(session *sessions.Session) bool {
	return session != nil && a.Session != "" && a.Session == session.ID
}
