package upstream_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/upstream"
	"github.com/gatehouse-dev/gatehouse/server/upstream/upstreamtest"
)

// house is a backend at an IdP that does what it is told.
type house struct {
	*upstreamtest.IdP
	upstream.Backend
}

func newHouse(t *testing.T, change ...func(*model.Provider)) *house {
	t.Helper()
	idp := upstreamtest.NewIdP(t)
	p := idp.OIDC("okta")
	for _, c := range change {
		c(p)
	}
	return &house{idp, backendOf(t, p)}
}

func backendOf(t *testing.T, p *model.Provider) upstream.Backend {
	t.Helper()
	b, err := upstream.New(p, upstreamtest.Env(upstreamtest.Loopback))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// attempt is a whole sign-in.
func (h *house) attempt(t *testing.T, a upstream.Attempt) (upstream.Proof, error) {
	t.Helper()
	a.Now = upstreamtest.Now
	step, err := h.Authenticate(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return h.Validate(t.Context(), upstream.Answer{Now: upstreamtest.Now, State: step.State, Form: h.SignIn(t, step)})
}

// refuses checks that a sign-in is refused for this reason, after it worked without the edit.
func (h *house) refuses(t *testing.T, why string, edit func(*upstreamtest.Edits)) {
	t.Helper()
	h.Edit(func(e *upstreamtest.Edits) { *e = upstreamtest.Edits{} })
	if _, err := h.attempt(t, upstream.Attempt{}); err != nil {
		t.Fatalf("what is right: %v", err)
	}
	h.Edit(edit)
	p, err := h.attempt(t, upstream.Attempt{})
	if !errors.Is(err, upstream.ErrRefused) || p.Claims != nil || !strings.Contains(err.Error(), why) {
		t.Errorf("want a refusal for %q: %v, %v", why, p.Claims, err)
		return
	}
	for _, secret := range append(h.Issued(), upstreamtest.Secret, upstreamtest.Inner) {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the refusal shows %q: %v", secret, err)
		}
	}
}

func claim(name string, value any) func(*upstreamtest.Edits) {
	return func(e *upstreamtest.Edits) {
		e.Claims = func(c map[string]any) {
			if c[name] = value; value == nil {
				delete(c, name)
			}
		}
	}
}

// unsigned is a compact JWS whose signature somebody else makes.
func unsigned(header string, claims map[string]any, sign func(input string) []byte) string {
	payload, _ := json.Marshal(claims)
	input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	return input + "." + base64.RawURLEncoding.EncodeToString(sign(input))
}

// ASVS 6.8.2, 9.1.2.
func TestAnIDTokenWithoutASignatureIsRefused(t *testing.T) {
	h := newHouse(t)
	for _, alg := range []string{"none", "None", "nOnE", "NONE", "", " none"} {
		h.refuses(t, "no JWS", func(e *upstreamtest.Edits) {
			e.IDToken = func(c map[string]any) string {
				return unsigned(fmt.Sprintf(`{"alg":%q,"kid":"k1"}`, alg), c, func(string) []byte { return nil })
			}
		})
	}
	h.refuses(t, "no JWS", func(e *upstreamtest.Edits) {
		e.IDToken = func(c map[string]any) string {
			return unsigned(`{"kid":"k1"}`, c, func(string) []byte { return nil })
		}
	})
	h.refuses(t, "signature", func(e *upstreamtest.Edits) {
		e.IDToken = func(c map[string]any) string {
			return unsigned(`{"alg":"RS256","kid":"k1"}`, c, func(string) []byte { return nil })
		}
	})
}

// The public key is everybody's: as the key of an HMAC it proves nothing (ASVS 9.1.2).
func TestAnIDTokenByTheRSAPublicKeyAsASharedOneIsRefused(t *testing.T) {
	h := newHouse(t)
	der, err := x509.MarshalPKIXPublicKey(h.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	asJWK, err := json.Marshal(jose.JSONWebKey{Key: h.Key.Public()})
	if err != nil {
		t.Fatal(err)
	}
	for alg, hash := range map[string]crypto.Hash{"HS256": crypto.SHA256, "HS384": crypto.SHA384, "HS512": crypto.SHA512} {
		for _, key := range [][]byte{der, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), asJWK, h.Key.N.Bytes(), []byte(upstreamtest.Secret)} {
			h.refuses(t, "no JWS", func(e *upstreamtest.Edits) {
				e.IDToken = func(c map[string]any) string {
					return unsigned(`{"alg":"`+alg+`","kid":"k1"}`, c, func(input string) []byte {
						m := hmac.New(hash.New, key)
						m.Write([]byte(input))
						return m.Sum(nil)
					})
				}
			})
		}
	}
}

func TestAnIDTokenByAnotherKeyIsRefused(t *testing.T) {
	h := newHouse(t)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	h.refuses(t, "signature", func(e *upstreamtest.Edits) { e.Key = other })
	h.refuses(t, "does not publish", func(e *upstreamtest.Edits) { e.Key = other; e.Header = map[string]any{"kid": "k2"} })
	// The key ID looks a key up, and nothing else.
	for _, kid := range []string{"../../k1", "' or 1=1 --", "https://evil.example/keys", strings.Repeat("k", 4096)} {
		h.refuses(t, "does not publish", func(e *upstreamtest.Edits) { e.Header = map[string]any{"kid": kid} })
	}
}

// A signature by a key of one kind does not count as one of another.
func TestAnAlgorithmThatTheKeyIsNotForIsRefused(t *testing.T) {
	h := newHouse(t)
	for _, alg := range []jose.SignatureAlgorithm{jose.PS256, jose.RS512} {
		h.refuses(t, "", func(e *upstreamtest.Edits) {
			e.IDToken = func(c map[string]any) string { return h.Sign(c, jose.SigningKey{Algorithm: alg, Key: h.Key}, nil) }
		})
	}
	h.refuses(t, "", func(e *upstreamtest.Edits) {
		e.IDToken = func(c map[string]any) string {
			return unsigned(`{"alg":"ES256","kid":"k1"}`, c, func(string) []byte { return bytes.Repeat([]byte{1}, 64) })
		}
	})
}

func TestAnIDTokenOfAnotherIssuerIsRefused(t *testing.T) {
	h := newHouse(t)
	for _, iss := range []any{"https://evil.example", h.URL + "/", strings.ToUpper(h.URL), "", nil, 7, []string{h.URL}} {
		h.refuses(t, "another issuer", claim("iss", iss))
	}
}

func TestAnIDTokenForAnotherAudienceIsRefused(t *testing.T) {
	h := newHouse(t)
	for _, aud := range []any{"another-client", []string{"another-client"}, []string{}, "", nil, 7, []any{upstreamtest.ClientID, 7}, map[string]any{"a": upstreamtest.ClientID}, upstreamtest.ClientID + " "} {
		h.refuses(t, "another audience", claim("aud", aud))
	}
	h.refuses(t, "several audiences", claim("aud", []string{upstreamtest.ClientID, "another-client"}))
}

func TestAnIDTokenForAnotherAuthorizedPartyIsRefused(t *testing.T) {
	h := newHouse(t)
	for _, azp := range []any{"another-client", "", 7, []string{upstreamtest.ClientID}} {
		h.refuses(t, "authorized party", claim("azp", azp))
		h.refuses(t, "authorized party", func(e *upstreamtest.Edits) {
			e.Claims = func(c map[string]any) {
				c["aud"], c["azp"] = []string{"another-client", upstreamtest.ClientID}, azp
			}
		})
	}
	h.Edit(func(e *upstreamtest.Edits) {
		e.Claims = func(c map[string]any) {
			c["aud"], c["azp"] = []string{"another-client", upstreamtest.ClientID}, upstreamtest.ClientID
		}
	})
	if _, err := h.attempt(t, upstream.Attempt{}); err != nil {
		t.Errorf("for us among others: %v", err)
	}
}

func TestAnIDTokenWithoutOurNonceIsRefused(t *testing.T) {
	h := newHouse(t)
	for _, nonce := range []any{nil, "", "another", 7} {
		h.refuses(t, "nonce", claim("nonce", nonce))
	}
}

func TestAnIDTokenOutsideOfItsTimeIsRefused(t *testing.T) {
	h := newHouse(t)
	at := func(d time.Duration) int64 { return upstreamtest.Now.Add(d).Unix() }
	for _, exp := range []any{at(-61 * time.Second), at(-time.Minute), at(-24 * time.Hour), nil, 0, -1, "later", 1e300} {
		h.refuses(t, "expired", claim("exp", exp))
	}
	for _, iat := range []any{at(61 * time.Second), at(time.Hour), nil, "now", 1e300} {
		h.refuses(t, "of the future", claim("iat", iat))
	}
	for _, nbf := range []any{at(61 * time.Second), at(time.Hour), "now", 0} {
		h.refuses(t, "does not count yet", claim("nbf", nbf))
	}
	// Clocks differ by a minute.
	h.Edit(func(e *upstreamtest.Edits) {
		e.Claims = func(c map[string]any) {
			c["exp"], c["iat"], c["nbf"] = at(-59*time.Second), at(59*time.Second), at(59*time.Second)
		}
	})
	if _, err := h.attempt(t, upstream.Attempt{}); err != nil {
		t.Errorf("within the leeway: %v", err)
	}
}

// ASVS 9.1.1: each part of a token is changed by one bit.
func TestAnIDTokenWithAFlippedBitIsRefused(t *testing.T) {
	h := newHouse(t)
	for part := range 3 {
		h.refuses(t, "", func(e *upstreamtest.Edits) {
			e.IDToken = func(c map[string]any) string {
				parts := strings.Split(h.Sign(c, jose.SigningKey{Algorithm: jose.RS256, Key: h.Key}, nil), ".")
				raw, err := base64.RawURLEncoding.DecodeString(parts[part])
				if err != nil {
					panic(err)
				}
				raw[len(raw)/2] ^= 1
				parts[part] = base64.RawURLEncoding.EncodeToString(raw)
				return strings.Join(parts, ".")
			}
		})
	}
}

func TestAnIDTokenOfAnotherAccessTokenIsRefused(t *testing.T) {
	h := newHouse(t)
	for _, hash := range []any{"", "AAAAAAAAAAAAAAAAAAAAAA", 7} {
		h.refuses(t, "access token", claim("at_hash", hash))
	}
	h.Edit(claim("at_hash", nil))
	if _, err := h.attempt(t, upstream.Attempt{}); err != nil {
		t.Errorf("without at_hash, which the code flow need not have: %v", err)
	}
}

// ASVS 9.2.2: another kind of token is no ID token.
func TestATokenOfAnotherTypeIsRefused(t *testing.T) {
	h := newHouse(t)
	for _, typ := range []any{"at+jwt", "application/at+jwt", "logout+jwt", "dpop+jwt", "JWS", "", 7} {
		h.refuses(t, "", func(e *upstreamtest.Edits) { e.Header = map[string]any{"typ": typ} })
	}
}

func TestAnIDTokenThatIsNoneIsRefused(t *testing.T) {
	h := newHouse(t)
	for name, token := range map[string]any{"nothing": nil, "empty": "", "words": "not.a.jws", "a number": 7, "JSON": `{"payload":"","signatures":[]}`, "encrypted": "a.b.c.d.e", "very long": strings.Repeat("a", 1<<17)} {
		t.Run(name, func(t *testing.T) {
			h.refuses(t, "ID token", func(e *upstreamtest.Edits) { e.Token = func(a map[string]any) { a["id_token"] = token } })
		})
	}
	h.refuses(t, "", func(e *upstreamtest.Edits) { e.Header = map[string]any{"crit": []string{"exp"}, "exp": 1} })
	h.refuses(t, "no JSON", func(e *upstreamtest.Edits) { e.IDToken = func(map[string]any) string { return h.signed(t, `["sub"]`) } })
	h.refuses(t, "no JSON", func(e *upstreamtest.Edits) {
		e.IDToken = func(c map[string]any) string { // two programs read two subjects
			payload, _ := json.Marshal(c)
			return h.signed(t, `{"sub":"admin",`+string(payload[1:]))
		}
	})
	for _, sub := range []any{nil, "", 4711, strings.Repeat("s", 256)} {
		h.refuses(t, "subject", claim("sub", sub))
	}
}

func (h *house) signed(t *testing.T, payload string) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: h.Key}, &jose.SignerOptions{ExtraHeaders: map[jose.HeaderKey]any{"kid": h.KID}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := signer.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	token, err := s.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// ASVS 9.1.3: keys come from the provider's own set, wherever a header points to.
func TestKeysInTheHeaderOfAnIDTokenAreNotUsed(t *testing.T) {
	var hits atomic.Int64
	mine, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public := jose.JSONWebKey{Key: mine.Public(), KeyID: "k1", Algorithm: "RS256"}
	listener := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}})
	}))
	t.Cleanup(listener.Close)
	h := newHouse(t, func(p *model.Provider) {
		p.OIDC.CABundle += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: listener.Certificate().Raw}))
	})
	chain := []string{base64.StdEncoding.EncodeToString(listener.Certificate().Raw)}
	for name, header := range map[string]map[string]any{
		"jku": {"jku": listener.URL}, "x5u": {"x5u": listener.URL}, "jwk": {"jwk": public}, "x5c": {"x5c": chain},
		"all": {"jku": listener.URL, "x5u": listener.URL, "jwk": public},
	} {
		for _, kid := range []string{"k1", "k2"} {
			h.refuses(t, "", func(e *upstreamtest.Edits) {
				e.Key, e.Header = mine, map[string]any{"kid": kid}
				for k, v := range header {
					e.Header[k] = v
				}
			})
		}
		if hits.Load() > 0 {
			t.Fatalf("%s: the listener was asked", name)
		}
	}
}

