package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/limits"
	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

const forgotForm = "forgot"

// asked is how often letters may be asked for, by an address and by a source. Beyond it an
// address gets no further letter, and the answer is the same.
var (
	perAddress = limits.Bucket{Burst: 3, Interval: 20 * time.Minute}
	perAsker   = limits.Bucket{Burst: 20, Interval: time.Minute}
)

// resets reports whether people may have a link mailed to them.
func (s *Server) resets(r *request) bool {
	local := localProvider(r.Snapshot)
	return s.mails() && local != nil && local.Local.ResetEnabled
}

// showForgot asks for the address of an account whose password is forgotten.
func (s *Server) showForgot(r *request) (answer, error) {
	if !s.resets(r) {
		return noMailedResets(), nil
	}
	return s.forgotPage(r, 0, ""), nil
}

func (s *Server) forgotPage(r *request, status int, problem string) answer {
	form, cookie := s.sessions.VisitorForm(r.Request)
	a := page{status: status, html: pages.Forgot(pages.ForgotPage{Token: form.Token(forgotForm), Problem: problem})}
	if cookie != nil {
		a.cookies = append(a.cookies, cookie)
	}
	return a
}

// noMailedResets says who sets passwords where nobody can have a link mailed.
func noMailedResets() answer {
	return page{status: http.StatusNotFound, html: pages.Message(pages.MessagePage{
		Kind: pages.Neutral, Title: "Ask your administrator",
		What: "No links are mailed here to set a new password.",
		Do:   "Your administrator can make one for you: gatehouse user reset-link, with the address of your account.",
		Link: pages.Link{Text: "Back to sign-in", Path: loginPath},
	})}
}

// forgot has a link mailed to whom the address belongs. The answer is made before anybody has
// looked whether there is such an account: it is the same, and takes the same time, for
// whatever is typed (ASVS 6.3.8).
func (s *Server) forgot(r *request) (answer, error) {
	if !s.resets(r) {
		return noMailedResets(), nil
	}
	form, _ := s.sessions.VisitorForm(r.Request)
	if !form.Made(r.form.Get("token"), forgotForm) {
		return nil, staleForm()
	}
	address := people.Address(atMost(r.form.Get("email"), longestAddress))
	if problem := addressProblem(address); problem != "" {
		return s.forgotPage(r, http.StatusBadRequest, problem), nil
	}
	may, err := s.askForLetter(r, "reset", address)
	if err != nil {
		return nil, err
	}
	if may {
		s.later(r, "mail a reset link", func(ctx context.Context) error { return s.mailReset(ctx, r, address) })
	}
	return onItsWay("If there is an account with this address, a letter with a link is on its way to it. The link is good for an hour."), nil
}

// askForLetter counts that a letter to an address is asked for. Too many from one source are
// refused; too many to one address are not sent, without a word.
func (s *Server) askForLetter(r *request, kind, address string) (may bool, err error) {
	ctx := context.WithoutCancel(r.Context())
	source := limits.Rule{What: "letters asked for from " + limits.Source(r.ip), Bucket: &perAsker}
	wait, err := s.lockouts.Try(ctx, r.now, source)
	if err != nil {
		return false, err
	}
	if wait > 0 {
		return false, tooMany(wait)
	}
	wait, err = s.lockouts.Try(ctx, r.now, limits.Rule{What: kind + " letters to " + address, Bucket: &perAddress})
	return wait == 0, err
}

// later runs an errand of a request after its answer.
func (s *Server) later(r *request, what string, do func(context.Context) error) {
	ran := s.errands.run(r.Context(), func(ctx context.Context) {
		if err := do(ctx); err != nil {
			s.Log.Error(what, "request", r.id, "error", err)
		}
	})
	if !ran {
		s.Log.Error(what, "request", r.id, "error", "too much else is to be done")
	}
}

// onItsWay answers whoever asked for a letter.
func onItsWay(what string) answer {
	return page{html: pages.Message(pages.MessagePage{
		Kind: pages.Neutral, Title: "Look into your mail", What: what,
		Do:   "Nothing there after some minutes? Look among the unwanted mail, check the address, and ask again; there are at most three letters an hour.",
		Link: pages.Link{Text: "Back to sign-in", Path: loginPath},
	})}
}

func addressProblem(address string) string {
	if people.CheckAddress(address) != nil {
		return "Type an email address, such as ann@example.com."
	}
	return ""
}

// mailReset makes the link and mails it, if there is an account that may have one. Whether
// there is or not, one event is written.
func (s *Server) mailReset(ctx context.Context, r *request, address string) error {
	ev := store.Event{Time: r.now, Action: "user.reset-requested", IP: r.ip.String(), RequestID: r.id, Outcome: "refused"}
	u, err := s.Store.UserByEmail(ctx, address)
	switch {
	case errors.Is(err, store.ErrNotFound):
		ev.Reason = "no such account"
		return s.Store.Record(ctx, ev)
	case err != nil:
		return err
	}
	ev.Actor, ev.Target = u.ID, u.ID
	switch {
	case u.Disabled:
		ev.Reason = "account is disabled"
		return s.Store.Record(ctx, ev)
	case u.PasswordHash == "":
		// A link must not give a password to an account that has other ways in: whoever holds
		// the mailbox would have one too many.
		ev.Reason = "account has no password"
		s.send(s.noPasswordLetter(r, u.Email))
		return s.Store.Record(ctx, ev)
	}
	ev.Outcome = "ok"
	link, err := people.NewResetLink(ctx, s.Store, s.Keyring.LookupKey(), u.ID, ev)
	if errors.Is(err, store.ErrConflict) { // it was disabled meanwhile
		return nil
	}
	if err != nil {
		return err
	}
	s.send(s.resetLetter(r, u.Email, link))
	return nil
}
