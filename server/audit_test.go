package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

const auditPath = "/api/0/organizations/acme/audit/"

// auditor gives Ann in acme the scope that shows what happened there.
func auditor(t *testing.T, w *servertest.World) string {
	t.Helper()
	all := oauth.NewScopeSet("org:read", "org:write", "project:read")
	acme := w.Declared.Organizations["acme"]
	acme.Catalogue = model.NewCatalogue(append(acme.Catalogue.Scopes, model.Scope{Name: "org:write", Includes: all[:2]}))
	w.Declared.Roles["acme developer"].Scopes = all
	w.Declared.Applications[cli].Scopes, w.Declared.Applications[cli].Declared = all, all
	w.Publish(t)
	return w.SignIn(t, cli, servertest.Ann, "scope", "org:write").Text("access_token")
}

func record(t *testing.T, w *servertest.World, events ...store.Event) {
	t.Helper()
	for _, ev := range events {
		ev.Time, ev.Outcome = w.Now(), "ok"
		if err := w.Store.Record(t.Context(), ev); err != nil {
			t.Fatal(err)
		}
	}
}

// ASVS 10.3.2: what happened in an organization is for who may write it, and of no other.
func TestAuditShowsTheEventsOfTheTokensOrganizationOnly(t *testing.T) {
	w := servertest.New(t)
	reader := w.SignIn(t, cli, servertest.Ann).Text("access_token")
	token := auditor(t, w)
	acme, globex := w.Declared.Organizations["acme"].ID, w.Declared.Organizations["globex"].ID
	record(t, w,
		store.Event{Actor: servertest.Ann.ID, OrganizationID: acme, Action: "x.first", Target: "t", IP: "192.0.2.1", Reason: "why"},
		store.Event{Actor: servertest.Bob.ID, OrganizationID: globex, Action: "x.foreign"},
		store.Event{Actor: servertest.Bob.ID, Action: "x.private"},
		store.Event{Actor: "usr_goneforgoodgoneforgood", OrganizationID: acme, Action: "x.gone"},
		store.Event{Actor: "operator", OrganizationID: acme, Action: "x.last"})
	a := w.Get(t, auditPath+"?event=x.*", token)
	if a.Status != 200 || a.Header.Get("Link") != "" {
		t.Fatalf("%d %s, Link %q", a.Status, a.Body, a.Header.Get("Link"))
	}
	date := w.Now().UTC().Format(time.RFC3339Nano)
	want := fmt.Sprintf(`[{"id":"N","dateCreated":%[1]q,"event":"x.last","actor":{"type":"operator"},"outcome":"ok"},`+
		`{"id":"N","dateCreated":%[1]q,"event":"x.gone","actor":{"type":"user","id":"usr_goneforgoodgoneforgood"},"outcome":"ok"},`+
		`{"id":"N","dateCreated":%[1]q,"event":"x.first","actor":{"type":"user","id":%[2]q,"name":"Ann","email":"ann@example.com"},"target":"t","ipAddress":"192.0.2.1","outcome":"ok","reason":"why"}]`,
		date, servertest.Ann.ID)
	if got := regexp.MustCompile(`"id":"\d+"`).ReplaceAllString(string(a.Body), `"id":"N"`); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if a := w.Get(t, auditPath+"?event=grant.created", token); a.Status != 200 || !regexp.MustCompile(`"application":"acme.cli"`).Match(a.Body) {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	for path, by := range map[string]string{
		auditPath: reader, "/api/0/organizations/globex/audit/": token, "/api/0/organizations/" + globex + "/audit": token,
		"/api/0/organizations/nowhere/audit/": token,
	} {
		apiRefused(t, w.Get(t, path, by), 403, "insufficient_scope", `error="insufficient_scope"`)
	}
	apiRefused(t, w.Get(t, auditPath, ""), 401, "invalid_token", "Bearer realm=")
	for _, path := range []string{"/api/0/organizations//audit/", "/api/0/organizations/acme/audit/x/", "/api/0/organizations/acme/else/", "/api/0/organizations/acme%2Faudit/"} {
		if a := w.Get(t, path, token); a.Status != 404 {
			t.Errorf("%s: %d", path, a.Status)
		}
	}
}

func TestAuditIsReadPageByPage(t *testing.T) {
	w := servertest.New(t)
	token := auditor(t, w)
	for i := range 5 {
		record(t, w, store.Event{Actor: "operator", OrganizationID: w.Declared.Organizations["acme"].ID, Action: fmt.Sprint("x.", i)})
	}
	var got []string
	next := regexp.MustCompile(`^<([^>]*)>; rel="next"$`)
	for path := auditPath + "?limit=2&event=x.*"; path != ""; {
		a := w.Get(t, path, token)
		for _, id := range regexp.MustCompile(`"event":"(x\.\d)"`).FindAllStringSubmatch(string(a.Body), -1) {
			got = append(got, id[1])
		}
		link := next.FindStringSubmatch(a.Header.Get("Link"))
		if path = ""; link != nil {
			u, err := url.Parse(link[1])
			if err != nil || u.Scheme+"://"+u.Host != "http://"+w.HTTP.Listener.Addr().String() {
				t.Fatalf("link %q, %v", link[1], err)
			}
			path = u.RequestURI()
		}
	}
	if fmt.Sprint(got) != "[x.4 x.3 x.2 x.1 x.0]" {
		t.Errorf("got %v", got)
	}
}

func TestAuditNamesTheParameterThatIsWrong(t *testing.T) {
	w := servertest.New(t)
	token := auditor(t, w)
	for query, name := range map[string]string{
		"limit=0": "limit", "limit=501": "limit", "limit=x": "limit", "cursor=x": "cursor", "cursor=-1": "cursor",
		"since=yesterday": "since", "until=2026-01-31": "until", "event=a&event=b": "event",
	} {
		a := w.Get(t, auditPath+"?"+query, token)
		detail, _ := a.JSON()["detail"].(map[string]any)
		if message, _ := detail["message"].(string); a.Status != http.StatusBadRequest || !regexp.MustCompile(name).MatchString(message) {
			t.Errorf("%s: %d %s", query, a.Status, a.Body)
		}
	}
	at := url.QueryEscape(w.Now().Format(time.RFC3339))
	for query, want := range map[string]int{"since=" + at: 1, "until=" + at: 0, "outcome=refused": 0, "actor=" + servertest.Ann.ID + "&event=grant.created": 1} {
		if query == "since="+at {
			record(t, w, store.Event{OrganizationID: w.Declared.Organizations["acme"].ID, Action: "x.now"})
			query += "&event=x.now"
		}
		a := w.Get(t, auditPath+"?"+query, token)
		if got := len(regexp.MustCompile(`"event":`).FindAll(a.Body, -1)); a.Status != 200 || got != want {
			t.Errorf("%s: %d, %d events: %s", query, a.Status, got, a.Body)
		}
	}
}

// A tenant that sends people to its own application must not learn from its audit log who
// they are: who does not belong there, and says no, is nobody's there to see.
func TestWhoDoesNotBelongToAnOrganizationIsNotInItsAudit(t *testing.T) {
	w := servertest.New(t)
	w.Declared.Holdings["acme"][servertest.Bob.Email] = nil
	token := auditor(t, w)
	bob := w.SignedIn(t, servertest.Bob)
	page := bob.Authorize(t, web)
	says(t, page, http.StatusOK, "not a member of Acme")
	bob.Decide(t, page, "deny")
	code := w.StartDevice(t, cli).Text("user_code")
	form := bob.Visit(t, "/oauth/device/?user_code="+code).Form(t, "/oauth/device/")
	form.Set("decision", "deny")
	bob.Send(t, http.MethodPost, "/oauth/device/", form)
	a := w.Get(t, auditPath+"?outcome=ok", token)
	if a.Status != 200 || regexp.MustCompile(servertest.Bob.ID+"|"+servertest.Bob.Email).Match(a.Body) {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	denied, err := w.Store.EventsOf(t.Context(), servertest.Bob.ID, 10)
	if err != nil || !slices.ContainsFunc(denied, func(ev store.Event) bool { return ev.Action == "device.denied" }) ||
		!slices.ContainsFunc(denied, func(ev store.Event) bool { return ev.Action == "authorization.denied" }) {
		t.Errorf("they themselves see %+v, %v", denied, err)
	}
}

// Who left is told by the account alone: what they are called now is not the tenant's to see.
func TestTheAuditNamesNobodyWhoLeft(t *testing.T) {
	w := servertest.New(t)
	w.Declared.Holdings["acme"][servertest.Bob.Email] = nil
	token := auditor(t, w)
	record(t, w, store.Event{Actor: servertest.Bob.ID, OrganizationID: w.Declared.Organizations["acme"].ID, Action: "x.left"})
	a := w.Get(t, auditPath+"?event=x.left", token)
	if want := fmt.Sprintf(`"actor":{"type":"user","id":%q}`, servertest.Bob.ID); !strings.Contains(string(a.Body), want) {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}