// RFC 9207, and one callback for each provider (ASVS 10.2.2).
func TestTheAnswerOfAnotherIssuerIsRefused(t *testing.T) {
	a, b := newHouse(t), newHouse(t)
	for _, iss := range []string{b.URL, a.URL + "/", "", "x"} {
		a.refuses(t, "iss", func(e *upstreamtest.Edits) { e.Answer = func(f url.Values) { f.Set("iss", iss) } })
	}
	a.refuses(t, "iss", func(e *upstreamtest.Edits) { e.Answer = func(f url.Values) { f["iss"] = []string{a.URL, b.URL} } })
	before := a.Asked("/token")
	a.Edit(func(e *upstreamtest.Edits) {
		*e = upstreamtest.Edits{Answer: func(f url.Values) { f.Set("iss", b.URL) }}
	})
	if _, err := a.attempt(t, upstream.Attempt{}); !errors.Is(err, upstream.ErrRefused) || a.Asked("/token") != before {
		t.Errorf("the code of another server was sent: %v", err)
	}
	a.Edit(func(e *upstreamtest.Edits) {
		*e = upstreamtest.Edits{Answer: func(f url.Values) { f.Set("iss", a.URL) }}
	})
	if _, err := a.attempt(t, upstream.Attempt{}); err != nil {
		t.Errorf("its own: %v", err)
	}
}

