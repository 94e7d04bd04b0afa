package mail

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	netmail "net/mail"
	"strings"
	text "text/template"
	"time"
)

// Letter is what somebody is told. Its words may hold what people and browsers say of
// themselves: both parts are written so that none of it becomes markup, and none of it is in
// a header.
type Letter struct {
	Kind    string // for logs and metrics: "reset"
	To      string // one address
	Subject string // our own words alone
	Lines   []string
	Link    Link     // the zero value: there is none
	Facts   []Fact   // when, from where
	Closing []string // what to do if it was somebody else
	From    string   // who sends it, in words: the host of the installation
	Until   time.Time
}

// Link is where a letter leads.
type Link struct{ Text, URL string }

// Fact is a line of a list.
type Fact struct{ Name, Value string }

// longestAddress is that of an address, in bytes (RFC 5321 section 4.5.3.1).
const longestAddress = 254

// CheckAddress takes one bare address, which can be in a header as it is.
func CheckAddress(address string) error {
	a, err := netmail.ParseAddress(address)
	if err != nil || a.Address != address || a.Name != "" || len(address) > longestAddress || strings.ContainsFunc(address, unsafe) {
		return errors.New("not an email address, such as ann@example.com")
	}
	return nil
}

// unsafe are control characters and what cannot be in an address without quotes.
func unsafe(r rune) bool { return r < 0x21 || r == 0x7f || strings.ContainsRune(`"<>()[],;:\`, r) }

func (l Letter) check() error {
	if err := CheckAddress(l.To); err != nil {
		return err
	}
	if l.Subject == "" || strings.ContainsFunc(l.Subject, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return errors.New("the subject is empty or has control characters")
	}
	return nil
}

//go:embed letter.txt letter.html
var sources embed.FS

var (
	plainLetter = text.Must(text.New("letter.txt").Funcs(text.FuncMap{"oneLine": oneLine}).ParseFS(sources, "letter.txt"))
	richLetter  = template.Must(template.New("letter.html").ParseFS(sources, "letter.html"))
)

// oneLine keeps what others say on the line where it is quoted.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// write returns both parts.
func (l Letter) write() (plain, rich string, err error) {
	var p, r bytes.Buffer
	if err := plainLetter.Execute(&p, l); err != nil {
		return "", "", fmt.Errorf("write letter: %w", err)
	}
	if err := richLetter.Execute(&r, l); err != nil {
		return "", "", fmt.Errorf("write letter: %w", err)
	}
	return p.String(), r.String(), nil
}
