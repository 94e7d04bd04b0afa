// Package leaks remembers every live secret that tests use and everything that the programs
// under test emit, so that after the run the one can be searched for in the other
// (hack/leaks). It works while GATEHOUSE_LEAKS names a directory, as `make test` does.
package leaks

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// SecretsFile and EmittedPrefix are what the files in the directory are called.
const (
	SecretsFile   = "secrets"
	EmittedPrefix = "emitted-"
)

// Shortest is the length from which a value can be told from words that happen to be
// printed; our secrets are longer.
const Shortest = 8

// Remember notes live secrets.
func Remember(secrets ...string) {
	dir := os.Getenv("GATEHOUSE_LEAKS")
	if dir == "" {
		return
	}
	f, err := os.OpenFile(filepath.Join(dir, SecretsFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err) // a leak that cannot be looked for must not pass for none
	}
	defer f.Close()
	for _, s := range secrets {
		if len(s) >= Shortest {
			if _, err := f.WriteString(base64.StdEncoding.EncodeToString([]byte(s)) + "\n"); err != nil {
				panic(err)
			}
		}
	}
}

// Emitted keeps what a program under test printed, logged, stored or showed.
func Emitted(name string, content []byte) {
	dir := os.Getenv("GATEHOUSE_LEAKS")
	if dir == "" || len(content) == 0 {
		return
	}
	sum := sha256.Sum256(content)
	name = strings.Map(fileName, name)
	path := filepath.Join(dir, EmittedPrefix+name+"-"+hex.EncodeToString(sum[:4]))
	if err := os.WriteFile(path, content, 0o600); err != nil {
		panic(err)
	}
}

func fileName(r rune) rune {
	if r == filepath.Separator {
		return '_'
	}
	return r
}

// Database keeps the files of an SQLite database: the database itself and its write-ahead
// log.
func Database(name, path string) {
	if os.Getenv("GATEHOUSE_LEAKS") == "" {
		return
	}
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(path + suffix)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			panic(err)
		}
		Emitted(name+filepath.Base(path)+suffix, content)
	}
}

// Transport sends requests through next and remembers the secrets that pass by: those of
// Authorization headers, of forms, of JSON answers, and of cookies.
func Transport(next http.RoundTripper) http.RoundTripper { return transport{next} }

type transport struct{ next http.RoundTripper }

// secretNames are the parameters whose values are secrets.
var secretNames = []string{"access_token", "refresh_token", "device_code", "user_code", "password", "client_secret", "client_assertion", "token"}

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if os.Getenv("GATEHOUSE_LEAKS") == "" {
		return t.next.RoundTrip(r)
	}
	if r.Body != nil {
		if err := keep(&r.Body, rememberForm); err != nil {
			return nil, err
		}
	}
	if _, secret, ok := r.BasicAuth(); ok {
		Remember(secret)
	}
	if _, credentials, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok {
		Remember(credentials)
	}
	answer, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	for _, c := range answer.Cookies() {
		Remember(c.Value)
	}
	return answer, keep(&answer.Body, rememberJSON)
}

// keep reads a body whole, shows it, and puts it back.
func keep(body *io.ReadCloser, show func([]byte)) error {
	content, err := io.ReadAll(*body)
	if err != nil {
		return err
	}
	show(content)
	*body = io.NopCloser(bytes.NewReader(content))
	return nil
}

func rememberForm(body []byte) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return
	}
	for _, name := range secretNames {
		Remember(form[name]...)
	}
}

func rememberJSON(body []byte) {
	var fields map[string]any
	if json.Unmarshal(body, &fields) != nil {
		return
	}
	for _, name := range secretNames {
		if s, ok := fields[name].(string); ok {
			Remember(s, strings.ReplaceAll(s, "-", ""))
		}
	}
}
