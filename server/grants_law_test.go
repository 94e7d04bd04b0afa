package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

// TestGrantsObeyTheirLaw runs acts in any order against the server and against a model of
// a few lines, and compares every answer.
func TestGrantsObeyTheirLaw(t *testing.T) {
	w := servertest.New(t)
	incarnation := 0
	rapid.Check(t, func(rt *rapid.T) {
		law := newLaw(t, rt, w, &incarnation)
		rt.Repeat(map[string]func(*rapid.T){
			"issue": law.issue, "refresh": law.refresh, "refresh again": law.refresh, "refresh once more": law.refresh, "revoke": law.revoke, "use": law.use, "wait": law.wait,
			"application": law.application, "role": law.role, "account": law.account,
			"issue by code": law.issueByCode, "issue by code again": law.issueByCode, "replay": law.replay, "sign in again": law.signInAgain, "sign out": law.signOut,
		})
		law.useAll()
	})
}

// What the model knows of the declarations.
var (
	lawClients = []string{servertest.CLI, servertest.OtherCLI, servertest.Web}
	lawPeople  = []store.User{servertest.Ann, servertest.Bob}
	lawRoles   = map[string][]string{
		"":               nil,
		"acme reader":    {"org:read", "project:read"},
		"acme developer": {"org:read", "project:read", "project:write"},
	}
	lawCeilings = map[string][]string{
		servertest.CLI:      {"org:read", "project:read", "project:write"},
		servertest.OtherCLI: {"org:read", "project:read"},
		servertest.Web:      {"org:read", "project:read", "project:write"},
	}
	lawGrantTypes = []oauth.GrantType{oauth.DeviceCode, oauth.AuthorizationCode, oauth.RefreshToken}
)

type lawToken struct {
	text    string
	scopes  []string
	expires time.Time
	revoked bool
}

type lawGrant struct {
	client    string
	person    store.User
	granted   []string
	dead      bool     // for good
	refresh   []string // by generation, from 1
	rotatedAt time.Time
	idle, end time.Time
	access    []*lawToken
	code      string // empty: by device
	made      time.Time
	bound     bool // to the session of the person's browser
}

type law struct {
	t           *testing.T
	rt          *rapid.T
	w           *servertest.World
	incarnation *int
	served      map[string]bool   // client ID
	roles       map[string]string // address → role
	disabled    map[string]bool   // user ID
	grants      []*lawGrant
	browsers    map[string]*servertest.Browser // by user ID
}

func newLaw(t *testing.T, rt *rapid.T, w *servertest.World, incarnation *int) *law {
	l := &law{
		t: t, rt: rt, w: w, incarnation: incarnation, served: map[string]bool{}, disabled: map[string]bool{},
		browsers: map[string]*servertest.Browser{},
		roles:    map[string]string{servertest.Ann.Email: "acme developer", servertest.Bob.Email: "acme reader"},
	}
	w.Declared = servertest.Declare(w.Keys.DigestKey())
	for _, client := range lawClients {
		app := w.Declared.Applications[client]
		app.GrantTypes = lawGrantTypes
		app.Scopes = oauth.NewScopeSet(lawCeilings[client]...)
		app.ProtocolScopes = lawProtocol(client)
		app.UID = l.newUID()
		l.served[client] = true
	}
	for _, u := range lawPeople {
		l.setDisabled(u, false)
	}
	w.Pass(time.Second)
	w.Publish(t)
	return l
}

func (l *law) newUID() string {
	*l.incarnation++
	return fmt.Sprintf("5f0e8a0e-0000-4000-9000-%012d", *l.incarnation)
}

// effective is what of some scopes counts for the grant now.
func (l *law) effective(g *lawGrant, scopes []string) (kept []string) {
	for _, s := range scopes {
		if s == oauth.OfflineAccess || slices.Contains(lawCeilings[g.client], s) && slices.Contains(lawRoles[l.roles[g.person.Email]], s) {
			kept = append(kept, s)
		}
	}
	return kept
}

// worthless: what is left gives no access.
func (l *law) worthless(g *lawGrant, scopes []string) bool {
	left := l.effective(g, scopes)
	return len(left) == 0 || len(left) == 1 && left[0] == oauth.OfflineAccess
}

// inForce says whether tokens of the grant may be used now.
func (l *law) inForce(g *lawGrant) bool {
	return !g.dead && l.w.Now().Before(g.end) && l.served[g.client] && l.roles[g.person.Email] != ""
}

func (l *law) end(which func(*lawGrant) bool) {
	for _, g := range l.grants {
		g.dead = g.dead || which(g)
	}
}

