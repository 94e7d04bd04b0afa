package server_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/adoption"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

const (
	newOrganization = "5f0e8a0e-0000-4000-8000-0000000000f1"
	newApplication  = "5f0e8a0e-0000-4000-8000-0000000001f1"
	newProvider     = "5f0e8a0e-0000-4000-8000-00000000000f"
)

// madeAnew deletes acme with its cli and the provider, and declares them again under other
// UIDs, as a cluster that was rebuilt does.
func madeAnew(t *testing.T, w *servertest.World) {
	t.Helper()
	organization, application := w.Declared.Organizations["acme"], w.Declared.Applications[cli]
	delete(w.Declared.Organizations, "acme")
	delete(w.Declared.Applications, cli)
	w.Publish(t)
	w.Pass(time.Minute)
	organization.ID, application.UID, w.Declared.Local.UID = newOrganization, newApplication, newProvider
	w.Declared.Organizations["acme"], w.Declared.Applications[cli] = organization, application
	w.Publish(t)
	w.Pass(time.Minute)
}

// adopt does what `gatehouse adopt --all` does, and what the server does about it.
func adopt(t *testing.T, w *servertest.World) []adoption.Proposal {
	t.Helper()
	found, err := adoption.Find(t.Context(), w.Store, w.Now(), time.Time{})
	if err == nil {
		err = adoption.Do(t.Context(), w.Store, found, w.Now())
	}
	if err != nil {
		t.Fatal(err)
	}
	serveAdopted(t, w)
	return found
}

func serveAdopted(t *testing.T, w *servertest.World) {
	t.Helper()
	adoptions, err := w.Store.Adoptions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.Declared.Adopted = map[string]string{}
	for _, a := range adoptions {
		w.Declared.Adopted[a.UID] = a.ID
	}
	w.Publish(t)
}

func TestAnObjectMadeAnewInheritsNothingUntilItIsAdopted(t *testing.T) {
	w := servertest.New(t)
	signedIn := w.SignIn(t, cli, servertest.Ann)
	machines := machineToken(t, w, machine)
	madeAnew(t, w)
	inactive(t, w, signedIn.Text("access_token"))
	inactive(t, w, machines)
	refused(t, w.Refresh(t, cli, signedIn.Text("refresh_token")), 400, "invalid_grant")

	found := adopt(t, w)
	if len(found) != 3+len(goneWith(w)) {
		t.Errorf("found %+v", found)
	}
	active(t, w, signedIn.Text("access_token"), "org:read project:read project:write")
	active(t, w, machines, "org:read project:read")
	a := w.Refresh(t, cli, signedIn.Text("refresh_token"))
	if a.Status != 200 {
		t.Fatalf("refresh after the adoption: %d %s", a.Status, a.Body)
	}
	introspected := w.Introspect(t, machine, a.Text("access_token"))
	if id := introspected.Text("org_id"); id != "5f0e8a0e-0000-4000-8000-000000000001" {
		t.Errorf("org_id is %q, want the first one", id)
	}
	if again := adopt(t, w); len(again) != 0 {
		t.Errorf("a second time there is %+v", again)
	}
}

// goneWith are the applications whose Organization was away, and that stayed themselves.
func goneWith(w *servertest.World) (ids []string) {
	for id := range w.Declared.Applications {
		if strings.HasPrefix(id, "acme.") && id != cli {
			ids = append(ids, id)
		}
	}
	return ids
}

