package upstream

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
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
	ID    string    `json:"id"`
	Since time.Time `json:"since,omitzero"` // set: the person has to have signed in there after it
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
			err = fmt.Errorf("the answer is %d, not 200", reply.Status)
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
	state := samlState{ID: "_" + rand.Text()}
	if a.Again {
		state.Since = a.Now
	}
	handle := rand.Text() // RelayState has room for 80 bytes (Bindings section 3.4.3)
	to, err := s.request(provider.sso, handle, state.ID, a)
	if err != nil {
		return Step{}, err
	}
	kept, err := json.Marshal(state)
	if err != nil {
		return Step{}, fmt.Errorf("keep the request: %w", err)
	}
	return Step{Redirect: to, State: kept, Handle: handle}, nil
}

// request is the URL of the provider with an AuthnRequest (Core section 3.4.1).
func (s *saml) request(sso, handle, id string, a Attempt) (string, error) {
	sp := &saml2.SAMLServiceProvider{
		IdentityProviderSSOURL: sso, ServiceProviderIssuer: s.entity, AssertionConsumerServiceURL: s.acs,
		ForceAuthn: a.Again, NameIdFormat: s.format, Clock: dsig.NewFakeClockAt(a.Now),
	}
	d, err := sp.BuildAuthRequestDocumentNoSig()
	if err != nil {
		return "", fmt.Errorf("write the AuthnRequest: %w", err)
	}
	d.Root().CreateAttr("ID", id)
	to, err := sp.BuildAuthURLRedirect(handle, d)
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
		return Proof{}, samlRefused(err)
	}
	response, err := samlDecoded(a.Form["SAMLResponse"])
	if err != nil {
		return Proof{}, samlRefused(err)
	}
	if samlIs(response, samlProtocolNS, "Response") {
		// Who refuses somebody sends no assertion.
		if err := samlStatus(response); err != nil {
			return Proof{}, samlRefused(err)
		}
	}
	if err := samlShape(response); err != nil {
		return Proof{}, samlRefused(err)
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
		return Proof{}, samlRefused(err)
	}
	return proof, nil
}

// expected is what the answer has to be one to.
func (s *saml) expected(a Answer) (samlExpected, error) {
	e := samlExpected{now: a.Now, acs: s.acs, entity: s.entity, format: s.format}
	if a.State == nil {
		if !s.allowIdPInitiated {
			return e, errors.New("nobody here asked for it (saml.allowIdPInitiated is off)")
		}
		return e, nil
	}
	var state samlState
	if err := json.Unmarshal(a.State, &state); err != nil || state.ID == "" {
		return e, errors.New("what was kept of the request cannot be read")
	}
	e.request, e.since = state.ID, state.Since
	return e, nil
}

// samlDecoded reads the form field of the HTTP-POST binding (Bindings section 3.5.4).
func samlDecoded(field []string) (*etree.Element, error) {
	if len(field) != 1 || field[0] == "" {
		return nil, errors.New("SAMLResponse is missing, or there twice")
	}
	if len(field[0]) > 2*samlResponseBounds.bytes {
		return nil, errors.New("SAMLResponse is too long")
	}
	raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(field[0]), ""))
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

// samlRefused wraps a reason, which holds nothing that was sent.
func samlRefused(reason error) error {
	return fmt.Errorf("saml: %w: %w", reason, ErrRefused)
}
