package cli

import (
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/store/storetest"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
)

func TestAnOperatorInvitesListsAndRevokes(t *testing.T) {
	dir := t.TempDir()
	db, _ := withAnn(t, dir)
	if _, err := keyring.Open(dir, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	org := store.Object{Kind: "Organization", Namespace: "acme", Name: "works", UID: "org_1"}
	if _, err := db.SyncObjects(t.Context(), []store.Object{org, {Kind: "ApiApplication", Namespace: "acme", Name: "cli", UID: "app_1"}}, storetest.Noon); err != nil {
		t.Fatal(err)
	}
	invite := func(args ...string) (int, string) {
		return gatehouse(t, dir, append([]string{"user", "invite"}, args...)...)
	}
	for what, args := range map[string][]string{
		"no issuer": {"bob@acme.com", "--organization", "acme/works"}, "no organization": {"bob@acme.com", "--issuer", "https://id.example"},
		"in the clear": {"bob@acme.com", "--organization", "acme/works", "--issuer", "http://id.example"},
	} {
		if code, out := invite(args...); code != exitUsage {
			t.Errorf("%s: exit code %d\n%s", what, code, out)
		}
	}
	for what, args := range map[string][]string{
		"an organization that never was": {"bob@acme.com", "--organization", "acme/none", "--issuer", "https://id.example"},
		"a name without its namespace":   {"bob@acme.com", "--organization", "works", "--issuer", "https://id.example"},
		"the ID of something else":       {"bob@acme.com", "--organization", "app_1", "--issuer", "https://id.example"},
		"no address":                     {"bob", "--organization", "acme/works", "--issuer", "https://id.example"},
	} {
		if code, out := invite(args...); code != exitFindings {
			t.Errorf("%s: exit code %d\n%s", what, code, out)
		}
	}
	code, out := invite("Bob@acme.com", "--organization", "acme/works", "--issuer", "https://id.example/")
	link, found := strings.CutPrefix(strings.TrimSpace(out), "https://id.example/invitation/?link=")
	if code != exitOK || !found || len(link) != 43 {
		t.Fatalf("invite: %d\n%s", code, out)
	}
	leaks.Remember(link)
	for _, output := range []string{"text", "json"} {
		code, out = gatehouse(t, dir, "user", "invitations", "--organization", "acme/works", "--output", output)
		if code != exitOK || !strings.Contains(out, "bob@acme.com") || !strings.Contains(out, "acme/works") || strings.Contains(out, link) {
			t.Errorf("list as %s: %d\n%s", output, code, out)
		}
	}
	for _, args := range [][]string{{"user", "invitations"}, {"audit"}} {
		if code, out := gatehouse(t, dir, append(args, "--organization", "works")...); code != exitFindings {
			t.Errorf("%v of a name without its namespace: exit code %d\n%s", args, code, out)
		}
	}
	all, err := db.Invitations(t.Context(), "org_1")
	if err != nil || len(all) != 1 {
		t.Fatalf("%d invitations (%v)", len(all), err)
	}
	if code, out := gatehouse(t, dir, "user", "invitations", "--revoke", all[0].ID); code != exitOK || !strings.Contains(out, "revoked") {
		t.Errorf("revoke: %d\n%s", code, out)
	}
	if code, out := gatehouse(t, dir, "user", "invitations", "--revoke", all[0].ID); code != exitFindings {
		t.Errorf("revoked twice: %d\n%s", code, out)
	}
}

func TestAnOperatorListsAndDisconnectsIdentities(t *testing.T) {
	dir := t.TempDir()
	db, ann := withAnn(t, dir)
	eve := store.User{ID: "usr_eve", Name: "Eve", CreatedAt: storetest.Noon}
	one := store.Identity{ProviderUID: "works", Subject: "47\x1b[2J11", Email: "eve@works.example", CreatedAt: storetest.Noon}
	if err := db.CreateUserWithIdentity(t.Context(), eve, one, nil, storetest.Act("user.created")); err != nil {
		t.Fatal(err)
	}
	one.UserID = ann.ID // who has no password
	for _, one.Subject = range []string{"4712", "4713"} {
		if err := db.LinkIdentity(t.Context(), one, storetest.Act("identity.linked")); err != nil {
			t.Fatal(err)
		}
	}
	code, out := gatehouse(t, dir, "user", "identities", "usr_eve")
	if code != exitOK || !strings.Contains(out, "eve@works.example") || strings.Contains(out, "\x1b") {
		t.Errorf("who has no address here: %d\n%s", code, out)
	}
	code, out = gatehouse(t, dir, "user", "identities", ann.Email, "--output", "json")
	if code != exitOK || !strings.Contains(out, `"4712"`) {
		t.Errorf("Ann: %d\n%s", code, out)
	}
	if code, _ := gatehouse(t, dir, "user", "identities", ann.Email, "--unlink", "works"); code != exitUsage {
		t.Errorf("without a subject: %d", code)
	}
	if code, out := gatehouse(t, dir, "user", "identities", "usr_eve", "--unlink", "works", "--subject", "47\x1b[2J11"); code != exitFindings {
		t.Errorf("the only way in: %d\n%s", code, out)
	}
	if code, out := gatehouse(t, dir, "user", "identities", ann.Email, "--unlink", "works", "--subject", "4711"); code != exitFindings {
		t.Errorf("somebody else's: %d\n%s", code, out)
	}
	if code, out := gatehouse(t, dir, "user", "identities", ann.Email, "--unlink", "works", "--subject", "4712"); code != exitOK || !strings.Contains(out, "disconnected from "+ann.Email) {
		t.Errorf("Ann's: %d\n%s", code, out)
	}
}

func TestAnOperatorListsAndRemovesMembers(t *testing.T) {
	dir := t.TempDir()
	db, ann := withAnn(t, dir)
	org := store.Object{Kind: "Organization", Namespace: "acme", Name: "works", UID: "org_1"}
	if _, err := db.SyncObjects(t.Context(), []store.Object{org}, storetest.Noon); err != nil {
		t.Fatal(err)
	}
	invited := model.Membership{OrganizationID: "org_1", Source: model.MemberByInvitation, At: storetest.Noon}
	came := model.Membership{OrganizationID: "org_1", Source: model.MemberByProvider, ProviderUID: "okta", At: storetest.Noon}
	eve := store.User{ID: "usr_eve", Name: "Eve\x1b[2J", Email: "eve@works.example", CreatedAt: storetest.Noon}
	one := store.Identity{ProviderUID: "okta", Subject: "1", CreatedAt: storetest.Noon}
	elsewhere := invited
	elsewhere.OrganizationID = "org_2"
	if err := db.CreateUserWithIdentity(t.Context(), eve, one, []model.Membership{came, elsewhere}, storetest.Act("user.created")); err != nil {
		t.Fatal(err)
	}
	if err := db.AddMembership(t.Context(), ann.ID, invited, storetest.Act("member.added")); err != nil {
		t.Fatal(err)
	}
	members := func(args ...string) (int, string) {
		return gatehouse(t, dir, append([]string{"user", "members"}, args...)...)
	}
	for what, args := range map[string][]string{"no organization": nil, "nobody": {"--organization", "acme/works", "--remove", ""}} {
		if code, out := members(args...); code != exitUsage {
			t.Errorf("%s: %d\n%s", what, code, out)
		}
	}
	for _, output := range []string{"text", "json"} {
		code, out := members("--organization", "acme/works", "--output", output)
		if code != exitOK || !strings.Contains(out, ann.Email) || !strings.Contains(out, "invitation") || !strings.Contains(out, "usr_eve") || strings.Contains(out, "\x1b") {
			t.Errorf("list as %s: %d\n%s", output, code, out)
		}
	}
	for what, args := range map[string][]string{"who is none": {"--remove", "usr_none"}, "no such organization": {"--remove", "usr_eve", "--organization", "acme/none"}} {
		if code, out := members(append([]string{"--organization", "acme/works"}, args...)...); code != exitFindings {
			t.Errorf("%s: %d\n%s", what, code, out)
		}
	}
	if code, out := members("--organization", "acme/works", "--remove", ann.Email); code != exitOK || !strings.Contains(out, "removed "+ann.Email) {
		t.Errorf("Ann: %d\n%s", code, out)
	}
	if code, out := members("--organization", "acme/works", "--remove", ann.Email); code != exitFindings {
		t.Errorf("Ann again: %d\n%s", code, out)
	}
	if code, out := members("--organization", "acme/works", "--remove", "usr_eve"); code != exitOK {
		t.Errorf("Eve: %d\n%s", code, out)
	}
	u, err := db.User(t.Context(), "usr_eve")
	if err != nil || len(u.Memberships) != 1 || u.Memberships[0].OrganizationID != "org_2" {
		t.Errorf("Eve is %+v (%v)", u.Memberships, err)
	}
}
