package server

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/mapping"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/outbound"
	"github.com/gatehouse-dev/gatehouse/server/upstream"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
)

// idp is a provider elsewhere: its accounts are kept as everybody's are, and what it proves
// is up to the test.
type idp struct {
	upstream.Backend
	of *model.Provider

	mu      sync.Mutex
	says    map[string]upstream.Proof // by code
	fault   error                     // of Authenticate and Validate
	asks    bool
	begun   []upstream.Attempt
	asked   int // how often Recheck was called
	recheck func() (upstream.Proof, error)
}

func (i *idp) Describe() upstream.Description {
	return upstream.Description{Asks: i.asks, Metadata: []byte("<EntityDescriptor/>")}
}

func (i *idp) Authenticate(_ context.Context, a upstream.Attempt) (upstream.Step, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.begun = append(i.begun, a)
	if i.fault != nil {
		return upstream.Step{}, i.fault
	}
	if i.asks {
		proof, ok := i.says[a.Username+" "+a.Password]
		if !ok {
			return upstream.Step{}, upstream.ErrRefused
		}
		return upstream.Step{Proof: &proof}, nil
	}
	handle := rand.Text()
	leaks.Remember(handle)
	state, err := json.Marshal(handle + "-nonce")
	return upstream.Step{Redirect: "https://" + i.of.UID + ".example/authorize?state=" + handle, State: state, Handle: handle}, err
}

func (i *idp) Validate(_ context.Context, a upstream.Answer) (upstream.Proof, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	proof, ok := i.says[a.Form.Get("code")]
	switch {
	case i.fault != nil:
		return upstream.Proof{}, i.fault
	case !ok, a.State == nil && i.of.SAML == nil:
		return upstream.Proof{}, upstream.ErrRefused
	}
	return proof, nil
}

func (i *idp) Recheck(context.Context, time.Time, string, []byte) (upstream.Proof, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked++
	return i.recheck()
}

// knows has the provider answer the code with this subject and address.
func (i *idp) knows(code, subject, email string) {
	i.says[code] = upstream.Proof{Claims: map[string]any{"sub": subject, "email": email, "email_verified": email != "", "name": "Somebody"}}
}

// idps are those of a town.
type idps map[string]*idp

func (all idps) Of(uid string) (upstream.Backend, bool) {
	i, ok := all[uid]
	return i, ok
}

// ssoTown is a town with a provider of the installation ("works") and one of Acme ("acme-sso").
type ssoTown struct {
	*town
	idps
	works, acme *idp
}

func newSSOTown(t *testing.T) *ssoTown {
	t.Helper()
	w := &ssoTown{town: newTown(t), idps: idps{}}
	w.works = w.provider(t, &model.Provider{UID: "works", Namespace: "system", Name: "works", Type: "OIDC", DisplayName: "Works", OIDC: &model.OIDCSettings{}})
	w.acme = w.provider(t, &model.Provider{
		UID: "acme-sso", Namespace: "acme", Name: "sso", Type: "OIDC", DisplayName: "Acme SSO", OrganizationID: "org-1", OIDC: &model.OIDCSettings{},
	})
	w.backends = w.idps
	w.more = []*model.Provider{w.works.of}
	w.org.Providers = append(w.org.Providers, w.works.of, w.acme.of)
	w.publish(t)
	return w
}

func (w *ssoTown) provider(t *testing.T, p *model.Provider) *idp {
	t.Helper()
	m, problems := mapping.New(mapping.Source{Require: `!has(claims.stranger)`, AMR: `claims.?amr`}.Or(mapping.Default("OIDC")))
	if problems != nil {
		t.Fatal(problems)
	}
	if p.Mapping = m; p.Provisioning.Mode == "" {
		p.Provisioning = model.Provisioning{Mode: model.ProvisionJIT, LinkBy: model.LinkBySubject}
	}
	kind := *p
	kind.OIDC, kind.SAML, kind.LDAP = &model.OIDCSettings{Issuer: "https://" + p.UID + ".example"}, nil, nil
	b, err := upstream.New(&kind, upstream.Env{
		Issuer: w.Issuer, Accounts: w.Store, Now: w.Now, Outbound: func(string) *outbound.Client { return outbound.New(outbound.Options{}) },
	})
	if err != nil {
		t.Fatal(err)
	}
	one := &idp{Backend: b, of: p, says: map[string]upstream.Proof{}}
	w.idps[p.UID] = one
	return one
}

// begin presses the button of a provider on a page, and returns the handle that the
// provider was given.
func (b *tab) begin(t *testing.T, page *httptest.ResponseRecorder, uid string) string {
	t.Helper()
	answer := b.post("/login/sso/"+uid+"/", fields(t, page, "/login/sso/"+uid+"/"))
	to, err := url.Parse(answer.Header().Get("Location"))
	if err != nil || answer.Code != http.StatusSeeOther || to.Host != uid+".example" {
		t.Fatalf("begin: %d to %q (%v)\n%s", answer.Code, to, err, answer.Body)
	}
	return to.Query().Get("state")
}

// back comes back from a provider.
func (b *tab) back(uid, handle, code string) *httptest.ResponseRecorder {
	return b.get("/login/callback/" + uid + "/?" + url.Values{"state": {handle}, "code": {code}}.Encode())
}

// by signs in by a provider, for an organization or none.
func (b *tab) by(t *testing.T, uid, code, organization string) *httptest.ResponseRecorder {
	t.Helper()
	path := "/login/?again=1"
	if organization != "" {
		path += "&organization=" + organization
	}
	return b.back(uid, b.begin(t, b.get(path), uid), code)
}

// who is whose session the tab has; empty: nobody's.
func (w *ssoTown) who(t *testing.T, b *tab) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "https://id.example/", nil)
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	session, err := w.sessions.Find(t.Context(), r, w.Now())
	if err != nil {
		return ""
	}
	return session.UserID
}

func (w *ssoTown) refused(t *testing.T, what string, b *tab, answer *httptest.ResponseRecorder, status int, text string) {
	t.Helper()
	want(t, what, answer, status, text)
	if who := w.who(t, b); who != "" {
		t.Errorf("%s: signed in as %s", what, who)
	}
}

// lastEvents are the actions and reasons that were recorded last.
func (w *ssoTown) lastEvents(t *testing.T, n int) string {
	t.Helper()
	events, err := w.Store.Events(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, ev := range events {
		lines = append(lines, fmt.Sprintf("%s %s %s", ev.Action, ev.Outcome, ev.Reason))
	}
	return strings.Join(lines, "\n")
}
