package upstream_test

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/upstream"
	"github.com/gatehouse-dev/gatehouse/server/upstream/upstreamtest"
)

func newForge(t *testing.T) *house {
	t.Helper()
	idp := upstreamtest.NewIdP(t)
	return &house{idp, backendOf(t, idp.OAuth2("forge"))}
}

func newGitHub(t *testing.T, organizations ...string) *house {
	t.Helper()
	idp := upstreamtest.NewIdP(t)
	return &house{idp, backendOf(t, idp.GitHub("github", organizations...))}
}

func TestTheClaimsOfOAuth2AreWhatUserInfoSays(t *testing.T) {
	h := newForge(t)
	h.Edit(func(e *upstreamtest.Edits) { e.UserInfo = func(c map[string]any) { c["id"] = 9007199254740993 } })
	p, err := h.attempt(t, upstream.Attempt{})
	if err != nil || p.Claims["name"] != "Ann" || p.Claims["id"] != int64(9007199254740993) || !p.AuthTime.IsZero() || p.Renewal != nil {
		t.Errorf("%+v, %v", p, err)
	}
	step, err := h.Authenticate(t.Context(), upstream.Attempt{Now: upstreamtest.Now})
	if q := query(t, step); err != nil || q.Get("scope") != "read" || q.Get("code_challenge_method") != "S256" || q.Get("redirect_uri") != upstreamtest.Issuer+"/login/callback/forge/" || q.Has("nonce") {
		t.Errorf("%v, %v", q, err)
	}
}

// There is no metadata that says how a server wants the secret.
func TestAServerThatKnowsTheSecretOnlyInTheFormIsGivenItSo(t *testing.T) {
	h := newForge(t)
	asked := 0
	h.Edit(func(e *upstreamtest.Edits) {
		e.Exchange = func(w http.ResponseWriter, r *http.Request) {
			asked++
			if _, _, basic := r.BasicAuth(); basic || r.PostFormValue("client_secret") != upstreamtest.Secret {
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = w.Write([]byte(`{"error":"invalid_client"}`))
				return
			}
			_, _ = w.Write([]byte(`{"access_token":"unknown","token_type":"Bearer"}`))
		}
	})
	for _, want := range []int{2, 3} {
		if _, err := h.attempt(t, upstream.Attempt{}); !strings.Contains(err.Error(), "access token") || asked != want {
			t.Errorf("asked %d times, not %d: %v", asked, want, err)
		}
	}
}

func TestAUserInfoThatIsNoObjectIsRefused(t *testing.T) {
	for _, body := range []string{`[]`, `"4711"`, `{"id":1,"id":2}`, `{"id":1} {"id":2}`, `{"id":1e999}`, ``, upstreamtest.Inner} {
		h := newForge(t)
		p := h.OAuth2("forge")
		p.OAuth2.UserInfoURL = h.URL + "/api/v3/raw"
		h.Edit(func(e *upstreamtest.Edits) {
			e.GitHub = func(string, string) (any, int) { return upstreamtest.Raw(body), http.StatusOK }
		})
		h.Backend = backendOf(t, p)
		got, err := h.attempt(t, upstream.Attempt{})
		if !errors.Is(err, upstream.ErrRefused) || got.Claims != nil || strings.Contains(err.Error(), upstreamtest.Inner) {
			t.Errorf("%q: %v, %v", body, got.Claims, err)
		}
	}
}

func TestTheClaimsOfGitHub(t *testing.T) {
	h := newGitHub(t, "acme", "unheard-of")
	p, err := h.attempt(t, upstream.Attempt{})
	want := map[string]any{
		"id": "4711", "login": "ann", "name": "Ann", "email": "ann@acme.example", "email_verified": true,
		"organizations": []any{"Acme"}, "teams": []any{"Acme/platform"},
	}
	if err != nil || !reflect.DeepEqual(p.Claims, want) || p.Renewal == nil {
		t.Errorf("%v, %v", p.Claims, err)
	}
	step, err := h.Authenticate(t.Context(), upstream.Attempt{Now: upstreamtest.Now})
	if q := query(t, step); err != nil || q.Get("scope") != "read:user user:email read:org" || q.Get("code_challenge_method") != "S256" {
		t.Errorf("%v, %v", q, err)
	}
}

