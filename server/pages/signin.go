package pages

import (
	"html/template"
	"time"
)

// LoginPage asks how somebody signs in.
type LoginPage struct {
	Brand        Brand
	Provider     string // what the way to sign in with a password is called
	Application  string // that asks for it; empty: nobody came from one
	Organization string // its name, where the sign-in is for one; empty: for the installation
	Email        string // as typed before, or as the application hints
	Next         string // where to go afterwards; a path of ours
	Slug         string // of the organization; empty: none
	Token        string
	Problem      string // why it did not work; empty at first
	// Password asks for a password; Discover for the address alone, which may lead to a
	// provider.
	Password, Discover bool
	First              []Way // before the form,
	Then               []Way // and after it
	Again              bool  // it has to be proven again
	Forgot             bool  // a link to set a new password can be mailed
	Register           bool  // anybody may make an account
	Passkey            KeyForm
}

// Way is a provider that one can sign in with.
type Way struct {
	UID, Name string
	Asks      bool // for name and password, on a page of ours
	Token     string
	// Of the page it is on, for the form.
	Next, Slug string
	Again      bool
}

// ProviderPage begins a sign-in at one provider: by a button, or with what it asks for.
type ProviderPage struct {
	Way
	Brand       Brand
	Application string
	Connects    bool   // it is to be connected to an account, not signed in with
	Username    string // as typed before
	Problem     string
}

// ArrivalPage asks somebody who comes from a provider without having asked for it whether
// they want to be signed in (ASVS 7.6.2).
type ArrivalPage struct {
	Provider, Name, Email string
	Replaces              string // the address of whoever is signed in now; empty: nobody
	Arrival               string // sealed
	Token                 string
}

// IdentitiesPage shows somebody how they sign in.
type IdentitiesPage struct {
	Viewer        Viewer
	Identities    []Identity
	Ways          []Way // that can be connected
	Token         string
	Done, Problem string
}

// Identity is one way to sign in to an account.
type Identity struct {
	Provider, Subject string // for the form
	Name              string // of the provider
	Who               string // as the provider knows them: an address, or else the subject
	Added, Used       time.Time
	Here              bool // this session was signed in by it
	Dormant           bool // its provider is not served now
	Password          bool // it is a password kept here
	Last              bool // it is the last way in
}

// InvitationPage shows an invitation to a member of an organization.
type InvitationPage struct {
	Viewer       *Viewer // nil: nobody is signed in
	Organization string
	Inviter      string // who invites, in words
	Email        string // whom
	Until        time.Time
	Link         string // what the link carries
	Token        string
	SignIn       string // path of the sign-in that leads back here
	Register     bool   // an account can be made here
	Least        int    // characters of a password
	Name         string // as typed before
	Elsewhere    bool   // the way they are signed in does not count there
	Problem      string
}

// Login draws a LoginPage.
func Login(p LoginPage) template.HTML { return render("login", p) }

// Provider draws a ProviderPage.
func Provider(p ProviderPage) template.HTML { return render("provider", p) }

// Arrival draws an ArrivalPage.
func Arrival(p ArrivalPage) template.HTML { return render("arrival", p) }

// Identities draws an IdentitiesPage.
func Identities(p IdentitiesPage) template.HTML { return render("identities", p) }

// Invitation draws an InvitationPage.
func Invitation(p InvitationPage) template.HTML { return render("invitation", p) }
