package upstream

import (
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"
	saml2 "github.com/russellhaering/gosaml2"
	"github.com/russellhaering/gosaml2/types"
	dsig "github.com/russellhaering/goxmldsig"
)

const (
	// samlLeeway is how far the provider's clock may be from ours.
	samlLeeway = 2 * time.Minute
	// samlLongest is how long an assertion counts after it was made, whatever it says: so
	// long has to be remembered that it was used.
	samlLongest = 24 * time.Hour
	// samlRemembered is how much longer than it counts it is known as used: it may be written
	// down a moment after it was judged, and the clock that sweeps the store may be ahead.
	samlRemembered = 5 * time.Minute
)

const (
	samlSuccess     = "urn:oasis:names:tc:SAML:2.0:status:Success"
	samlBearer      = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
	samlUnspecified = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
)

// samlStatuses are the words of providers that are repeated in the log (Core section
// 3.2.2.2), for what to do about them.
var samlStatuses = map[string]string{
	"urn:oasis:names:tc:SAML:2.0:status:Requester":            "it takes our request for wrong (Requester)",
	"urn:oasis:names:tc:SAML:2.0:status:Responder":            "something is wrong there (Responder)",
	"urn:oasis:names:tc:SAML:2.0:status:VersionMismatch":      "it does not speak SAML 2.0 (VersionMismatch)",
	"urn:oasis:names:tc:SAML:2.0:status:AuthnFailed":          "the person was not signed in there (AuthnFailed)",
	"urn:oasis:names:tc:SAML:2.0:status:InvalidNameIDPolicy":  "it has no names of the nameIDFormat that is declared (InvalidNameIDPolicy)",
	"urn:oasis:names:tc:SAML:2.0:status:NoAuthnContext":       "it cannot sign in as asked (NoAuthnContext)",
	"urn:oasis:names:tc:SAML:2.0:status:RequestDenied":        "it denied the request (RequestDenied)",
	"urn:oasis:names:tc:SAML:2.0:status:UnknownPrincipal":     "it does not know the person (UnknownPrincipal)",
	"urn:oasis:names:tc:SAML:2.0:status:RequestUnsupported":   "it does not support the request (RequestUnsupported)",
	"urn:oasis:names:tc:SAML:2.0:status:UnsupportedBinding":   "it does not support the binding (UnsupportedBinding)",
	"urn:oasis:names:tc:SAML:2.0:status:ProxyCountExceeded":   "it asked another provider too often (ProxyCountExceeded)",
	"urn:oasis:names:tc:SAML:2.0:status:NoAvailableIDP":       "the provider behind it is not there (NoAvailableIDP)",
	"urn:oasis:names:tc:SAML:2.0:status:NoSupportedIDP":       "it knows no provider behind it (NoSupportedIDP)",
	"urn:oasis:names:tc:SAML:2.0:status:RequestVersionTooLow": "it does not speak SAML 2.0 (RequestVersionTooLow)",
}

// samlMethods is how a person signed in by the classes of Authentication Context that say
// one thing (RFC 8176). A time-synchronous token is a one-time code, and whether a PIN came
// before it the class leaves open; PreviousSession and unspecified say nothing.
var samlMethods = map[string][]string{
	"urn:oasis:names:tc:SAML:2.0:ac:classes:Password":                    {"pwd"},
	"urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport":  {"pwd"},
	"urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken":               {"otp"},
	"urn:oasis:names:tc:SAML:2.0:ac:classes:MobileTwoFactorContract":     {"mfa"},
	"urn:oasis:names:tc:SAML:2.0:ac:classes:MobileTwoFactorUnregistered": {"mfa"},
	"urn:oasis:names:tc:SAML:2.0:ac:classes:Smartcard":                   {"sc"},
	"https://refeds.org/profile/mfa":                                     {"mfa"},
	"http://schemas.microsoft.com/claims/multipleauthn":                  {"mfa"},
}

// samlExpected is what a response has to be an answer to.
type samlExpected struct {
	now         time.Time
	request     string // ID of our AuthnRequest; empty: there was none, which was opted into
	since       time.Time
	acs, entity string // ours
	issuer      string // theirs
	format      string // of the name, if one was asked for
}

