package server

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/gatehouse-dev/gatehouse/server/tokens"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
)

// unlucky is random, but for the first letters of user codes: those are read a byte at a
// time.
type unlucky struct {
	random io.Reader
	zeros  int
}

func (u *unlucky) Read(p []byte) (int, error) {
	if len(p) == 1 && u.zeros > 0 {
		u.zeros--
		p[0] = 0
		return 1, nil
	}
	return u.random.Read(p)
}

// userCodeWith starts a device authorization whose first so many letters are drawn badly.
func (b *tab) userCodeWith(t *testing.T, zeros int) (code string, status int) {
	t.Helper()
	random := rand.Reader
	rand.Reader = &unlucky{random, zeros}
	defer func() { rand.Reader = random }()
	answer := b.post("/oauth/device/code/", url.Values{"client_id": {"acme.apps.cli"}})
	code = jsonText(t, answer.Body.Bytes(), "user_code")
	leaks.Remember(code)
	return code, answer.Code
}

func jsonText(t *testing.T, body []byte, name string) string {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal(body, &members); err != nil {
		t.Fatal(err)
	}
	text, _ := members[name].(string)
	return text
}

func TestUserCodeInUseIsReplacedByAnother(t *testing.T) {
	w := newTown(t)
	b := w.open()
	if code, _ := b.userCodeWith(t, 8); code != "BBBB-BBBB" {
		t.Fatalf("the first code is %q", code)
	}
	for _, drawn := range []int{1, userCodeTries - 1} {
		code, status := b.userCodeWith(t, 8*drawn)
		if status != http.StatusOK || code == "BBBB-BBBB" {
			t.Errorf("%d codes in use: %d %q", drawn, status, code)
		}
		if _, ok := tokens.ParseUserCode(code); !ok {
			t.Errorf("%q is no user code", code)
		}
	}
	if code, status := b.userCodeWith(t, 8*userCodeTries); status != http.StatusInternalServerError || code != "" {
		t.Errorf("all in use: %d %q", status, code)
	}
}