func TestWithoutOrganizationsGitHubIsNotAskedForThem(t *testing.T) {
	h := newGitHub(t)
	p, err := h.attempt(t, upstream.Attempt{})
	if err != nil || len(p.Claims["organizations"].([]any)) != 0 || h.Asked("/api/v3/user/orgs") != 0 {
		t.Errorf("%v, %v", p.Claims, err)
	}
	step, _ := h.Authenticate(t.Context(), upstream.Attempt{Now: upstreamtest.Now})
	if q := query(t, step); strings.Contains(q.Get("scope"), "org") {
		t.Errorf("%v", q)
	}
}

func TestWhoIsInNoneOfTheOrganizationsIsRefused(t *testing.T) {
	h := newGitHub(t, "acme-inc", "Acm")
	if p, err := h.attempt(t, upstream.Attempt{}); !errors.Is(err, upstream.ErrRefused) || p.Claims != nil {
		t.Errorf("%v, %v", p.Claims, err)
	}
}

// The address of the profile is whatever somebody wrote there.
func TestOnlyTheVerifiedPrimaryAddressOfGitHubCounts(t *testing.T) {
	type e = map[string]any
	for name, c := range map[string]struct {
		all  []e
		want string
	}{
		"not verified":    {[]e{{"email": "ann@acme.example", "primary": true, "verified": false}}, ""},
		"not primary":     {[]e{{"email": "ann@acme.example", "primary": false, "verified": true}}, ""},
		"none":            {[]e{}, ""},
		"in words":        {[]e{{"email": "ann@acme.example", "primary": "true", "verified": "true"}}, ""},
		"as it should be": {[]e{{"email": "x@acme.example", "primary": false, "verified": true}, {"email": "ann@acme.example", "primary": true, "verified": true}}, "ann@acme.example"},
	} {
		h := newGitHub(t)
		h.Edit(func(ed *upstreamtest.Edits) {
			ed.GitHub = func(path, _ string) (any, int) {
				if path == "/user/emails" {
					return c.all, http.StatusOK
				}
				return nil, 0
			}
		})
		p, err := h.attempt(t, upstream.Attempt{})
		if err != nil || p.Claims["email"] != c.want || p.Claims["email_verified"] != (c.want != "") {
			t.Errorf("%s: %v, %v", name, p.Claims, err)
		}
	}
}

func TestListsOfGitHubAreReadPageByPage(t *testing.T) {
	h := newGitHub(t, "acme")
	pages := 3
	h.Edit(func(e *upstreamtest.Edits) {
		e.GitHub = func(path, page string) (any, int) {
			if path != "/user/orgs" {
				return nil, 0
			}
			var n int
			_, _ = fmt.Sscan(page, &n)
			if n == pages {
				return []map[string]any{{"login": "acme"}}, http.StatusOK
			}
			full := make([]map[string]any, 100)
			for i := range full {
				full[i] = map[string]any{"login": fmt.Sprintf("other-%d-%d", n, i)}
			}
			return full, http.StatusOK
		}
	})
	if p, err := h.attempt(t, upstream.Attempt{}); err != nil || !reflect.DeepEqual(p.Claims["organizations"], []any{"acme"}) {
		t.Errorf("on the third page: %v, %v", p.Claims, err)
	}
	pages = 1000
	if p, err := h.attempt(t, upstream.Attempt{}); !errors.Is(err, upstream.ErrRefused) || p.Claims != nil {
		t.Errorf("without an end: %v, %v", p.Claims, err)
	}
}

func TestWhatGitHubMustSayIsThere(t *testing.T) {
	for _, user := range []any{map[string]any{"login": "ann"}, map[string]any{"id": "4711", "login": "ann"}, map[string]any{"id": 0, "login": "ann"}, map[string]any{"id": 4711}, []any{}, "ann"} {
		h := newGitHub(t)
		h.Edit(func(e *upstreamtest.Edits) {
			e.GitHub = func(path, _ string) (any, int) {
				if path == "/user" {
					return user, http.StatusOK
				}
				return nil, 0
			}
		})
		if p, err := h.attempt(t, upstream.Attempt{}); !errors.Is(err, upstream.ErrRefused) || p.Claims != nil {
			t.Errorf("%v: %v, %v", user, p.Claims, err)
		}
	}
}