// expect checks an answer: error code, or "" for tokens.
func (l *law) expect(what string, a servertest.Answer, code string) bool {
	if status := map[string]int{"": 200, "invalid_client": 401}[code]; a.Text("error") != code || status != 0 && a.Status != status {
		l.rt.Fatalf("%s: got %d %s, want %q", what, a.Status, a.Body, code)
	}
	return code == ""
}

var lawScopes = map[string][]string{ // as asked → with what it implies
	"":              nil,
	"org:read":      {"org:read"},
	"project:write": {"project:read", "project:write"},
}

func (l *law) issue(rt *rapid.T) {
	g := &lawGrant{
		client: rapid.SampledFrom(lawClients).Draw(rt, "client"),
		person: rapid.SampledFrom(lawPeople).Draw(rt, "person"),
	}
	asked := rapid.SampledFrom([]string{"", "org:read", "project:write"}).Draw(rt, "scope")
	if g.granted = lawScopes[asked]; asked == "" {
		g.granted = lawCeilings[g.client]
	}
	device := l.w.Post(l.t, deviceAt, g.client, "scope", asked)
	switch {
	case !l.served[g.client]:
		l.expect("device request", device, "invalid_client")
		return
	case asked == "project:write" && g.client == servertest.OtherCLI:
		l.expect("device request", device, "invalid_scope")
		return
	}
	if l.disabled[g.person.ID] {
		return // nobody to approve
	}
	l.w.Approve(l.t, device.Text("user_code"), g.person)
	a := l.w.Poll(l.t, g.client, device.Text("device_code"))
	if len(l.effective(g, g.granted)) == 0 {
		l.expect("poll", a, "access_denied")
		return
	}
	l.expect("poll", a, "")
	now := l.w.Now()
	g.rotatedAt, g.idle, g.end = now, now.Add(24*time.Hour), now.Add(72*time.Hour)
	g.refresh = append(g.refresh, a.Text("refresh_token"))
	l.took(g, a, g.granted)
	l.grants = append(l.grants, g)
	l.expect("second poll", l.w.Poll(l.t, g.client, device.Text("device_code")), "invalid_grant")
}

// lawProtocol are the protocol scopes of a client: that of the code flow may stay.
func lawProtocol(client string) oauth.ScopeSet {
	if client == servertest.Web {
		return oauth.NewScopeSet(oauth.OfflineAccess)
	}
	return nil
}

// issueByCode goes through the code flow in the person's browser, signing in if need be.
func (l *law) issueByCode(rt *rapid.T) {
	g := &lawGrant{client: servertest.Web, person: rapid.SampledFrom(lawPeople).Draw(rt, "person"), made: l.w.Now()}
	if l.disabled[g.person.ID] {
		return // nobody to sign in
	}
	asked := rapid.SampledFrom([]string{"org:read", "project:write"}).Draw(rt, "scope")
	g.bound = rapid.Bool().Draw(rt, "without offline access")
	scope := asked
	if !g.bound {
		scope += " offline_access"
	}
	page := l.browser(g.person).Authorize(l.t, g.client, "scope", scope)
	if page.Status == http.StatusSeeOther { // nobody is signed in there any more
		l.signIn(g.person)
		page = l.browser(g.person).Authorize(l.t, g.client, "scope", scope)
	}
	g.granted = l.effective(g, lawScopes[asked])
	switch form := string(page.Body); {
	case !l.served[g.client]:
		if page.Status != http.StatusBadRequest {
			l.rt.Fatalf("authorize: %d %s", page.Status, page.Body)
		}
		return
	case len(g.granted) == 0:
		if strings.Contains(form, `value="approve"`) {
			l.rt.Fatalf("there is something to approve: %s", form)
		}
		return
	}
	g.code = l.browser(g.person).Decide(l.t, page, "approve").Location(l.t).Query().Get("code")
	a := l.w.Redeem(l.t, g.client, g.code)
	l.expect("redeem", a, "")
	now := l.w.Now()
	g.rotatedAt, g.idle, g.end = now, now.Add(24*time.Hour), now.Add(72*time.Hour)
	g.refresh = append(g.refresh, a.Text("refresh_token"))
	if !g.bound {
		g.granted = append([]string{oauth.OfflineAccess}, g.granted...)
	}
	l.took(g, a, g.granted)
	l.grants = append(l.grants, g)
}

