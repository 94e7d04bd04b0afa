// Package pages draws what people see: sign-in, consent, the choice of an organization,
// the device's code and its approval, sign-out, errors. It decides nothing; a page is a
// function from its data to HTML.
//
// The pages load nothing from elsewhere: one style sheet and one icon, embedded, under names
// that change with their content. They need no script, but where a security key or passkey
// is used: webauthn.js talks to it, on the pages that have a KeyForm. html/template escapes whatever
// comes from a declaration or a request. Start reading at the types below; the texts are
// in html/, the looks in static/style.css.
package pages

import (
	"embed"
	"fmt"
	"html/template"
	"strings"
	"time"
)

// Viewer is who looks at a page, for the line at its end that names them and lets them
// sign out (ASVS 7.4.4).
type Viewer struct {
	Name, Email string
	SignOut     string // token of the sign-out form
}

// Brand is the organization that a page is for, as it wants to be seen there. The zero value
// is nobody's.
type Brand struct {
	Name       string // empty: that of every page
	LogoPath   string // of ours; empty: none
	StylePath  string // of ours; empty: none
	SupportURL string // where people get help; empty: none
}

// heading is what the top of a page shows.
type heading struct {
	Title string
	Brand Brand
}

func titled(title string, brand ...Brand) heading {
	h := heading{Title: title}
	if len(brand) > 0 {
		h.Brand = brand[0]
	}
	return h
}

// ConsentPage asks whether an application may act for the person (ASVS 10.7.2).
type ConsentPage struct {
	Brand        Brand
	Viewer       Viewer
	Application  string
	Organization string
	Owner        string   // the organization that the application belongs to, if it is another; empty: the same
	Target       string   // where the answer goes, in words: an origin, or "a program on this device"
	Scopes       []string // a line for each family, in words
	Identity     []string // what it learns about the person, in words: "Your name"
	StaysSigned  bool     // it asked for offline access
	Lasts        string   // for how long, in words: "until you sign out", "for 90 days at most"
	Remembered   bool     // an approval will be remembered
	Obstacle     string   // why it cannot be approved; empty: it can
	Unproven     bool     // any program on the device may receive the answer
	Request      string   // sealed
	Token        string
}

// OrganizationPage asks in which organization an application is to work.
type OrganizationPage struct {
	Viewer      Viewer
	Application string
	Choices     []Choice
	Fields      []Field // the request, in order, without an organization
}

// Choice is an organization that can be chosen.
type Choice struct{ Slug, Name string }

// Field is a parameter of a request that a form hands on as it was.
type Field struct{ Name, Value string }

// EndSessionPage asks whether to sign out, because an application asked for it.
type EndSessionPage struct {
	Viewer      Viewer
	Application string  // empty: nobody is named
	Fields      []Field // the request, in order
	Token       string
}

// CodePage asks for the code that the device shows.
type CodePage struct {
	Viewer  Viewer
	Code    string // as typed before
	Token   string
	Problem string
}

// DevicePage asks for a decision about one device.
type DevicePage struct {
	Brand        Brand
	Viewer       Viewer
	Code         string // XXXX-XXXX
	Application  string
	Organization string
	Scopes       []string // a line for each family, in words
	Identity     []string // what it learns about the person, in words
	StaysSigned  bool     // it asked for offline access
	IP           string   // of the device
	Asked        time.Time
	Now          time.Time
	Token        string
	Obstacle     string // why it cannot be approved; empty: it can
}

// MessagePage tells how something ended, or what went wrong.
type MessagePage struct {
	Brand     Brand
	Viewer    *Viewer // nil: nobody is known to be signed in
	Kind      Kind
	Title     string
	What      string // what happened
	Do        string // what to do now; empty: nothing
	Link      Link
	Other     Link   // besides Link
	RequestID string // for the administrator; empty: not shown
}

// Link is a way on; the zero value is none.
type Link struct{ Text, Path string }

// Kind is the mood of a message.
type Kind string

// Kinds of messages.
const (
	Good    Kind = "good"
	Neutral Kind = "neutral"
	Bad     Kind = "bad"
)

// SignOutPage asks whether to sign out.
type SignOutPage struct{ Viewer Viewer }

// Consent draws a ConsentPage.
func Consent(p ConsentPage) template.HTML { return render("consent", p) }

// ChooseOrganization draws an OrganizationPage.
func ChooseOrganization(p OrganizationPage) template.HTML { return render("organization", p) }

// EndSession draws an EndSessionPage.
func EndSession(p EndSessionPage) template.HTML { return render("endsession", p) }

// Code draws a CodePage.
func Code(p CodePage) template.HTML { return render("code", p) }

// Device draws a DevicePage.
func Device(p DevicePage) template.HTML { return render("device", p) }

// Message draws a MessagePage.
func Message(p MessagePage) template.HTML { return render("message", p) }

// SignOut draws a SignOutPage.
func SignOut(p SignOutPage) template.HTML { return render("signout", p) }

//go:embed html/*.html
var sources embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"asset":  Asset,
	"ago":    ago,
	"titled": titled,
}).ParseFS(sources, "html/*.html"))

// render panics if a template does not fit its data: every page is drawn in a test.
func render(name string, data any) template.HTML {
	var b strings.Builder
	if err := templates.ExecuteTemplate(&b, name+".html", data); err != nil {
		panic(fmt.Sprintf("draw page %s: %v", name, err))
	}
	return template.HTML(b.String()) //nolint:gosec // html/template has escaped it
}

// ago says how long ago, as a person would.
func ago(then, now time.Time) string {
	switch d := now.Sub(then); {
	case d < time.Minute:
		return "less than a minute ago"
	case d < 2*time.Minute:
		return "1 minute ago"
	default:
		return fmt.Sprintf("%d minutes ago", int(d.Minutes()))
	}
}
