package pages

import "html/template"

// ForgotPage asks for the address of somebody who forgot the password.
type ForgotPage struct {
	Token   string
	Problem string
}

// Forgot draws a ForgotPage.
func Forgot(p ForgotPage) template.HTML { return render("forgot", p) }
