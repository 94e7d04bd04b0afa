package server

import (
	"net/http"
	"net/url"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/upstream"
)

// arrivedParameter carries somebody who came by a post on to where their session is.
const arrivedParameter = "arrived"

// ssoCallback takes the answer of a provider (RFC 6749 section 4.1.2). Each has a callback
// of its own, so that the answer of one is never taken for another's (RFC 9700 section
// 4.4.2.2).
func (s *Server) ssoCallback(r *request) (answer, error) {
	query, err := r.query()
	if err != nil {
		return nil, err
	}
	if box := query.Get(arrivedParameter); box != "" {
		return s.cameByPost(r, box)
	}
	return s.answered(r, query, query["state"], attemptCookie)
}

// ssoCallbackByPost takes an answer that the provider has the browser post (SAML 2.0
// Bindings section 3.5).
func (s *Server) ssoCallbackByPost(r *request) (answer, error) {
	return s.answered(r, r.form, r.form["RelayState"], postedCookie)
}

// answered matches an answer with what this browser began at this provider, uses that up,
// and proves it.
func (s *Server) answered(r *request, form url.Values, handles []string, cookie string) (answer, error) {
	if err := s.limitSource(r); err != nil { // the provider is asked at our expense
		return nil, err
	}
	uid := r.PathValue("provider")
	p, b := r.Provider(uid), s.backend(uid)
	if p == nil || p.Local != nil || b == nil {
		return nil, unknownProvider
	}
	handle := ""
	if len(handles) == 1 {
		handle = handles[0]
	}
	a := s.carried(r, uid, handle, cookie)
	if a == nil {
		if unsolicited(r, p) {
			return s.unsolicited(r, p, b, form)
		}
		return s.notBegun(r, handle), nil
	}
	before, err := s.used(r, "sign-in elsewhere "+a.Handle, a.At.Add(ssoFor))
	if err != nil {
		return nil, err
	}
	if before {
		return s.notBegun(r, handle), nil
	}
	got, err := s.judgeAnswer(r, p, b, a, form)
	if err != nil {
		return nil, err
	}
	return withCookies{got, s.putDown(r, a.Handle)}, nil
}

// judgeAnswer has the backend prove an answer that belongs to an attempt.
func (s *Server) judgeAnswer(r *request, p *model.Provider, b upstream.Backend, a *attempt, form url.Values) (answer, error) {
	if code := form.Get("error"); code != "" {
		return s.toldNo(r, p, a, code)
	}
	proof, err := b.Validate(r.Context(), upstream.Answer{Now: r.now, State: a.State, Form: form})
	if err != nil {
		return s.refusedElsewhere(r, p, err)
	}
	return s.arrive(r, p, b, a, proof)
}

// notBegun is the one answer to what belongs to no sign-in of this browser: that of another
// browser or provider, an old one, one that was used, none at all.
func (s *Server) notBegun(r *request, handle string) answer {
	a := page{status: http.StatusForbidden, html: pages.Message(pages.MessagePage{
		Kind: pages.Bad, Title: "This sign-in cannot go on",
		What: "It was not begun in this browser, took longer than ten minutes, was used already, or changed meanwhile.",
		Do:   "Start again from where you wanted to go.",
		Link: pages.Link{Text: "Sign in", Path: loginPath}, RequestID: r.id,
	})}
	if handle != "" {
		a.cookies = s.putDown(r, handle)
	}
	return a
}

// toldNo tells in our words what the provider says in its own (RFC 6749 section 4.1.2.1):
// anybody can write those into a link.
func (s *Server) toldNo(r *request, p *model.Provider, a *attempt, code string) (answer, error) {
	name, why := nameOf(p), "the provider answered with an error"
	what, do := name+" could not sign you in.", "Try again. If it stays like this, tell your administrator the request below."
	switch code {
	case oauth.AccessDenied, "consent_required", "interaction_required", "login_required", "account_selection_required":
		why, what = "the provider did not sign them in", name+" did not sign you in, or you did not agree there."
		do = "Try again, or sign in another way."
	case oauth.TemporarilyUnavailable, oauth.ServerError:
		what, do = name+" has a problem now.", "Try again in a few minutes, or sign in another way."
	}
	if err := s.recordRefused(r.Context(), r, p, "", why); err != nil {
		return nil, err
	}
	s.Log.Info("a provider answered a sign-in with an error", "provider", p.Namespace+"/"+p.Name, "code", atMost(printed(code), 64), "id", r.id)
	return page{status: http.StatusForbidden, html: pages.Message(pages.MessagePage{
		Kind: pages.Bad, Title: "You are not signed in", What: what, Do: do,
		Link: pages.Link{Text: "Sign in", Path: toLoginFor(a.Organization, a.Next)}, RequestID: r.id,
	})}, nil
}

// toLoginFor is the way to the sign-in for an organization, and on to next.
func toLoginFor(slug, next string) string {
	values := url.Values{"next": {next}}
	if slug != "" {
		values.Set(organizationParameter, slug)
	}
	return loginPath + "?" + values.Encode()
}

// printed keeps of a word what may stand in a log.
func printed(text string) string {
	out := make([]byte, 0, len(text))
	for i := range len(text) {
		if c := text[i]; c > 0x20 && c < 0x7f {
			out = append(out, c)
		}
	}
	return string(out)
}

// ssoMetadata is what a provider has to know of us (SAML 2.0 Metadata).
func (s *Server) ssoMetadata(r *request) (answer, error) {
	uid := r.PathValue("provider")
	b := s.backend(uid)
	if p := r.Provider(uid); p == nil || b == nil || len(b.Describe().Metadata) == 0 {
		return nil, unknownProvider
	}
	return document{kind: "application/samlmetadata+xml", body: b.Describe().Metadata}, nil
}

// document is a file that is no page.
type document struct {
	kind string
	body []byte
}

func (d document) write(w http.ResponseWriter, _ *request) {
	w.Header().Set("Content-Type", d.kind)
	w.Header()["Cache-Control"] = noStore
	_, _ = w.Write(d.body) // a peer that is gone needs no answer
}

// withCookies adds cookies to another answer.
type withCookies struct {
	answer
	cookies []*http.Cookie
}

func (a withCookies) write(w http.ResponseWriter, r *request) {
	for _, c := range a.cookies {
		http.SetCookie(w, c)
	}
	a.answer.write(w, r)
}
