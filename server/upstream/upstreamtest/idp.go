package upstreamtest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/outbound"
	"github.com/gatehouse-dev/gatehouse/server/upstream"
)

// What the client of an IdP is called and proves itself by, and who signs in.
const (
	Issuer   = "https://gatehouse.example"
	ClientID = "gatehouse-client"
	Secret   = "the-client-secret-of-an-idp-in-tests" // #nosec G101 -- of a test
	Subject  = "4711"
)

// Now is the time of the tests.
var Now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// Faults of an IdP: whatever it is asked, it answers so.
const (
	Down     = "down"     // the connection is cut
	Broken   = "broken"   // 500
	HTML     = "html"     // 200 and a page
	Huge     = "huge"     // more than anybody reads
	Slow     = "slow"     // nothing, until whoever asks goes away
	Redirect = "redirect" // to Elsewhere
)

// Inner are words of an answer that nobody may be shown.
const Inner = "inner-words-of-the-provider"

// IdP is a provider in this process that does what it is told: OpenID Connect, OAuth 2.0 and
// GitHub's API. Every Edit may be set at any time before it is asked.
type IdP struct {
	*httptest.Server
	Key *rsa.PrivateKey
	KID string

	mu     sync.Mutex
	edits  Edits
	fault  string
	other  chan struct{}    // closed when there is another fault
	grants map[string]grant // by code, access token and refresh token
	asked  map[string]int
	issued []string
}

// Edits are what an IdP does otherwise than it should.
type Edits struct {
	Discovery func(map[string]any)
	Keys      func() []jose.JSONWebKey
	Claims    func(claims map[string]any)
	IDToken   func(claims map[string]any) string // in the place of signing
	Header    map[string]any                     // of the ID token, besides alg and kid
	Key       crypto.Signer                      // that it signs with; nil: IdP.Key
	UserInfo  func(map[string]any)
	Token     func(map[string]any)
	Exchange  http.HandlerFunc // in the place of the token endpoint
	Answer    func(url.Values)
	GitHub    func(path string, page string) (any, int)
}

type grant struct{ kind, nonce, challenge, redirect, scope string }

// key is that of all of them: it takes long to make.
var key = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// NewIdP starts an IdP on loopback.
func NewIdP(t testing.TB) *IdP {
	t.Helper()
	p := &IdP{Key: key(), KID: "k1", grants: map[string]grant{}, asked: map[string]int{}, other: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /jwks", p.jwks)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("POST /login/oauth/access_token", p.token)
	mux.HandleFunc("GET /userinfo", p.userinfo)
	mux.HandleFunc("GET /api/v3/", p.github)
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked[r.URL.Path]++
		fault, other := p.fault, p.other
		p.mu.Unlock()
		if fault == "" || !wrong(w, r, fault, other) {
			mux.ServeHTTP(w, r)
		}
	}))
	p.EnableHTTP2 = true
	p.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that go away are what is tested
	p.StartTLS()
	t.Cleanup(func() {
		p.Fault("")
		p.Close()
	})
	return p
}

// wrong answers as the fault says.
func wrong(w http.ResponseWriter, r *http.Request, fault string, other <-chan struct{}) bool {
	switch fault {
	case Down:
		panic(http.ErrAbortHandler)
	case Broken:
		http.Error(w, Inner, http.StatusInternalServerError)
	case HTML:
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<html>" + Inner + "</html>"))
	case Huge:
		piece := []byte(strings.Repeat(Inner, 1<<12))
		for range 1 << 14 { // more than 1 GB, if anybody read on
			if _, err := w.Write(piece); err != nil {
				return true
			}
		}
	case Slow:
		select {
		case <-r.Context().Done():
		case <-other:
		}
		panic(http.ErrAbortHandler)
	case Redirect:
		http.Redirect(w, r, "https://"+r.Host+"/elsewhere?"+Inner, http.StatusFound)
	default:
		return false
	}
	return true
}

// Edit changes what the IdP does.
func (p *IdP) Edit(change func(*Edits)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.edits)
}

// Fault has everything go wrong; empty: nothing.
func (p *IdP) Fault(fault string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = fault
	close(p.other)
	p.other = make(chan struct{})
}

// Asked is how often a path was.
func (p *IdP) Asked(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[path]
}

// Issued are all tokens and codes that it gave.
func (p *IdP) Issued() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.issued)
}

// Forget makes every code and token worth nothing.
func (p *IdP) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.grants)
}

// CABundle is what its certificate is verified by.
func (p *IdP) CABundle() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw}))
}

