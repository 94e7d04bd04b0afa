package clientauth

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"

	"github.com/gatehouse-dev/gatehouse/internal/jwk"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// assertionType is the one kind of assertion that is taken (RFC 7523 section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// Bounds of an assertion.
const (
	assertionLimit = 8 << 10          // bytes; the token of a ServiceAccount has about 1,200
	leeway         = 30 * time.Second // of the clocks of others
	// ownLife is the longest life that is left of an assertion that a client signed; deployed
	// libraries sign for a minute to an hour.
	ownLife = time.Hour
	// clusterLife is that of the token of a ServiceAccount; the kubelet asks for another one
	// after a day at the latest.
	clusterLife = 24 * time.Hour
	idLimit     = 256 // bytes of a jti
)

var (
	algorithms = func() (all []jose.SignatureAlgorithm) {
		for _, a := range jwk.Algorithms {
			all = append(all, jose.SignatureAlgorithm(a))
		}
		return all
	}()
	twoMethods = oauth.Refuse(oauth.InvalidRequest, "two client authentication methods; use one")
	half       = oauth.Refuse(oauth.InvalidRequest, "client_assertion and client_assertion_type come together, the type as RFC 7523 has it")
)

// byAssertion authenticates a client by a JWT (RFC 7523 section 3). Its claims say whose it
// is; nothing else is believed of them before a key of that application has verified it.
func (a *Authenticator) byAssertion(ctx context.Context, s *model.Snapshot, now time.Time, authorization string, form url.Values) (Client, error) {
	switch {
	case authorization != "" || form.Get("client_secret") != "":
		return Client{}, twoMethods
	case form.Get("client_assertion_type") != assertionType || form.Get("client_assertion") == "":
		return Client{}, half
	}
	t, ok := parseAssertion(form.Get("client_assertion"))
	if !ok {
		return Client{}, because("it is no JWT of an algorithm that is taken, or one of another kind")
	}
	id := form.Get("client_id")
	if id == "" {
		id = t.claims.Subject
	}
	organization, application := s.Application(id)
	served := application != nil && !organization.Suspended && application.Served(now)
	if !served {
		application = nobody // the same steps for whoever does not exist
	}
	if wrong := a.proves(ctx, application, t, now); wrong != "" {
		return Client{}, because(wrong)
	}
	if len(application.Proofs.ServiceAccounts) > 0 {
		return Client{organization, application}, nil // the kubelet hands one token to many requests
	}
	if a.Admit != nil {
		if err := a.Admit(application, now); err != nil {
			return Client{}, err
		}
	}
	// The client ID, and not the UID: who is deleted and created again has the same keys.
	hash := sha256.Sum256([]byte(application.ClientID + "\x00" + t.claims.ID))
	err := a.Once.UseAssertion(ctx, hash[:], t.claims.Expires.time().Add(leeway))
	if errors.Is(err, store.ErrConflict) {
		return Client{}, because("its jti was used before")
	}
	if err != nil {
		return Client{}, err
	}
	return Client{organization, application}, nil
}

// unproven is the refusal of an assertion. The client reads what everybody reads; the cause
// is for the operator's log.
type unproven struct{ cause string }

func because(cause string) error { return &unproven{cause} }

func (e *unproven) Error() string { return refused.Error() + ": " + e.cause }
func (e *unproven) Unwrap() error { return refused }

// Cause says what is wrong with the assertion, in words of ours alone.
func (e *unproven) Cause() string { return "client_assertion: " + e.cause }

// nobody is judged in the place of a client that does not exist. Nothing proves it.
var nobody = &model.Application{}

// proves says why the assertion does not prove the application, empty if it does: by its own
// key, or by the cluster's on the token of a ServiceAccount that it lists.
func (a *Authenticator) proves(ctx context.Context, app *model.Application, t *assertion, now time.Time) string {
	p := app.Proofs
	if len(p.ServiceAccounts) > 0 {
		return a.podProves(p, t, now)
	}
	keys := p.Keys
	if p.KeysURI != "" && a.Published != nil {
		keys = a.Published.Keys(ctx, app, t.kid, now)
	}
	switch {
	case !a.verified(t, keys):
		return "no key of an application that is served made its signature"
	case t.claims.Issuer != app.ClientID || t.claims.Subject != app.ClientID:
		return "iss and sub are not the client ID"
	case t.claims.ID == "" || len(t.claims.ID) > idLimit:
		return "jti is missing or too long"
	}
	return t.claims.wrong(a.Issuer, now, ownLife)
}

