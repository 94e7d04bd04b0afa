package sessions

import (
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// visitorFor is how long a form may stand open before anybody has signed in.
const visitorFor = time.Hour

// Form authenticates the forms of one browser: a token made by one session, for one
// purpose and one subject, is worth nothing with another.
type Form struct {
	key     model.Sensitive
	browser string
}

// Form authenticates forms of this session.
func (m *Manager) Form(s *Session) Form { return Form{m.forms, s.ID} }

// VisitorForm authenticates the forms of a browser that is not signed in, by a
// short-lived cookie of its own. The cookie is nil if the browser has it already.
func (m *Manager) VisitorForm(r *http.Request) (Form, *http.Cookie) {
	name := m.cookieName("gatehouse-form")
	if c, err := r.Cookie(name); err == nil && len(c.Value) == base64.RawURLEncoding.EncodedLen(16) {
		return m.visitor(c.Value), nil
	}
	id := random(16)
	return m.visitor(id), m.cookie(name, id, int(visitorFor/time.Second))
}

func (m *Manager) visitor(id string) Form { return Form{m.forms, "visitor " + id} }

// Token returns the value of the form's hidden field.
func (f Form) Token(purpose string, subject ...string) string {
	sum := f.sum(purpose, subject)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Made reports whether the token was made by this browser's form for this purpose and
// subject, in constant time.
func (f Form) Made(token, purpose string, subject ...string) bool {
	got, err := base64.RawURLEncoding.DecodeString(token)
	sum := f.sum(purpose, subject)
	return err == nil && model.NewSensitive(sum[:]).Equal(model.NewSensitive(got))
}

func (f Form) sum(purpose string, subject []string) [32]byte {
	var text []byte
	for _, part := range append([]string{f.browser, purpose}, subject...) {
		text = binary.BigEndian.AppendUint32(text, uint32(len(part)))
		text = append(text, part...)
	}
	return f.key.Digest(text)
}
