package server

import (
	"html/template"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/decide"
)

// An endpoint is a function from a request to an answer. It never touches the
// ResponseWriter, so that a test is a call. A refusal is returned as *oauth.Error, a fault
// as any other error; the adapter alone turns either into bytes.
type endpoint func(*request) (answer, error)

// request is one HTTP request together with the world it began in.
type request struct {
	*http.Request
	*decide.World
	now  time.Time
	id   string     // request id: in the log, in the audit log and on error pages
	ip   netip.Addr // the right-most hop that is not a trusted proxy
	form url.Values // of the body; its size is bounded
}

// An answer writes itself: JSON, a redirect, or a page.
type answer interface {
	write(w http.ResponseWriter, r *request)
}

// jsonAnswer is a JSON body that no cache keeps.
type jsonAnswer struct {
	status int // 0 is 200
	header http.Header
	body   any
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
}
