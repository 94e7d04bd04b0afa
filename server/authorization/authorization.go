// Package authorization reads authorization requests (RFC 6749 section 4.1.1, OpenID
// Connect Core section 3.1.2.1): which application asks, where the answer goes, and for
// what. It knows no person and keeps nothing; the same query always reads the same.
//
// Start reading at Read, whose order is the contract: until application and redirect URI
// are proven, a refusal is for the person to read; from then on for the application.
// redirect.go compares redirect URIs, answer.go writes the way back.
package authorization

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/clientauth"
	"github.com/gatehouse-dev/gatehouse/server/decide"
	"github.com/gatehouse-dev/gatehouse/server/grants"
)

// Request is an authorization request whose answer may be sent to the application.
type Request struct {
	Query       url.Values // as it came, each parameter once
	Owner       *model.Organization
	Application *model.Application
	RedirectURI string // where the answer goes
	State       string
	Prompt      Prompt
	MaxAge      time.Duration // since the person signed in; negative: any
	Challenge   string        // code_challenge; empty: none
	Nonce       string
	// Organization is where the grant will work; nil: the person has to choose (Settle).
	Organization *model.Organization
	Misplaced    bool           // an organization was named where the application does not work
	Scopes       oauth.ScopeSet // asked for, within the ceiling there

	issuer string
}

// Prompt is what the application wants the person to be asked (OpenID Connect Core
// section 3.1.2.1).
type Prompt struct {
	None    bool // nothing: an answer without a person, or an error
	Login   bool // to sign in again, also to choose another account
	Consent bool // to agree again
}

// RedirectGiven is the parameter redirect_uri, which the token request must repeat; empty:
// it was left out.
func (r *Request) RedirectGiven() string { return r.Query.Get("redirect_uri") }

// Resource is the audience asked for; empty: the organization's own.
func (r *Request) Resource() string { return r.Query.Get("resource") }

// OpenID reports whether it is an authentication request (OpenID Connect Core section 3.1.2.1).
func (r *Request) OpenID() bool { return asksFor(r.Query, oauth.OpenID) }

// Refused is a refusal for the application to read: at its redirect URI.
type Refused struct {
	Request *Request
	Words   *oauth.Error
}

func (r *Refused) Error() string { return r.Words.Error() }

// Refuse makes a refusal of the request.
func (r *Request) Refuse(code, description string) error {
	return &Refused{r, oauth.Refuse(code, description)}
}

// longest bounds a parameter that is kept or handed back, in bytes.
const longest = 4 << 10

// Read reads a request to an issuer as it stands in a world. An error that is no *Refused must not be
// sent anywhere: nothing proves yet who asked (RFC 9700 section 4.11).
func Read(issuer string, w *decide.World, now time.Time, query url.Values) (*Request, error) {
	for name, values := range query {
		if len(values) > 1 && name != "resource" {
			return nil, oauth.Refuse(oauth.InvalidRequest, "a parameter is there more than once")
		}
	}
	r := &Request{issuer: issuer, Query: query, State: query.Get("state"), Nonce: query.Get("nonce"), Challenge: query.Get("code_challenge"), MaxAge: -1}
	if err := r.client(w, now); err != nil {
		return nil, err
	}
	if err := r.redirect(); err != nil {
		return nil, err
	}
	for _, check := range []func(*Request) error{
		(*Request).sizes, (*Request).response, (*Request).pkce, (*Request).objects, (*Request).prompt, (*Request).maxAge,
	} {
		if err := check(r); err != nil {
			return nil, err
		}
	}
	return r, r.place(w)
}

// client finds the application, if it is served.
func (r *Request) client(w *decide.World, now time.Time) error {
	r.Owner, r.Application = w.Application(r.Query.Get("client_id"))
	if r.Application == nil || r.Owner.Suspended || !r.Application.Served(now) {
		return oauth.Refuse(oauth.InvalidRequest, "the application that sent you here is not known, or is not served now")
	}
	return nil
}

// sizes bounds what is handed back and stored.
func (r *Request) sizes() error {
	if len(r.State) > longest {
		r.State = ""
		return r.Refuse(oauth.InvalidRequest, "state is longer than 4096 bytes")
	}
	if len(r.Nonce) > longest {
		return r.Refuse(oauth.InvalidRequest, "nonce is longer than 4096 bytes")
	}
	return nil
}

// response: the code flow alone, answered in the query alone, by who may use it.
func (r *Request) response() error {
	switch kind := r.Query.Get("response_type"); {
	case kind == "":
		return r.Refuse(oauth.InvalidRequest, "response_type is missing")
	case kind != "code":
		return r.Refuse(oauth.UnsupportedResponseType, "the one response_type served is code")
	}
	if mode, sent := r.Query["response_mode"]; sent && mode[0] != "query" {
		return r.Refuse(oauth.InvalidRequest, "the one response_mode served is query")
	}
	if !r.Application.Allows(oauth.AuthorizationCode) {
		return r.Refuse(oauth.UnauthorizedClient, "the application may not use the authorization code flow")
	}
	return nil
}

