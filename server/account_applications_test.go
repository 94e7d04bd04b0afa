package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

const applicationsAt = "/account/applications/"

// ASVS 10.4.9, 10.7.3: the list says what may be done, and taking it back ends every token.
func TestSomebodySeesWhatActsForThemAndTakesItBack(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	empty := b.Visit(t, applicationsAt)
	if empty.Status != http.StatusOK || !strings.Contains(string(empty.Body), "No application or device") {
		t.Fatalf("before: %d %s", empty.Status, empty.Body)
	}
	first := w.Redeem(t, servertest.Web, b.Code(t, servertest.Web, "scope", "openid offline_access org:read"))
	second := w.SignIn(t, servertest.CLI, servertest.Ann, "scope", "org:read offline_access")
	page := b.Visit(t, applicationsAt)
	if n := strings.Count(string(page.Body), `class="entry"`); n != 2 {
		t.Fatalf("%d applications are listed:\n%s", n, page.Body)
	}
	_, entry, found := strings.Cut(string(page.Body), `<h2>`+servertest.Web)
	if !found {
		t.Fatalf("it is not listed:\n%s", page.Body)
	}
	post := servertest.Answer{Body: []byte(entry)}.Form(t, applicationsAt)

	bob := w.SignedIn(t, servertest.Bob)
	theirs := bob.Visit(t, "/account/").Form(t, "/account/")
	theirs.Set("application", post.Get("application"))
	theirs.Set("organization", post.Get("organization"))
	if a := bob.Send(t, http.MethodPost, applicationsAt, theirs); a.Status != http.StatusForbidden {
		t.Errorf("somebody else's form: %d", a.Status)
	}
	if a := w.Introspect(t, servertest.Web, first.Text("access_token")); a.JSON()["active"] != true {
		t.Fatal("it ended before anybody took it back")
	}
	if a := b.Send(t, http.MethodPost, applicationsAt, post); a.Status != http.StatusSeeOther {
		t.Fatalf("disconnect: %d %s", a.Status, a.Body)
	}
	if a := w.Introspect(t, servertest.Web, first.Text("access_token")); a.JSON()["active"] != false {
		t.Error("its access token lives on")
	}
	if a := w.Refresh(t, servertest.Web, first.Text("refresh_token")); a.Status != http.StatusBadRequest {
		t.Errorf("its refresh token: %d", a.Status)
	}
	if a := w.Refresh(t, servertest.CLI, second.Text("refresh_token")); a.Status != http.StatusOK {
		t.Errorf("the other application: %d", a.Status)
	}
	if n := strings.Count(string(b.Visit(t, applicationsAt).Body), `class="entry"`); n != 1 {
		t.Errorf("%d applications are left", n)
	}
}

func TestTakingBackIsInTheActivity(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)
	w.Redeem(t, servertest.Web, b.Code(t, servertest.Web, "scope", "openid offline_access org:read"))
	b.Send(t, http.MethodPost, applicationsAt, b.Visit(t, applicationsAt).Form(t, applicationsAt))
	if page := string(b.Visit(t, "/account/activity/").Body); !strings.Contains(page, "Disconnected: ") {
		t.Errorf("it is not told:\n%s", page)
	}
}