func TestAnAnswerWithoutAnIssuerIsRefusedWhereThereAlwaysIsOne(t *testing.T) {
	h := newHouse(t)
	h.Edit(func(e *upstreamtest.Edits) {
		e.Discovery = func(m map[string]any) { m["authorization_response_iss_parameter_supported"] = true }
	})
	for form, why := range map[string]string{"code": "iss", "error": "iss"} {
		step, err := h.Authenticate(t.Context(), upstream.Attempt{Now: upstreamtest.Now})
		if err != nil {
			t.Fatal(err)
		}
		answer := url.Values{"state": {step.Handle}, form: {"access_denied"}}
		if _, err := h.Validate(t.Context(), upstream.Answer{Now: upstreamtest.Now, State: step.State, Form: answer}); !errors.Is(err, upstream.ErrRefused) || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", form, err)
		}
	}
}

// OpenID Connect Core section 5.3.2: it may be an access token of somebody else.
func TestUserInfoOfSomebodyElseIsRefused(t *testing.T) {
	h := newHouse(t)
	for _, sub := range []any{"4712", "", nil, 4711, []string{"4711"}} {
		h.refuses(t, "somebody else", func(e *upstreamtest.Edits) {
			e.UserInfo = func(c map[string]any) { c["sub"] = sub }
		})
	}
}