// challengeSize is that of every S256 challenge: 32 bytes in base64url (RFC 7636 section 4.2).
const challengeSize = 43

// pkce: S256 alone. Who need not send a challenge sends a nonce (RFC 9700 section 2.1.1).
func (r *Request) pkce() error {
	_, sent := r.Query["code_challenge"]
	_, named := r.Query["code_challenge_method"]
	switch {
	case !sent && named:
		return r.Refuse(oauth.InvalidRequest, "code_challenge_method without code_challenge")
	case !sent && !r.Application.PKCEOptional:
		return r.Refuse(oauth.InvalidRequest, "code_challenge is missing (RFC 7636)")
	case !sent && (r.Nonce == "" || !r.OpenID()):
		return r.Refuse(oauth.InvalidRequest, "send code_challenge, or the scope openid with a nonce")
	case !sent:
		return nil
	case r.Query.Get("code_challenge_method") != "S256":
		return r.Refuse(oauth.InvalidRequest, "the one code_challenge_method served is S256")
	case len(r.Challenge) != challengeSize || strings.Trim(r.Challenge, base64URL) != "":
		return r.Refuse(oauth.InvalidRequest, "code_challenge is not the base64url of a SHA-256 hash")
	}
	return nil
}

const base64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// objects refuses requests by value and by reference, and applications that describe
// themselves: to ignore these would be to answer another request than the one that was made
// (OpenID Connect Core sections 6 and 7.2.1).
func (r *Request) objects() error {
	if r.Query.Has("request") {
		return r.Refuse(oauth.RequestNotSupported, "request objects are not served")
	}
	if r.Query.Has("request_uri") {
		return r.Refuse(oauth.RequestURINotSupported, "request_uri is not served")
	}
	if r.Query.Has("registration") {
		return r.Refuse(oauth.RegistrationNotSupported, "registration is not served; applications are declared")
	}
	return nil
}

func (r *Request) prompt() error {
	wanted := strings.Fields(r.Query.Get("prompt"))
	for _, p := range wanted {
		switch p {
		case "none":
			r.Prompt.None = true
		case "login", "select_account":
			r.Prompt.Login = true
		case "consent":
			r.Prompt.Consent = true
		default:
			return r.Refuse(oauth.InvalidRequest, "prompt may be none, login, consent or select_account")
		}
	}
	if r.Prompt.None && len(wanted) > 1 {
		return r.Refuse(oauth.InvalidRequest, "prompt none stands alone")
	}
	return nil
}

// mostAge is a year: no session is older.
const mostAge = 365 * 24 * 60 * 60

func (r *Request) maxAge() error {
	text := r.Query.Get("max_age")
	if text == "" {
		return nil
	}
	seconds, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return r.Refuse(oauth.InvalidRequest, "max_age is a number of seconds")
	}
	r.MaxAge = time.Duration(min(seconds, mostAge)) * time.Second
	return nil
}

// place fixes the organization: the application's own, or the one named. Who does not know
// whether an organization exists learns nothing here.
func (r *Request) place(w *decide.World) error {
	named := r.Query.Get("organization")
	switch {
	case named == "" && r.Application.AnyOrganization:
		return nil
	case named == "", named == r.Owner.Slug, named == r.Owner.ID:
		return r.Settle(r.Owner)
	}
	o := w.OrganizationBySlug(named)
	if o == nil {
		o = w.Organization(named)
	}
	if o != nil && !o.Suspended && o.Admits(r.Application) {
		return r.Settle(o)
	}
	if r.Application.AnyOrganization { // which organizations admit it is for people who are signed in
		r.Misplaced = true
		return nil
	}
	return r.NoPlace()
}

// NoPlace refuses an organization where the application does not work.
func (r *Request) NoPlace() error {
	return r.Refuse(oauth.AccessDenied, "the application does not work in that organization")
}

// Settle fixes the organization where the grant will work, and with it what may be asked
// for.
func (r *Request) Settle(o *model.Organization) error {
	client := clientauth.Client{Organization: o, Application: r.Application}
	scopes, err := grants.Requested(client, r.Query.Get("scope"))
	if err != nil {
		return r.relay(err)
	}
	if err := grants.CheckTarget(r.issuer, client, r.Query["resource"]); err != nil {
		return r.relay(err)
	}
	r.Organization, r.Scopes = o, scopes
	return nil
}

// relay sends a refusal of another package to the application.
func (r *Request) relay(err error) error {
	if words, ok := err.(*oauth.Error); ok { //nolint:errorlint // returned as it is by grants
		return &Refused{r, words}
	}
	return err
}

func asksFor(query url.Values, scope string) bool {
	asked, ok := oauth.ParseScope(query.Get("scope"))
	return ok && asked.Has(scope)
}
