package upstream_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/outbound"
	"github.com/gatehouse-dev/gatehouse/server/upstream"
	"github.com/gatehouse-dev/gatehouse/server/upstream/upstreamtest"
)

func configured(t *testing.T, b *upstream.Backends, providers ...*model.Provider) {
	t.Helper()
	if problems := b.Configure(providers); len(problems) > 0 {
		t.Fatal(problems)
	}
}

func of(t *testing.T, b *upstream.Backends, uid string) upstream.Backend {
	t.Helper()
	backend, ok := b.Of(uid)
	if !ok {
		t.Fatalf("no backend for %s", uid)
	}
	return backend
}

func TestABackendLivesAsLongAsItsSettings(t *testing.T) {
	idp := upstreamtest.NewIdP(t)
	b := upstream.NewBackends(upstreamtest.Env(upstreamtest.Loopback))
	configured(t, b, idp.OIDC("okta"), idp.GitHub("github"))
	first := of(t, b, "okta")
	if err := first.(upstream.Prober).Probe(t.Context(), upstreamtest.Now); err != nil {
		t.Fatal(err)
	}
	idp.Fault(upstreamtest.Down)
	same := idp.OIDC("okta")
	same.DisplayName, same.Provisioning = "Okta of Acme", model.Provisioning{Mode: model.ProvisionDeny}
	configured(t, b, same)
	if of(t, b, "okta") != first {
		t.Error("what is only shown made another backend")
	}
	// In the outage of a provider nothing is lost by a publication.
	if _, err := first.Authenticate(t.Context(), upstream.Attempt{Now: upstreamtest.Now}); err != nil {
		t.Error(err)
	}
	if _, ok := b.Of("github"); ok {
		t.Error("a provider that is not declared any more is served")
	}
	for name, change := range map[string]func(*model.Provider){
		"client ID":     func(p *model.Provider) { p.OIDC.ClientID = "other" },
		"client secret": func(p *model.Provider) { p.OIDC.ClientSecret = model.NewSensitive("another-secret") },
		"scopes":        func(p *model.Provider) { p.OIDC.Scopes = []string{"openid"} },
		"issuer":        func(p *model.Provider) { p.OIDC.Issuer = "https://other.example" },
		"organization":  func(p *model.Provider) { p.OrganizationID = "org_2" },
		"type":          func(p *model.Provider) { *p = *idp.GitHub("okta") },
	} {
		configured(t, b, same)
		before := of(t, b, "okta")
		p := idp.OIDC("okta")
		change(p)
		configured(t, b, p)
		if of(t, b, "okta") == before {
			t.Errorf("%s: the backend is the one of before", name)
		}
	}
}

func TestProvisioningChangesWithoutAnotherBackend(t *testing.T) {
	d := newDesk(t)
	env := upstreamtest.Env()
	env.Accounts = d.db
	b := upstream.NewBackends(env)
	p := func(how model.Provisioning) *model.Provider {
		return &model.Provider{UID: "forge", Type: "OAuth2", Provisioning: how, OAuth2: &model.OAuth2Settings{}}
	}
	configured(t, b, p(linkOnly))
	if _, err := of(t, b, "forge").SaveUser(t.Context(), ann("1")); !errors.Is(err, upstream.ErrNotProvisioned) {
		t.Errorf("%v", err)
	}
	configured(t, b, p(jit))
	d.save(of(t, b, "forge"), ann("1"))
}

func TestATypeWithoutABackendLeavesTheOthersServed(t *testing.T) {
	b := upstream.NewBackends(upstreamtest.Env())
	problems := b.Configure([]*model.Provider{{UID: "x", Namespace: "acme", Name: "odd"}, {UID: "forge", OAuth2: &model.OAuth2Settings{}}})
	if len(problems) != 1 || !strings.Contains(problems[0].Error(), "acme/odd") {
		t.Errorf("%v", problems)
	}
	of(t, b, "forge")
}