// replay presents a code again: it ends what the code was redeemed for.
func (l *law) replay(rt *rapid.T) {
	g := l.pick(rt)
	if g.code == "" || !rarely(rt) || l.w.Now().Sub(g.made) >= 24*time.Hour { // afterwards nobody knows the code
		return
	}
	a := l.w.Redeem(l.t, g.client, g.code)
	if !l.served[g.client] {
		l.expect("replay", a, "invalid_client")
		return
	}
	l.expect("replay", a, "invalid_grant")
	g.dead = true
}

func (l *law) browser(u store.User) *servertest.Browser {
	if l.browsers[u.ID] == nil {
		l.browsers[u.ID] = l.w.Browser()
	}
	return l.browsers[u.ID]
}

// signIn signs a person in again, in whose browser nobody else ever is: the session goes on.
func (l *law) signIn(u store.User) { l.browser(u).SignIn(l.t, u) }

// signOut ends the session, and what is bound to it.
func (l *law) signOut(rt *rapid.T) {
	u := rapid.SampledFrom(lawPeople).Draw(rt, "person")
	b := l.browser(u)
	if page := b.Visit(l.t, "/logout/"); rarely(rt) && strings.Contains(string(page.Body), `action="/logout/"`) {
		b.Send(l.t, http.MethodPost, "/logout/", page.Form(l.t, "/logout/"))
		l.end(func(g *lawGrant) bool { return g.bound && g.person.ID == u.ID })
	}
}

func (l *law) signInAgain(rt *rapid.T) {
	u := rapid.SampledFrom(lawPeople).Draw(rt, "person")
	if !l.disabled[u.ID] && rarely(rt) {
		l.signIn(u)
	}
}

// took notes the access token of an answer, and checks its scope.
func (l *law) took(g *lawGrant, a servertest.Answer, asked []string) {
	scopes := l.effective(g, asked)
	if a.Text("scope") != strings.Join(scopes, " ") {
		l.rt.Fatalf("scope %q, want %v", a.Text("scope"), scopes)
	}
	expires := l.w.Now().Add(15 * time.Minute)
	if g.end.Before(expires) {
		expires = g.end
	}
	g.access = append(g.access, &lawToken{text: a.Text("access_token"), scopes: scopes, expires: expires})
}

// rarely keeps one act from being the end of all that the others could show.
func rarely(rt *rapid.T) bool {
	return rapid.SampledFrom([]bool{false, false, false, true}).Draw(rt, "rarely")
}

func (l *law) pick(rt *rapid.T) *lawGrant {
	if len(l.grants) == 0 {
		rt.Skip("no grant yet")
	}
	among := l.grants
	if live := slices.DeleteFunc(slices.Clone(l.grants), func(g *lawGrant) bool { return g.dead }); len(live) > 0 && !rarely(rt) {
		among = live
	}
	return rapid.SampledFrom(among).Draw(rt, "grant")
}

func (l *law) refresh(rt *rapid.T) {
	g := l.pick(rt)
	back := min(rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(rt, "generations back"), len(g.refresh)-1)
	client := g.client
	if rarely(rt) {
		client = rapid.SampledFrom(lawClients).Draw(rt, "client")
	}
	scope := rapid.SampledFrom([]string{"", "", "", "org:read", "project:write"}).Draw(rt, "scope")
	asked := lawScopes[scope]
	if scope == "" {
		asked = g.granted
	}
	a := l.w.Refresh(l.t, client, g.refresh[len(g.refresh)-1-back], "scope", scope)
	now := l.w.Now()
	beyond := slices.ContainsFunc(asked, func(s string) bool { return !slices.Contains(g.granted, s) })
	switch {
	case !l.served[client]:
		l.expect("refresh", a, "invalid_client")
	case client != g.client, !l.inForce(g), !now.Before(g.idle):
		l.expect("refresh", a, "invalid_grant")
	case back > 1, back == 1 && now.Sub(g.rotatedAt) > 10*time.Second: // whatever else is wrong
		l.expect("reuse", a, "invalid_grant")
		g.dead = true
	case beyond, l.worthless(g, asked):
		l.expect("refresh", a, "invalid_scope")
	case back == 0:
		l.expect("refresh", a, "")
		g.refresh = append(g.refresh, a.Text("refresh_token"))
		g.rotatedAt, g.idle = now, now.Add(24*time.Hour)
		l.took(g, a, asked)
	default:
		l.expect("lost answer", a, "")
		if a.Text("refresh_token") != g.refresh[len(g.refresh)-1] {
			rt.Fatal("a lost answer has another successor")
		}
		l.took(g, a, asked)
	}
}

