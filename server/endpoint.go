package server

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/decide"
	"github.com/gatehouse-dev/gatehouse/server/limits"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// An endpoint is a function from a request to an answer. It never touches the
// ResponseWriter, so that a test is a call. A refusal is returned as *oauth.Error or
// *refusal, a fault as any other error; the adapter alone turns either into bytes.
type endpoint func(*request) (answer, error)

// request is one HTTP request together with the world it began in.
type request struct {
	*http.Request
	*decide.World
	now  time.Time
	id   string     // request id: in the log, in the audit log and on error pages
	ip   netip.Addr // the right-most hop that is not a trusted proxy
	form url.Values // of the body; its size is bounded
	body []byte     // where it is JSON, in place of form
	// speaksTo is the application that the answer is for, once it is known: scripts of its
	// origins may read it.
	speaksTo *model.Application
	// counted: the sender is counted by its source, or has no need to be.
	counted bool
}

// An answer writes itself: JSON, a redirect, or a page.
type answer interface {
	write(w http.ResponseWriter, r *request)
}

// jsonAnswer is a JSON body that no cache keeps.
type jsonAnswer struct {
	status int // 0 is 200
	header http.Header
	body   any // json.RawMessage is written as it is
}

// redirect is a 303, so that a POST is never repeated elsewhere (RFC 9700 section 4.12).
type redirect struct {
	to      string
	cookies []*http.Cookie
}

// page is a rendered HTML page with its strict headers.
type page struct {
	status  int // 0 is 200
	html    template.HTML
	cookies []*http.Cookie
	// leadsTo is where else forms of the page may end up: browsers hold the redirect after
	// a post to the page's policy too. Origins, or schemes with their colons.
	leadsTo []string
	// scripted: it may run our own script files, which the one for keys is all of.
	scripted bool
}

// bodyLimit bounds the body of every request.
const bodyLimit = 64 << 10

// refusal is an *oauth.Error with what HTTP adds to it.
type refusal struct {
	words      *oauth.Error
	status     int           // 0: what the code has of its own
	allow      string        // the methods allowed
	challenge  string        // WWW-Authenticate
	retryAfter time.Duration // 0: no such header
}

func (r *refusal) Error() string { return r.words.Error() }
func (r *refusal) Unwrap() error { return r.words }

// tooMany refuses what comes too often.
func tooMany(wait time.Duration) error {
	return &refusal{
		words:  oauth.Refuse(oauth.TemporarilyUnavailable, "too many requests; wait as Retry-After says"),
		status: http.StatusTooManyRequests, retryAfter: wait,
	}
}

// serveHTTP is the adapter: the only place where a request becomes a call, and an answer,
// a refusal or a fault becomes bytes.
func (s *Server) serveHTTP(w http.ResponseWriter, raw *http.Request) {
	r := &request{Request: raw, World: s.world.Load(), now: s.Now(), id: newRequestID()}
	r.ip = clientIP(raw, s.TrustedProxies)
	rt := s.router.find(raw)
	out := &recorder{ResponseWriter: w, status: http.StatusOK}
	securityHeaders(out.Header(), r.id)
	if s.overTLS {
		out.Header()["Strict-Transport-Security"] = oneYear
	}
	answer, err := s.call(rt, r, out)
	if err != nil {
		answer = s.refuse(rt, r, err)
	}
	if rt != nil && rt.cors {
		r.letRead(out.Header())
	}
	answer.write(out, r)
	s.observe(rt, r, out.status, err)
}

// call checks what every endpoint needs, and calls it.
func (s *Server) call(rt *route, r *request, w http.ResponseWriter) (answer, error) {
	if rt == nil {
		return nil, &refusal{words: oauth.Refuse(oauth.InvalidRequest, "there is nothing at this path"), status: http.StatusNotFound}
	}
	do, allow := rt.endpointFor(r.Method)
	if rt.cors && isPreflight(r) {
		do = rt.preflight
	}
	if do == nil {
		return nil, &refusal{
			words:  oauth.Refuse(oauth.InvalidRequest, "this path does not answer that method"),
			status: http.StatusMethodNotAllowed, allow: allow,
		}
	}
	// A browser that guesses where its person will go next does not speak for them (Fetch,
	// "Sec-Purpose"); after this answer it asks again when they do go there.
	if rt.acts && strings.HasPrefix(r.Header.Get("Sec-Purpose"), "prefetch") {
		return nil, oauth.Refuse(oauth.TemporarilyUnavailable, "nobody has followed this link yet")
	}
	if r.World == nil {
		return nil, &refusal{words: oauth.Refuse(oauth.TemporarilyUnavailable, "nothing is served yet"), retryAfter: time.Second}
	}
	if r.Method == http.MethodPost {
		return s.post(rt, do, r, w)
	}
	return s.work(do, r)
}

