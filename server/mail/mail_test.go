package mail_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/mail"
	"github.com/gatehouse-dev/gatehouse/test/mailbox"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// log is a log that may be read while it is written.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// clock moves by what somebody waits for.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	waits []time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.waits = append(c.waits, d)
	passed := make(chan time.Time, 1)
	passed <- c.now
	return passed
}

// office is a Postbox that runs, and everything around it.
type office struct {
	*mail.Postbox
	box  *mailbox.Mailbox
	log  *log
	time *clock
	stop func()
}

func open(t *testing.T, change func(*mail.Server, *mailbox.Mailbox)) *office {
	t.Helper()
	o := &office{box: mailbox.New(t), log: &log{}, time: &clock{now: start}}
	server := mail.Server{URL: "smtp://" + o.box.Address, From: "Gatehouse <no-reply@example.com>", CAFile: o.box.CAFile, Name: "id.example"}
	if change != nil {
		change(&server, o.box)
	}
	var err error
	o.Postbox, err = mail.New(mail.Options{
		Server: server, Log: slog.New(slog.NewTextHandler(o.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Now: o.time.Now, After: o.time.After,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = o.Run(ctx) }()
	o.stop = func() { cancel(); <-ended }
	t.Cleanup(o.stop)
	return o
}

func letter() mail.Letter {
	return mail.Letter{
		Kind: "reset", To: "ann@example.com", Subject: "Set a new password", Lines: []string{"Somebody asked."},
		Link: mail.Link{Text: "Set it", URL: "https://id.example/reset/?link=the-one-link"}, From: "Gatehouse at id.example",
		Facts: []mail.Fact{{Name: "From", Value: "192.0.2.1"}}, Closing: []string{"If this was not you, do nothing."},
	}
}

func TestALetterArrivesOverTLSInBothParts(t *testing.T) {
	for name, change := range map[string]func(*mail.Server, *mailbox.Mailbox){
		"by STARTTLS":             nil,
		"over TLS from the start": func(s *mail.Server, box *mailbox.Mailbox) { s.URL = "smtps://" + box.TLSAddress },
		"proven by a password": func(s *mail.Server, box *mailbox.Mailbox) {
			s.Username, s.PasswordFile = box.Username, box.PasswordFile
			box.DemandPassword()
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := open(t, change)
			if !o.Send(letter()) {
				t.Fatal("it is not taken")
			}
			got := o.box.Next(t)
			if !got.TLS || got.To != "ann@example.com" || got.From != "no-reply@example.com" {
				t.Errorf("to %q from %q, over TLS %t", got.To, got.From, got.TLS)
			}
			for _, part := range []string{got.Text, got.HTML} {
				for _, said := range []string{"Somebody asked.", "https://id.example/reset/?link=the-one-link", "192.0.2.1", "If this was not you", "Gatehouse at id.example"} {
					if !strings.Contains(part, said) {
						t.Errorf("a part does not say %q:\n%s", said, part)
					}
				}
			}
			for header, want := range map[string]string{"Auto-Submitted": "auto-generated", "User-Agent": "", "X-Mailer": "", "Subject": "Set a new password"} {
				if has := got.Header.Get(header); has != want {
					t.Errorf("%s is %q, want %q", header, has, want)
				}
			}
			o.stop()
			if said := o.log.String(); strings.Contains(said, "the-one-link") || strings.Contains(said, "ann@") {
				t.Errorf("the log has the link or the address:\n%s", said)
			}
		})
	}
}

// Whoever stands between must not read a link by taking the TLS away.
func TestNoLetterGoesInTheClearOrToAStranger(t *testing.T) {
	for name, change := range map[string]func(*mail.Server, *mailbox.Mailbox){
		"a server without STARTTLS":        func(s *mail.Server, box *mailbox.Mailbox) { s.URL = "smtp://" + box.PlainAddress },
		"a certificate that nobody trusts": func(s *mail.Server, _ *mailbox.Mailbox) { s.CAFile = "" },
		"a certificate of somebody else": func(s *mail.Server, box *mailbox.Mailbox) {
			s.URL = "smtps://" + strings.Replace(box.TLSAddress, "127.0.0.1", "localhost", 1)
		},
		"smtps against a server without TLS": func(s *mail.Server, box *mailbox.Mailbox) { s.URL = "smtps://" + box.PlainAddress },
	} {
		t.Run(name, func(t *testing.T) {
			o := open(t, change)
			o.Send(letter())
			await(t, o.log, "gave up")
			if all := o.box.Arrived(); len(all) > 0 {
				t.Errorf("%d letters arrived", len(all))
			}
		})
	}
}

func TestADemonstrationNeedsNoTLSOnLoopback(t *testing.T) {
	o := open(t, func(s *mail.Server, box *mailbox.Mailbox) { s.URL, s.PlainLoopback = "smtp://"+box.PlainAddress, true })
	o.Send(letter())
	if got := o.box.Next(t); got.TLS {
		t.Error("it says that it has TLS")
	}
}

// await waits until the log says something.
func await(t *testing.T, l *log, what string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(l.String(), what); {
		if time.Now().After(deadline) {
			t.Fatalf("the log never says %q:\n%s", what, l.String())
		}
		time.Sleep(time.Millisecond) // of a real connection; nothing depends on how long
	}
}

func TestALetterIsTriedAgainForSomeMinutes(t *testing.T) {
	o := open(t, nil)
	o.box.Refuse(mailbox.Later, mailbox.Later, mailbox.Later)
	o.Send(letter())
	o.box.Next(t)
	if n := o.box.Tries(); n != 4 {
		t.Errorf("tried %d times, want 4", n)
	}
	if passed := o.time.Now().Sub(start); passed < time.Minute || passed > 2*time.Minute {
		t.Errorf("it took %s, want 5 s, 15 s and 40 s", passed)
	}
}

func TestALetterIsGivenUpAfterItsTime(t *testing.T) {
	for name, c := range map[string]struct {
		until time.Time
		tries int
	}{"after 18 minutes": {time.Time{}, 7}, "when its link is no longer good": {start.Add(time.Minute), 3}} {
		t.Run(name, func(t *testing.T) {
			o := open(t, nil)
			o.box.Refuse(mailbox.Later, mailbox.Later, mailbox.Later, mailbox.Later, mailbox.Later, mailbox.Later, mailbox.Later, mailbox.Later)
			l := letter()
			l.Until = c.until
			o.Send(l)
			await(t, o.log, "gave up")
			if n := o.box.Tries(); n != c.tries {
				t.Errorf("tried %d times, want %d", n, c.tries)
			}
		})
	}
}

// Servers quote the address in their refusal; the log does not.
func TestALetterThatIsRefusedForGoodIsTriedOnceAndNamesNobody(t *testing.T) {
	o := open(t, nil)
	o.box.Refuse(mailbox.Never)
	o.Send(letter())
	await(t, o.log, "refuses")
	if n := o.box.Tries(); n != 1 {
		t.Errorf("tried %d times", n)
	}
	if said := o.log.String(); strings.Contains(said, "ann@") || !strings.Contains(said, "5.1.1") {
		t.Errorf("the log names the address, or not why:\n%s", said)
	}
}

// What people and browsers say of themselves is in no header, and is no markup.
func TestNothingIsInjected(t *testing.T) {
	o := open(t, nil)
	hostile := "x\r\nBcc: eve@example.com\r\n\r\n<script>alert(1)</script><a href=\"https://evil.example\">here</a>"
	l := letter()
	l.Lines, l.Facts, l.Closing, l.From = []string{hostile}, []mail.Fact{{Name: hostile, Value: hostile}}, []string{hostile}, hostile
	o.Send(l)
	got := o.box.Next(t)
	if got.Header.Get("Bcc") != "" || got.To != "ann@example.com" || strings.Contains(got.HTML, "<script") || strings.Contains(got.HTML, `href="https://evil`) {
		t.Errorf("something was injected:\n%s", got.Raw)
	}
	if strings.Contains(got.Text, "\nBcc:") {
		t.Errorf("a value has lines of its own:\n%s", got.Text)
	}
	for _, to := range []string{"ann@example.com\r\nBcc: eve@example.com", "ann@example.com,eve@example.com", "Ann <ann@example.com>", "", "ann", "\"a b\"@example.com", "<ann@example.com>"} {
		l := letter()
		l.To = to
		if o.Send(l) {
			t.Errorf("a letter to %q is taken", to)
		}
	}
	for _, subject := range []string{"", "x\r\nBcc: eve@example.com"} {
		l := letter()
		l.Subject = subject
		if o.Send(l) {
			t.Errorf("the subject %q is taken", subject)
		}
	}
}

func TestTheQueueIsBoundedAndNobodyWaitsForIt(t *testing.T) {
	o := &office{log: &log{}, time: &clock{now: start}}
	var err error
	o.Postbox, err = mail.New(mail.Options{
		Server: mail.Server{URL: "smtp://127.0.0.1:1", From: "no-reply@example.com"}, Log: slog.New(slog.NewTextHandler(o.log, nil)), Now: o.time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range mail.MaxWaiting { // nothing runs: everything waits
		if !o.Send(letter()) {
			t.Fatalf("letter %d is not taken", i)
		}
	}
	if o.Send(letter()) {
		t.Error("there is room for one more")
	}
}

func TestWhatIsWrittenWrongIsNamedWithTheCure(t *testing.T) {
	good := mail.Server{URL: "smtp://mail.example.com:587", From: "no-reply@example.com"}
	for name, c := range map[string]struct {
		change func(*mail.Server)
		want   string
	}{
		"scheme":         {func(s *mail.Server) { s.URL = "http://mail.example.com" }, "--smtp-url: the scheme \"http\" is neither smtp nor smtps"},
		"password in it": {func(s *mail.Server) { s.URL = "smtp://ann:hunter2hunter2@mail.example.com" }, "--smtp-url: it must not have a name and password"},
		"unreadable":     {func(s *mail.Server) { s.URL = "smtp://ann:hunter2%zz@mail" }, "--smtp-url: it is no URL"},
		"path":           {func(s *mail.Server) { s.URL = "smtp://mail.example.com/x" }, "--smtp-url: it must be a host"},
		"port":           {func(s *mail.Server) { s.URL = "smtp://mail.example.com:0" }, "--smtp-url: the port is none"},
		"from":           {func(s *mail.Server) { s.From = "nobody" }, "--smtp-from: \"nobody\" is no address"},
		"from of lines":  {func(s *mail.Server) { s.From = "a@b.c\r\nBcc: x@y.z" }, "--smtp-from"},
		"name alone":     {func(s *mail.Server) { s.Username = "ann" }, "--smtp-username and --smtp-password-file: give both"},
		"no such file":   {func(s *mail.Server) { s.Username, s.PasswordFile = "ann", "/nowhere" }, "--smtp-password-file"},
		"no such CA":     {func(s *mail.Server) { s.CAFile = "/nowhere" }, "--smtp-ca-file"},
		"no certificate": {func(s *mail.Server) { s.CAFile = "mail_test.go" }, "--smtp-ca-file: mail_test.go has no certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			server := good
			c.change(&server)
			_, err := mail.New(mail.Options{Server: server})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	if _, err := mail.New(mail.Options{Server: good}); err != nil {
		t.Error(err)
	}
}
