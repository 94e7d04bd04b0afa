package server_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

// By an invitation to a second account of theirs somebody would hold more than they do.
func TestNobodyInvitesToWhatRanksHigher(t *testing.T) {
	w := newMemberTown(t)
	bob, ann := w.token(t, servertest.Bob, "member:invite"), w.token(t, servertest.Ann, "member:invite")
	robot := machineToken(t, w.World, machine)
	w.Declared.Roles["acme member"].Priority = 51
	w.Publish(t)
	for _, token := range []string{bob, robot} {
		a := w.invite(t, token, "new@example.com")
		if apiRefused(t, a, 403, "insufficient_rank", ""); !strings.Contains(string(a.Body), "acme/member") {
			t.Errorf("%s", a.Body)
		}
	}
	if a := w.invite(t, ann, "new@example.com"); a.Status != 201 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	w.Declared.Roles["acme member"].Priority = 50
	w.Publish(t)
	if a := w.invite(t, bob, "another@example.com"); a.Status != 201 {
		t.Errorf("of equal rank: %d %s", a.Status, a.Body)
	}
}

func TestARemovedMemberHasNothingThereFromThatMomentOn(t *testing.T) {
	w := newMemberTown(t)
	w.give(t, guest, "globex", model.MemberByInvitation, "")
	w.Declared.Defaults["globex"] = "globex reader"
	w.Publish(t)
	there, elsewhere := w.SignIn(t, cli, guest), w.SignIn(t, servertest.GlobexCLI, guest)
	waiting := w.StartDevice(t, cli)
	w.Approve(t, waiting.Text("user_code"), guest)
	browser := w.SignedIn(t, guest)
	token := w.token(t, servertest.Ann, memberScopes...)
	theirs := w.invite(t, w.token(t, guest, "member:invite"), "friend@example.com")
	if a := w.Introspect(t, machine, there.Text("access_token")); a.JSON()["active"] != true {
		t.Fatalf("before: %s", a.Body)
	}
	if a := w.remove(t, token, guest.ID); a.Status != 204 || len(a.Body) != 0 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if a := w.Introspect(t, machine, there.Text("access_token")); a.JSON()["active"] != false {
		t.Errorf("the access token: %s", a.Body)
	}
	apiRefused(t, w.Get(t, "/api/0/organizations/acme/", there.Text("access_token")), 401, "invalid_token", `error="invalid_token"`)
	if a := w.Refresh(t, cli, there.Text("refresh_token")); a.Status != 400 || a.Text("error") != "invalid_grant" {
		t.Errorf("the refresh token: %d %s", a.Status, a.Body)
	}
	if a := w.Poll(t, cli, waiting.Text("device_code")); a.Status != 400 || a.Text("error") != "access_denied" {
		t.Errorf("what waited: %d %s", a.Status, a.Body)
	}
	if a := browser.Authorize(t, servertest.Web); a.Status == 303 && strings.Contains(a.Header.Get("Location"), "code=") || strings.Contains(string(a.Body), "approve") {
		t.Errorf("their session opens an application: %d %.200s", a.Status, a.Body)
	}
	if a := w.Refresh(t, servertest.GlobexCLI, elsewhere.Text("refresh_token")); a.Status != 200 {
		t.Errorf("in another organization: %d %s", a.Status, a.Body)
	}
	apiRefused(t, w.Get(t, membersPath+guest.ID+"/", token), 404, "not_found", "")
	apiRefused(t, w.Get(t, membersPath+theirs.Text("id")+"/", token), 404, "not_found", "")
	apiRefused(t, w.remove(t, token, guest.ID), 404, "not_found", "")
	if got := w.events(t, "member.removed"); !slices.Equal(got, []string{servertest.Ann.ID + " " + guest.ID + " ok"}) {
		t.Errorf("recorded %q", got)
	}
	// Who comes back is a new member: what ended does not come back.
	w.give(t, guest, "acme", model.MemberByInvitation, "")
	if a := w.Refresh(t, cli, there.Text("refresh_token")); a.Status != 400 {
		t.Errorf("the old refresh token, a member again: %d %s", a.Status, a.Body)
	}
}