func TestWhatWasRevokedStaysRevokedAfterAnAdoption(t *testing.T) {
	w := servertest.New(t)
	byHand, disabled, before := w.SignIn(t, cli, servertest.Ann), w.SignIn(t, cli, servertest.Bob), w.SignIn(t, cli, servertest.Ann)
	if a := w.Post(t, "/oauth/revoke/", cli, "token", byHand.Text("refresh_token")); a.Status != 200 {
		t.Fatalf("revoke: %d", a.Status)
	}
	madeAnew(t, w)
	if err := w.Store.SetDisabled(t.Context(), servertest.Bob.ID, true, store.Event{Time: w.Now(), Action: "user.disabled"}); err != nil {
		t.Fatal(err)
	}
	between := w.SignIn(t, cli, servertest.Ann)
	active(t, w, between.Text("access_token"), "org:read project:read project:write")
	adopt(t, w)
	if err := w.Store.SetDisabled(t.Context(), servertest.Bob.ID, false, store.Event{Time: w.Now(), Action: "user.enabled"}); err != nil {
		t.Fatal(err)
	}
	for name, dead := range map[string]servertest.Answer{"revoked": byHand, "of somebody disabled meanwhile": disabled, "issued in between": between} {
		inactive(t, w, dead.Text("access_token"))
		if a := w.Refresh(t, cli, dead.Text("refresh_token")); a.Status != 400 {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
	active(t, w, before.Text("access_token"), "org:read project:read project:write")
}

// An object may come back as itself, as files do, or objects of a restored etcd.
func TestAnObjectThatCameBackAsItselfIsAdoptedToo(t *testing.T) {
	w := servertest.New(t)
	signedIn := w.SignIn(t, cli, servertest.Ann)
	comesBack(t, w)
	w.Publish(t)
	inactive(t, w, signedIn.Text("access_token"))
	adopt(t, w)
	active(t, w, signedIn.Text("access_token"), "org:read project:read project:write")

	w.Pass(time.Minute)
	comesBack(t, w)
	w.Publish(t)
	inactive(t, w, signedIn.Text("access_token")) // an adoption lifts the absences before it, not those to come
}

func TestAnAdoptionLiftsNoLaterRemoval(t *testing.T) {
	w := servertest.New(t)
	signedIn := w.SignIn(t, cli, servertest.Ann)
	madeAnew(t, w)
	adopt(t, w)
	active(t, w, signedIn.Text("access_token"), "org:read project:read project:write")
	w.Pass(time.Minute)
	comesBack(t, w)
	w.Publish(t)
	inactive(t, w, signedIn.Text("access_token"))
	if found := adopt(t, w); len(found) != 1 || found[0].ID != "5f0e8a0e-0000-4000-8000-000000000100" || found[0].UID != newApplication {
		t.Errorf("the way back leads to the first one: %+v", found)
	}
	active(t, w, signedIn.Text("access_token"), "org:read project:read project:write")
}

// Whoever may write ApiApplications in a namespace makes the one of another Organization
// anew, in their own, and waits for the administrator.
func TestAnApplicationIsNotAdoptedIntoAnotherOrganization(t *testing.T) {
	w := servertest.New(t)
	signedIn := w.SignIn(t, cli, servertest.Ann)
	app := w.Declared.Applications[cli]
	delete(w.Declared.Applications, cli)
	w.Publish(t)
	w.Pass(time.Minute)
	stolen := *app
	stolen.UID, stolen.ClientID, stolen.AnyOrganization = newApplication, "globex.stolen", true
	w.Declared.Applications["globex.stolen"] = &stolen
	w.Declared.Names = map[string]string{"globex.stolen": "acme/" + cli}
	w.Declared.Organizations["acme"].External.All = true
	w.Publish(t)
	found := adopt(t, w)
	if len(found) != 1 || !strings.Contains(found[0].Refused, "was in Organization acme/acme and is in globex/globex now") {
		t.Fatalf("%+v", found)
	}
	if a := w.Refresh(t, "globex.stolen", signedIn.Text("refresh_token")); a.Status == 200 {
		t.Error("the grant of another organization's application was revived")
	}
	forced := []store.Adoption{{UID: newApplication, ID: "5f0e8a0e-0000-4000-8000-000000000199", At: w.Now()}}
	if err := w.Store.Adopt(t.Context(), forced, nil); !errors.Is(err, store.ErrConflict) {
		t.Errorf("an ID that nobody had is taken: %v", err)
	}
}

func TestAnAdoptionIsAuditedAndPutsTheOrganizationFirst(t *testing.T) {
	w := servertest.New(t)
	w.SignIn(t, cli, servertest.Ann)
	madeAnew(t, w)
	name := adoption.Name{Kind: "ApiApplication", Namespace: "acme", Name: cli}
	p, err := adoption.Of(t.Context(), w.Store, name, "", w.Now())
	if err != nil || !strings.Contains(p.Refused, "adopt that first: gatehouse adopt Organization acme/acme") {
		t.Fatalf("%+v, %v", p, err)
	}
	found := adopt(t, w)
	if found[0].Kind != "Organization" || found[0].Revived.Grants != 1 {
		t.Errorf("first %+v", found[0])
	}
	events, err := w.Store.Events(t.Context(), len(found))
	if err != nil || !slices.ContainsFunc(events, func(ev store.Event) bool {
		return ev.Action == "object.adopted" && ev.Actor == "operator" && ev.Target == newOrganization &&
			ev.OrganizationID == "5f0e8a0e-0000-4000-8000-000000000001"
	}) {
		t.Errorf("%+v, %v", events, err)
	}
}
