package server_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server"
	"github.com/gatehouse-dev/gatehouse/server/mail"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
	"github.com/gatehouse-dev/gatehouse/test/mailbox"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

// mailed lets the server send letters by a real mail server.
func mailed(t *testing.T) (*mailbox.Mailbox, servertest.Option) {
	t.Helper()
	box := mailbox.New(t)
	postbox, err := mail.New(mail.Options{
		Server: mail.Server{URL: "smtp://" + box.Address, From: "no-reply@example.com", CAFile: box.CAFile}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = postbox.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return box, func(c *server.Config) { c.Mail = postbox }
}

func TestAnInvitationIsMailedAndMakesAMember(t *testing.T) {
	box, option := mailed(t)
	w := newMemberTown(t, option)
	w.Declared.Organizations["acme"].DisplayName = "Acme <b>Works</b>\r\nBcc: all@example.com"
	w.Publish(t)
	token := w.token(t, servertest.Ann, memberScopes...)
	stranger, known := w.invite(t, token, "stranger@example.com"), w.invite(t, token, "zed@globex.example")
	for _, a := range []servertest.Answer{stranger, known} {
		if a.Status != 201 || strings.Contains(string(a.Body), "link") || len(a.JSON()) != len(stranger.JSON()) {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
	}
	letters := map[string]mailbox.Letter{}
	for range 2 {
		l := box.Next(t)
		letters[l.To] = l
	}
	l := letters["zed@globex.example"]
	u, err := url.Parse(l.Link())
	if err != nil || u.Scheme+"://"+u.Host != w.HTTP.URL {
		t.Fatalf("the letter:\n%s", l.Text)
	}
	leaks.Remember(u.Query().Get("link"))
	other, _ := url.Parse(letters["stranger@example.com"].Link())
	leaks.Remember(other.Query().Get("link"))
	if l.Header.Get("Bcc") != "" || strings.Contains(l.HTML, "<b>Works") || !strings.Contains(l.Text, "Acme <b>Works</b>") || !strings.Contains(l.HTML, "See the invitation") {
		t.Errorf("the letter:\n%s\n%s", l.Text, l.HTML)
	}
	for _, private := range []string{servertest.Ann.Name, servertest.Ann.Email, "From: ", "Browser: "} {
		if strings.Contains(l.Text, private) {
			t.Errorf("it tells %q:\n%s", private, l.Text)
		}
	}
	b := w.SignedIn(t, nobody)
	form := b.Visit(t, u.RequestURI()).Form(t, "/invitation/")
	form.Set("act", "accept")
	if a := b.Send(t, http.MethodPost, "/invitation/", form); a.Status != 200 {
		t.Fatalf("accepted: %d %s", a.Status, a.Body)
	}
	a := w.Get(t, membersPath+nobody.ID+"/", token)
	if a.Status != 200 || !strings.Contains(string(a.Body), `"how":["invitation"]`) || strings.Contains(string(a.Body), "zed@globex.example") {
		t.Errorf("the member: %d %s", a.Status, a.Body)
	}
}

// full is a postbox without room.
type full struct{}

func (full) Send(mail.Letter) bool { return false }

func TestAnInvitationThatCannotBeMailedSaysSoAndGivesNoLink(t *testing.T) {
	w := newMemberTown(t, func(c *server.Config) { c.Mail = full{} })
	a := w.invite(t, w.token(t, servertest.Ann, "member:invite"), "new@example.com")
	if apiRefused(t, a, 503, "temporarily_unavailable", ""); a.Header.Get("Retry-After") == "" || strings.Contains(string(a.Body), "link=") {
		t.Errorf("%s", a.Body)
	}
}