func TestNobodyRemovesWhoRanksHigher(t *testing.T) {
	w := newMemberTown(t)
	w.Declared.Holdings["acme"][servertest.Bob.Email] = nil // then he is a guest like the other
	w.give(t, servertest.Bob, "acme", model.MemberByInvitation, "")
	w.Declared.Roles["acme member"].Priority = 60
	w.Declared.Holdings["acme"][joined.Email] = nil
	w.Publish(t)
	admin := func(person store.User) string { return w.token(t, person, "member:admin") }
	robot := machineToken(t, w.World, machine) // of rank 50
	apiRefused(t, w.remove(t, robot, joined.ID), 403, "insufficient_rank", "")
	apiRefused(t, w.remove(t, robot, servertest.Ann.ID), 403, "insufficient_rank", "") // not even that she is declared
	if got, want := w.events(t, "member.removed"), machine+" "+joined.ID+" refused ranks higher"; len(got) != 2 || got[1] != want {
		t.Errorf("recorded %q, want %q", got, want)
	}
	if a := w.remove(t, admin(servertest.Bob), joined.ID); a.Status != 204 {
		t.Errorf("of equal rank: %d %s", a.Status, a.Body)
	}
	if a := w.remove(t, admin(servertest.Ann), servertest.Bob.ID); a.Status != 204 {
		t.Errorf("of lower rank: %d %s", a.Status, a.Body)
	}
	if a := w.remove(t, w.token(t, guest, "member:read"), guest.ID); a.Status != 204 {
		t.Errorf("oneself: %d %s", a.Status, a.Body)
	}
	if got := listed(t, w.Get(t, membersPath, w.token(t, servertest.Ann, "member:read"))); len(got) != 2 || got[1].ID != grouped.ID {
		t.Errorf("left: %+v", got)
	}
}

func TestWhoIsDeclaredIsRemovedWhereTheyAreDeclared(t *testing.T) {
	w := newMemberTown(t)
	token := w.token(t, servertest.Ann, memberScopes...)
	w.give(t, servertest.Bob, "acme", model.MemberByInvitation, "")
	for _, c := range []struct{ id, says string }{
		{servertest.Ann.ID, "Role acme/developer"}, {servertest.Bob.ID, "Role acme/reader"}, {grouped.ID, "out of their group at its provider"},
	} {
		a := w.remove(t, token, c.id)
		if apiRefused(t, a, 409, "conflict", ""); !strings.Contains(string(a.Body), c.says) || !strings.Contains(string(a.Body), "spec.subjects") {
			t.Errorf("%s, want %s in it", a.Body, c.says)
		}
	}
	if u, err := w.Store.User(t.Context(), servertest.Bob.ID); err != nil || len(u.Memberships) != 1 {
		t.Errorf("Bob is %+v (%v)", u.Memberships, err)
	}
	if got := w.events(t, "member.removed"); len(got) != 0 {
		t.Errorf("recorded %q", got)
	}
}

func TestAPendingInvitationIsTakenBack(t *testing.T) {
	w := newMemberTown(t)
	token := w.token(t, servertest.Ann, memberScopes...)
	invited := w.invite(t, token, "new@example.com")
	if a := w.remove(t, token, invited.Text("id")); a.Status != 204 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if a := w.Browser().Visit(t, invited.Text("link")); a.Status != 404 {
		t.Errorf("its link: %d", a.Status)
	}
	apiRefused(t, w.remove(t, token, invited.Text("id")), 404, "not_found", "")
	if got := w.events(t, "invitation.revoked"); !slices.Equal(got, []string{servertest.Ann.ID + " " + invited.Text("id") + " ok"}) {
		t.Errorf("recorded %q", got)
	}
}
