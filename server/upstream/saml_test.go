package upstream

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

func TestASignedAssertionSaysWhoSignedInThere(t *testing.T) {
	r := samlGood("_q1")
	r.SessionEnd = samlAt(8 * time.Hour)
	proof, err := samlBackend(t, model.SAMLSettings{}).answer(t, r.xml(t))
	if err != nil {
		t.Fatal(err)
	}
	want := Proof{
		Claims: map[string]any{
			"name_id": "ann@acme.com", "name_id_format": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress", "issuer": samlTheirs,
			"attributes": map[string]any{"groups": []any{"staff", "R&D"}},
		},
		AuthTime: samlNoon, AMR: []string{"pwd"}, SessionUntil: samlNoon.Add(8 * time.Hour),
		Once: "saml\x00uid-1\x00" + samlTheirs + "\x00_a1", Until: samlNoon.Add(12 * time.Minute),
	}
	if diff := cmp.Diff(want, proof); diff != "" {
		t.Error(diff)
	}
	if _, ok := any(&saml{}).(Rechecker); ok {
		t.Error("nobody can be asked again without the person")
	}
}

func TestEveryFormOfAGoodSignatureIsTaken(t *testing.T) {
	for name, change := range map[string]func(*samlSaid){
		"the response too": func(r *samlSaid) { r.SignResponse = true },
		"RSA with SHA-384": func(r *samlSaid) { r.signature.method = dsig.RSASHA384SignatureMethod },
		"RSA with SHA-512": func(r *samlSaid) {
			r.signature.method, r.signature.digest = dsig.RSASHA512SignatureMethod, "http://www.w3.org/2001/04/xmlenc#sha512"
		},
		"ECDSA with SHA-256":    func(r *samlSaid) { r.key = samlCurve() },
		"ECDSA with SHA-512":    func(r *samlSaid) { r.key, r.signature.method = samlCurve(), dsig.ECDSASHA512SignatureMethod },
		"ECDSA around as well":  func(r *samlSaid) { r.key, r.SignResponse = samlCurve(), true },
		"no KeyInfo":            func(r *samlSaid) { r.signature.keyInfo = "none" },
		"a KeyInfo with a name": func(r *samlSaid) { r.signature.keyInfo = `<ds:KeyInfo><ds:KeyName>key-1</ds:KeyName></ds:KeyInfo>` },
		"a list of prefixes":    func(r *samlSaid) { r.signature.prefixes = "xs" },
	} {
		t.Run(name, func(t *testing.T) {
			r := samlGood("_q1")
			change(&r)
			text := r.xml(t)
			proof, err := samlBackend(t, model.SAMLSettings{}, samlOtherKey(), samlOurKey(), samlCurve()).answer(t, text)
			if err != nil || proof.Claims["name_id"] != "ann@acme.com" {
				t.Errorf("%v, %v", proof.Claims, err)
			}
		})
	}
}

