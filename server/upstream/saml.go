package upstream

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/beevik/etree"
	saml2 "github.com/russellhaering/gosaml2"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/outbound"
)

// saml is a provider of SAML 2.0, Web Browser SSO Profile: the request goes by HTTP-Redirect,
// the response comes by HTTP-POST. It signs and decrypts nothing, so it has no keys. What a
// response proves is judged in this order: saml_xml.go reads it, saml_signature.go finds what
// of it is signed, saml_assertion.go says what that proves. Only what is signed is read.
type saml struct {
	*accounts
	uid               string
	acs, entity       string
	format            string
	allowIdPInitiated bool
	metadata          []byte // ours
	settings          samlSettings
}

// samlState is what Validate has to know of a request.
type samlState struct {
	Provider string    `json:"provider"` // UID
	Handle   string    `json:"handle"`   // RelayState
	ID       string    `json:"request"`  // of the AuthnRequest
	Began    time.Time `json:"began"`
	Again    bool      `json:"again,omitempty"` // the person has to have signed in there since
}

func newSAML(p *model.Provider, env Env) (Backend, error) {
	s := &saml{
		accounts: newAccounts(p, env), uid: p.UID, acs: env.CallbackURL(p.UID),
		format: p.SAML.NameIDFormat, allowIdPInitiated: p.SAML.AllowIdPInitiated,
	}
	s.entity = cmp.Or(p.SAML.EntityID, s.acs)
	var err error
	if s.metadata, err = samlOwnMetadata(s.entity, s.acs, s.format); err != nil {
		return nil, err
	}
	if p.SAML.MetadataURL != "" {
		s.settings.fetch = samlFetch(env.Outbound(p.SAML.CABundle), p.SAML.MetadataURL)
		return s, nil
	}
	if s.settings.good, err = parseSAMLMetadata([]byte(p.SAML.Metadata)); err != nil {
		return nil, fmt.Errorf("provider %s/%s: saml.metadata: %w", p.Namespace, p.Name, err)
	}
	return s, nil
}

// samlFetch fetches metadata from where it is published.
func samlFetch(client *outbound.Client, from string) func(context.Context) ([]byte, error) {
	return func(ctx context.Context) ([]byte, error) {
		reply, err := client.Send(ctx, outbound.Ask{
			URL: from, Accept: "application/samlmetadata+xml, application/xml;q=0.9, text/xml;q=0.9", Limit: int64(samlMetadataBounds.bytes),
		})
		if err == nil && reply.Status != http.StatusOK {
			err = wrongSettings("%s answers %d, not 200", hostOf(from), reply.Status)
		}
		return reply.Body, err
	}
}

// Describe implements Backend.
func (s *saml) Describe() Description {
	d := Description{CallbackURL: s.acs, Metadata: s.metadata}
	if known := s.settings.known(); known != nil {
		d.Issuer, d.Until = known.entityID, known.ends()
	}
	return d
}

// Probe implements Prober.
func (s *saml) Probe(ctx context.Context, now time.Time) error { return s.settings.probe(ctx, now) }

// Authenticate implements Backend.
func (s *saml) Authenticate(ctx context.Context, a Attempt) (Step, error) {
	provider, err := s.settings.now(ctx, a.Now)
	if err != nil {
		return Step{}, err
	}
	// A name of an element may not begin with a digit; the rest are 130 random bits.
	// RelayState has room for 80 bytes (Bindings section 3.4.3).
	state := samlState{Provider: s.uid, Handle: rand.Text(), ID: "_" + rand.Text(), Began: a.Now, Again: a.Again}
	to, err := s.request(provider.sso, state, a.Now)
	if err != nil {
		return Step{}, err
	}
	kept, err := json.Marshal(state)
	if err != nil {
		return Step{}, fmt.Errorf("keep the request: %w", err)
	}
	return Step{Redirect: to, State: kept, Handle: state.Handle}, nil
}

// request is the URL of the provider with an AuthnRequest (Core section 3.4.1).
func (s *saml) request(sso string, state samlState, now time.Time) (string, error) {
	sp := &saml2.SAMLServiceProvider{
		IdentityProviderSSOURL: sso, ServiceProviderIssuer: s.entity, AssertionConsumerServiceURL: s.acs,
		ForceAuthn: state.Again, NameIdFormat: s.format, Clock: dsig.NewFakeClockAt(now),
	}
	d, err := sp.BuildAuthRequestDocumentNoSig()
	if err != nil {
		return "", fmt.Errorf("write the AuthnRequest: %w", err)
	}
	d.Root().CreateAttr("ID", state.ID)
	to, err := sp.BuildAuthURLRedirect(state.Handle, d)
	if err != nil {
		return "", fmt.Errorf("write the AuthnRequest: %w", err)
	}
	return to, nil
}

