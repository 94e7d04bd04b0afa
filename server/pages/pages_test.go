package pages

import (
	"html/template"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>'{{.}}`

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// drawn is every page, with everything that can be said on it.
func drawn(s string) map[string]template.HTML {
	v := Viewer{Name: s, Email: s, SignOut: s}
	key := KeyForm{Options: s, Ceremony: s, Token: s}
	return map[string]template.HTML{
		"login": Login(LoginPage{Provider: s, Application: s, Email: s, Next: s, Token: s, Problem: s, Password: true, Forgot: true, Register: true}),
		"login of an organization": Login(LoginPage{
			Provider: s, Organization: s, Slug: s, Token: s, Password: true, Again: true,
			First: []Way{{UID: "p", Name: s, Token: s, Next: s, Slug: s}}, Then: []Way{{UID: "q", Name: s, Asks: true, Next: s, Slug: s, Again: true}},
		}),
		"discovery": Login(LoginPage{Organization: s, Slug: s, Email: s, Next: s, Token: s, Problem: s, Discover: true, Again: true, Then: []Way{{UID: "p", Name: s}}}),
		"provider":  Provider(ProviderPage{Way: Way{UID: "p", Name: s, Token: s, Next: s, Slug: s, Again: true}, Application: s, Problem: s}),
		"directory": Provider(ProviderPage{Way: Way{UID: "p", Name: s, Asks: true, Token: s}, Connects: true, Username: s, Problem: s}),
		"arrival":   Arrival(ArrivalPage{Provider: s, Name: s, Email: s, Replaces: s, Arrival: s, Token: s}),
		"identities": Identities(IdentitiesPage{Viewer: v, Token: s, Done: s, Problem: s, Ways: []Way{{UID: "p", Name: s}}, Identities: []Identity{
			{Provider: s, Subject: s, Name: s, Who: s, Added: start, Used: start, Here: true}, {Provider: s, Subject: s, Name: s, Who: s, Added: start, Dormant: true, Last: true},
		}}),
		"identities of a password": Identities(IdentitiesPage{Viewer: v, Identities: []Identity{{Name: s, Who: s, Added: start, Password: true}}}),
		"invitation":               Invitation(InvitationPage{Viewer: &v, Organization: s, Inviter: s, Email: s, Until: start, Link: s, Token: s}),
		"invitation to anybody": Invitation(InvitationPage{
			Organization: s, Inviter: s, Email: s, Until: start, Link: s, Token: s, SignIn: "/login/?" + s, Register: true, Least: 12, Name: s, Problem: s,
		}),
		"invitation elsewhere": Invitation(InvitationPage{Viewer: &v, Organization: s, Inviter: s, Email: s, Until: start, Link: s, Token: s, SignIn: "/login/?" + s, Elsewhere: true}),
		"passkey":              Login(LoginPage{Provider: s, Next: s, Token: s, Password: true, Passkey: key}),
		"consent": Consent(ConsentPage{
			Viewer: v, Application: s, Organization: s, Owner: s, Target: s, Scopes: []string{s}, Identity: []string{s},
			StaysSigned: true, Lasts: s, Remembered: true, Request: s, Token: s,
		}),
		"impossible":   Consent(ConsentPage{Viewer: v, Application: s, Organization: s, Target: s, Lasts: s, Obstacle: s, Request: s, Token: s}),
		"organization": ChooseOrganization(OrganizationPage{Viewer: v, Application: s, Choices: []Choice{{s, s}, {s, s}}, Fields: []Field{{s, s}}}),
		"endsession":   EndSession(EndSessionPage{Viewer: v, Application: s, Fields: []Field{{s, s}}, Token: s}),
		"ended":        EndSession(EndSessionPage{Viewer: v, Token: s}),
		"code":         Code(CodePage{Viewer: v, Code: s, Token: s, Problem: s}),
		"device":       Device(DevicePage{Viewer: v, Code: s, Application: s, Organization: s, Scopes: []string{s}, Identity: []string{s}, StaysSigned: true, IP: s, Asked: start, Now: start, Token: s}),
		"useless":      Device(DevicePage{Viewer: v, Code: s, Application: s, Organization: s, Asked: start, Now: start, Token: s, Obstacle: s}),
		"good":         Message(MessagePage{Viewer: &v, Kind: Good, Title: s, What: s, Do: s}),
		"bad":          Message(MessagePage{Kind: Bad, Title: s, What: s, Do: s, Link: Link{s, "/" + s}, RequestID: s}),
		"signout":      SignOut(SignOutPage{v}),
		"account":      Account(AccountPage{Viewer: v, Since: start, Proven: true, Renamed: true, Token: s, Problem: s}),
		"password":     Password(PasswordPage{Viewer: v, Least: 12, Token: s, Problem: s, Done: s}),
		"sessions": Sessions(SessionsPage{Viewer: v, Now: start, Token: s, Done: s, Sessions: []SignedIn{
			{ID: s, Browser: s, IP: s, Started: start, LastUsed: start, Here: true}, {ID: s, Browser: s, IP: s, Started: start, LastUsed: start},
		}}),
		"applications": Applications(ApplicationsPage{Viewer: v, Token: s, Done: s, Applications: []Connected{
			{Application: s, In: s, Name: s, Organization: s, Owner: s, Scopes: []string{s}, Since: start, Until: start, StaysSigned: true, Remembered: true},
			{Application: s, In: s, Name: s, Organization: s, Since: start, Until: start, Dormant: true},
		}}),
		"secondfactor": SecondFactor(SecondFactorPage{Email: s, Application: s, Next: s, SignIn: s, Token: s, Problem: s}),
		"secondkey":    SecondFactor(SecondFactorPage{Email: s, Application: s, Next: s, SignIn: s, App: true, Key: key, Token: s, Problem: s}),
		"factors": Factors(FactorsPage{Viewer: v, CodesLeft: 1, FullOfApps: true, FullOfKeys: true, Removed: true, Token: s, SessionsToken: s, Done: s, Problem: s, Factors: []Factor{
			{ID: s, Name: s, Kind: "passkey", Alone: true, Added: start, Used: start}, {ID: s, Name: s, Kind: s, Added: start, Used: start, Blocked: start},
		}}),
		"addressed":     Factors(FactorsPage{Viewer: v, Token: s, Addressed: true, Host: s}),
		"newkey":        NewKey(NewKeyPage{Viewer: v, Key: key, Host: s, Name: s, Problem: s}),
		"nokeys":        NewKey(NewKeyPage{Viewer: v, Host: s}),
		"nofactors":     Factors(FactorsPage{Viewer: v, Token: s}),
		"newfactor":     NewFactor(NewFactorPage{Viewer: v, URI: s, Secret: s, Name: s, Enrolment: s, Token: s, Problem: s}),
		"recoverycodes": RecoveryCodes(RecoveryCodesPage{Viewer: v, Codes: []string{s}, First: true}),
		"activity":      Activity(ActivityPage{Viewer: v, Events: []Happened{{At: start, What: s, IP: s, Bad: true}}}),
		"forgot":        Forgot(ForgotPage{Token: s, Problem: s}),
		"address":       Address(AddressPage{Viewer: v, Login: s, Mails: true, Token: s, Problem: s, Done: s}),
		"addressproven": Address(AddressPage{Viewer: v, Login: s, Proven: true, Token: s}),
		"noaddress":     Address(AddressPage{Viewer: v, Mails: true, Token: s}),
		"confirm":       Confirm(ConfirmPage{Viewer: v, Address: s, Link: s, Token: s}),
		"confirmchange": Confirm(ConfirmPage{Viewer: v, Address: s, Change: true, Link: s, Token: s}),
		"register":      Register(RegisterPage{Token: s, Problem: s}),
		"finish":        Finish(FinishPage{Email: s, Name: s, Least: 12, Link: s, Token: s, Problem: s}),
		"reset":         Reset(ResetPage{Email: s, Least: 12, Link: s, Token: s, Problem: s}),
	}
}

// ASVS 10.7.2
func TestHostileNamesAreEscapedOnEveryPage(t *testing.T) {
	for name, html := range drawn(hostile) {
		if s := strings.ToLower(withoutOwnScript(html)); strings.Contains(s, "<script") || strings.Contains(s, "<img") {
			t.Errorf("%s: a name became markup:\n%s", name, html)
		}
	}
	bad := string(Message(MessagePage{Kind: Bad, Link: Link{"x", "javascript:alert(1)"}}))
	if strings.Contains(bad, `href="javascript:`) {
		t.Error("a link became a script")
	}
}

// withoutOwnScript is the page without the one script that it may have, where it has a form
// for a key.
func withoutOwnScript(html template.HTML) string {
	if !strings.Contains(string(html), "data-webauthn=") {
		return string(html)
	}
	return strings.Replace(string(html), `<script src="`+Asset("webauthn.js")+`" defer></script>`, "", 1)
}

// Without JavaScript nobody is offered what does nothing: the script shows it.
func TestAKeyIsOfferedByTheScriptAlone(t *testing.T) {
	form := regexp.MustCompile(`<form [^>]*data-webauthn="[^>]*>`)
	for _, name := range []string{"passkey", "secondkey", "newkey"} {
		html := string(drawn("x")[name])
		if f := form.FindString(html); !strings.HasSuffix(f, " hidden>") || strings.Count(html, "<script") != 1 {
			t.Errorf("%s: %s", name, f)
		}
	}
	for _, name := range []string{"login", "secondfactor", "nokeys", "factors"} {
		if strings.Contains(string(drawn("x")[name]), "<script") {
			t.Errorf("%s has a script and no key", name)
		}
	}
}

func TestPagesNeedNothingInlineAndNothingFromElsewhere(t *testing.T) {
	forbidden := regexp.MustCompile(`(?i)<script|<style|\sstyle=|\son[a-z]+=|https?://|<iframe|javascript:`)
	for name, html := range drawn("x") {
		if found := forbidden.FindString(withoutOwnScript(html)); found != "" {
			t.Errorf("%s has %q", name, found)
		}
	}
}

func TestEveryFieldHasALabelAndEveryPageOneHeading(t *testing.T) {
	input := regexp.MustCompile(`<input id="([^"]+)"`)
	for name, html := range drawn("x") {
		s := string(html)
		if strings.Count(s, "<h1>") != 1 || strings.Count(s, "<main>") != 1 || strings.Count(s, "</main>") != 1 || !strings.Contains(s, `<html lang="en">`) {
			t.Errorf("%s: headings or landmarks are wrong", name)
		}
		for _, m := range input.FindAllStringSubmatch(s, -1) {
			if !strings.Contains(s, `<label for="`+m[1]+`"`) {
				t.Errorf("%s: field %s has no label", name, m[1])
			}
		}
		if strings.Count(s, "<input") != len(input.FindAllString(s, -1))+strings.Count(s, `<input type="hidden"`) {
			t.Errorf("%s: a field has no id", name)
		}
	}
}

// ASVS 6.2.6-7
func TestPasswordManagersAndPasteAreWelcome(t *testing.T) {
	current, next := `type="password" autocomplete="current-password"`, `type="password" autocomplete="new-password"`
	wantEach(t, Login(LoginPage{Password: true}), current, `type="email"`, `autocomplete="username"`)
	wantEach(t, Password(PasswordPage{}), current, next, `autocomplete="username"`)
	wantEach(t, Reset(ResetPage{}), next, `autocomplete="username"`)
	wantEach(t, Finish(FinishPage{}), next, `autocomplete="username"`)
	wantEach(t, Forgot(ForgotPage{}), `type="email"`, `autocomplete="username"`)
}

// ASVS 7.4.4
func TestEverySignedInPageLetsOneSignOut(t *testing.T) {
	for _, name := range []string{"consent", "organization", "endsession", "code", "device", "useless", "good", "signout", "account", "password", "sessions", "applications", "activity", "address", "confirm"} {
		if html := string(drawn("x")[name]); !strings.Contains(html, `logout/"`) {
			t.Errorf("%s has no way to sign out", name)
		}
	}
}

// wantEach reports what the page does not have.
func wantEach(t *testing.T, html template.HTML, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(string(html), part) {
			t.Errorf("the page has no %s:\n%s", part, html)
		}
	}
}