// ASVS 10.5.3.
func TestDiscoveryOfAnotherIssuerIsRefused(t *testing.T) {
	for _, issuer := range []any{"https://evil.example", nil, "", 7} {
		h := newHouse(t)
		h.Edit(func(e *upstreamtest.Edits) { e.Discovery = func(m map[string]any) { m["issuer"] = issuer } })
		_, err := h.Authenticate(t.Context(), upstream.Attempt{Now: upstreamtest.Now})
		if !errors.Is(err, upstream.ErrUnavailable) || strings.Contains(err.Error(), "evil") {
			t.Errorf("%v: %v", issuer, err)
		}
	}
	h := newHouse(t, func(p *model.Provider) { p.OIDC.Issuer += "/" })
	if _, err := h.Authenticate(t.Context(), upstream.Attempt{Now: upstreamtest.Now}); !errors.Is(err, upstream.ErrUnavailable) {
		t.Errorf("a slash more: %v", err)
	}
}

func TestDiscoveryOfWhatIsNotHTTPSIsRefused(t *testing.T) {
	for _, name := range []string{"authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"} {
		for _, to := range []any{"http://idp.example/", "javascript:alert(1)", "//idp.example/", "https://user:pass@idp.example/", "https://idp.example/#x", "https://"} {
			h := newHouse(t)
			h.Edit(func(e *upstreamtest.Edits) { e.Discovery = func(m map[string]any) { m[name] = to } })
			if _, err := h.Authenticate(t.Context(), upstream.Attempt{Now: upstreamtest.Now}); !errors.Is(err, upstream.ErrUnavailable) {
				t.Errorf("%s %v: %v", name, to, err)
			}
		}
	}
}

