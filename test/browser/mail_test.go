package browser

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/mail"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
	"github.com/gatehouse-dev/gatehouse/test/mailbox"
)

// writesLetters gives the installation a mail server.
func (in *installation) writesLetters(t *testing.T) *mailbox.Mailbox {
	t.Helper()
	box := mailbox.New(t)
	in.local.Local.ResetEnabled, in.local.Local.Registration = true, model.RegistrationOpen
	in.publish(t)
	postbox, err := mail.New(mail.Options{
		Server: mail.Server{URL: "smtp://" + box.Address, From: "no-reply@example.com", CAFile: box.CAFile},
		Log:    slog.New(slog.NewTextHandler(io.Discard, nil)), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = postbox.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	in.srv.Mail = postbox
	return box
}

// path is where a letter leads; its HTML part is kept beside the pictures.
func (in *installation) path(t *testing.T, l mailbox.Letter, name string) string {
	t.Helper()
	if dir := os.Getenv("GATEHOUSE_SCREENSHOTS"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name+".html"), []byte(l.HTML), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path, found := strings.CutPrefix(l.Link(), in.url)
	if !found {
		t.Fatalf("no link of ours in %s", l.Text)
	}
	leaks.Remember(path[strings.LastIndexByte(path, '=')+1:])
	return path
}

func TestSomebodyWhoForgotIsSentALink(t *testing.T) {
	leaks.Remember(otherPassword)
	in := install(t)
	box := in.writesLetters(t)
	w := in.window(t)
	w.open("/login/")
	w.look("login-with-mail")
	w.press(`a[href="/forgot/"]`)
	w.wantText("Forgot your password?")
	w.look("forgot")
	w.typeInto("#email", annEmail)
	w.enterOn("main form button")
	w.wantText("Look into your mail", "If there is an account")
	w.look("forgot-sent")
	w.open(in.path(t, box.Next(t), "letter-reset"))
	w.wantText("Choose a new password", annEmail)
	w.typeInto("#new", otherPassword)
	w.typeInto("#again", otherPassword)
	w.enterOn("main form button")
	w.wantText("Your password is set")
	w.open("/login/")
	w.signIn(annEmail, otherPassword)
	w.wantText("You are signed in")
}

func TestSomebodyChangesTheirAddress(t *testing.T) {
	in := install(t)
	box := in.writesLetters(t)
	w := in.window(t)
	w.open("/login/")
	w.signIn(annEmail, password)
	w.open("/account/")
	w.press(`a[href="/account/address/"]`)
	w.wantText("Your address", annEmail, "Use another address")
	w.look("address")
	w.fill("#email", "ann@elsewhere.example")
	w.press("main form button.second")
	w.wantText("Nothing changes before it is followed")
	l := box.Next(t)
	if l.To == annEmail {
		l = box.Next(t)
	}
	w.open(in.path(t, l, "letter-address"))
	w.wantText("Is this your address?", "ann@elsewhere.example")
	w.look("confirm")
	w.enterOn("main form button")
	w.wantText("This address is yours", "ann@elsewhere.example")
}

// By the keyboard alone, and without scripts.
func TestSomebodyMakesAnAccount(t *testing.T) {
	leaks.Remember(otherPassword)
	in := install(t)
	box := in.writesLetters(t)
	w := in.window(t)
	w.open("/login/")
	w.press(`a[href="/register/"]`)
	w.wantText("Create an account")
	w.look("register")
	w.typeInto("#email", "new@example.com")
	w.enterOn("main form button")
	w.wantText("Look into your mail")
	w.open(in.path(t, box.Next(t), "letter-register"))
	w.wantText("Make your account")
	w.look("finish")
	w.typeInto("#name", "New Person")
	w.typeInto("#new", otherPassword)
	w.typeInto("#again", otherPassword)
	w.enterOn("main form button")
	w.wantText("Your account is made")
	w.open("/login/")
	w.signIn("new@example.com", otherPassword)
	w.wantText("You are signed in")
}