// ASVS 10.7.2
func TestConsentNamesWhoGetsWhatWhereAndForHowLong(t *testing.T) {
	p := ConsentPage{
		Viewer: Viewer{Email: "ann@example.com"}, Application: "Acme Web", Organization: "Acme Rockets",
		Target: "https://app.example.com", Scopes: []string{"Publish releases", "See projects"}, Identity: []string{"Your name"},
		StaysSigned: true, Lasts: "for 90 days at most", Remembered: true, Request: "sealed", Token: "bound",
	}
	html := Consent(p)
	wantEach(t, html, "Acme Web", "Acme Rockets", "https://app.example.com", "<li>Publish releases</li>", "<li>See projects</li>",
		"<li>Your name</li>", "Stay connected while you are away", "for 90 days at most", "asked again only when", "ann@example.com",
		`<form method="post" action="/oauth/consent/"`, `name="request" value="sealed"`, `name="token" value="bound"`,
		`name="decision" value="approve">Allow<`, `name="decision" value="deny" class="second">Deny<`)
	p.Scopes, p.Identity, p.StaysSigned, p.Remembered = nil, nil, false, false
	html = Consent(p)
	for _, part := range []string{"be able to", "will learn", "while you are away", "asked again", "belongs to"} {
		if strings.Contains(string(html), part) {
			t.Errorf("a page about nothing says %q", part)
		}
	}
	p.Owner = "Tool Makers"
	wantEach(t, Consent(p), "belongs to Tool Makers, not to Acme Rockets")
}