func (a *Authenticator) podProves(p model.Proofs, t *assertion, now time.Time) string {
	c := a.cluster.Load()
	if c == nil {
		c = &Cluster{}
	}
	verified := a.verified(t, c.Keys)
	if !knows(c.Keys, t.kid) && c.Issuer != "" && t.claims.Issuer == c.Issuer && a.UnknownClusterKey != nil {
		a.UnknownClusterKey()
	}
	switch {
	case c.Issuer == "":
		return "the keys of the cluster are not known yet"
	case !verified:
		return "no key of the cluster made its signature"
	case t.claims.Issuer != c.Issuer:
		return "iss is not the cluster"
	case !p.Names(t.claims.Subject):
		return "sub is no ServiceAccount that the application lists"
	}
	return t.claims.wrong(a.Issuer, now, clusterLife)
}

// verified reports whether one of the keys made the signature. Where none could have, a key
// that is nobody's is tried: how long this takes does not tell who exists, and which keys
// they have.
func (a *Authenticator) verified(t *assertion, keys []jwk.Key) bool {
	tried := false
	for _, k := range keys {
		if !k.Verifies(t.algorithm) || t.kid != "" && k.ID != "" && t.kid != k.ID {
			continue
		}
		tried = true
		if _, err := t.signature.Verify(k.Public); err == nil {
			return true
		}
	}
	if !tried {
		_, _ = t.signature.Verify(a.decoys[t.algorithm])
	}
	return false
}

func knows(keys []jwk.Key, kid string) bool {
	for _, k := range keys {
		if k.ID == kid {
			return true
		}
	}
	return false
}

// assertion is one that was read, and not believed.
type assertion struct {
	signature      *jose.JSONWebSignature
	algorithm, kid string
	claims         assertionClaims
}

type assertionClaims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  audience `json:"aud"`
	Expires   seconds  `json:"exp"`
	NotBefore seconds  `json:"nbf"`
	IssuedAt  seconds  `json:"iat"`
	ID        string   `json:"jti"`
}

// parseAssertion reads a JWS of an algorithm with a public key (RFC 8725 section 3.1): there
// is no "none" among them, and none with a shared key. Keys, certificates and addresses in
// its header mean nothing, and what is critical there is not understood (RFC 7515 section
// 4.1.11). A JWT of another kind is none of ours (RFC 8725 section 3.11).
func parseAssertion(text string) (*assertion, bool) {
	if len(text) > assertionLimit {
		return nil, false
	}
	signature, err := jose.ParseSignedCompact(text, algorithms)
	if err != nil || len(signature.Signatures) != 1 {
		return nil, false
	}
	head := signature.Signatures[0].Header
	if _, critical := head.ExtraHeaders["crit"]; critical {
		return nil, false
	}
	if kind, there := head.ExtraHeaders[jose.HeaderType]; there && !isAssertionType(kind) {
		return nil, false
	}
	t := &assertion{signature: signature, algorithm: head.Algorithm, kid: head.KeyID}
	// This decoder tells case, and takes no name twice.
	return t, json.Unmarshal(signature.UnsafePayloadWithoutVerification(), &t.claims) == nil
}

func isAssertionType(kind any) bool {
	text, ok := kind.(string)
	text = strings.TrimPrefix(strings.ToLower(text), "application/")
	return ok && (text == "jwt" || text == "client-authentication+jwt")
}

// wrong says why the claims are not for the issuer alone, and for now; empty if they are.
func (c *assertionClaims) wrong(issuer string, now time.Time, life time.Duration) string {
	soon, late := now.Add(leeway), now.Add(-leeway)
	switch {
	case string(c.Audience) != issuer:
		return "aud is not the issuer alone"
	case c.Expires == 0 || !c.Expires.time().After(late):
		return "exp is missing or over"
	case c.Expires.time().After(soon.Add(life)):
		return "exp is too far ahead"
	case c.NotBefore != 0 && c.NotBefore.time().After(soon):
		return "nbf is ahead"
	case c.IssuedAt != 0 && (c.IssuedAt.time().After(soon) || !c.IssuedAt.time().After(late.Add(-life))):
		return "iat is ahead, or too long ago"
	}
	return ""
}

// audience is that of a JWT for one reader: a string, or a list of one. One of several is
// for others too, and they could have handed it to us.
type audience string

// UnmarshalJSON reads either form; several, or none, is an audience that nobody has.
func (a *audience) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*a = audience(one)
		return nil
	}
	var list []string
	if err := json.Unmarshal(raw, &list); err != nil {
		return err
	}
	if len(list) == 1 {
		*a = audience(list[0])
	}
	return nil
}

// seconds is a NumericDate (RFC 7519 section 2); 0 is none.
type seconds float64

// most is the end of the year 9999: nothing later is a time that anybody meant.
const most = 253402300799

func (s seconds) time() time.Time {
	return time.UnixMilli(int64(max(min(float64(s), most), -most) * 1000))
}
