package pages

import "html/template"

// ForgotPage asks for the address of somebody who forgot the password.
type ForgotPage struct {
	Token   string
	Problem string
}

// Forgot draws a ForgotPage.
func Forgot(p ForgotPage) template.HTML { return render("forgot", p) }

// AddressPage shows the address that somebody signs in with, and changes it.
type AddressPage struct {
	Viewer  Viewer
	Login   string // empty: they sign in elsewhere
	Proven  bool   // it is known to be theirs
	Mails   bool   // letters are sent
	Token   string
	Problem string
	Done    string
}

// ConfirmPage asks whether an address is that of who looks, upon a link.
type ConfirmPage struct {
	Viewer  Viewer
	Address string
	Change  bool // it is to be the account's from now on; else it is already
	Link    string
	Token   string
}

// RegisterPage asks for the address of a new account.
type RegisterPage struct {
	Token   string
	Problem string
}

// FinishPage asks for name and password of a new account, upon a link.
type FinishPage struct {
	Email   string
	Name    string // as typed before
	Least   int    // characters
	Link    string
	Token   string
	Problem string
}

// Address draws an AddressPage.
func Address(p AddressPage) template.HTML { return render("address", p) }

// Confirm draws a ConfirmPage.
func Confirm(p ConfirmPage) template.HTML { return render("confirm", p) }

// Register draws a RegisterPage.
func Register(p RegisterPage) template.HTML { return render("register", p) }

// Finish draws a FinishPage.
func Finish(p FinishPage) template.HTML { return render("finish", p) }