func TestWhatCannotBeAllowedCanOnlyBeDenied(t *testing.T) {
	html := Consent(ConsentPage{Application: "Acme Web", Organization: "Acme Rockets", Obstacle: "You are not a member of Acme Rockets.", Remembered: true})
	wantEach(t, html, "You are not a member of Acme Rockets.", `role="alert"`, `value="deny"`)
	for _, part := range []string{`value="approve"`, "asked again"} {
		if strings.Contains(string(html), part) {
			t.Errorf("it has %s", part)
		}
	}
}

func TestChoiceOfAnOrganizationRepeatsTheRequest(t *testing.T) {
	html := ChooseOrganization(OrganizationPage{
		Application: "Acme Web", Choices: []Choice{{"acme", "Acme Rockets"}, {"tools", "Tool Makers"}},
		Fields: []Field{{"client_id", "acme.web"}, {"scope", "openid project:read"}},
	})
	wantEach(t, html, `<form method="get" action="/oauth/authorize/"`, "Acme Web",
		`<input type="hidden" name="client_id" value="acme.web">`+"\n"+`<input type="hidden" name="scope" value="openid project:read">`,
		`name="organization" value="acme" class="second">Acme Rockets <`, `name="organization" value="tools" class="second">Tool Makers <`)
}

// ASVS 10.6.2
func TestSignOutThatAnApplicationAsksForIsAQuestion(t *testing.T) {
	p := EndSessionPage{
		Viewer: Viewer{Email: "ann@example.com"}, Application: "Acme Web",
		Fields: []Field{{"post_logout_redirect_uri", "https://app.example.com/bye"}, {"state", "s 1"}}, Token: "bound",
	}
	wantEach(t, EndSession(p), `<form method="post" action="/oauth/logout/"`, "Acme Web", "ann@example.com", `name="token" value="bound"`,
		`name="post_logout_redirect_uri" value="https://app.example.com/bye"`, `name="state" value="s 1"`,
		`name="decision" value="signout"`, `name="decision" value="stay"`)
	p.Application = ""
	wantEach(t, EndSession(p), "An application asks")
}