func (l *law) revoke(rt *rapid.T) {
	g := l.pick(rt)
	client := rapid.SampledFrom(append([]string{g.client, g.client}, lawClients...)).Draw(rt, "client")
	ofGrant := rarely(rt)
	token := rapid.SampledFrom(g.access).Draw(rt, "token")
	text := token.text
	if ofGrant {
		text = rapid.SampledFrom(g.refresh).Draw(rt, "refresh token")
	}
	a := l.w.Post(l.t, revokeAt, client, "token", text)
	switch {
	case !l.served[client]:
		l.expect("revoke", a, "invalid_client")
		return
	case client == g.client && ofGrant:
		g.dead = true
	case client == g.client:
		token.revoked = true
	}
	l.expect("revoke", a, "")
}

func (l *law) use(rt *rapid.T) {
	g := l.pick(rt)
	l.check(g, rapid.SampledFrom(g.access).Draw(rt, "token"))
}

func (l *law) useAll() {
	for _, g := range l.grants {
		for _, token := range g.access {
			l.check(g, token)
		}
	}
}

func (l *law) check(g *lawGrant, token *lawToken) {
	a := l.w.Introspect(l.t, machine, token.text)
	want := l.inForce(g) && !token.revoked && l.w.Now().Before(token.expires)
	scope := strings.Join(l.effective(g, token.scopes), " ")
	switch {
	case !want && string(a.Body) != `{"active":false}`:
		l.rt.Fatalf("introspection says %s, want inactive", a.Body)
	case want && (a.JSON()["active"] != true || a.Text("scope") != scope || a.Text("client_id") != g.client || a.Text("sub") != g.person.ID):
		l.rt.Fatalf("introspection says %s, want active with %q", a.Body, scope)
	}
	status := http.StatusUnauthorized
	if want {
		status = http.StatusOK
	}
	if got := l.w.Get(l.t, "/api/0/user/", token.text); got.Status != status {
		l.rt.Fatalf("the API answers %d, want %d", got.Status, status)
	}
}

func (l *law) wait(rt *rapid.T) {
	l.w.Pass(rapid.SampledFrom([]time.Duration{
		time.Second, time.Second, 10 * time.Second, 11 * time.Second, 11 * time.Second, 10 * time.Minute, 20 * time.Hour,
	}).Draw(rt, "how long"))
}

// application deletes an application, or declares it again: as it was or anew.
func (l *law) application(rt *rapid.T) {
	client := rapid.SampledFrom(lawClients).Draw(rt, "client")
	if l.served[client] {
		if !rarely(rt) {
			return
		}
		deleted := l.w.Declared.Applications[client]
		delete(l.w.Declared.Applications, client)
		l.w.Publish(l.t)
		l.end(func(g *lawGrant) bool { return g.client == client })
		l.served[client] = false
		if !rapid.Bool().Draw(rt, "comes back") {
			return
		}
		l.w.Declared.Applications[client] = deleted
	} else {
		fresh := *servertest.Declare(l.w.Keys.DigestKey()).Applications[client]
		fresh.UID, fresh.ProtocolScopes, fresh.Scopes = l.newUID(), lawProtocol(client), oauth.NewScopeSet(lawCeilings[client]...)
		fresh.GrantTypes = lawGrantTypes
		l.w.Declared.Applications[client] = &fresh
	}
	l.w.Publish(l.t)
	l.w.Pass(time.Millisecond) // it was absent until this moment: what is issued in it is dead
	l.served[client] = true
}

func (l *law) role(rt *rapid.T) {
	person := rapid.SampledFrom(lawPeople).Draw(rt, "person")
	role := rapid.SampledFrom([]string{"", "acme reader", "acme developer", "acme developer"}).Draw(rt, "role")
	l.roles[person.Email] = role
	l.w.Declared.Holdings["acme"][person.Email] = nil
	if role != "" {
		l.w.Declared.Holdings["acme"][person.Email] = []string{role}
	}
	l.w.Publish(l.t)
}

func (l *law) account(rt *rapid.T) {
	person := rapid.SampledFrom(lawPeople).Draw(rt, "person")
	l.setDisabled(person, !l.disabled[person.ID] && rarely(rt))
	if l.disabled[person.ID] {
		l.end(func(g *lawGrant) bool { return g.person.ID == person.ID })
	}
}

func (l *law) setDisabled(u store.User, disabled bool) {
	if err := l.w.Store.SetDisabled(l.t.Context(), u.ID, disabled, store.Event{Time: l.w.Now(), Action: "user.changed"}); err != nil {
		l.t.Fatal(err)
	}
	l.disabled[u.ID] = disabled
}