// post is what every POST passes. Whoever does not prove who they are is counted by their
// source: at a page before anything is read, elsewhere by client, or at the latest here.
func (s *Server) post(rt *route, do endpoint, r *request, w http.ResponseWriter) (answer, error) {
	if rt.audience == forPeople {
		if err := s.guardPage(rt, r); err != nil {
			return nil, err
		}
	}
	a, err := s.submit(rt, do, r, w)
	if refused := (*oauth.Error)(nil); errors.Is(err, overloaded) || err != nil && !errors.As(err, &refused) {
		return nil, err // our fault says nothing about the sender
	}
	if limited := s.limitSource(r); limited != nil {
		return nil, limited
	}
	return a, err
}

// submit reads the body, then calls the endpoint.
func (s *Server) submit(rt *route, do endpoint, r *request, w http.ResponseWriter) (answer, error) {
	if !s.load.bodies.enter() {
		w.Header().Set("Connection", "close") // else the body would still be read before the answer
		return nil, overloaded
	}
	err := r.read(rt, w)
	s.load.bodies.leave()
	// A body may take its time; by now other things may be true.
	r.World, r.now = s.world.Load(), s.Now()
	if err != nil {
		return nil, err
	}
	return s.work(do, r)
}

// work calls the endpoint if there is room for one more.
func (s *Server) work(do endpoint, r *request) (answer, error) {
	if !s.load.work.enter() {
		return nil, overloaded
	}
	defer s.load.work.leave()
	return do.guarded(r)
}

