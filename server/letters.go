package server

import (
	"net/url"
	"slices"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/mail"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// Mailer sends letters, without ever holding its caller up; mail.Postbox does.
type Mailer interface{ Send(mail.Letter) bool }

// mails reports whether people can be written to.
func (s *Server) mails() bool { return s.Mail != nil }

// notice is what somebody is told of their account, in words.
type notice struct {
	kind, subject string
	what          string
	do            string // if it was somebody else
}

// Notices. Each says what to do; none has a link that does anything, so that nobody learns
// to follow one.
var (
	passwordChangedLetter = notice{
		"password-changed", "Your password was changed", "The password of your account was changed.",
		"If this was not you, somebody else can sign in with your account: set a new password with “Forgot your password?” on the sign-in page, and tell your administrator.",
	}
	passwordResetLetter = notice{
		"password-reset", "Your password was reset", "A new password was set by a link, and you were signed out everywhere.",
		"If this was not you, somebody else reads your mail or has such a link: tell your administrator at once.",
	}
	factorAddedLetter = notice{
		"factor-added", "A second factor was added", "From now on it proves who you are when you sign in.",
		"If this was not you, sign in, remove it under Second factor, and change your password; if you cannot, tell your administrator.",
	}
	factorRemovedLetter = notice{
		"factor-removed", "A second factor was removed", "It does not prove any more who you are when you sign in.",
		"If this was not you, change your password, add a second factor, and tell your administrator.",
	}
	recoveryCodesLetter = notice{
		"recovery-codes", "New recovery codes were made", "The recovery codes that you had are worth nothing any more.",
		"If this was not you, change your password, make new recovery codes, and tell your administrator.",
	}
	recoveryCodeUsedLetter = notice{
		"recovery-code-used", "A recovery code was used", "Somebody signed in with your password and one of your recovery codes.",
		"If this was not you, change your password and make new recovery codes at once, and tell your administrator.",
	}
	guessingLetter = notice{
		"guessing", "Somebody may know your password", "Your password was typed right, and then several wrong codes of your second factor. Nobody was let in by them.",
		"If this was not you, change your password now: whoever tried this knows it.",
	}
	newPlaceLetter = notice{
		"new-place", "New sign-in to your account", "Somebody signed in to your account from a place and with a browser that it was not used from before.",
		"If this was not you, change your password and sign out everywhere else, under Sessions.",
	}
	addressAskedLetter = notice{
		"address-asked", "Your address is about to be changed", "Somebody who is signed in to your account asked for another address to be used for it. Nothing is changed until that address is proven.",
		"If this was not you, change your password, sign out everywhere else, and tell your administrator.",
	}
	addressChangedLetter = notice{
		"address-changed", "Your address was changed", "Your account has another address now. This one does not sign in any more and gets no further letters.",
		"If this was not you, tell your administrator at once.",
	}
)

// Of one thing that happens to an account again and again its owner is told a few times: the
// letters are there for all, and a full mailbox is one that nobody reads.
const (
	noticesAtOnce = 10
	noticeEvery   = 10 * time.Minute
)

// notify writes to somebody about their account, if there is an address that is known to be
// theirs: what nobody has proven may be another person's.
func (s *Server) notify(r *request, u store.User, n notice) {
	theirs := slices.ContainsFunc(u.Person().Addresses, func(a model.ProvenAddress) bool { return a.Address == u.Email })
	if theirs && s.notices.Take(r.now, n.kind+" "+u.ID) == 0 {
		s.notifyAt(r, u.Email, n)
	}
}

// notifyAt is notify at an address.
func (s *Server) notifyAt(r *request, address string, n notice) {
	l := s.letter(r, n.kind, address, n.subject)
	l.Lines = []string{n.what}
	l.Closing = []string{"If this was you, there is nothing to do.", n.do}
	s.send(l)
}

// letter begins a letter with when it is and who asks.
func (s *Server) letter(r *request, kind, to, subject string) mail.Letter {
	return mail.Letter{
		Kind: kind, To: to, Subject: subject + " (" + s.hostname() + ")", From: "Gatehouse at " + s.hostname(),
		Facts: []mail.Fact{
			{Name: "When", Value: r.now.UTC().Format("2 January 2006, 15:04 UTC")},
			{Name: "From", Value: r.ip.String()},
			{Name: "Browser", Value: browserOf(r.UserAgent())},
		},
	}
}

// send sends a letter where there is mail and an address.
func (s *Server) send(l mail.Letter) {
	if s.mails() && l.To != "" {
		s.Mail.Send(l)
	}
}

// linkTo is the address of a link that is mailed.
func (s *Server) linkTo(path, link string) string {
	return s.Issuer + path + "?" + url.Values{linkParameter: {link}}.Encode()
}

// resetLetter brings the link that was asked for.
func (s *Server) resetLetter(r *request, to, link string) mail.Letter {
	l := s.letter(r, "reset", to, "Set a new password")
	l.Lines = []string{"Somebody asked to set a new password for your account, at the sign-in page. The link below does that, once, within an hour. It signs you out everywhere."}
	l.Link = mail.Link{Text: "Set a new password", URL: s.linkTo(resetPath, link)}
	l.Closing = []string{"If this was not you, there is nothing to do: your password stays as it is. Give the link to nobody."}
	l.Until = r.now.Add(people.ResetFor)
	return l
}

// noPasswordLetter tells somebody who forgot that there is nothing to forget.
func (s *Server) noPasswordLetter(r *request, to string) mail.Letter {
	l := s.letter(r, "no-password", to, "There is no password to set")
	l.Lines = []string{"Somebody asked to set a new password for your account. It has none: sign in as you did before, with the provider that you came from, or ask your administrator."}
	l.Closing = []string{"If this was not you, there is nothing to do."}
	l.Until = r.now.Add(time.Hour)
	return l
}
