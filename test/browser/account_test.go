package browser

import (
	"net/url"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
)

const otherPassword = "harbour-lentil-magnet-58"

func TestSomebodyLooksAfterTheirAccount(t *testing.T) {
	leaks.Remember(otherPassword)
	in := install(t)
	w := in.window(t, in.app.url)
	w.open(in.app.request(webID, url.Values{"scope": {"openid offline_access project:read"}}))
	w.signIn(annEmail, password)
	w.press("button[value=approve]")
	in.redeem(t, webID, in.app.answer(t).Get("code"))

	w.open("/")
	w.press(`a[href="/account/"]`)
	w.wantText("Your account", annEmail)
	w.look("account")
	w.fill("#name", " of Acme")
	w.press("main button.second")
	w.wantText("Your name is changed", "of Acme")

	w.press(`nav a[href="/account/applications/"]`)
	w.wantText("What acts for you", "Acme Web", "Disconnect")
	w.look("applications")
	w.press(".entry button")
	w.wantText("It can no longer act for you", "No application or device")
	w.look("applications-none")

	w.press(`nav a[href="/account/sessions/"]`)
	w.wantText("Where you are signed in", "this one")
	w.look("sessions")

	w.press(`nav a[href="/account/password/"]`)
	w.look("password")
	w.fill("#password", "not-the-password-1")
	w.fill("#new", otherPassword)
	w.fill("#again", otherPassword)
	w.press("main form button")
	w.wantText("That is not the password in use")
	w.look("password-refused")
	w.forgive("403")
	w.fill("#password", password)
	w.fill("#new", otherPassword)
	w.fill("#again", otherPassword)
	w.press("main form button")
	w.wantText("Your password is changed")

	w.press(`nav a[href="/account/activity/"]`)
	w.wantText("What happened here", "Password changed", "Disconnected: Acme Web")
	w.look("activity")
}

// Without scripts and by the keyboard alone.
func TestALinkSetsAPassword(t *testing.T) {
	leaks.Remember(otherPassword)
	in := install(t)
	ann, err := in.store.UserByEmail(t.Context(), annEmail)
	if err != nil {
		t.Fatal(err)
	}
	link, err := people.NewResetLink(t.Context(), in.store, in.keys.LookupKey(), ann.ID, store.Event{Time: time.Now(), Action: "user.reset-link-created"})
	if err != nil {
		t.Fatal(err)
	}
	leaks.Remember(link)
	w := in.window(t)
	w.withoutScripts()
	w.open("/reset/?link=" + link)
	w.wantText("Choose a new password", annEmail)
	w.typeInto("#new", otherPassword)
	w.typeInto("#again", otherPassword)
	w.enterOn("main form button")
	w.wantText("Your password is set")
	w.open("/reset/?link=" + link)
	w.wantText("This link is no longer good")
	w.forgive("404")
	w.open("/login/")
	w.signIn(annEmail, otherPassword)
	w.wantText("You are signed in")
}

func TestTheResetPageIsLookedAt(t *testing.T) {
	in := install(t)
	ann, err := in.store.UserByEmail(t.Context(), annEmail)
	if err != nil {
		t.Fatal(err)
	}
	link, err := people.NewResetLink(t.Context(), in.store, in.keys.LookupKey(), ann.ID, store.Event{Time: time.Now(), Action: "user.reset-link-created"})
	if err != nil {
		t.Fatal(err)
	}
	leaks.Remember(link)
	w := in.window(t)
	w.open("/reset/?link=" + link)
	w.look("reset")
}