// running probes every provider often.
func running(t *testing.T, allow ...string) *upstream.Backends {
	t.Helper()
	env := upstreamtest.Env(allow...)
	env.ProbeEvery = 5 * time.Millisecond
	b := upstream.NewBackends(env)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return b
}

// awaits waits until a provider's probe is as it should be, told by every change.
func awaits(t *testing.T, b *upstream.Backends, uid string, is func(upstream.Probe) bool) upstream.Probe {
	t.Helper()
	for {
		if p, ok := b.Probe(uid); ok && is(p) {
			return p
		}
		select {
		case <-b.Changed():
		case <-time.After(30 * time.Second):
			p, ok := b.Probe(uid)
			t.Fatalf("not in time: %+v, %v", p, ok)
		}
	}
}

func TestEveryProviderIsLookedAtAgainAndAgain(t *testing.T) {
	idp, quiet := upstreamtest.NewIdP(t), upstreamtest.NewIdP(t)
	b := running(t, upstreamtest.Loopback)
	configured(t, b, idp.OIDC("okta"), quiet.OAuth2("forge"), &model.Provider{UID: "local", Local: &model.LocalPolicy{}})
	if p := awaits(t, b, "okta", func(p upstream.Probe) bool { return p.Reachable }); p.Issuer != idp.URL || p.Reason != upstream.ReasonReachable || p.Message != "" {
		t.Errorf("%+v", p)
	}
	awaits(t, b, "forge", func(p upstream.Probe) bool { return p.Reachable })
	for _, fault := range []string{upstreamtest.Down, upstreamtest.HTML, upstreamtest.Broken, upstreamtest.Huge} {
		idp.Fault(fault)
		p := awaits(t, b, "okta", func(p upstream.Probe) bool { return !p.Reachable })
		if p.Reason == upstream.ReasonReachable || p.Message == "" || strings.Contains(p.Message, upstreamtest.Inner) {
			t.Errorf("%s: %+v", fault, p)
		}
		if _, err := of(t, b, "okta").Authenticate(t.Context(), upstream.Attempt{Now: upstreamtest.Now}); err != nil {
			t.Errorf("%s: the last good settings do not serve: %v", fault, err)
		}
		idp.Fault("")
		awaits(t, b, "okta", func(p upstream.Probe) bool { return p.Reachable })
	}
	if _, ok := b.Probe("local"); ok {
		t.Error("passwords of ours were looked for")
	}
	quiet.Close()
	if p := awaits(t, b, "forge", func(p upstream.Probe) bool { return !p.Reachable }); p.Reason != upstream.ReasonUnreachable {
		t.Errorf("%+v", p)
	}
	// A provider that is gone is nobody's to ask.
	configured(t, b)
	if _, ok := b.Probe("okta"); ok {
		t.Error("what is gone has a probe")
	}
}

func TestASlowProviderKeepsNoOtherWaiting(t *testing.T) {
	slow, quick := upstreamtest.NewIdP(t), upstreamtest.NewIdP(t)
	slow.Fault(upstreamtest.Slow)
	b := running(t, upstreamtest.Loopback)
	configured(t, b, slow.OIDC("slow"), quick.OIDC("quick"))
	awaits(t, b, "quick", func(p upstream.Probe) bool { return p.Reachable })
	began := time.Now()
	if _, err := of(t, b, "quick").Authenticate(t.Context(), upstream.Attempt{Now: upstreamtest.Now}); err != nil {
		t.Error(err)
	}
	configured(t, b, quick.OIDC("quick")) // nor a publication
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("waited %v", took)
	}
	if _, ok := b.Probe("slow"); ok {
		t.Error("it is not declared any more")
	}
}