// envelope judges what stands around the assertion. Of a Response that is not signed anybody
// may have written it: nothing is taken from it, and the assertion has to say the same.
func (e samlExpected) envelope(response *etree.Element) error {
	if samlAttr(response, "Version") != "2.0" {
		return errors.New("its Version is not 2.0")
	}
	if err := samlStatus(response); err != nil {
		return err
	}
	if samlAttr(response, "Destination") != e.acs {
		return errors.New("its Destination is not our ACS")
	}
	if samlAttr(response, "InResponseTo") != e.request {
		return errors.New("its InResponseTo is not the request that this browser was sent with")
	}
	issuer, err := samlMaybe(response, samlAssertionNS, "Issuer")
	if err != nil || issuer == nil {
		return err
	}
	return e.from(issuer)
}

// samlStatus is an error unless the provider says that all went well.
func samlStatus(response *etree.Element) error {
	status, err := samlOne(response, samlProtocolNS, "Status")
	if err != nil {
		return err
	}
	code, err := samlOne(status, samlProtocolNS, "StatusCode")
	if err != nil {
		return err
	}
	said := samlAttr(code, "Value")
	if said == samlSuccess {
		return nil
	}
	if more, err := samlMaybe(code, samlProtocolNS, "StatusCode"); err == nil && more != nil && samlStatuses[samlAttr(more, "Value")] != "" {
		said = samlAttr(more, "Value")
	}
	if words := samlStatuses[said]; words != "" {
		return fmt.Errorf("the provider says that %s", words)
	}
	return errors.New("its StatusCode is not Success")
}

func (e samlExpected) from(issuer *etree.Element) error {
	if name, err := samlURI(issuer); err != nil || name != e.issuer {
		return errors.New("its Issuer is not the provider (the entityID of its metadata)")
	}
	return nil
}

// assertion judges what is signed, and says what it proves.
func (e samlExpected) assertion(a *etree.Element) (Proof, error) {
	if !samlIs(a, samlAssertionNS, "Assertion") || samlAttr(a, "Version") != "2.0" || samlAttr(a, "ID") == "" {
		return Proof{}, errors.New("what is signed is no Assertion of SAML 2.0")
	}
	issuer, err := samlOne(a, samlAssertionNS, "Issuer")
	if err != nil {
		return Proof{}, err
	}
	if err := e.from(issuer); err != nil {
		return Proof{}, err
	}
	made, err := samlTime(a, "IssueInstant")
	if err != nil || made.IsZero() || made.After(e.now.Add(samlLeeway)) {
		return Proof{}, errors.New("its IssueInstant is none, or has not come yet")
	}
	end := made.Add(samlLongest)
	if end, err = e.conditions(a, end); err != nil {
		return Proof{}, err
	}
	name, end, err := e.subject(a, end)
	if err != nil {
		return Proof{}, err
	}
	p := Proof{Claims: name, Once: samlAttr(a, "ID"), Until: end.Add(samlLeeway + samlRemembered)}
	p.Claims["issuer"] = e.issuer
	if p.Claims["attributes"], err = samlAttributes(a); err != nil {
		return Proof{}, err
	}
	return p, e.statement(a, &p)
}

// over is whether a time has passed, by any clock that ours may be.
func (e samlExpected) over(end time.Time) bool { return !e.now.Before(end.Add(samlLeeway)) }

// conditions judges when and for whom the assertion counts (Core section 2.5), and returns
// the earlier of its end and the other one. A condition that is not known is not fulfilled.
func (e samlExpected) conditions(a *etree.Element, end time.Time) (time.Time, error) {
	conditions, err := samlOne(a, samlAssertionNS, "Conditions")
	if err != nil {
		return end, err
	}
	begins, err := samlTime(conditions, "NotBefore")
	if err != nil {
		return end, err
	}
	ends, err := samlTime(conditions, "NotOnOrAfter")
	if err != nil {
		return end, err
	}
	if !ends.IsZero() && ends.Before(end) {
		end = ends
	}
	if begins.After(e.now.Add(samlLeeway)) {
		return end, errors.New("it is not valid yet (NotBefore)")
	}
	if e.over(end) {
		return end, errors.New("it is not valid any more (NotOnOrAfter, or a day after its IssueInstant)")
	}
	audiences := 0
	for condition := range conditions.ChildElementsSeq() {
		switch {
		case samlIs(condition, samlAssertionNS, "AudienceRestriction"):
			audiences++
			if err := e.audience(condition); err != nil {
				return end, err
			}
		case samlIs(condition, samlAssertionNS, "OneTimeUse"): // as every one is
		case samlIs(condition, samlAssertionNS, "ProxyRestriction"):
			return end, errors.New("it is restricted as to what may be issued on its ground (ProxyRestriction): switch that off at the provider")
		default:
			return end, errors.New("it has a condition that is not known")
		}
	}
	if audiences == 0 {
		return end, errors.New("it does not say whom it is for (AudienceRestriction)")
	}
	return end, nil
}