// OIDC is the provider of this IdP as type OIDC.
func (p *IdP) OIDC(uid string) *model.Provider {
	return &model.Provider{UID: uid, Name: uid, Type: "OIDC", OIDC: &model.OIDCSettings{
		Issuer: p.URL, ClientID: ClientID, ClientSecret: model.NewSensitive(Secret), Scopes: []string{"openid", "email"}, PKCE: true, CABundle: p.CABundle(),
	}}
}

// OAuth2 is the same as type OAuth2.
func (p *IdP) OAuth2(uid string) *model.Provider {
	return &model.Provider{UID: uid, Name: uid, Type: "OAuth2", OAuth2: &model.OAuth2Settings{
		AuthorizationURL: p.URL + "/authorize", TokenURL: p.URL + "/token", UserInfoURL: p.URL + "/userinfo",
		ClientID: ClientID, ClientSecret: model.NewSensitive(Secret), Scopes: []string{"read"}, PKCE: true, CABundle: p.CABundle(),
	}}
}

// GitHub is the same as type GitHub.
func (p *IdP) GitHub(uid string, organizations ...string) *model.Provider {
	return &model.Provider{UID: uid, Name: uid, Type: "GitHub", GitHub: &model.GitHubSettings{
		BaseURL: p.URL, ClientID: ClientID, ClientSecret: model.NewSensitive(Secret), Organizations: organizations, CABundle: p.CABundle(),
	}}
}

// Env is a house that reaches loopback, or only the addresses that may be reached.
func Env(allow ...string) upstream.Env {
	var o outbound.Options
	for _, network := range allow {
		o.Allow = append(o.Allow, netip.MustParsePrefix(network))
	}
	return upstream.Env{
		Issuer: Issuer, Now: func() time.Time { return Now },
		Outbound: func(caBundle string) *outbound.Client { return outbound.New(o.With(caBundle)) },
	}
}

// Loopback is the network of an IdP.
const Loopback = "127.0.0.0/8"

// SignIn is a person who agrees: what the browser brings back from where it was sent.
func (p *IdP) SignIn(t testing.TB, step upstream.Step) url.Values {
	t.Helper()
	to, err := url.Parse(step.Redirect)
	if err != nil || to.Scheme+"://"+to.Host != p.URL {
		t.Fatalf("the browser is sent to %s", step.Redirect)
	}
	q := to.Query()
	if q.Get("client_id") != ClientID || q.Get("response_type") != "code" || q.Get("state") != step.Handle {
		t.Fatalf("the request is %v", q)
	}
	back := url.Values{"state": {q.Get("state")}}
	back.Set("code", p.issue("code-", grant{"code", q.Get("nonce"), q.Get("code_challenge"), q.Get("redirect_uri"), q.Get("scope")}))
	if edit := p.now().Answer; edit != nil {
		edit(back)
	}
	return back
}

func (p *IdP) now() Edits {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.edits
}

func (p *IdP) issue(prefix string, g grant) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	token := prefix + rand.Text()
	p.grants[token] = g
	p.issued = append(p.issued, token)
	return token
}

func (p *IdP) take(token, kind string, once bool) (grant, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g, ok := p.grants[token]
	if once {
		delete(p.grants, token)
	}
	return g, ok && g.kind == kind
}

func (p *IdP) discovery(w http.ResponseWriter, _ *http.Request) {
	m := map[string]any{
		"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token",
		"userinfo_endpoint": p.URL + "/userinfo", "jwks_uri": p.URL + "/jwks",
		"response_types_supported": []string{"code"}, "id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"},
	}
	if edit := p.now().Discovery; edit != nil {
		edit(m)
	}
	write(w, http.StatusOK, m)
}

func (p *IdP) jwks(w http.ResponseWriter, _ *http.Request) {
	keys := []jose.JSONWebKey{{Key: p.Key.Public(), KeyID: p.KID, Algorithm: "RS256", Use: "sig"}}
	if edit := p.now().Keys; edit != nil {
		keys = edit()
	}
	write(w, http.StatusOK, jose.JSONWebKeySet{Keys: keys})
}

