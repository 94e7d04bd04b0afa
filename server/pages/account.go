package pages

import (
	"html/template"
	"time"
)

// AccountPage shows somebody their own account.
type AccountPage struct {
	Viewer  Viewer
	Since   time.Time // the account was created
	Proven  bool      // the address is known to be theirs
	Here    bool      // they sign in with it here, and may change it
	Renamed bool      // the name was changed just now
	Token   string
	Problem string
}

// PasswordPage asks for a new password, with the one in force.
type PasswordPage struct {
	Viewer  Viewer
	Least   int // characters
	Token   string
	Problem string
	Done    string // what was done; empty: nothing yet
}

// SessionsPage shows where somebody is signed in (ASVS 7.5.2).
type SessionsPage struct {
	Viewer   Viewer
	Sessions []SignedIn // the one that looks first
	Now      time.Time
	Token    string
	Done     string
}

// SignedIn is one browser of a person.
type SignedIn struct {
	ID                string
	Browser           string // in words
	IP                string
	Started, LastUsed time.Time
	Here              bool // it is the one that looks
}

// ApplicationsPage shows what acts for somebody, and what it may do (ASVS 10.4.9, 10.7.3).
type ApplicationsPage struct {
	Viewer       Viewer
	Applications []Connected
	Token        string
	Done         string
}

// Connected is an application with access in an organization.
type Connected struct {
	Application  string // UID, for the form
	In           string // ID of the organization, for the form
	Name         string
	Organization string
	Owner        string   // the organization that it belongs to, if it is another
	Scopes       []string // a line for each family, in words: what it may do now
	Since        time.Time
	Until        time.Time // nothing of it is good for longer
	StaysSigned  bool      // it works while the person is away
	Remembered   bool      // it need not ask again
	Dormant      bool      // its access is worth nothing now: it, the organization or a role is not there
}

// ActivityPage shows what happened to somebody's account.
type ActivityPage struct {
	Viewer Viewer
	Events []Happened // the newest first
}

// Happened is an event in words.
type Happened struct {
	At   time.Time
	What string
	IP   string
	Bad  bool // it was refused, or took something away from outside
}

// ResetPage asks for a new password, upon a link.
type ResetPage struct {
	Email   string // whose account
	Least   int    // characters
	Link    string // what the link carries
	Token   string
	Problem string
}

// Account draws an AccountPage.
func Account(p AccountPage) template.HTML { return render("account", p) }

// Password draws a PasswordPage.
func Password(p PasswordPage) template.HTML { return render("password", p) }

// Sessions draws a SessionsPage.
func Sessions(p SessionsPage) template.HTML { return render("sessions", p) }

// Applications draws an ApplicationsPage.
func Applications(p ApplicationsPage) template.HTML { return render("applications", p) }

// Activity draws an ActivityPage.
func Activity(p ActivityPage) template.HTML { return render("activity", p) }

// Reset draws a ResetPage.
func Reset(p ResetPage) template.HTML { return render("reset", p) }
