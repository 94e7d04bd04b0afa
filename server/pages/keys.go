package pages

import "html/template"

// KeyForm hands in what a security key or passkey answers. The script fills it in, and shows
// it where the browser can: without, it stays hidden. The zero value is none.
type KeyForm struct {
	Options  string // for the browser, as JSON
	Ceremony string // sealed
	Token    string
}

// Offered reports whether there is one.
func (f KeyForm) Offered() bool { return f.Options != "" }

// NewKeyPage offers to add a security key or passkey.
type NewKeyPage struct {
	Viewer  Viewer
	Key     KeyForm // the zero value: keys cannot be used at this address
	Host    string  // what that is
	Name    string  // as typed before
	Problem string
}

// NewKey draws a NewKeyPage.
func NewKey(p NewKeyPage) template.HTML { return render("newkey", p) }