func TestClocksMayBeTwoMinutesApart(t *testing.T) {
	for name, c := range map[string]struct {
		now  time.Duration
		good bool
	}{
		"the provider's is ahead":       {-2 * time.Minute, true},
		"the provider's is too far":     {-3*time.Minute - time.Second, false},
		"it took as long as it may":     {7*time.Minute - time.Second, true},
		"it took longer than it may":    {7 * time.Minute, false},
		"it is of the day before":       {24 * time.Hour, false},
		"it was issued in a year's end": {-365 * 24 * time.Hour, false},
	} {
		r := samlGood("_q1")
		asked := strings.Replace(samlAsked, "2026-11-21T12:00:00Z", samlAt(c.now), 1)
		_, err := samlBackend(t, model.SAMLSettings{}).Validate(t.Context(), Answer{Now: samlNoon.Add(c.now), State: []byte(asked), Form: samlForm(r.xml(t))})
		if (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An assertion that says it is good for a year counts for a day: so long its ID is kept.
func TestAnAssertionCountsForADayAtMost(t *testing.T) {
	r := samlGood("_q1")
	r.NotOnOrAfter, r.SubjectEnd = samlAt(365*24*time.Hour), samlAt(365*24*time.Hour)
	s := samlBackend(t, model.SAMLSettings{})
	proof, err := s.answer(t, r.xml(t))
	if err != nil || !proof.Until.Equal(samlNoon.Add(24*time.Hour+samlLeeway+samlRemembered)) {
		t.Errorf("until %v, %v", proof.Until, err)
	}
	late := samlNoon.Add(24*time.Hour + samlLeeway)
	asked := strings.Replace(samlAsked, "2026-11-21T12:00:00Z", late.Format(time.RFC3339), 1)
	_, err = s.Validate(t.Context(), Answer{Now: late, State: []byte(asked), Form: samlForm(r.xml(t))})
	samlRefuses(t, err, "not valid any more")
}

// ASVS 6.8.3: what may come once has one name, whoever else calls itself the same.
func TestEachAssertionHasANameForItsOneUse(t *testing.T) {
	r := samlGood("_q1")
	s := samlBackend(t, model.SAMLSettings{})
	first, err := s.answer(t, r.xml(t))
	again, errAgain := s.answer(t, r.xml(t))
	if err != nil || errAgain != nil || first.Once != again.Once || !first.Until.After(samlNoon) {
		t.Fatalf("%q %q, %v %v", first.Once, again.Once, err, errAgain)
	}
	r.AssertionID = "_a2"
	other, err := s.answer(t, r.xml(t))
	if err != nil || other.Once == first.Once {
		t.Errorf("%q, %v", other.Once, err)
	}
	if !strings.Contains(first.Once, "uid-1") {
		t.Errorf("another provider that calls itself the same uses it up: %q", first.Once)
	}
}

// ASVS 6.8.3: posted twice, also at the same time and to two replicas, it counts once.
func TestAnAssertionIsUsedOnceOnWhateverReplica(t *testing.T) {
	place := filepath.Join(t.TempDir(), "gatehouse.db")
	var replicas [2]*store.DB
	for i := range replicas {
		db, err := store.OpenSQLite(t.Context(), place)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		replicas[i] = db
	}
	s, text := samlBackend(t, model.SAMLSettings{}), samlGood("_q1").xml(t)
	var all sync.WaitGroup
	var taken, refused atomic.Int64
	for i := range 20 {
		all.Go(func() {
			proof, err := s.answer(t, text)
			if err == nil {
				err = proof.Spend(t.Context(), replicas[i%2])
			}
			switch {
			case err == nil:
				taken.Add(1)
			case errors.Is(err, ErrRefused):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if taken.Load() != 1 || refused.Load() != 19 {
		t.Errorf("taken %d times, refused %d times", taken.Load(), refused.Load())
	}
	// It is known until it is refused for its age.
	proof, err := s.answer(t, text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := replicas[0].Sweep(t.Context(), samlNoon.Add(7*time.Minute)); err != nil {
		t.Fatal(err)
	}
	samlRefuses(t, proof.Spend(t.Context(), replicas[1]), "used before")
	if err := (Proof{}).Spend(t.Context(), replicas[0]); err != nil {
		t.Errorf("what cannot come again: %v", err)
	}
}

func TestTheRequestNamesUsAndNobodyElse(t *testing.T) {
	s := samlBackend(t, model.SAMLSettings{EntityID: "https://acme.com/gatehouse", NameIDFormat: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"})
	step, err := s.Authenticate(t.Context(), Attempt{Now: samlNoon, Again: true})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(step.Redirect)
	if err != nil || u.Scheme != "https" || u.Host != "idp.example.com" || u.Path != "/sso" || u.Query().Get("tenant") != "a b" {
		t.Fatalf("%s, %v", step.Redirect, err)
	}
	if u.Query().Get("RelayState") != step.Handle || len(step.Handle) < 26 || len(step.Handle) > 80 {
		t.Errorf("RelayState %q, handle %q", u.Query().Get("RelayState"), step.Handle)
	}
	request := samlElement(t, samlInflated(t, u.Query().Get("SAMLRequest")))
	var state samlState
	if err := json.Unmarshal(step.State, &state); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"ID": state.ID, "Version": "2.0", "ForceAuthn": "true", "AssertionConsumerServiceURL": samlACS, "IssueInstant": "2026-11-21T12:00:00Z",
		"ProtocolBinding": "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST", "Destination": "https://idp.example.com/sso?tenant=a%20b",
	} {
		if got := request.SelectAttrValue(name, ""); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if issuer := request.SelectElement("Issuer").Text(); issuer != "https://acme.com/gatehouse" {
		t.Errorf("Issuer %q", issuer)
	}
	if format := request.SelectElement("NameIDPolicy").SelectAttrValue("Format", ""); format != "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent" {
		t.Errorf("NameIDPolicy %q", format)
	}
	if strings.Contains(step.Redirect, state.ID) || len(state.ID) < 27 {
		t.Errorf("ID %q", state.ID)
	}
	second, err := s.Authenticate(t.Context(), Attempt{Now: samlNoon})
	if err != nil || second.Handle == step.Handle || bytes.Equal(second.State, step.State) {
		t.Errorf("two requests are one: %v", err)
	}
	plainly, _ := url.Parse(second.Redirect)
	if plain := samlInflated(t, plainly.Query().Get("SAMLRequest")); strings.Contains(plain, "ForceAuthn") {
		t.Errorf("nobody asked for ForceAuthn: %s", plain)
	}
}

func samlInflated(t *testing.T, encoded string) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(flate.NewReader(bytes.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// ForceAuthn is a wish; AuthnInstant tells whether it was heard.
func TestWhoHasToSignInAgainDid(t *testing.T) {
	s := samlBackend(t, model.SAMLSettings{})
	state := []byte(strings.Replace(samlAsked, "{", `{"again":true,`, 1))
	r := samlGood("_q1")
	if _, err := s.Validate(t.Context(), Answer{Now: samlNoon, State: state, Form: samlForm(r.xml(t))}); err != nil {
		t.Error(err)
	}
	r.AuthnInstant = samlAt(-time.Hour)
	_, err := s.Validate(t.Context(), Answer{Now: samlNoon, State: state, Form: samlForm(r.xml(t))})
	samlRefuses(t, err, "did not sign in again")
	if _, err := s.answer(t, r.xml(t)); err != nil {
		t.Errorf("who need not does as well: %v", err)
	}
}

// ASVS 7.6.2.
func TestAnAnswerThatNobodyAskedForCountsOnlyIfDeclared(t *testing.T) {
	unasked := samlGood("")
	off, on := samlBackend(t, model.SAMLSettings{}), samlBackend(t, model.SAMLSettings{AllowIdPInitiated: true})
	ask := func(s *saml, r samlSaid) (Proof, error) {
		return s.Validate(t.Context(), Answer{Now: samlNoon, Form: samlForm(r.xml(t))})
	}
	_, err := ask(off, unasked)
	samlRefuses(t, err, "allowIdPInitiated is off")
	proof, err := ask(on, unasked)
	if err != nil || proof.Once == "" {
		t.Errorf("%q, %v", proof.Once, err)
	}
	// One that answers somebody's request is not one that nobody asked for.
	_, err = ask(on, samlGood("_q1"))
	samlRefuses(t, err, "InResponseTo")
	half := samlGood("_q1")
	half.InResponseTo = ""
	_, err = ask(on, half)
	samlRefuses(t, err, "InResponseTo of its SubjectConfirmationData")
	// Nor is one that nobody asked for an answer.
	_, err = on.answer(t, unasked.xml(t))
	samlRefuses(t, err, "InResponseTo")
	for _, state := range []string{`{}`, `null`, `{"request":""}`, `x`, `{"handle":"h1"}`} {
		_, err = on.Validate(t.Context(), Answer{Now: samlNoon, State: []byte(state), Form: samlForm(unasked.xml(t))})
		samlRefuses(t, err, "what was kept of the sign-in")
	}
}

func TestOnlyClassesThatSayOneThingSayHow(t *testing.T) {
	for class, want := range map[string][]string{
		"urn:oasis:names:tc:SAML:2.0:ac:classes:Password":      {"pwd"},
		"urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken": {"otp"},
		"https://refeds.org/profile/mfa":                       {"mfa"},
		"http://schemas.microsoft.com/claims/multipleauthn":    {"mfa"},
		"urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified":   nil,
		"urn:oasis:names:tc:SAML:2.0:ac:classes:X509":          nil,
		"https://refeds.org/profile/MFA":                       nil,
		"https://refeds.org/profile/mfa/not":                   nil,
	} {
		r := samlGood("_q1")
		r.Class = class
		proof, err := samlBackend(t, model.SAMLSettings{}).answer(t, r.xml(t))
		if diff := cmp.Diff(want, proof.AMR); err != nil || diff != "" {
			t.Errorf("%s: %v %s", class, err, diff)
		}
	}
}

// A value that is an element is none: its text is not what it says. Two attributes of one
// name are one.
func TestAttributesAreWhatIsText(t *testing.T) {
	r := samlGood("_q1")
	r.Attributes = `<saml:Attribute Name="id"><saml:AttributeValue><saml:NameID>x</saml:NameID></saml:AttributeValue></saml:Attribute>` +
		`<saml:Attribute Name="g" FriendlyName="admins"><saml:AttributeValue>a</saml:AttributeValue></saml:Attribute><saml:Attribute Name="g"><saml:AttributeValue>b</saml:AttributeValue><saml:AttributeValue/></saml:Attribute>`
	proof, err := samlBackend(t, model.SAMLSettings{}).answer(t, r.xml(t))
	want := map[string]any{"id": []any{}, "g": []any{"a", "b", ""}}
	if diff := cmp.Diff(want, proof.Claims["attributes"]); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func TestSomeHundredGroupsAreNotTooMany(t *testing.T) {
	r := samlGood("_q1")
	r.Attributes = `<saml:Attribute Name="groups">` + strings.Repeat(`<saml:AttributeValue>a group</saml:AttributeValue>`, 500) + `</saml:Attribute>`
	proof, err := samlBackend(t, model.SAMLSettings{}).answer(t, r.xml(t))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(proof.Claims["attributes"].(map[string]any)["groups"].([]any)); n != 500 {
		t.Errorf("%d groups", n)
	}
}

func TestOurMetadataSaysWhatWeWant(t *testing.T) {
	s := samlBackend(t, model.SAMLSettings{NameIDFormat: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent", EntityID: "https://acme.com/?a=1&b=2"})
	d := s.Describe()
	if d.CallbackURL != samlACS || d.Issuer != samlTheirs || !d.Until.Equal(samlOurKey().certificate.NotAfter) || d.Asks {
		t.Errorf("%+v", d)
	}
	root, err := readSAML(d.Metadata, samlMetadataBounds)
	if err != nil {
		t.Fatal(err)
	}
	if id := samlAttr(root, "entityID"); id != "https://acme.com/?a=1&b=2" {
		t.Errorf("entityID %q", id)
	}
	role, err := samlOne(root, samlMetadataNS, "SPSSODescriptor")
	if err != nil {
		t.Fatal(err)
	}
	acs, err := samlOne(role, samlMetadataNS, "AssertionConsumerService")
	if err != nil || samlAttr(acs, "Location") != samlACS || samlAttr(acs, "Binding") != "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" {
		t.Errorf("%v", err)
	}
	if samlAttr(role, "WantAssertionsSigned") != "true" || samlAttr(role, "AuthnRequestsSigned") != "false" {
		t.Error("the provider is not told to sign assertions")
	}
	format, err := samlOne(role, samlMetadataNS, "NameIDFormat")
	if err != nil || format.Text() != "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent" {
		t.Errorf("%v", err)
	}
}
