package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

const membersPath = "/api/0/organizations/acme/members/"

// Providers of the two organizations, and people who sign in by them or are invited.
var (
	acmeSSO   = &model.Provider{UID: "acme-sso", Type: "OIDC", OrganizationID: "5f0e8a0e-0000-4000-8000-000000000001", OIDC: &model.OIDCSettings{}, GroupsMaxAge: time.Hour}
	globexSSO = &model.Provider{UID: "globex-sso", Type: "OIDC", OrganizationID: "5f0e8a0e-0000-4000-8000-000000000002", OIDC: &model.OIDCSettings{}, GroupsMaxAge: time.Hour}

	guest   = store.User{ID: "usr_guestguestguestguestgu", Email: "guest@example.com", Login: "guest@example.com", Name: "Guest", EmailProvenBy: "operator"}
	grouped = store.User{ID: "usr_groupgroupgroupgroupgr", Email: "gwen@acme.example", Name: "Gwen"}
	joined  = store.User{ID: "usr_joinjoinjoinjoinjoinjo", Email: "joe@globex.example", Name: "Joe"}
	nobody  = store.User{ID: "usr_zeddzeddzeddzeddzeddze", Email: "zed@globex.example", Name: "Zed"}
)

// memberTown is a world in which Ann (rank 100) and Bob (rank 50) have all scopes of
// members at acme. Guest was invited, Gwen is in a group, Joe came by acme's own provider,
// and nobody is none.
type memberTown struct{ *servertest.World }

var memberScopes = []string{"member:read", "member:invite", "member:admin"}

func newMemberTown(t *testing.T, options ...servertest.Option) memberTown {
	t.Helper()
	w := servertest.New(t, options...)
	d := w.Declared
	d.Defaults, d.Groups = map[string]string{"acme": "acme member"}, map[string]map[model.Group]string{"acme": {{ProviderUID: "acme-sso", Name: "ops"}: "acme ops"}}
	all := oauth.NewScopeSet(append([]string{"org:read", "project:read"}, memberScopes...)...)
	for _, slug := range []string{"acme", "globex"} {
		o := d.Organizations[slug]
		o.Providers = append(o.Providers, map[string]*model.Provider{"acme": acmeSSO, "globex": globexSSO}[slug])
		var scopes []model.Scope
		for _, name := range memberScopes {
			scopes = append(scopes, model.Scope{Name: name, Includes: oauth.NewScopeSet(name)})
		}
		o.Catalogue = model.NewCatalogue(append(o.Catalogue.Scopes, scopes...))
	}
	for name, rank := range map[string]int{"acme developer": 100, "acme reader": 50, "acme ops": 50, "acme member": 10, "globex reader": 100} {
		d.Roles[name] = &model.Role{UID: "role " + name, Namespace: "acme", Name: strings.Fields(name)[1], Scopes: all, Priority: rank}
	}
	for _, client := range []string{cli, machine, servertest.GlobexCLI} {
		d.Applications[client].Scopes, d.Applications[client].Declared = all, all
	}
	w.Publish(t)
	m := memberTown{w}
	u := guest
	u.CreatedAt, u.EmailProvenAt = w.Now(), w.Now()
	ev := store.Event{Time: w.Now(), Action: "user.created"}
	if err := w.Store.CreateUser(t.Context(), u, ev); err != nil {
		t.Fatal(err)
	}
	m.give(t, guest, "acme", model.MemberByInvitation, "")
	m.elsewhere(t, grouped, "acme-sso", "ops")
	m.elsewhere(t, joined, "globex-sso")
	m.give(t, joined, "acme", model.MemberByProvider, "acme-sso")
	m.elsewhere(t, nobody, "globex-sso", "ops")
	return m
}

func (w memberTown) elsewhere(t *testing.T, u store.User, provider string, groups ...string) {
	t.Helper()
	u.CreatedAt = w.Now()
	i := store.Identity{ProviderUID: provider, Subject: u.ID, Email: u.Email, EmailProvenAt: w.Now(), Groups: groups, GroupsAt: w.Now(), CreatedAt: w.Now()}
	if err := w.Store.CreateUserWithIdentity(t.Context(), u, i, nil, store.Event{Time: w.Now(), Action: "user.created"}); err != nil {
		t.Fatal(err)
	}
}