// The endpoint is what a tenant's provider says it is: it is judged where it is dialled.
func TestDiscoveryThatPointsInsideReachesNothing(t *testing.T) {
	h := newHouse(t)
	h.Edit(func(e *upstreamtest.Edits) {
		e.Discovery = func(m map[string]any) {
			m["token_endpoint"], m["jwks_uri"] = "https://169.254.169.254/latest", h.URL+"/jwks"
		}
	})
	p, err := h.attempt(t, upstream.Attempt{})
	if !errors.Is(err, upstream.ErrUnavailable) || p.Claims != nil || !strings.Contains(err.Error(), "not public") {
		t.Errorf("%v", err)
	}
}

func TestANewKeyIsTakenInTheMiddleOfASignIn(t *testing.T) {
	h := newHouse(t)
	if _, err := h.attempt(t, upstream.Attempt{}); err != nil {
		t.Fatal(err)
	}
	next, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	h.Edit(func(e *upstreamtest.Edits) {
		e.Key, e.Header = next, map[string]any{"kid": "k2"}
		e.Keys = func() []jose.JSONWebKey {
			return []jose.JSONWebKey{{Key: next.Public(), KeyID: "k2", Algorithm: "RS256"}}
		}
	})
	if _, err := h.attempt(t, upstream.Attempt{}); err != nil {
		t.Errorf("with the new key: %v", err)
	}
	h.Edit(func(e *upstreamtest.Edits) { e.Key, e.Header = nil, nil })
	if _, err := h.attempt(t, upstream.Attempt{}); !errors.Is(err, upstream.ErrRefused) {
		t.Errorf("with the key that was withdrawn: %v", err)
	}
}

