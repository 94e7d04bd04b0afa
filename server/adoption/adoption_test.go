package adoption_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/adoption"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/store/storetest"
)

// history is a store in which objects came and went, an hour apart.
type history struct {
	*store.DB
	t   *testing.T
	now time.Time
}

func newHistory(t *testing.T) *history {
	t.Helper()
	db, err := store.OpenSQLite(context.Background(), filepath.Join(t.TempDir(), "gatehouse.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return &history{db, t, storetest.Noon}
}

// there has exactly these be there.
func (h *history) there(objects ...store.Object) {
	h.t.Helper()
	h.now = h.now.Add(time.Hour)
	if _, err := h.SyncObjects(h.t.Context(), objects, h.now); err != nil {
		h.t.Fatal(err)
	}
}

var cli = adoption.Name{Kind: "ApiApplication", Namespace: "acme", Name: "cli"}

func app(uid, organization string) store.Object {
	return store.Object{Kind: "ApiApplication", Namespace: "acme", Name: "cli", UID: uid, OrganizationID: organization}
}

func organization(namespace, uid string) store.Object {
	return store.Object{Kind: "Organization", Namespace: namespace, Name: namespace, UID: uid}
}

func (h *history) of(name adoption.Name, as string) adoption.Proposal {
	h.t.Helper()
	p, err := adoption.Of(h.t.Context(), h.DB, name, as, h.now)
	if err != nil {
		h.t.Fatal(err)
	}
	return p
}

func (h *history) adopt(p adoption.Proposal) {
	h.t.Helper()
	if err := adoption.Do(h.t.Context(), h.DB, []adoption.Proposal{p}, h.now); err != nil {
		h.t.Fatal(err)
	}
}

func TestOfSeveralThatAreGoneTheLastIsTakenAndTheOthersAreShown(t *testing.T) {
	h := newHistory(t)
	acme := organization("acme", "org")
	for _, uid := range []string{"first", "second", "third"} {
		h.there(acme, app(uid, "org"))
	}
	p := h.of(cli, "")
	if p.ID != "second" || len(p.Others) != 1 || p.Others[0].UID != "first" || p.Refused != "" {
		t.Errorf("%+v", p)
	}
	if p = h.of(cli, "first"); p.ID != "first" || p.Refused != "" || p.Already {
		t.Errorf("asked for the first: %+v", p)
	}
	h.adopt(p)
	if p = h.of(cli, ""); !p.Already || p.ID != "first" {
		t.Errorf("adopted: %+v", p)
	}
	if p = h.of(cli, "second"); p.Already || p.ID != "second" || p.Refused != "" {
		t.Errorf("another one, after a mistake: %+v", p)
	}
}

func TestAChainLeadsToTheFirst(t *testing.T) {
	h := newHistory(t)
	acme := organization("acme", "org")
	h.there(acme, app("first", "org"))
	for _, uid := range []string{"second", "third", "fourth"} {
		h.there(acme, app(uid, "org"))
		p := h.of(cli, "")
		if p.ID != "first" || len(p.Others) != 0 || p.Refused != "" {
			t.Fatalf("%s: %+v", uid, p)
		}
		h.adopt(p)
	}
	h.there(acme, app("first", "org"))
	if p := h.of(cli, ""); p.ID != "first" || p.UID != "first" || p.Refused != "" {
		t.Errorf("restored as itself: %+v", p)
	}
	h.adopt(h.of(cli, ""))
	if p := h.of(cli, "third"); p.ID != "first" {
		t.Errorf("no circle: %+v", p)
	}
}

func TestWhatCannotBeAdoptedIsSaidWithItsCure(t *testing.T) {
	h := newHistory(t)
	acme, globex := organization("acme", "org"), organization("globex", "other")
	h.there(acme, globex, app("first", "org"))
	other := app("api", "org")
	other.Name = "api"
	h.there(acme, globex, app("second", "other"), other)
	for as, says := range map[string]string{
		"":     "was in Organization acme/acme and is in globex/globex now",
		"none": `never seen an object with the UID "none"`,
		"api":  "api is ApiApplication acme/api; an object goes on only as one of its own kind, namespace and name",
	} {
		if p := h.of(cli, as); !strings.Contains(p.Refused, says) {
			t.Errorf("--as %q: %q, want %q", as, p.Refused, says)
		}
	}
	h.there(acme, globex, app("third", ""), other)
	if p := h.of(cli, "first"); !strings.Contains(p.Refused, "is served in no Organization") {
		t.Errorf("not served: %q", p.Refused)
	}
	if err := adoption.Do(t.Context(), h.DB, []adoption.Proposal{h.of(cli, "first")}, h.now); err != nil {
		t.Fatal(err)
	}
	if all, err := h.Adoptions(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("what was refused is done all the same: %v, %v", all, err)
	}
}

// An application that was gone before its Organization was remembered: what is in force
// tells where it was.
func TestGrantsTellWhereAnApplicationWas(t *testing.T) {
	h := newHistory(t)
	acme, globex := organization("acme", "org_1"), organization("globex", "other")
	h.there(acme, globex, app(storetest.Application, ""))
	h.there(acme, globex, app("second", "org_1"))
	if p := h.of(cli, ""); p.Refused != "" {
		t.Errorf("nothing is in force: %q", p.Refused)
	}
	u := storetest.Person(t, h.DB)
	g := storetest.GrantOf(u)
	g.ExpiresAt, g.IdleExpiresAt = h.now.Add(time.Hour), h.now.Add(time.Hour)
	storetest.Granted(t, h.DB, u, g)
	if p := h.of(cli, ""); p.Refused != "" || p.Revived.Grants != 1 {
		t.Errorf("a grant of its Organization: %+v", p)
	}
	g = storetest.GrantOf(u)
	g.OrganizationID, g.ExpiresAt, g.IdleExpiresAt = "other", h.now.Add(time.Hour), h.now.Add(time.Hour)
	storetest.Granted(t, h.DB, u, g)
	if p := h.of(cli, ""); !strings.Contains(p.Refused, "globex/globex") {
		t.Errorf("a grant of another one: %+v", p)
	}
}

func TestAllTakesWhatWentLatelyWithItsOrganization(t *testing.T) {
	h := newHistory(t)
	h.there(organization("acme", "org"), app("first", "org"), organization("globex", "old"))
	h.there(organization("acme", "org"), app("first", "org"))
	h.now = h.now.Add(30 * 24 * time.Hour)
	h.there(organization("acme", "org-2"), app("second", "org-2"), organization("globex", "stranger"))
	found, err := adoption.Find(t.Context(), h.DB, h.now, h.now.Add(-time.Hour))
	if err != nil || len(found) != 3 {
		t.Fatalf("%+v, %v", found, err)
	}
	if found[0].UID != "org-2" || found[0].Refused != "" || found[2].UID != "second" || found[2].Refused != "" {
		t.Errorf("%+v", found)
	}
	if !strings.Contains(found[1].Refused, "gone for long") {
		t.Errorf("the name of one that went long ago: %+v", found[1])
	}
}