func (e samlExpected) audience(restriction *etree.Element) error {
	for _, el := range samlAll(restriction, samlAssertionNS, "Audience") {
		if name, err := samlURI(el); err == nil && name == e.entity {
			return nil
		}
	}
	return errors.New("it is for another audience than our entity ID")
}

// subject judges whom the assertion is of, and that whoever brings it may (Profiles section
// 4.1.4.2), and returns the name and the earlier end.
func (e samlExpected) subject(a *etree.Element, end time.Time) (map[string]any, time.Time, error) {
	subject, err := samlOne(a, samlAssertionNS, "Subject")
	if err != nil {
		return nil, end, err
	}
	name, err := e.name(subject)
	if err != nil {
		return nil, end, err
	}
	confirmation, err := samlOne(subject, samlAssertionNS, "SubjectConfirmation")
	if err != nil {
		return nil, end, err
	}
	if samlAttr(confirmation, "Method") != samlBearer {
		return nil, end, errors.New("its SubjectConfirmation is not of the method bearer")
	}
	data, err := samlOne(confirmation, samlAssertionNS, "SubjectConfirmationData")
	if err != nil {
		return nil, end, err
	}
	begins, err := samlTime(data, "NotBefore")
	if err != nil {
		return nil, end, err
	}
	ends, err := samlTime(data, "NotOnOrAfter")
	if err != nil {
		return nil, end, err
	}
	switch {
	case samlAttr(data, "Recipient") != e.acs:
		return nil, end, errors.New("its Recipient is not our ACS")
	case samlAttr(data, "InResponseTo") != e.request:
		return nil, end, errors.New("the InResponseTo of its SubjectConfirmationData is not the request that this browser was sent with")
	case ends.IsZero():
		return nil, end, errors.New("its SubjectConfirmationData has no NotOnOrAfter")
	case e.over(ends):
		return nil, end, errors.New("it may not be delivered any more (NotOnOrAfter of SubjectConfirmationData)")
	case begins.After(e.now.Add(samlLeeway)):
		return nil, end, errors.New("it may not be delivered yet (NotBefore of SubjectConfirmationData)")
	}
	if ends.Before(end) {
		end = ends
	}
	return name, end, nil
}

// name is the subject's, whole: a name of another format is another name, and so is one
// that is made for another service.
func (e samlExpected) name(subject *etree.Element) (map[string]any, error) {
	el, err := samlOne(subject, samlAssertionNS, "NameID")
	if err != nil {
		return nil, err
	}
	text, err := samlText(el)
	if err != nil {
		return nil, err
	}
	format := samlAttr(el, "Format")
	if format == "" {
		format = samlUnspecified
	}
	service := samlAttr(el, "SPNameQualifier")
	switch {
	case text == "":
		return nil, errors.New("its NameID is empty")
	case e.format != "" && e.format != samlUnspecified && format != e.format:
		return nil, errors.New("the Format of its NameID is not the nameIDFormat that is declared")
	case service != "" && service != e.entity:
		return nil, errors.New("its NameID is one for another service (SPNameQualifier)")
	}
	return map[string]any{"name_id": text, "name_id_format": format}, nil
}

// samlAttributes are by Name, with those values that are text. One that is an element, such as
// a name of another kind, is left out: what stands in it is not what it says.
func samlAttributes(a *etree.Element) (map[string]any, error) {
	all := map[string]any{}
	for _, statement := range samlAll(a, samlAssertionNS, "AttributeStatement") {
		for _, attribute := range samlAll(statement, samlAssertionNS, "Attribute") {
			name := samlAttr(attribute, "Name")
			if name == "" {
				return nil, errors.New("an Attribute has no Name")
			}
			values, _ := all[name].([]any)
			if values == nil {
				values = []any{}
			}
			for _, value := range samlAll(attribute, samlAssertionNS, "AttributeValue") {
				if text, err := samlText(value); err == nil {
					values = append(values, text)
				}
			}
			all[name] = values
		}
	}
	return all, nil
}