// guarded calls the endpoint. A panic in it is a fault like any other: it never touches the
// ResponseWriter, so the caller still gets a whole answer.
func (do endpoint) guarded(r *request) (a answer, err error) {
	defer func() {
		if p := recover(); p != nil {
			a, err = nil, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return do(r)
}

// guardPage refuses posts that another site makes a browser send, and those that come too
// often. It is for pages only: clients have no cookies that another site could abuse.
func (s *Server) guardPage(rt *route, r *request) error {
	if !rt.anySite && s.crossOrigin.Check(r.Request) != nil {
		return &refusal{words: oauth.Refuse(oauth.InvalidRequest, "the request came from another site"), status: http.StatusForbidden}
	}
	return s.limitSource(r)
}

// limitSource counts a request of somebody who has not proven who they are, once.
func (s *Server) limitSource(r *request) error {
	if r.counted {
		return nil
	}
	r.counted = true
	if wait := s.perSource.Take(r.now, limits.Source(r.ip)); wait > 0 {
		return tooMany(wait)
	}
	return nil
}

// read reads the body, which must be a form, or JSON where the route takes that. None at all
// is an empty form: whoever posts nothing but a token in the header names no type either.
func (r *request) read(rt *route, w http.ResponseWriter) error {
	want, otherwise := formType, notAForm
	if rt.json {
		want, otherwise = jsonTypeName, notJSON
	}
	named := r.Header.Get("Content-Type")
	kind, _, err := mime.ParseMediaType(named)
	if named != "" && (err != nil || kind != want) {
		return otherwise
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return &refusal{words: oauth.Refuse(oauth.InvalidRequest, "the body is larger than 64 KiB"), status: http.StatusRequestEntityTooLarge}
	}
	if err != nil {
		return oauth.Refuse(oauth.InvalidRequest, "the body could not be read")
	}
	if named == "" && (rt.json || len(body) > 0) {
		return otherwise
	}
	if rt.json {
		r.body = body
		return nil
	}
	if r.form, err = url.ParseQuery(string(body)); err != nil {
		return oauth.Refuse(oauth.InvalidRequest, "the body is not a well-formed form")
	}
	return nil
}

const (
	formType     = "application/x-www-form-urlencoded"
	jsonTypeName = "application/json"
)

var (
	notAForm error = oauth.Refuse(oauth.InvalidRequest, "the body must be "+formType)
	notJSON  error = &refusal{words: oauth.Refuse(oauth.InvalidRequest, "the body must be "+jsonTypeName), status: http.StatusUnsupportedMediaType}
)

// refuse turns an error into an answer. Whatever is not a refusal is ours: the caller
// learns nothing but the request id.
func (s *Server) refuse(rt *route, r *request, err error) answer {
	var ref *refusal
	var plain *oauth.Error
	switch {
	case errors.As(err, &ref):
	case errors.As(err, &plain):
		ref = &refusal{words: plain}
	case errors.Is(err, store.ErrUnavailable):
		ref = &refusal{words: oauth.Refuse(oauth.TemporarilyUnavailable, "try again"), retryAfter: time.Second}
	default:
		ref = &refusal{words: oauth.Refuse(oauth.ServerError, "request "+r.id+" failed"), status: http.StatusInternalServerError}
	}
	header := ref.header(s.Issuer)
	switch {
	case rt == nil || rt.audience == forClients:
		body := map[string]string{"error": ref.words.Code, "error_description": ref.words.Description}
		return jsonAnswer{status: ref.statusCode(), header: header, body: body}
	case rt.audience == forAPI:
		detail := map[string]string{"code": ref.words.Code, "message": ref.words.Description}
		return jsonAnswer{status: ref.statusCode(), header: header, body: map[string]any{"detail": detail}}
	}
	return withHeader{s.errorPage(r, ref.statusCode(), ref.words.Description), header}
}

// header returns what a refusal adds to the answer.
func (r *refusal) header(issuer string) http.Header {
	h := http.Header{}
	if r.allow != "" {
		h.Set("Allow", r.allow)
	}
	if r.retryAfter > 0 {
		h.Set("Retry-After", limits.RetryAfter(r.retryAfter))
	}
	switch {
	case r.challenge != "":
		h.Set("WWW-Authenticate", r.challenge)
	case r.words.Code == oauth.InvalidClient: // RFC 6749 section 5.2
		h.Set("WWW-Authenticate", `Basic realm="`+issuer+`", charset="UTF-8"`)
	}
	return h
}

func (r *refusal) statusCode() int {
	if r.status != 0 {
		return r.status
	}
	switch r.words.Code {
	case oauth.InvalidClient, oauth.InvalidToken:
		return http.StatusUnauthorized
	case oauth.InsufficientScope:
		return http.StatusForbidden
	case oauth.TemporarilyUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusBadRequest
}

func (a jsonAnswer) write(w http.ResponseWriter, _ *request) {
	h := w.Header()
	for name, values := range a.header {
		h[name] = values
	}
	h["Content-Type"] = jsonType
	if h["Cache-Control"] == nil {
		h["Cache-Control"], h["Pragma"] = noStore, noCache // RFC 6749 section 5.1
	}
	raw, ready := a.body.(json.RawMessage)
	if !ready {
		var err error
		if raw, err = json.Marshal(a.body); err != nil {
			http.Error(w, `{"error":"server_error"}`, http.StatusInternalServerError)
			return
		}
	}
	if a.status != 0 {
		w.WriteHeader(a.status)
	}
	_, _ = w.Write(raw) // a peer that is gone needs no answer
}

func (a redirect) write(w http.ResponseWriter, _ *request) {
	for _, c := range a.cookies {
		http.SetCookie(w, c)
	}
	w.Header()["Cache-Control"] = noStore
	w.Header().Set("Location", a.to)
	w.WriteHeader(http.StatusSeeOther)
}

// pagePolicy lets a page use its own style and nothing else, and nobody frame it (RFC
// 9700 sections 4.2 and 4.16). Its last directive may be given further targets.
const pagePolicy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"

func (a page) write(w http.ResponseWriter, _ *request) {
	for _, c := range a.cookies {
		http.SetCookie(w, c)
	}
	h := w.Header()
	h["Cache-Control"] = noStore
	h.Set("Content-Type", "text/html; charset=utf-8")
	policy := pagePolicy
	if a.scripted {
		policy = "script-src 'self'; " + policy
	}
	var sources []string
	for _, target := range a.leadsTo {
		if source := policySource(target); !slices.Contains(sources, source) {
			sources, policy = append(sources, source), policy+" "+source
		}
	}
	h.Set("Content-Security-Policy", policy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	if a.status != 0 {
		w.WriteHeader(a.status)
	}
	_, _ = io.WriteString(w, string(a.html)) // a peer that is gone needs no answer
}

// policySource names a target as the policy of a page has to: by its scheme alone. Browsers
// hold every further redirect to the policy too, and applications send people on to other
// hosts from where they took the answer; nor has a policy a way to write an IPv6 address
// (Content Security Policy Level 3, sections 2.3.1 and 6.4.1).
func policySource(target string) string {
	scheme, _, _ := strings.Cut(target, ":")
	return scheme + ":"
}

// withHeader adds to the header of another answer.
type withHeader struct {
	answer
	header http.Header
}

func (a withHeader) write(w http.ResponseWriter, r *request) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	a.answer.write(w, r)
}

// Header values that are the same on every answer; they are never changed.
var (
	jsonType   = []string{jsonTypeName}
	noStore    = []string{"no-store"}
	noCache    = []string{"no-cache"}
	noSniff    = []string{"nosniff"}
	noReferrer = []string{"no-referrer"}
	deny       = []string{"DENY"}
	oneYear    = []string{"max-age=31536000"}
	apiPolicy  = []string{"default-src 'none'; frame-ancestors 'none'"}
)

func securityHeaders(h http.Header, id string) {
	h["X-Content-Type-Options"] = noSniff
	h["Referrer-Policy"] = noReferrer
	h["X-Frame-Options"] = deny
	h["Content-Security-Policy"] = apiPolicy
	h["X-Request-Id"] = []string{id}
}

func newRequestID() string {
	var raw [8]byte
	_, _ = rand.Read(raw[:]) // never fails (crypto/rand)
	return hex.EncodeToString(raw[:])
}

// recorder remembers the status for the log.
type recorder struct {
	http.ResponseWriter
	status int
}

func (w *recorder) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