func (w memberTown) give(t *testing.T, u store.User, slug, source, provider string) {
	t.Helper()
	m := model.Membership{OrganizationID: w.Declared.Organizations[slug].ID, Source: source, ProviderUID: provider, At: w.Now()}
	if err := w.Store.AddMembership(t.Context(), u.ID, m, store.Event{Time: w.Now(), Action: "member.added"}); err != nil {
		t.Fatal(err)
	}
}

// token signs somebody in; scopes are joined.
func (w memberTown) token(t *testing.T, person store.User, scopes ...string) string {
	t.Helper()
	return w.SignIn(t, cli, person, "scope", strings.Join(scopes, " ")).Text("access_token")
}

func (w memberTown) send(t *testing.T, method, path, token, body string) servertest.Answer {
	t.Helper()
	r := w.Request(t, method, path, body)
	r.Header.Set("Authorization", "Bearer "+token)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	a := w.Do(t, r)
	if _, link, found := strings.Cut(a.Text("link"), "?link="); found {
		leaks.Remember(link)
	}
	return a
}

func (w memberTown) invite(t *testing.T, token, email string) servertest.Answer {
	t.Helper()
	return w.send(t, http.MethodPost, membersPath, token, `{"email": "`+email+`"}`)
}

func (w memberTown) remove(t *testing.T, token, id string) servertest.Answer {
	t.Helper()
	return w.send(t, http.MethodDelete, membersPath+id+"/", token, "")
}

type member struct {
	ID, Email, Name, DateCreated, Link string
	EmailVerified, Pending, Expired    bool
	Disabled                           bool
	Roles, How                         []string
	Rank                               int
}

func listed(t *testing.T, a servertest.Answer) (all []member) {
	t.Helper()
	if err := json.Unmarshal(a.Body, &all); err != nil || a.Status != 200 {
		t.Fatalf("%d %s (%v)", a.Status, a.Body, err)
	}
	for i := range all {
		all[i].DateCreated = ""
	}
	return all
}