// statement reads when and how the person signed in there.
func (e samlExpected) statement(a *etree.Element, p *Proof) error {
	statement, err := samlOne(a, samlAssertionNS, "AuthnStatement")
	if err != nil {
		return err
	}
	if p.AuthTime, err = samlTime(statement, "AuthnInstant"); err != nil {
		return err
	}
	if p.SessionUntil, err = samlTime(statement, "SessionNotOnOrAfter"); err != nil {
		return err
	}
	switch {
	case p.AuthTime.IsZero() || p.AuthTime.After(e.now.Add(samlLeeway)):
		return errors.New("its AuthnInstant is none, or has not come yet")
	case p.AuthTime.Before(e.since.Add(-samlLeeway)):
		return errors.New("the person did not sign in again there, as was asked for (ForceAuthn)")
	case !p.SessionUntil.IsZero() && e.over(p.SessionUntil):
		return errors.New("the session there is over (SessionNotOnOrAfter)")
	}
	within, err := samlOne(statement, samlAssertionNS, "AuthnContext")
	if err != nil {
		return err
	}
	class, err := samlMaybe(within, samlAssertionNS, "AuthnContextClassRef")
	if err != nil || class == nil {
		return err
	}
	name, err := samlURI(class)
	p.AMR = slices.Clone(samlMethods[name])
	return err
}

// secondOpinion asks gosaml2 about what was admitted, and is false if it, or what it only
// warns of, disagrees. It knows no leeway, and takes the white space around a URI for a part
// of it: so it gets the times with ours, and URIs without.
func (e samlExpected) secondOpinion(envelope, assertion *etree.Element) bool {
	response := &types.Response{
		Version: samlAttr(envelope, "Version"), Destination: samlAttr(envelope, "Destination"),
		Issuer: &types.Issuer{Value: e.issuer}, Status: &types.Status{StatusCode: &types.StatusCode{Value: samlSuccess}},
		Assertions: make([]types.Assertion, 1),
	}
	a := &response.Assertions[0]
	d := etree.NewDocument()
	d.SetRoot(assertion.Copy())
	raw, err := d.WriteToBytes()
	if err != nil || xml.Unmarshal(raw, a) != nil || a.Conditions == nil || a.Subject == nil || a.Subject.SubjectConfirmation == nil || a.Subject.SubjectConfirmation.SubjectConfirmationData == nil {
		return false
	}
	if a.Issuer != nil {
		a.Issuer.Value = strings.Trim(a.Issuer.Value, samlSpace)
	}
	for _, restriction := range a.Conditions.AudienceRestrictions {
		for i := range restriction.Audiences {
			restriction.Audiences[i].Value = strings.Trim(restriction.Audiences[i].Value, samlSpace)
		}
	}
	a.Conditions.NotBefore = samlShifted(a.Conditions.NotBefore, -samlLeeway, e.now)
	a.Conditions.NotOnOrAfter = samlShifted(a.Conditions.NotOnOrAfter, samlLeeway, e.now)
	data := a.Subject.SubjectConfirmation.SubjectConfirmationData
	data.NotOnOrAfter = samlShifted(data.NotOnOrAfter, samlLeeway, e.now)
	sp := &saml2.SAMLServiceProvider{
		IdentityProviderIssuer: e.issuer, AssertionConsumerServiceURL: e.acs, AudienceURI: e.entity, Clock: dsig.NewFakeClockAt(e.now),
	}
	if sp.Validate(response) != nil {
		return false
	}
	warning, err := sp.VerifyAssertionConditions(a)
	return err == nil && !warning.InvalidTime && !warning.NotInAudience && warning.ProxyRestriction == nil
}

// samlShifted moves a time, and takes now for one that is not there.
func samlShifted(text string, by time.Duration, now time.Time) string {
	at := now
	if text != "" {
		var err error
		if at, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return text
		}
	}
	return at.Add(by).UTC().Format(time.RFC3339Nano)
}