func TestSignInSaysWhereItLeads(t *testing.T) {
	wantEach(t, Login(LoginPage{Password: true, Provider: "Works", Application: "Acme Web"}), "Use your Works account to continue to <strong>Acme Web</strong>.")
	wantEach(t, Login(LoginPage{Password: true, Application: "Acme Web"}), "To continue to <strong>Acme Web</strong>.")
	wantEach(t, Login(LoginPage{Password: true, Provider: "Works"}), "With your Works account.")
	if strings.Contains(string(Login(LoginPage{Password: true})), "lead") {
		t.Error("an empty sentence is drawn")
	}
}

func TestDeviceThatCannotBeApprovedCanOnlyBeDenied(t *testing.T) {
	html := string(drawn("x")["useless"])
	if strings.Contains(html, `value="approve"`) || !strings.Contains(html, `value="deny"`) {
		t.Error("it can be approved, or not be denied")
	}
	if html := string(drawn("x")["device"]); !strings.Contains(html, "only if you started this on a device in front of you") {
		t.Error("no word of caution")
	}
}

func TestAssetsAreServedUnderNamesThatChangeWithThem(t *testing.T) {
	for _, name := range []string{"style.css", "icon.svg"} {
		w := httptest.NewRecorder()
		Static().ServeHTTP(w, httptest.NewRequest(http.MethodGet, Asset(name), nil))
		if w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || w.Body.Len() == 0 {
			t.Errorf("%s at %s: %d", name, Asset(name), w.Code)
		}
	}
	for _, path := range []string{"/static/", "/static/style.css", "/static/../pages.go", "/static/style.000000000000.css"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/static/", nil)
		r.URL.Path = path
		Static().ServeHTTP(w, r)
		if w.Code != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", path, w.Code)
		}
	}
}

func TestTimesReadAsAPersonWouldSayThem(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "less than a minute ago", 59 * time.Second: "less than a minute ago", 90 * time.Second: "1 minute ago", 9 * time.Minute: "9 minutes ago"} {
		if got := ago(start, start.Add(d)); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}
