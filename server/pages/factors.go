package pages

import (
	"html/template"
	"time"
)

// SecondFactorPage asks who has proven a first factor for a code or a key.
type SecondFactorPage struct {
	Brand       Brand
	Email       string // who signs in
	Application string // that asks for it; empty: nobody came from one
	Next        string // where to go afterwards; a path of ours
	SignIn      string // sealed
	App         bool   // they have an authenticator app
	Key         KeyForm
	Token       string
	Problem     string // why it did not work; empty at first
}

// FactorsPage shows somebody their second factors.
type FactorsPage struct {
	Viewer        Viewer
	Factors       []Factor
	CodesLeft     int    // recovery codes that are not used
	FullOfApps    bool   // there can be no more of them
	FullOfKeys    bool   // nor of them
	Addressed     bool   // the installation has an address for a name: no keys there
	Host          string // what that is
	Removed       bool   // one was removed just now: other sessions may be ended
	Token         string
	SessionsToken string // of the form that ends the other sessions
	Done, Problem string
}

// Factor is an authenticator app, a security key or a passkey.
type Factor struct {
	ID, Name    string
	Kind        string // in words
	Alone       bool   // it signs in without a password
	Added, Used time.Time
	Blocked     time.Time // it may have been copied; zero: not so
}

// NewFactorPage shows a secret that an app is to take, and asks for its first code.
type NewFactorPage struct {
	Viewer    Viewer
	URI       string // for the QR code
	Secret    string // the same for people who type it, in groups
	Name      string // as typed before
	Enrolment string // sealed
	Token     string
	Problem   string
}

// Drawn is the QR code.
func (p NewFactorPage) Drawn() QR { return drawQR(p.URI) }

// RecoveryCodesPage shows recovery codes, once.
type RecoveryCodesPage struct {
	Viewer Viewer
	Codes  []string
	First  bool // they come with a factor
}

// SecondFactor draws a SecondFactorPage.
func SecondFactor(p SecondFactorPage) template.HTML { return render("secondfactor", p) }

// Factors draws a FactorsPage.
func Factors(p FactorsPage) template.HTML { return render("factors", p) }

// NewFactor draws a NewFactorPage.
func NewFactor(p NewFactorPage) template.HTML { return render("newfactor", p) }

// RecoveryCodes draws a RecoveryCodesPage.
func RecoveryCodes(p RecoveryCodesPage) template.HTML { return render("recoverycodes", p) }