// events of an action there, as "actor target outcome".
func (w memberTown) events(t *testing.T, action string) (all []string) {
	t.Helper()
	found, err := w.Store.FindEvents(t.Context(), store.EventQuery{OrganizationID: w.Declared.Organizations["acme"].ID, Action: action, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range found {
		all = append(all, strings.TrimSpace(fmt.Sprint(ev.Actor, " ", ev.Target, " ", ev.Outcome, " ", ev.Reason)))
	}
	return all
}

func TestMembersAreWhoHoldsARoleOrWasLetInAndWhoIsInvited(t *testing.T) {
	w := newMemberTown(t)
	token := w.token(t, servertest.Ann, "member:read", "member:invite")
	pending := w.invite(t, token, "new@example.com").Text("id")
	if err := w.Store.SetDisabled(t.Context(), joined.ID, true, store.Event{Time: w.Now()}); err != nil {
		t.Fatal(err)
	}
	want := []member{
		{ID: pending, Email: "new@example.com", Pending: true, Roles: []string{}, How: []string{"invitation"}},
		{ID: servertest.Ann.ID, Email: "ann@example.com", Name: "Ann", EmailVerified: true, Roles: []string{"developer"}, Rank: 100, How: []string{"declared"}},
		{ID: servertest.Bob.ID, Email: "bob@example.com", Name: "Bob", EmailVerified: true, Roles: []string{"reader"}, Rank: 50, How: []string{"declared"}},
		{ID: grouped.ID, Email: "gwen@acme.example", Name: "Gwen", EmailVerified: true, Roles: []string{"ops"}, Rank: 50, How: []string{"group"}},
		{ID: guest.ID, Email: "guest@example.com", Name: "Guest", EmailVerified: true, Roles: []string{"member"}, Rank: 10, How: []string{"invitation"}},
		// What is proven to another tenant alone is not shown.
		{ID: joined.ID, Name: "Joe", Roles: []string{"member"}, Rank: 10, How: []string{"provider"}, Disabled: true},
	}
	if diff := cmp.Diff(want, listed(t, w.Get(t, membersPath, token))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, m := range want {
		var one member
		a := w.Get(t, membersPath+m.ID+"/", token)
		if err := json.Unmarshal(a.Body, &one); err != nil || a.Status != 200 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		if one.DateCreated = ""; !cmp.Equal(one, m) {
			t.Errorf("%s: %s", m.ID, a.Body)
		}
	}
	// A group does not count for ever, nor a provider that is not there any more.
	w.Pass(time.Hour)
	w.Declared.Organizations["acme"].Providers = w.Declared.Organizations["acme"].Providers[:1]
	w.Publish(t)
	var ids []string
	for _, m := range listed(t, w.Get(t, membersPath, w.token(t, servertest.Ann, "member:read"))) {
		ids = append(ids, m.ID)
	}
	if got := []string{pending, servertest.Ann.ID, servertest.Bob.ID, guest.ID}; !slices.Equal(ids, got) {
		t.Errorf("later: %v", ids)
	}
}

var nextLink = regexp.MustCompile(`^<([^>]*)>; rel="next"$`)

func TestMembersAreReadPageByPage(t *testing.T) {
	w := newMemberTown(t)
	token := w.token(t, servertest.Ann, memberScopes...)
	for _, email := range []string{"a@new.example", "b@new.example"} {
		w.invite(t, token, email)
	}
	want := listed(t, w.Get(t, membersPath, token))
	for _, limit := range []int{1, 2, 3, 100} {
		var got []member
		pages := 0
		for path := membersPath + "?limit=" + fmt.Sprint(limit); path != ""; pages++ {
			a := w.Get(t, path, token)
			page := listed(t, a)
			if got = append(got, page...); len(page) > limit {
				t.Fatalf("%d at once, asked for %d", len(page), limit)
			}
			link := nextLink.FindStringSubmatch(a.Header.Get("Link"))
			if path = ""; link != nil {
				u, err := url.Parse(link[1])
				if err != nil || u.Scheme+"://"+u.Host != w.HTTP.URL || strings.Contains(link[1], "usr_") {
					t.Fatalf("link %q, %v", link[1], err)
				}
				path = u.RequestURI()
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d at once: -want +got:\n%s", limit, diff)
		}
		if limit == 100 && pages != 1 {
			t.Errorf("%d pages of 100", pages)
		}
	}
}

func TestACursorOfAnotherOrganizationOrAnAlteredOneIsRefused(t *testing.T) {
	w := newMemberTown(t)
	token := w.token(t, servertest.Ann, "member:read")
	link := nextLink.FindStringSubmatch(w.Get(t, membersPath+"?limit=1", token).Header.Get("Link"))
	if link == nil {
		t.Fatal("there is no next page")
	}
	u, _ := url.Parse(link[1])
	cursor := u.Query().Get("cursor")
	elsewhere := w.SignIn(t, servertest.GlobexCLI, servertest.Ann, "scope", "member:read").Text("access_token")
	globex := "/api/0/organizations/globex/members/"
	if a := w.Get(t, globex, elsewhere); a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	for path, by := range map[string]string{
		globex + "?cursor=" + cursor: elsewhere, membersPath + "?cursor=" + cursor[:len(cursor)-2]: token,
		membersPath + "?cursor=usr_": token, membersPath + "?limit=0": token, membersPath + "?limit=101": token, membersPath + "?limit=x": token,
		membersPath + "?limit=1&limit=2": token,
	} {
		apiRefused(t, w.Get(t, path, by), 400, "invalid_request", "")
	}
}

// ASVS 10.3.2
func TestMembersAreRefusedToOtherOrganizationsAndWithoutTheScope(t *testing.T) {
	w := newMemberTown(t)
	none, read := w.token(t, servertest.Ann, "org:read"), w.token(t, servertest.Ann, "member:read")
	invite, admin := w.token(t, servertest.Ann, "member:invite"), w.token(t, servertest.Ann, "member:admin")
	elsewhere := w.SignIn(t, servertest.GlobexCLI, servertest.Ann, "scope", strings.Join(memberScopes, " ")).Text("access_token")
	w.Declared.Applications[machine].Scopes = oauth.NewScopeSet("org:read")
	w.Publish(t)
	robot := machineToken(t, w.World, machine)
	one := membersPath + guest.ID + "/"
	const body = `{"email": "new@example.com"}`
	globex := "/api/0/organizations/" + w.Declared.Organizations["globex"].ID + "/members/"
	for name, c := range map[string]struct{ method, path, token string }{
		"list without a scope":       {"GET", membersPath, none},
		"list to invite":             {"GET", membersPath, invite},
		"one without a scope":        {"GET", one, none},
		"invite with what reads":     {"POST", membersPath, read},
		"invite with what removes":   {"POST", membersPath, admin},
		"remove with what reads":     {"DELETE", one, read},
		"remove with what invites":   {"DELETE", one, invite},
		"a machine lists":            {"GET", membersPath, robot},
		"a machine invites":          {"POST", membersPath, robot},
		"a machine removes":          {"DELETE", one, robot},
		"list elsewhere by slug":     {"GET", membersPath, elsewhere},
		"one elsewhere":              {"GET", one, elsewhere},
		"invite elsewhere":           {"POST", membersPath, elsewhere},
		"remove elsewhere":           {"DELETE", one, elsewhere},
		"list elsewhere by ID":       {"GET", globex, read},
		"remove oneself elsewhere":   {"DELETE", globex + servertest.Ann.ID + "/", read},
		"list where nothing is":      {"GET", "/api/0/organizations/nowhere/members/", read},
		"remove where nothing is":    {"DELETE", "/api/0/organizations/nowhere/members/" + guest.ID, admin},
		"revoke with what reads":     {"DELETE", membersPath + "inv_x/", read},
		"leave without reading":      {"DELETE", membersPath + servertest.Ann.ID + "/", invite},
		"somebody's own is not ours": {"DELETE", membersPath + servertest.Bob.ID + "/", read},
	} {
		t.Run(name, func(t *testing.T) {
			apiRefused(t, w.send(t, c.method, c.path, c.token, body), 403, "insufficient_scope", `error="insufficient_scope"`)
		})
	}
	for _, method := range []string{"GET", "POST"} {
		apiRefused(t, w.send(t, method, membersPath, "none", body), 401, "invalid_token", `error="invalid_token"`)
	}
	apiRefused(t, w.remove(t, "none", guest.ID), 401, "invalid_token", `error="invalid_token"`)
	same := w.send(t, "GET", globex, read, "")
	if other := w.send(t, "GET", "/api/0/organizations/nowhere/members/", read, ""); string(other.Body) != string(same.Body) {
		t.Errorf("an organization that is not the token's: %s, one that is not there: %s", same.Body, other.Body)
	}
	w.Declared.Organizations["acme"].Suspended = true
	w.Publish(t)
	for name, a := range map[string]servertest.Answer{
		"list": w.Get(t, membersPath, read), "invite": w.invite(t, invite, "new@example.com"), "remove": w.remove(t, admin, guest.ID),
	} {
		t.Run("suspended: "+name, func(t *testing.T) { apiRefused(t, a, 401, "invalid_token", `error="invalid_token"`) })
	}
	if u, err := w.Store.User(t.Context(), guest.ID); err != nil || len(u.Memberships) != 1 {
		t.Errorf("the guest is %+v, %v", u, err)
	}
}

func TestWhoIsNoMemberReadsLikeWhoDoesNotExist(t *testing.T) {
	w := newMemberTown(t)
	token := w.token(t, servertest.Ann, memberScopes...)
	foreign := "inv_ofanotherorganization0"
	err := w.Store.CreateInvitation(t.Context(), store.Invitation{
		Hash: []byte("x"), ID: foreign, OrganizationID: w.Declared.Organizations["globex"].ID, Email: "x@example.com", CreatedAt: w.Now(), ExpiresAt: w.Now().Add(time.Hour),
	}, store.Event{Time: w.Now()})
	if err != nil {
		t.Fatal(err)
	}
	var bodies []string
	for _, id := range []string{nobody.ID, "usr_neverneverneverneverne", foreign, "inv_neverneverneverneverne", "4711", "me", strings.Repeat("x", 4000)} {
		for _, a := range []servertest.Answer{w.Get(t, membersPath+id+"/", token), w.remove(t, token, id)} {
			apiRefused(t, a, 404, "not_found", "")
			bodies = append(bodies, string(a.Body))
		}
	}
	if slices.Sort(bodies); len(slices.Compact(bodies)) != 1 {
		t.Errorf("they are not alike: %v", bodies)
	}
	if _, err := w.Store.InvitationIn(t.Context(), w.Declared.Organizations["globex"].ID, foreign); err != nil {
		t.Errorf("the invitation of another organization: %v", err)
	}
}

func TestAnInvitationByTheAPIIsALinkOnceWhereThereIsNoMail(t *testing.T) {
	w := newMemberTown(t)
	token := w.token(t, servertest.Ann, "member:read", "member:invite")
	first := w.invite(t, token, " New@Example.com ")
	id := first.Text("id")
	if first.Status != 201 || first.Text("email") != "new@example.com" || first.Header.Get("Location") != w.HTTP.URL+membersPath+id+"/" {
		t.Fatalf("%d %s, Location %q", first.Status, first.Body, first.Header.Get("Location"))
	}
	path, found := strings.CutPrefix(first.Text("link"), w.HTTP.URL)
	if !found {
		t.Fatalf("link %q", first.Text("link"))
	}
	visitor := w.Browser()
	if a := visitor.Visit(t, path); a.Status != 200 || !strings.Contains(string(a.Body), "Join Acme") {
		t.Errorf("the link: %d %s", a.Status, a.Body)
	}
	for _, path := range []string{membersPath, membersPath + id + "/"} {
		if a := w.Get(t, path, token); a.Status != 200 || strings.Contains(string(a.Body), "link") || !strings.Contains(string(a.Body), id) {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
	}
	again := w.invite(t, token, "new@example.com")
	if again.Status != 201 || again.Text("id") == id {
		t.Errorf("again: %d %s", again.Status, again.Body)
	}
	if a := visitor.Visit(t, path); a.Status != 404 {
		t.Errorf("the link before: %d", a.Status)
	}
	apiRefused(t, w.Get(t, membersPath+id+"/", token), 404, "not_found", "")
	robot := machineToken(t, w.World, machine)
	third := w.invite(t, robot, "third@example.com")
	want := []string{machine + " " + third.Text("id") + " ok", servertest.Ann.ID + " " + again.Text("id") + " ok", servertest.Ann.ID + " " + id + " ok"}
	if got := w.events(t, "member.invited"); !slices.Equal(got, want) {
		t.Errorf("recorded %q, want %q", got, want)
	}
	w.Pass(people.InvitationFor)
	a := w.Get(t, membersPath+again.Text("id")+"/", w.token(t, servertest.Ann, "member:read"))
	if a.Status != 200 || a.JSON()["expired"] != true {
		t.Errorf("a week later: %d %s", a.Status, a.Body)
	}
}

func TestAnInvitationThatSaysSomethingElseIsRefused(t *testing.T) {
	w := newMemberTown(t)
	token := w.token(t, servertest.Ann, "member:invite")
	for body, says := range map[string]string{
		"": "no JSON object", "[]": "no JSON object", `"new@example.com"`: "no JSON object", "email=new@example.com": "no JSON object",
		`{}`: "not an email address", `{"email": ""}`: "email must be", `{"email": null}`: "email must be", `{"email": ["a@b.example"]}`: "email must be",
		`{"email": "a@b.example", "email": "c@d.example"}`:  "email must be there once",
		`{"email": "a@b.example", "role": "owner"}`:         `no member \"role\"`,
		`{"Email": "a@b.example"}`:                          `no member \"Email\"`,
		`{"email": "a@b.example"} {"email": "c@d.example"}`: "more behind", `{"email": "a@b.example"}x`: "more behind", `{"email": "a@b.example"`: "well-formed",
		`{"email" "a@b.example"}`: "email must be", "{\"email\": \"a\xff@b.example\"}": "UTF-8",
		`{"email": "ann"}`: "not an email address", `{"email": "Ann <ann@b.example>"}`: "not an email address", `{"email": "a@b.example,c@d.example"}`: "not an email address",
		`{"email": "a\r\nBcc: c@d.example"}`: "not an email address", `{"email": "` + strings.Repeat("a", 255) + `@b.example"}`: "not an email address",
	} {
		a := w.send(t, http.MethodPost, membersPath, token, body)
		if apiRefused(t, a, 400, "invalid_request", ""); !strings.Contains(string(a.Body), says) {
			t.Errorf("%.60q: %s, want %s in it", body, a.Body, says)
		}
	}
	big := w.send(t, http.MethodPost, membersPath, token, `{"email": "`+strings.Repeat("a", 128<<10)+`"}`)
	apiRefused(t, big, 413, "invalid_request", "")
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/jsonp", "application/json; charset=x, text/plain"} {
		r := w.Request(t, http.MethodPost, membersPath, `{"email": "new@example.com"}`)
		r.Header.Set("Authorization", "Bearer "+token)
		if r.Header.Del("Content-Type"); kind != "" {
			r.Header.Set("Content-Type", kind)
		}
		apiRefused(t, w.Do(t, r), 415, "invalid_request", "")
	}
	if all, err := w.Store.Invitations(t.Context(), ""); err != nil || len(all) != 0 {
		t.Errorf("%d were invited (%v)", len(all), err)
	}
}

func TestWhoIsAMemberAlreadyIsSaidOnlyToWhoMayReadMembers(t *testing.T) {
	w := newMemberTown(t)
	blind, sighted := w.token(t, servertest.Ann, "member:invite"), w.token(t, servertest.Ann, "member:invite", "member:read")
	for email, id := range map[string]string{"BOB@example.com": servertest.Bob.ID, "gwen@acme.example": grouped.ID, "guest@example.com": guest.ID} {
		a := w.invite(t, sighted, email)
		if apiRefused(t, a, 409, "conflict", ""); !strings.Contains(string(a.Body), id) {
			t.Errorf("%s: %s", email, a.Body)
		}
		if a := w.invite(t, blind, email); a.Status != 201 {
			t.Errorf("%s, without reading: %d %s", email, a.Status, a.Body)
		}
	}
	// Of an account that is no member, or whose address is another tenant's claim, nobody learns.
	shape := regexp.MustCompile(`"(id|email|link|dateCreated|dateExpires)":"[^"]*"`)
	stranger := shape.ReplaceAllString(string(w.invite(t, sighted, "stranger@example.com").Body), "")
	for _, email := range []string{"zed@globex.example", "joe@globex.example"} {
		if a := w.invite(t, sighted, email); a.Status != 201 || shape.ReplaceAllString(string(a.Body), "") != stranger {
			t.Errorf("%s: %d %s", email, a.Status, a.Body)
		}
	}
}

func TestInvitationsAreLimitedByWhoInvitesAndByAddress(t *testing.T) {
	w := newMemberTown(t, servertest.RateLimits)
	tokens := []string{w.token(t, servertest.Ann, "member:invite"), w.token(t, servertest.Ann, "member:invite")}
	for n := range 5 {
		if a := w.invite(t, tokens[n%2], "new@example.com"); a.Status != 201 {
			t.Fatalf("%d: %d %s", n, a.Status, a.Body)
		}
	}
	a := w.invite(t, tokens[0], "new@example.com")
	if apiRefused(t, a, 429, "temporarily_unavailable", ""); a.Header.Get("Retry-After") != "600" {
		t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
	}
	for n := range 44 {
		if a := w.invite(t, tokens[n%2], fmt.Sprint("new", n, "@example.com")); a.Status != 201 {
			t.Fatalf("%d: %d %s", n, a.Status, a.Body)
		}
	}
	for _, token := range tokens { // another token of hers is no way round
		apiRefused(t, w.invite(t, token, "one-more@example.com"), 429, "temporarily_unavailable", "")
	}
	bob := w.token(t, servertest.Bob, "member:invite")
	if a := w.invite(t, bob, "one-more@example.com"); a.Status != 201 {
		t.Errorf("somebody else: %d %s", a.Status, a.Body)
	}
	apiRefused(t, w.invite(t, bob, "new@example.com"), 429, "temporarily_unavailable", "")
}
