package upstream

import (
	"errors"
	"testing"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Whatever comes, nobody but ann is in it, whose assertion is the only one that was ever
// signed; and nothing but a refusal comes of all else.
func FuzzSAMLResponse(f *testing.F) {
	s := samlBackend(f, model.SAMLSettings{}, samlCurve()) // faster than RSA
	for _, around := range []bool{false, true} {
		r := samlGood("_q1")
		r.key, r.SignResponse = samlCurve(), around
		f.Add(r.xml(f))
	}
	r := samlGood("_q1")
	r.key, r.Unsigned = samlCurve(), true
	f.Add(r.xml(f))
	f.Add(`<?xml version="1.0"?><samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"/>`)
	f.Fuzz(func(t *testing.T, text string) {
		proof, err := s.answer(t, text)
		if err == nil && (proof.Claims["name_id"] != "ann@acme.com" || proof.Claims["issuer"] != samlTheirs || len(proof.AMR) != 1 || proof.AMR[0] != "pwd") {
			t.Errorf("it proves %v by %s", proof, text)
		}
		if err != nil && !errors.Is(err, ErrRefused) {
			t.Errorf("%v by %s", err, text)
		}
	})
}

// Metadata that is read names one provider with keys to sign by.
func FuzzSAMLMetadata(f *testing.F) {
	f.Add([]byte(samlDescribed(samlCurve())))
	f.Add([]byte(`<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" validUntil="2026-11-21T13:00:00Z" cacheDuration="P1DT2H"/>`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := parseSAMLMetadata(raw)
		if err == nil && (m.entityID == "" || m.sso == "" || len(m.certificates) == 0) {
			t.Errorf("%+v by %s", m, raw)
		}
	})
}