func (p *IdP) token(w http.ResponseWriter, r *http.Request) {
	edits := p.now()
	if edits.Exchange != nil {
		edits.Exchange(w, r)
		return
	}
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	if id != ClientID || secret != Secret {
		write(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client", "error_description": Inner})
		return
	}
	var g grant
	var ok bool
	switch r.PostFormValue("grant_type") {
	case "refresh_token":
		g, ok = p.take(r.PostFormValue("refresh_token"), "refresh", true)
	default: // GitHub is not told
		g, ok = p.take(r.PostFormValue("code"), "code", true)
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		ok = ok && g.redirect == r.PostFormValue("redirect_uri") && (g.challenge == "" || g.challenge == base64.RawURLEncoding.EncodeToString(sum[:]))
	}
	if !ok {
		write(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": Inner})
		return
	}
	answer := map[string]any{"token_type": "bearer", "access_token": p.issue("access-", grant{kind: "access"})}
	if strings.Contains(g.scope, "openid") {
		answer["id_token"] = p.idToken(g, answer["access_token"].(string), edits)
		answer["expires_in"] = 3600
	}
	if strings.Contains(g.scope, "offline_access") {
		next := g
		next.kind, next.nonce = "refresh", ""
		answer["refresh_token"] = p.issue("refresh-", next)
	}
	if edits.Token != nil {
		edits.Token(answer)
	}
	write(w, http.StatusOK, answer)
}

func (p *IdP) idToken(g grant, access string, edits Edits) string {
	sum := sha256.Sum256([]byte(access))
	claims := map[string]any{
		"iss": p.URL, "sub": Subject, "aud": ClientID, "exp": Now.Add(5 * time.Minute).Unix(), "iat": Now.Unix(), "auth_time": Now.Unix(),
		"at_hash": base64.RawURLEncoding.EncodeToString(sum[:16]), "email": "ann@acme.example", "amr": []string{"pwd", "otp"},
	}
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	if edits.Claims != nil {
		edits.Claims(claims)
	}
	if edits.IDToken != nil {
		return edits.IDToken(claims)
	}
	var by crypto.Signer = p.Key
	if edits.Key != nil {
		by = edits.Key
	}
	return p.Sign(claims, jose.SigningKey{Algorithm: jose.RS256, Key: by}, edits.Header)
}

// Sign makes a JWS of the claims with the IdP's key ID, and whatever else in its header.
func (p *IdP) Sign(claims map[string]any, by jose.SigningKey, header map[string]any) string {
	extra := map[jose.HeaderKey]any{"kid": p.KID}
	for name, v := range header {
		extra[jose.HeaderKey(name)] = v
	}
	signer, err := jose.NewSigner(by, &jose.SignerOptions{ExtraHeaders: extra})
	if err != nil {
		panic(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		panic(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		panic(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.issued = append(p.issued, token)
	return token
}

func (p *IdP) userinfo(w http.ResponseWriter, r *http.Request) {
	if _, ok := p.take(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), "access", false); !ok {
		write(w, http.StatusUnauthorized, map[string]any{"error": Inner})
		return
	}
	claims := map[string]any{"sub": Subject, "name": "Ann", "email": "other@acme.example", "groups": []string{"eng"}}
	if edit := p.now().UserInfo; edit != nil {
		edit(claims)
	}
	write(w, http.StatusOK, claims)
}

func (p *IdP) github(w http.ResponseWriter, r *http.Request) {
	if _, ok := p.take(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), "access", false); !ok {
		write(w, http.StatusUnauthorized, map[string]any{"message": Inner})
		return
	}
	path := strings.TrimPrefix(r.URL.Path, "/api/v3")
	if edit := p.now().GitHub; edit != nil {
		if v, status := edit(path, r.FormValue("page")); status != 0 {
			write(w, status, v)
			return
		}
	}
	type object = map[string]any
	pages := map[string]any{
		"/user":        object{"id": 4711, "login": "ann", "name": "Ann", "email": "shown@evil.example"},
		"/user/emails": []object{{"email": "second@acme.example", "primary": false, "verified": true}, {"email": "ann@acme.example", "primary": true, "verified": true}},
		"/user/orgs":   []object{{"login": "Acme"}, {"login": "others"}},
		"/user/teams":  []object{{"slug": "platform", "organization": object{"login": "Acme"}}, {"slug": "x", "organization": object{"login": "others"}}},
	}
	write(w, http.StatusOK, pages[path])
}

// Raw is an answer of GitHub that is written as it is.
type Raw string

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if raw, ok := v.(Raw); ok {
		_, _ = w.Write([]byte(raw))
		return
	}
	_ = json.NewEncoder(w).Encode(v)
}

// With is a copy of a query or form with one parameter changed.
func With(form url.Values, name string, values ...string) url.Values {
	changed := maps.Clone(form)
	changed[name] = values
	return changed
}