// What a status shows tells nobody what an inner address is.
func TestAProbeShowsNothingOfInnerAddresses(t *testing.T) {
	idp := upstreamtest.NewIdP(t)
	b := running(t)
	untrusted := idp.OIDC("untrusted")
	untrusted.OIDC.CABundle = ""
	nowhere := idp.OIDC("nowhere")
	nowhere.OIDC.Issuer = "https://no-such-name.invalid"
	configured(t, b, idp.OIDC("inner"), nowhere)
	p := awaits(t, b, "inner", func(upstream.Probe) bool { return true })
	if p.Reason != upstream.ReasonUnreachable || strings.Contains(p.Message, "127.") || !strings.Contains(p.Message, "--allow-upstream-cidr") {
		t.Errorf("%+v", p)
	}
	if p := awaits(t, b, "nowhere", func(upstream.Probe) bool { return true }); p.Reason != upstream.ReasonUnreachable {
		t.Errorf("%+v", p)
	}
	b = running(t, upstreamtest.Loopback)
	configured(t, b, untrusted)
	if p := awaits(t, b, "untrusted", func(upstream.Probe) bool { return true }); p.Reason != upstream.ReasonUnreachable || !strings.Contains(p.Message, "caBundle") {
		t.Errorf("%+v", p)
	}
}

// A key that the provider withdrew is taken away by the next look, without a sign-in.
func TestAProbeTakesKeysAway(t *testing.T) {
	idp := upstreamtest.NewIdP(t)
	h := &house{idp, backendOf(t, idp.OIDC("okta"))}
	if _, err := h.attempt(t, upstream.Attempt{}); err != nil {
		t.Fatal(err)
	}
	next, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	h.Edit(func(e *upstreamtest.Edits) {
		e.Keys = func() []jose.JSONWebKey {
			return []jose.JSONWebKey{{Key: next.Public(), KeyID: "k2", Algorithm: "RS256"}}
		}
	})
	if err := h.Backend.(upstream.Prober).Probe(t.Context(), upstreamtest.Now); err != nil {
		t.Fatal(err)
	}
	if p, err := h.attempt(t, upstream.Attempt{}); !errors.Is(err, upstream.ErrRefused) {
		t.Errorf("%v, %v", p.Claims, err)
	}
}

// A tenant with many slow providers holds up as many requests as one with one.
func TestSlowProvidersOfOneOrganizationHoldUpFew(t *testing.T) {
	const people = 100
	slow, quick := upstreamtest.NewIdP(t), upstreamtest.NewIdP(t)
	b := upstream.NewBackends(upstreamtest.Env(upstreamtest.Loopback))
	one, two, other := slow.OIDC("one"), slow.OIDC("two"), quick.OIDC("other")
	one.OrganizationID, two.OrganizationID, other.OrganizationID = "org_evil", "org_evil", "org_good"
	configured(t, b, one, two, other)
	answers := map[string]upstream.Answer{}
	for _, uid := range []string{"one", "two"} {
		step, err := of(t, b, uid).Authenticate(t.Context(), upstream.Attempt{Now: upstreamtest.Now})
		if err != nil {
			t.Fatal(err)
		}
		answers[uid] = upstream.Answer{Now: upstreamtest.Now, State: step.State, Form: slow.SignIn(t, step)}
	}
	slow.Fault(upstreamtest.Slow)
	results := make(chan error, 2*people)
	for range people {
		for uid, a := range answers {
			go func() {
				_, err := of(t, b, uid).Validate(t.Context(), a)
				results <- err
			}()
		}
	}
	for range 2*people - 64 {
		if err := <-results; !errors.Is(err, upstream.ErrUnavailable) || !errors.Is(err, outbound.ErrBusy) {
			t.Fatalf("%v", err)
		}
	}
	h := &house{quick, of(t, b, "other")}
	if _, err := h.attempt(t, upstream.Attempt{}); err != nil {
		t.Errorf("another organization's: %v", err)
	}
	slow.Fault("")
	for range 64 {
		if err := <-results; errors.Is(err, outbound.ErrBusy) {
			t.Errorf("%v", err)
		}
	}
}
