package upstream

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
)

const (
	// transactionLife is how long somebody may take at the provider.
	transactionLife = time.Hour
	// leeway is by how much two clocks may differ.
	leeway = time.Minute
	// codeMost is how long a code may be.
	codeMost = 4 << 10
)

// transaction is one sign-in at a provider of OAuth, from the redirect to the answer: what
// is random in it proves that the answer is for this browser, this provider and this once.
type transaction struct {
	Provider string        `json:"provider"`           // UID
	Handle   string        `json:"handle"`             // the state parameter
	Verifier string        `json:"verifier,omitempty"` // PKCE (RFC 7636); empty: without
	Nonce    string        `json:"nonce"`
	Began    time.Time     `json:"began"`
	MaxAge   time.Duration `json:"maxAge,omitempty"`
	Again    bool          `json:"again,omitempty"`
}

func begin(providerUID string, a Attempt, pkce bool) transaction {
	t := transaction{Provider: providerUID, Handle: rand.Text(), Nonce: rand.Text(), Began: a.Now, MaxAge: a.MaxAge, Again: a.Again}
	if pkce {
		t.Verifier = rand.Text() + rand.Text()
	}
	return t
}

// step sends the browser to the authorization endpoint. A query that the endpoint has stays
// (RFC 6749 section 3.1).
func (t transaction) step(endpoint string, query url.Values) (Step, error) {
	to, err := url.Parse(endpoint)
	if err != nil {
		return Step{}, fmt.Errorf("the authorization endpoint is no URL: %w", ErrUnavailable)
	}
	all := to.Query()
	for name, values := range query {
		all[name] = values
	}
	all.Set("response_type", "code")
	all.Set("state", t.Handle)
	if t.Verifier != "" {
		sum := sha256.Sum256([]byte(t.Verifier))
		all.Set("code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]))
		all.Set("code_challenge_method", "S256")
	}
	to.RawQuery = all.Encode()
	state, err := json.Marshal(t)
	if err != nil {
		return Step{}, fmt.Errorf("keep the sign-in: %w", err)
	}
	return Step{Redirect: to.String(), State: state, Handle: t.Handle}, nil
}

// returned finds the transaction that an answer belongs to. Whoever brings another state
// than the browser was sent away with was given it by somebody else (RFC 6749 section 10.12).
func returned(providerUID string, a Answer) (transaction, error) {
	var t transaction
	if len(a.State) == 0 {
		return t, refused("nobody here asked for this answer")
	}
	if json.Unmarshal(a.State, &t) != nil || t.Handle == "" {
		return t, refused("what was kept of the sign-in is not of this kind of provider")
	}
	if t.Provider != providerUID {
		return t, refused("the sign-in began at another provider")
	}
	state, err := single(a.Form, "state")
	if err != nil {
		return t, err
	}
	if subtle.ConstantTimeCompare([]byte(state), []byte(t.Handle)) != 1 {
		return t, refused("the state is that of another sign-in")
	}
	if a.Now.Before(t.Began.Add(-leeway)) || !a.Now.Before(t.Began.Add(transactionLife)) {
		return t, refused("the answer comes too late")
	}
	return t, nil
}

// codeOf is what came back to be exchanged.
func codeOf(form url.Values) (string, error) {
	if form.Has("error") {
		return "", answered(form.Get("error"))
	}
	c, err := single(form, "code")
	if err == nil && len(c) > codeMost {
		err = refused("the code is too long")
	}
	return c, err
}

// single is a parameter that must be there once: two of them are read in two ways by two
// programs (RFC 6749 section 3.1).
func single(form url.Values, name string) (string, error) {
	if all := form[name]; len(all) == 1 && all[0] != "" {
		return all[0], nil
	}
	return "", refused("it must have the parameter " + name + " once")
}

// refused is ErrRefused with a reason of ours.
func refused(why string) error { return fmt.Errorf("%w: %s", ErrRefused, why) }

// oauthError is an error answer of a provider: ErrRefused, with its code.
type oauthError struct{ code string }

func (e *oauthError) Error() string { return ErrRefused.Error() + ": it says " + e.code }

// Is makes every error answer ErrRefused.
func (e *oauthError) Is(target error) bool { return target == ErrRefused }

// answered is an error answer. Of what it says only the code is kept, and of that only what
// can be printed; descriptions are words of others.
func answered(code string) error {
	word := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '.' {
			return r
		}
		return -1
	}, code)
	if word == "" || word != code || len(word) > 64 {
		word = "something that is no error code"
	}
	return &oauthError{word}
}

// unavailable is ErrUnavailable with its cause.
func unavailable(err error) error { return fmt.Errorf("%w: %w", ErrUnavailable, err) }
