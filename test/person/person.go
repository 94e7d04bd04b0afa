// Package person is somebody with a simple web browser: it keeps cookies, follows
// redirects, and fills in the forms that a page really has, hidden fields included. Tests
// and benchmarks sign in and approve with it where no real browser is needed.
package person

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/html"

	"github.com/gatehouse-dev/gatehouse/test/leaks"
)

// Person is one browser; it is not safe for concurrent use.
type Person struct {
	client *http.Client
}

// Page is what the browser shows.
type Page struct {
	Status int
	URL    *url.URL
	Text   string // what can be read on it, white space folded
	forms  []*form
}

type form struct {
	action, method string
	fields         url.Values
	inputs         map[string]bool // names that a person can fill in
	buttons        []button
}

type button struct{ label, name, value string }

// New returns a browser without cookies.
func New() *Person {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // it has no options that could be wrong
	}
	return &Person{&http.Client{Jar: jar, Timeout: 30 * time.Second, Transport: leaks.Transport(http.DefaultTransport)}}
}

// Visit opens a page.
func (p *Person) Visit(ctx context.Context, target string) (*Page, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	return p.load(r)
}

// Cookies returns the cookies that the browser would send there.
func (p *Person) Cookies(to *url.URL) []*http.Cookie { return p.client.Jar.Cookies(to) }

// Press presses the first button whose label contains the text, in any case, with the
// fields of its form filled in.
func (p *Person) Press(ctx context.Context, page *Page, label string, fill map[string]string) (*Page, error) {
	for _, f := range page.forms {
		for _, b := range f.buttons {
			if strings.Contains(strings.ToLower(b.label), strings.ToLower(label)) {
				return p.submit(ctx, page, f, b, fill)
			}
		}
	}
	return nil, fmt.Errorf("%s has no button %q: %s", page.URL, label, page.Text)
}

// Approve opens a verification_uri_complete, signs in if asked to, and approves.
func (p *Person) Approve(ctx context.Context, target, email, password string) error {
	page, err := p.Visit(ctx, target)
	if err != nil {
		return err
	}
	if page.asksFor("password") {
		if page, err = p.Press(ctx, page, "sign in", map[string]string{"email": email, "password": password}); err != nil {
			return err
		}
	}
	if page.asksFor("user_code") {
		if page, err = p.Press(ctx, page, "continue", nil); err != nil {
			return err
		}
	}
	if page, err = p.Press(ctx, page, "approve", nil); err != nil {
		return err
	}
	if !strings.Contains(page.Text, "close this") {
		return fmt.Errorf("not approved: %s", page.Text)
	}
	return nil
}

func (p *Page) asksFor(name string) bool {
	for _, f := range p.forms {
		if f.inputs[name] {
			return true
		}
	}
	return false
}

func (p *Person) submit(ctx context.Context, page *Page, f *form, b button, fill map[string]string) (*Page, error) {
	for name, value := range fill {
		if !f.inputs[name] {
			return nil, fmt.Errorf("%s has no field %q", page.URL, name)
		}
		f.fields.Set(name, value)
	}
	if b.name != "" {
		f.fields.Set(b.name, b.value)
	}
	to, err := page.URL.Parse(f.action)
	if err != nil {
		return nil, err
	}
	if f.method != http.MethodPost {
		to.RawQuery = f.fields.Encode()
		return p.Visit(ctx, to.String())
	}
	r, err := http.NewRequestWithContext(ctx, f.method, to.String(), strings.NewReader(f.fields.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", page.URL.Scheme+"://"+page.URL.Host)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return p.load(r)
}

func (p *Person) load(r *http.Request) (*Page, error) {
	r.Header.Set("Accept", "text/html") // by which applications tell people from programs
	answer, err := p.client.Do(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return nil, err
	}
	root, err := html.Parse(strings.NewReader(string(body)))
	if err != nil {
		return nil, err
	}
	page := &Page{Status: answer.StatusCode, URL: answer.Request.URL}
	page.read(root, nil)
	page.Text = strings.Join(strings.Fields(page.Text), " ")
	return page, nil
}

// read collects text and forms; f is the form that the node is in.
func (p *Page) read(n *html.Node, f *form) {
	switch {
	case n.Type == html.TextNode:
		p.Text += n.Data + " "
	case n.Type == html.ElementNode && (n.Data == "style" || n.Data == "script"):
		return
	case n.Type == html.ElementNode && n.Data == "form":
		f = &form{
			action: attribute(n, "action"), method: strings.ToUpper(attribute(n, "method")),
			fields: url.Values{}, inputs: map[string]bool{},
		}
		p.forms = append(p.forms, f)
	case n.Type == html.ElementNode && f != nil:
		f.add(n)
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		p.read(c, f)
	}
}

func (f *form) add(n *html.Node) {
	name, value, kind := attribute(n, "name"), attribute(n, "value"), attribute(n, "type")
	switch {
	case n.Data == "button":
		f.buttons = append(f.buttons, button{label(n), name, value})
	case n.Data == "input" && kind == "submit":
		f.buttons = append(f.buttons, button{value, name, value})
	case n.Data == "input" && name != "":
		f.fields.Set(name, value)
		f.inputs[name] = kind != "hidden"
	}
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func label(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	var text string
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		text += label(c)
	}
	return strings.TrimSpace(text)
}
