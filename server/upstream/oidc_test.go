package upstream_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/upstream"
	"github.com/gatehouse-dev/gatehouse/server/upstream/upstreamtest"
)

func query(t *testing.T, step upstream.Step) url.Values {
	t.Helper()
	u, err := url.Parse(step.Redirect)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

// ASVS 10.2.3: nothing is asked for but what is declared.
func TestTheRequestSaysWhatIsDeclared(t *testing.T) {
	h := newHouse(t, func(p *model.Provider) { p.OIDC.Prompt = "consent" })
	step, err := h.Authenticate(t.Context(), upstream.Attempt{Now: upstreamtest.Now, Hint: "ann@acme.example", MaxAge: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	q := query(t, step)
	var kept struct{ Verifier, Nonce string }
	if err := json.Unmarshal(step.State, &kept); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(kept.Verifier))
	want := url.Values{
		"response_type": {"code"}, "client_id": {upstreamtest.ClientID}, "redirect_uri": {upstreamtest.Issuer + "/login/callback/okta/"},
		"scope": {"openid email"}, "state": {step.Handle}, "nonce": {kept.Nonce}, "prompt": {"consent"}, "login_hint": {"ann@acme.example"},
		"max_age": {"3600"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	if !reflect.DeepEqual(q, want) {
		t.Errorf("%v, not %v", q, want)
	}
	if len(kept.Verifier) < 43 || len(kept.Nonce) < 22 {
		t.Errorf("%+v is not random enough", kept)
	}
	if strings.Contains(step.Redirect, kept.Verifier) {
		t.Error("the verifier goes along with the challenge")
	}
}

func TestPKCEIsLeftOutOnlyWhereItIsDeclaredSo(t *testing.T) {
	h := newHouse(t, func(p *model.Provider) { p.OIDC.PKCE, p.OIDC.Scopes = false, nil })
	step, err := h.Authenticate(t.Context(), upstream.Attempt{Now: upstreamtest.Now})
	if q := query(t, step); err != nil || q.Has("code_challenge") || q.Get("nonce") == "" || q.Get("scope") != "openid" {
		t.Errorf("%v, %v", q, err)
	}
	if _, err := h.attempt(t, upstream.Attempt{}); err != nil {
		t.Error(err)
	}
}

// A code that was stolen on its way is worth nothing without the verifier.
func TestACodeOfAnotherSignInIsRefused(t *testing.T) {
	h := newHouse(t)
	begin := func() (upstream.Step, url.Values) {
		step, err := h.Authenticate(t.Context(), upstream.Attempt{Now: upstreamtest.Now})
		if err != nil {
			t.Fatal(err)
		}
		return step, h.SignIn(t, step)
	}
	mine, back := begin()
	_, stolen := begin()
	form := upstreamtest.With(back, "code", stolen.Get("code"))
	if _, err := h.Validate(t.Context(), upstream.Answer{Now: upstreamtest.Now, State: mine.State, Form: form}); !errors.Is(err, upstream.ErrRefused) {
		t.Errorf("%v", err)
	}
}

func TestAProofAddsUserInfoToTheIDToken(t *testing.T) {
	h := newHouse(t)
	p, err := h.attempt(t, upstream.Attempt{})
	if err != nil {
		t.Fatal(err)
	}
	if p.Claims["sub"] != upstreamtest.Subject || p.Claims["email"] != "ann@acme.example" || p.Claims["name"] != "Ann" || !reflect.DeepEqual(p.Claims["groups"], []any{"eng"}) {
		t.Errorf("%v", p.Claims)
	}
	if !reflect.DeepEqual(p.AMR, []string{"pwd", "otp"}) || !p.AuthTime.Equal(upstreamtest.Now) || p.Renewal != nil || p.Once != "" {
		t.Errorf("%+v", p)
	}
}

// Large numbers of two people stay two.
func TestLargeNumbersInClaimsStayWhatTheyAre(t *testing.T) {
	h := newHouse(t)
	seen := map[any]bool{}
	for _, id := range []string{"9007199254740992", "9007199254740993", "92233720368547758070", "92233720368547758071", "1.5"} {
		h.Edit(claim("employee", json.Number(id)))
		p, err := h.attempt(t, upstream.Attempt{})
		if v := p.Claims["employee"]; err != nil || seen[v] {
			t.Errorf("%s is %v as another was, %v", id, v, err)
		}
		seen[p.Claims["employee"]] = true
	}
}

func TestHowThePersonWasSignedInThereIsChecked(t *testing.T) {
	h := newHouse(t)
	at := func(d time.Duration) int64 { return upstreamtest.Now.Add(d).Unix() }
	for _, c := range []struct {
		name    string
		attempt upstream.Attempt
		claim   any
		ok      bool
	}{
		{"whenever", upstream.Attempt{}, at(-100 * time.Hour), true},
		{"unknown", upstream.Attempt{}, nil, true},
		{"in the future", upstream.Attempt{}, at(2 * time.Minute), false},
		{"no time", upstream.Attempt{}, "yesterday", false},
		{"within an hour", upstream.Attempt{MaxAge: time.Hour}, at(-time.Hour), true},
		{"longer ago than an hour", upstream.Attempt{MaxAge: time.Hour}, at(-time.Hour - 61*time.Second), false},
		{"an hour was asked, and nothing said", upstream.Attempt{MaxAge: time.Hour}, nil, false},
		{"again", upstream.Attempt{Again: true}, at(0), true},
		{"not again", upstream.Attempt{Again: true}, at(-61 * time.Second), false},
		{"again, and nothing said", upstream.Attempt{Again: true}, nil, true}, // the Proof has no time: the caller sees it
	} {
		h.Edit(claim("auth_time", c.claim))
		p, err := h.attempt(t, c.attempt)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, upstream.ErrRefused) || c.claim == nil && !p.AuthTime.IsZero() {
			t.Errorf("%s: %v, %v", c.name, p.AuthTime, err)
		}
	}
}

func TestAgainAsksForAPassword(t *testing.T) {
	for declared, want := range map[string]string{"": "login", "none": "login", "consent": "consent login", "select_account": "select_account login", "login": "login"} {
		h := newHouse(t, func(p *model.Provider) { p.OIDC.Prompt = declared })
		step, err := h.Authenticate(t.Context(), upstream.Attempt{Now: upstreamtest.Now, Again: true})
		if q := query(t, step); err != nil || q.Get("prompt") != want || q.Get("max_age") != "0" {
			t.Errorf("%q: %v, %v", declared, q, err)
		}
	}
}

// RFC 6749 section 2.3.1, and what discovery says of it.
func TestTheClientProvesItselfAsTheProviderWants(t *testing.T) {
	for name, c := range map[string]struct {
		methods any
		public  bool
		basic   bool
		posted  bool
	}{
		"unsaid":       {nil, false, true, false},
		"basic":        {[]string{"client_secret_post", "client_secret_basic"}, false, true, false},
		"post":         {[]string{"private_key_jwt", "client_secret_post"}, false, false, true},
		"public":       {[]string{"client_secret_basic", "none"}, true, false, false},
		"public, post": {[]string{"client_secret_post"}, true, false, false},
	} {
		h := newHouse(t, func(p *model.Provider) {
			if c.public {
				p.OIDC.ClientSecret = model.Sensitive{}
			}
			p.OIDC.ClientID = upstreamtest.ClientID
		})
		var basic, posted bool
		var id string
		h.Edit(func(e *upstreamtest.Edits) {
			e.Discovery = func(m map[string]any) {
				if c.methods != nil {
					m["token_endpoint_auth_methods_supported"] = c.methods
				}
			}
			e.Exchange = func(w http.ResponseWriter, r *http.Request) {
				_, _, basic = r.BasicAuth()
				posted, id = r.PostFormValue("client_secret") == upstreamtest.Secret, r.PostFormValue("client_id")
				w.WriteHeader(400)
			}
		})
		_, _ = h.attempt(t, upstream.Attempt{})
		if basic != c.basic || posted != c.posted || (id == "") != c.basic {
			t.Errorf("%s: basic %v, posted %v, client_id %q", name, basic, posted, id)
		}
	}
}

// An outage takes nothing away that was known.
func TestTheLastGoodSettingsServeWhileTheProviderIsAway(t *testing.T) {
	h := newHouse(t)
	prober := h.Backend.(upstream.Prober)
	if err := prober.Probe(t.Context(), upstreamtest.Now); err != nil {
		t.Fatal(err)
	}
	for _, fault := range []string{upstreamtest.Down, upstreamtest.HTML, upstreamtest.Broken} {
		h.Fault(fault)
		if err := prober.Probe(t.Context(), upstreamtest.Now); err == nil {
			t.Errorf("%s: reached", fault)
		}
		step, err := h.Authenticate(t.Context(), upstream.Attempt{Now: upstreamtest.Now.Add(240 * time.Hour)})
		if err != nil || !strings.HasPrefix(step.Redirect, h.URL+"/authorize?") {
			t.Errorf("%s: %v", fault, err)
		}
	}
	h.Fault("")
	h.Edit(func(e *upstreamtest.Edits) {
		e.Discovery = func(m map[string]any) { m["issuer"] = "https://evil.example" }
	})
	if err := prober.Probe(t.Context(), upstreamtest.Now); err == nil {
		t.Error("another issuer's settings were taken")
	}
	if _, err := h.attempt(t, upstream.Attempt{}); err != nil {
		t.Errorf("with the last good ones: %v", err)
	}
}

func TestWhoNeverAnsweredIsAskedRarely(t *testing.T) {
	h := newHouse(t)
	h.Fault(upstreamtest.Broken)
	for i := range 10 {
		if _, err := h.Authenticate(t.Context(), upstream.Attempt{Now: upstreamtest.Now.Add(time.Duration(i) * time.Second)}); !errors.Is(err, upstream.ErrUnavailable) {
			t.Errorf("%v", err)
		}
	}
	if n := h.Asked("/.well-known/openid-configuration"); n != 2 {
		t.Errorf("asked %d times in ten seconds", n)
	}
}

func offline(p *model.Provider) { p.OIDC.Scopes = []string{"openid", "offline_access"} }

// refreshes gives refresh tokens whatever was asked for.
func refreshes(e *upstreamtest.Edits) {
	e.Token = func(a map[string]any) { a["refresh_token"] = "a-refresh-token-that-nobody-asked-for" }
}

func TestARefreshTokenIsKeptOnlyWhereItIsDeclared(t *testing.T) {
	h := newHouse(t)
	h.Edit(refreshes)
	if p, err := h.attempt(t, upstream.Attempt{}); err != nil || p.Renewal != nil {
		t.Errorf("%s, %v", p.Renewal, err)
	}
	h = newHouse(t, offline)
	if p, err := h.attempt(t, upstream.Attempt{}); err != nil || p.Renewal == nil {
		t.Errorf("%s, %v", p.Renewal, err)
	}
}

func TestRecheckAsksByTheRefreshToken(t *testing.T) {
	h := newHouse(t, offline)
	first, err := h.attempt(t, upstream.Attempt{})
	if err != nil {
		t.Fatal(err)
	}
	again := h.Backend.(upstream.Rechecker)
	h.Edit(func(e *upstreamtest.Edits) {
		e.UserInfo = func(c map[string]any) { c["groups"] = []string{"sales"} }
	})
	second, err := again.Recheck(t.Context(), upstreamtest.Now, upstreamtest.Subject, first.Renewal)
	if err != nil || !reflect.DeepEqual(second.Claims["groups"], []any{"sales"}) || bytes.Equal(first.Renewal, second.Renewal) {
		t.Fatalf("%+v, %v", second, err)
	}
	// What was used is used up, at a provider that gives a new one each time.
	if _, err := again.Recheck(t.Context(), upstreamtest.Now, upstreamtest.Subject, first.Renewal); !errors.Is(err, upstream.ErrGone) {
		t.Errorf("%v", err)
	}
	for name, edit := range map[string]func(*upstreamtest.Edits){
		"the ID token of somebody else": claim("sub", "4712"),
		"an ID token of another issuer": claim("iss", "https://evil.example"),
		"userinfo of somebody else": func(e *upstreamtest.Edits) {
			e.UserInfo = func(c map[string]any) { c["sub"] = "4712" }
		},
		"all of it of somebody else": func(e *upstreamtest.Edits) {
			e.UserInfo = func(c map[string]any) { c["sub"] = "4712" }
			e.Claims = func(c map[string]any) { c["sub"] = "4712" }
		},
		"no key that is known": func(e *upstreamtest.Edits) { e.Header = map[string]any{"kid": "k2"} },
	} {
		h.Edit(func(e *upstreamtest.Edits) { *e = upstreamtest.Edits{} })
		h.Edit(edit)
		third, err := again.Recheck(t.Context(), upstreamtest.Now, upstreamtest.Subject, second.Renewal)
		if !errors.Is(err, upstream.ErrUnavailable) || errors.Is(err, upstream.ErrGone) || third.Claims["groups"] != nil || third.Renewal == nil {
			t.Errorf("%s: %+v, %v", name, third.Claims, err)
		}
		second.Renewal = third.Renewal // the refresh token is another one, whatever the answer was
	}
	h.Edit(func(e *upstreamtest.Edits) { *e = upstreamtest.Edits{} })
	for _, fault := range []string{upstreamtest.Down, upstreamtest.HTML, upstreamtest.Broken} {
		h.Fault(fault)
		if _, err := again.Recheck(t.Context(), upstreamtest.Now, upstreamtest.Subject, second.Renewal); !errors.Is(err, upstream.ErrUnavailable) || errors.Is(err, upstream.ErrGone) {
			t.Errorf("%s: %v", fault, err)
		}
	}
	h.Fault("")
	h.Forget()
	if _, err := again.Recheck(t.Context(), upstreamtest.Now, upstreamtest.Subject, second.Renewal); !errors.Is(err, upstream.ErrGone) {
		t.Errorf("after the account went: %v", err)
	}
	for _, renewal := range []string{"", "{}", "x", `{"sub":"4711"}`} {
		if _, err := again.Recheck(t.Context(), upstreamtest.Now, upstreamtest.Subject, []byte(renewal)); !errors.Is(err, upstream.ErrUnavailable) {
			t.Errorf("%q: %v", renewal, err)
		}
	}
}

// It is not the person who is gone where it is we who are not known.
func TestRecheckWithASecretThatIsWrongTakesNobodyAway(t *testing.T) {
	h := newHouse(t, offline)
	first, err := h.attempt(t, upstream.Attempt{})
	if err != nil {
		t.Fatal(err)
	}
	p := h.OIDC("okta")
	offline(p)
	p.OIDC.ClientSecret = model.NewSensitive("another-secret-than-the-provider-has")
	if _, err := backendOf(t, p).(upstream.Rechecker).Recheck(t.Context(), upstreamtest.Now, upstreamtest.Subject, first.Renewal); !errors.Is(err, upstream.ErrUnavailable) || errors.Is(err, upstream.ErrGone) {
		t.Errorf("%v", err)
	}
}

func TestWhoHangsUpKeepsNobodyElseWaiting(t *testing.T) {
	h := newHouse(t)
	ctx, cancel := context.WithCancel(t.Context())
	h.Fault(upstreamtest.Slow)
	gone := make(chan error)
	go func() {
		_, err := h.Authenticate(ctx, upstream.Attempt{Now: upstreamtest.Now})
		gone <- err
	}()
	cancel() // before, or while it waits
	if err := <-gone; !errors.Is(err, upstream.ErrUnavailable) {
		t.Errorf("%v", err)
	}
}

// Providers of whole clouds publish many keys, some of which are for something else.
func TestAKeyIsFoundAmongManyOthers(t *testing.T) {
	h := newHouse(t)
	var all []jose.JSONWebKey
	for i := range 12 {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		use := "sig"
		if i%2 == 0 {
			use = "enc"
		}
		all = append(all, jose.JSONWebKey{Key: k.Public(), KeyID: fmt.Sprint("ec-", i), Use: use})
	}
	all = append(all, jose.JSONWebKey{Key: h.Key.Public(), KeyID: "k1", Use: "sig"})
	h.Edit(func(e *upstreamtest.Edits) { e.Keys = func() []jose.JSONWebKey { return all } })
	if _, err := h.attempt(t, upstream.Attempt{}); err != nil {
		t.Error(err)
	}
	// Without a key ID it must be the only one of its kind.
	unnamed := func(c map[string]any) string {
		return unsigned(`{"alg":"RS256"}`, c, func(input string) []byte {
			sum := sha256.Sum256([]byte(input))
			s, err := rsa.SignPKCS1v15(rand.Reader, h.Key, crypto.SHA256, sum[:])
			if err != nil {
				panic(err)
			}
			return s
		})
	}
	h.Edit(func(e *upstreamtest.Edits) { e.IDToken = unnamed })
	if _, err := h.attempt(t, upstream.Attempt{}); err != nil {
		t.Errorf("the only RSA key: %v", err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	all = append(all, jose.JSONWebKey{Key: other.Public(), KeyID: "k2", Use: "sig"})
	if err := h.Backend.(upstream.Prober).Probe(t.Context(), upstreamtest.Now); err != nil {
		t.Fatal(err)
	}
	if _, err := h.attempt(t, upstream.Attempt{}); !errors.Is(err, upstream.ErrRefused) {
		t.Errorf("one of two: %v", err)
	}
	// A set that has no end is none.
	for i := range 60 {
		all = append(all, jose.JSONWebKey{Key: other.Public(), KeyID: fmt.Sprint("more-", i), Use: "sig"})
	}
	if err := h.Backend.(upstream.Prober).Probe(t.Context(), upstreamtest.Now); err == nil {
		t.Error("a set of 74 keys was read")
	}
}