func TestUnknownKeysAreLookedForOnceAMinute(t *testing.T) {
	h := newHouse(t)
	h.Edit(func(e *upstreamtest.Edits) { e.Header = map[string]any{"kid": "k2"} })
	at := func(now time.Time) {
		t.Helper()
		step, err := h.Authenticate(t.Context(), upstream.Attempt{Now: now})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Validate(t.Context(), upstream.Answer{Now: now, State: step.State, Form: h.SignIn(t, step)}); !errors.Is(err, upstream.ErrRefused) {
			t.Errorf("%v", err)
		}
	}
	for range 5 {
		at(upstreamtest.Now)
	}
	if n := h.Asked("/jwks"); n != 2 { // once with discovery
		t.Errorf("asked %d times", n)
	}
	at(upstreamtest.Now.Add(time.Minute))
	if n := h.Asked("/jwks"); n != 3 {
		t.Errorf("asked %d times", n)
	}
}

func TestATokenEndpointOutOfOrderProvesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   error
	}{
		"HTML": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>" + upstreamtest.Inner)) }, upstream.ErrRefused},
		"500":  {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, upstreamtest.Inner, 500) }, upstream.ErrUnavailable},
		"503 in JSON": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(503)
			_, _ = w.Write([]byte(`{"error":"temporarily_unavailable"}`))
		}, upstream.ErrUnavailable},
		"429": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, upstreamtest.Inner, http.StatusTooManyRequests)
		}, upstream.ErrUnavailable},
		"an array": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`[]`)) }, upstream.ErrRefused},
		"deep":     {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte(`{"a":`), 50_000)) }, upstream.ErrRefused},
		"no token": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"token_type":"Bearer"}`)) }, upstream.ErrRefused},
		"a mac": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"token_type":"mac","access_token":"x","id_token":"x"}`))
		}, upstream.ErrRefused},
		"a header in a token": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"token_type":"Bearer","access_token":"x\r\nHost: evil","id_token":"x"}`))
		}, upstream.ErrRefused},
		"an error and 200": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"error":"bad_verification_code","error_description":"` + upstreamtest.Inner + `"}`))
		}, upstream.ErrRefused},
		"an error of words": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			_, _ = w.Write([]byte(`{"error":"` + upstreamtest.Inner + ` \u001b[31m"}`))
		}, upstream.ErrRefused},
		"1 GB": {func(w http.ResponseWriter, _ *http.Request) {
			for piece := bytes.Repeat([]byte("x"), 1<<20); ; {
				if _, err := w.Write(piece); err != nil {
					return
				}
			}
		}, upstream.ErrRefused},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.Edit(func(e *upstreamtest.Edits) { e.Exchange = c.answer })
			p, err := h.attempt(t, upstream.Attempt{})
			if !errors.Is(err, c.want) || p.Claims != nil || strings.Contains(err.Error(), upstreamtest.Inner) || strings.ContainsRune(err.Error(), '\x1b') {
				t.Errorf("%v, %v", p.Claims, err)
			}
		})
	}
}

// Every algorithm of the list is one that a provider can use.
func TestIDTokensByEveryAlgorithmOfTheListAreTaken(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t)
	for alg, key := range map[jose.SignatureAlgorithm]crypto.Signer{jose.RS256: h.Key, jose.PS256: h.Key, jose.ES256: ec, jose.EdDSA: ed} {
		kid := "key-" + string(alg)
		var access string
		h.Edit(func(e *upstreamtest.Edits) {
			e.Keys = func() []jose.JSONWebKey {
				return []jose.JSONWebKey{{Key: key.Public(), KeyID: kid, Use: "sig"}}
			}
			e.IDToken = func(c map[string]any) string { // Issued's last is the access token
				issued := h.Issued()
				access = issued[len(issued)-1]
				sum := sha256.Sum256([]byte(access))
				c["at_hash"] = base64.RawURLEncoding.EncodeToString(sum[:16])
				if alg == jose.EdDSA {
					long := sha512.Sum512([]byte(access))
					c["at_hash"] = base64.RawURLEncoding.EncodeToString(long[:32])
				}
				return h.Sign(c, jose.SigningKey{Algorithm: alg, Key: key}, map[string]any{"kid": kid})
			}
		})
		if err := h.Backend.(upstream.Prober).Probe(t.Context(), upstreamtest.Now); err != nil {
			t.Fatal(err)
		}
		if _, err := h.attempt(t, upstream.Attempt{}); err != nil || access == "" {
			t.Errorf("%s: %v", alg, err)
		}
	}
}