// Validate implements Backend. An answer that nobody here asked for (no State) counts only
// if that is declared; what then comes between it and a session is for the caller.
func (s *saml) Validate(ctx context.Context, a Answer) (Proof, error) {
	expected, err := s.expected(a)
	if err != nil {
		return Proof{}, refused(err.Error())
	}
	response, err := samlDecoded(a.Form)
	if err != nil {
		return Proof{}, refused(err.Error())
	}
	if samlIs(response, samlProtocolNS, "Response") {
		// Who refuses somebody sends no assertion.
		if err := samlStatus(response); err != nil {
			return Proof{}, refused(err.Error())
		}
	}
	if err := samlShape(response); err != nil {
		return Proof{}, refused(err.Error())
	}
	provider, err := s.settings.now(ctx, a.Now)
	if err != nil {
		return Proof{}, err
	}
	proof, err := s.judge(response, provider, expected)
	if errors.Is(err, errSAMLKey) || errors.Is(err, errSAMLEnded) {
		if newer, ok := s.settings.newer(ctx, a.Now, provider); ok {
			proof, err = s.judge(response, newer, expected)
		}
	}
	if err != nil {
		return Proof{}, refused(err.Error())
	}
	return proof, nil
}

// expected is what the answer has to be one to.
func (s *saml) expected(a Answer) (samlExpected, error) {
	e := samlExpected{now: a.Now, acs: s.acs, entity: s.entity, format: s.format}
	if len(a.State) == 0 {
		if !s.allowIdPInitiated {
			return e, errors.New("nobody here asked for it (saml.allowIdPInitiated is off)")
		}
		return e, nil
	}
	var state samlState
	if json.Unmarshal(a.State, &state) != nil || state.Handle == "" || state.ID == "" {
		return e, errors.New("what was kept of the sign-in is not of this kind of provider")
	}
	relay, err := single(a.Form, "RelayState")
	switch {
	case state.Provider != s.uid:
		return e, errors.New("the sign-in began at another provider")
	case err != nil:
		return e, errors.New("it must have the parameter RelayState once")
	case subtle.ConstantTimeCompare([]byte(relay), []byte(state.Handle)) != 1:
		return e, errors.New("the RelayState is that of another sign-in")
	case a.Now.Before(state.Began.Add(-samlLeeway)) || !a.Now.Before(state.Began.Add(transactionLife)):
		return e, errors.New("the answer comes too late")
	}
	e.request = state.ID
	if state.Again {
		e.since = state.Began
	}
	return e, nil
}

// samlDecoded reads the form field of the HTTP-POST binding (Bindings section 3.5.4).
func samlDecoded(form url.Values) (*etree.Element, error) {
	field, err := single(form, "SAMLResponse")
	if err != nil {
		return nil, errors.New("it must have the parameter SAMLResponse once")
	}
	if len(field) > 2*samlResponseBounds.bytes {
		return nil, errors.New("SAMLResponse is too long")
	}
	raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(field), ""))
	if err != nil {
		return nil, errors.New("SAMLResponse is not base64")
	}
	return readSAML(raw, samlResponseBounds)
}

// judge says what a response of the right shape proves if this is who the provider is.
func (s *saml) judge(response *etree.Element, provider *samlMetadata, e samlExpected) (Proof, error) {
	e.issuer = provider.entityID
	if err := e.envelope(response); err != nil {
		return Proof{}, err
	}
	envelope, assertion, err := samlSigned(response, provider.certificates, e.now)
	if err != nil {
		return Proof{}, err
	}
	if err := e.envelope(envelope); err != nil {
		return Proof{}, err
	}
	proof, err := e.assertion(assertion)
	if err != nil {
		return Proof{}, err
	}
	if !e.secondOpinion(envelope, assertion) {
		return Proof{}, errors.New("a second reading of it, by gosaml2, says otherwise")
	}
	// IDs are the provider's own: another one that calls itself the same uses none of them up.
	proof.Once = strings.Join([]string{"saml", s.uid, e.issuer, proof.Once}, "\x00")
	return proof, nil
}
