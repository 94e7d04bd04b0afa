package server

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
)

func (w *ssoTown) invite(t *testing.T, email string) string {
	t.Helper()
	ev := store.Event{Time: w.Now(), Actor: "operator", Action: "invitation.created", Outcome: "ok"}
	link, err := people.Invite(t.Context(), w.Store, w.Keyring.LookupKey(), "org-1", email, ev)
	if err != nil {
		t.Fatal(err)
	}
	leaks.Remember(link)
	return "/invitation/?link=" + link
}

func (b *tab) answerInvitation(t *testing.T, page *httptest.ResponseRecorder, act string, pairs ...string) *httptest.ResponseRecorder {
	t.Helper()
	form := fields(t, page, "/invitation/")
	form.Set("act", act)
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return b.post("/invitation/", form)
}

func (w *ssoTown) user(t *testing.T, id string) store.User {
	t.Helper()
	u, err := w.Store.User(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// An invitation adds a membership to the account that is signed in, and nothing else: no
// identity, no address, whatever address it is for.
func TestAnInvitationMakesAMemberAndJoinsNothing(t *testing.T) {
	w := newSSOTown(t)
	link := w.invite(t, "robert@elsewhere.example")
	b := w.signedIn(t, "bob@example.com")
	before := w.user(t, bobID())
	page := b.get(link)
	want(t, "the page", page, 200, "robert@elsewhere.example")
	want(t, "to what", page, 200, "Join Acme")
	want(t, "as whom", page, 200, "now that is <strong>bob@example.com")
	if len(w.user(t, bobID()).Memberships) != 0 {
		t.Fatal("to look at it makes a member")
	}
	want(t, "accepted", b.answerInvitation(t, page, "accept"), 200, "You are a member of Acme")
	after := w.user(t, bobID())
	if len(after.Memberships) != 1 || after.Memberships[0].OrganizationID != "org-1" || after.Memberships[0].Source != model.MemberByInvitation {
		t.Errorf("memberships %+v", after.Memberships)
	}
	if after.Memberships = nil; after.Login != before.Login || after.Email != before.Email || after.EmailProvenBy != before.EmailProvenBy || len(after.Identities) != 0 {
		t.Errorf("the account is %+v, was %+v", after, before)
	}
	want(t, "a second time", w.signedIn(t, "ann@example.com").get(link), 404, "no longer good")
}

func TestInvitationsThatAreNoneInForce(t *testing.T) {
	for name, change := range map[string]func(*testing.T, *ssoTown, string){
		"seven days later":       func(_ *testing.T, w *ssoTown, _ string) { w.pass(people.InvitationFor) },
		"another one since":      func(t *testing.T, w *ssoTown, _ string) { w.invite(t, "bob@example.com") },
		"a suspended one":        func(t *testing.T, w *ssoTown, _ string) { w.org.Suspended = true; w.publish(t) },
		"an organization before": func(t *testing.T, w *ssoTown, _ string) { w.org.ID = "org-2"; w.publish(t) },
		"a revoked one": func(t *testing.T, w *ssoTown, _ string) {
			all, err := w.Store.Invitations(t.Context(), "org-1")
			if err != nil || len(all) != 1 {
				t.Fatalf("%d invitations (%v)", len(all), err)
			}
			if err := w.Store.EndInvitation(t.Context(), all[0].ID, store.Event{Time: w.Now(), Action: "invitation.revoked"}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		w := newSSOTown(t)
		link := w.invite(t, "bob@example.com")
		b := w.open()
		page := b.get(link)
		change(t, w, link)
		want(t, name, b.get(link), 404, "no longer good")
		want(t, name+", posted", b.answerInvitation(t, page, "decline"), 404, "no longer good")
	}
	want(t, "guessed", newSSOTown(t).open().get("/invitation/?link=guess"), 404, "no longer good")
}

func TestAnInvitationIsAcceptedOnlyByAFormOfItsSession(t *testing.T) {
	w := newSSOTown(t)
	link := w.invite(t, "bob@example.com")
	b, ann := w.signedIn(t, "bob@example.com"), w.signedIn(t, "ann@example.com")
	for name, form := range map[string]url.Values{
		"without a token": {"link": {strings.TrimPrefix(link, "/invitation/?link=")}, "act": {"accept"}},
		"Ann's form":      fields(t, ann.get(link), "/invitation/"),
	} {
		form.Set("act", "accept")
		want(t, name, b.post("/invitation/", form), 403, "no longer valid")
	}
	visitor := w.open()
	want(t, "nobody", visitor.answerInvitation(t, visitor.get(link), "accept"), 403, "Sign in first")
	if len(w.user(t, bobID()).Memberships) != 0 {
		t.Error("it was accepted")
	}
	other := w.open()
	want(t, "declined", other.answerInvitation(t, other.get(link), "decline"), 200, "Invitation declined")
	want(t, "afterwards", b.get(link), 404, "no longer good")
}

// Whoever is signed in by a way that does not count there could not use the membership, and
// another tenant's provider must not collect one for somebody.
func TestAnInvitationIsAcceptedByASignInThatCountsThere(t *testing.T) {
	w := newSSOTown(t)
	w.org.Providers = []*model.Provider{w.acme.of}
	w.publish(t)
	b := w.signedIn(t, "bob@example.com")
	link := w.invite(t, "bob@example.com")
	page := b.get(link)
	want(t, "elsewhere", page, 200, "does not count in Acme")
	want(t, "accepted all the same", b.answerInvitation(t, page, "accept"), 403, "does not count in Acme")
	if len(w.user(t, bobID()).Memberships) != 0 {
		t.Error("it was accepted")
	}
}

func TestWhoIsInvitedMakesAnAccountWhereThatIsDeclared(t *testing.T) {
	w := newSSOTown(t)
	link := w.invite(t, "eve@example.com")
	b := w.open()
	page := b.get(link)
	if strings.Contains(page.Body.String(), "make an account") {
		t.Error("it offers what is not declared")
	}
	answer := b.answerInvitation(t, page, "register", "name", "Eve", "new", "harbour-lentil-magnet-58", "again", "harbour-lentil-magnet-58")
	want(t, "not declared", answer, 403, "Join Acme")
	w.local.Local.Registration = model.RegistrationInvitationOnly
	w.publish(t)
	page = b.get(link)
	want(t, "a bad password", b.answerInvitation(t, page, "register", "name", "Eve", "new", "short", "again", "short"), 400, "at least 12")
	answer = b.answerInvitation(t, page, "register", "name", "Eve", "new", "harbour-lentil-magnet-58", "again", "harbour-lentil-magnet-58")
	want(t, "made", answer, 200, "Your account is made")
	if w.who(t, b) != "" {
		t.Error("the link signs in")
	}
	u, err := w.Store.UserByEmail(t.Context(), "eve@example.com")
	if err != nil || u.EmailProvenBy != "" || len(u.Memberships) != 1 {
		t.Errorf("the account is %+v (%v): an invitation proves no address", u, err)
	}
	answer = b.signIn(t, "eve@example.com", "harbour-lentil-magnet-58")
	wantTo(t, "signs in", answer, "/")
	taken := w.invite(t, "ann@example.com")
	other := w.open()
	answer = other.answerInvitation(t, other.get(taken), "register", "name", "Eve", "new", "harbour-lentil-magnet-58", "again", "harbour-lentil-magnet-58")
	want(t, "an address that is taken", answer, 409, "an account with this address already")
}

func TestSignInLeadsBackToTheInvitation(t *testing.T) {
	w := newSSOTown(t)
	link := w.invite(t, "bob@example.com")
	b := w.open()
	to := "/login/?" + url.Values{"next": {link}, "organization": {"acme"}}.Encode()
	if page := b.get(link).Body.String(); !strings.Contains(page, strings.ReplaceAll(to, "&", "&amp;")) {
		t.Errorf("no way to %s on: %s", to, page)
	}
	form := fields(t, b.get(to), "/login/")
	form.Set("email", "bob@example.com")
	form.Set("password", rightPassword)
	wantTo(t, "signed in", b.post("/login/", form), link)
}