func TestRecheckOfGitHub(t *testing.T) {
	h := newGitHub(t, "acme")
	first, err := h.attempt(t, upstream.Attempt{})
	if err != nil {
		t.Fatal(err)
	}
	again := h.Backend.(upstream.Rechecker)
	check := func() (upstream.Proof, error) {
		return again.Recheck(t.Context(), upstreamtest.Now, "4711", first.Renewal)
	}
	if p, err := check(); err != nil || p.Claims["login"] != "ann" || !reflect.DeepEqual(p.Renewal, first.Renewal) {
		t.Errorf("%v, %v", p.Claims, err)
	}
	answers := func(path string, status int, v any) {
		h.Edit(func(e *upstreamtest.Edits) {
			e.GitHub = func(at, _ string) (any, int) {
				if at == path {
					return v, status
				}
				return nil, 0
			}
		})
	}
	answers("/user", http.StatusForbidden, map[string]any{"message": upstreamtest.Inner}) // its rate limit
	if _, err := check(); !errors.Is(err, upstream.ErrUnavailable) || errors.Is(err, upstream.ErrGone) {
		t.Errorf("%v", err)
	}
	answers("/user", http.StatusOK, "nonsense")
	if _, err := check(); !errors.Is(err, upstream.ErrUnavailable) || errors.Is(err, upstream.ErrGone) {
		t.Errorf("%v", err)
	}
	answers("/user/orgs", http.StatusOK, []any{})
	if _, err := check(); !errors.Is(err, upstream.ErrGone) {
		t.Errorf("out of the organization: %v", err)
	}
	h.Edit(func(e *upstreamtest.Edits) { *e = upstreamtest.Edits{} })
	h.Fault(upstreamtest.Down)
	if _, err := check(); !errors.Is(err, upstream.ErrUnavailable) || errors.Is(err, upstream.ErrGone) {
		t.Errorf("%v", err)
	}
	h.Fault("")
	h.Forget()
	if _, err := check(); !errors.Is(err, upstream.ErrGone) {
		t.Errorf("after the token went: %v", err)
	}
}

// One that ends by itself would say soon that somebody is gone who is not.
func TestAnAccessTokenOfGitHubThatEndsIsNotKept(t *testing.T) {
	h := newGitHub(t)
	h.Edit(func(e *upstreamtest.Edits) { e.Token = func(a map[string]any) { a["expires_in"] = 28800 } })
	if p, err := h.attempt(t, upstream.Attempt{}); err != nil || p.Renewal != nil {
		t.Errorf("%v", err)
	}
}

func TestProvidersWithoutSettingsAreLookedFor(t *testing.T) {
	for name, h := range map[string]*house{"OAuth2": newForge(t), "GitHub": newGitHub(t)} {
		prober := h.Backend.(upstream.Prober)
		if err := prober.Probe(t.Context(), upstreamtest.Now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		h.Close()
		if err := prober.Probe(t.Context(), upstreamtest.Now); err == nil {
			t.Errorf("%s: reached", name)
		}
	}
}

func TestWithoutATypeThereIsNoBackend(t *testing.T) {
	if b, err := upstream.New(&model.Provider{UID: "x"}, upstreamtest.Env()); err == nil {
		t.Errorf("%v", b)
	}
}

// One client at one server may be two providers here: a sign-in that began at one is none
// at the other (ASVS 10.2.2).
func TestASignInThatBeganAtAnotherProviderIsRefused(t *testing.T) {
	idp := upstreamtest.NewIdP(t)
	for name, kind := range map[string]func(uid string) *model.Provider{
		"OIDC": idp.OIDC, "OAuth2": idp.OAuth2, "GitHub": func(uid string) *model.Provider { return idp.GitHub(uid) },
	} {
		a, b := backendOf(t, kind("a")), backendOf(t, kind("b"))
		step, err := a.Authenticate(t.Context(), upstream.Attempt{Now: upstreamtest.Now})
		if err != nil {
			t.Fatal(err)
		}
		answer := upstream.Answer{Now: upstreamtest.Now, State: step.State, Form: idp.SignIn(t, step)}
		before := idp.Asked("/token") + idp.Asked("/login/oauth/access_token")
		_, err = b.Validate(t.Context(), answer)
		if after := idp.Asked("/token") + idp.Asked("/login/oauth/access_token"); !errors.Is(err, upstream.ErrRefused) || !strings.Contains(err.Error(), "another provider") || after != before {
			t.Errorf("%s: %v; the code was sent %d times", name, err, after-before)
		}
		if _, err := a.Validate(t.Context(), answer); err != nil {
			t.Errorf("%s: where it began: %v", name, err)
		}
	}
}
