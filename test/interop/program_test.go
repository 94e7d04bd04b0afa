package interop

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/test/interop/house"
	"github.com/gatehouse-dev/gatehouse/test/person"
)

// program is a client in another language. It asks for a person on stdout, in lines
//
//	allow URL     open an authorization request and allow it
//	deny URL      the same, and deny it
//	connect URL   open a verification_uri_complete and approve the device
//	open URL      open a page
//
// and is told on stdin at which URL the browser ended up. It checks what it is given by
// itself, and ends with 0 if everything was as it should be.
type program struct {
	*exec.Cmd
	complaints bytes.Buffer
}

// start prepares a program; what it needs to know of the house is in its environment.
func start(ctx context.Context, name string, args ...string) *program {
	p := &program{Cmd: exec.CommandContext(ctx, name, args...)}
	p.Env = append(os.Environ(), "ISSUER="+gatehouse.URL, "SITE="+gatehouse.SiteURL, "SECRET="+house.Secret, "EMAIL="+house.Email,
		"RSA_KEY="+gatehouse.Keys["rsa"], "EC_KEY="+gatehouse.Keys["ec"])
	p.Stderr = &p.complaints
	p.Cancel = func() error { return p.Process.Signal(syscall.SIGTERM) }
	p.WaitDelay = 5 * time.Second
	return p
}

// run runs the program with a person at its side.
func (p *program) run(ctx context.Context, t *testing.T) {
	t.Helper()
	in, err := p.StdinPipe()
	must(t, err)
	out, err := p.StdoutPipe()
	must(t, err)
	must(t, p.Start())
	served := serve(ctx, t, gatehouse.Person(), out, in)
	if err := p.Wait(); err != nil || served != nil {
		t.Fatalf("%s: %v, the person: %v\n%s", strings.Join(p.Args, " "), err, served, &p.complaints)
	}
}

// serve does what the program asks of the person, until it asks no more.
func serve(ctx context.Context, t *testing.T, who *house.Person, out io.Reader, in io.WriteCloser) (err error) {
	lines := bufio.NewScanner(out)
	for err == nil && lines.Scan() {
		verb, at, _ := strings.Cut(lines.Text(), " ")
		var page *person.Page
		switch verb {
		case "allow":
			page, err = who.Allow(ctx, at)
		case "deny":
			page, err = who.Deny(ctx, at)
		case "open":
			page, err = who.Visit(ctx, at)
		case "connect":
			err = who.Connect(ctx, at)
		default:
			t.Logf("it says: %s", lines.Text())
			continue
		}
		if page != nil {
			at = page.URL.String()
		}
		if err == nil {
			_, err = fmt.Fprintln(in, at)
		}
	}
	_ = in.Close() // it need not wait for an answer
	_, _ = io.Copy(io.Discard, out)
	return err
}

// node starts a script of npm/ beside the packages that it imports.
func node(ctx context.Context, t *testing.T, script string) *program {
	t.Helper()
	install := exec.CommandContext(ctx, "../../hack/need-npm.sh", "npm")
	install.Stderr = os.Stderr
	packages, err := install.Output()
	must(t, err)
	dir := t.TempDir()
	must(t, os.Symlink(strings.TrimSpace(string(packages)), filepath.Join(dir, "node_modules")))
	for _, name := range []string{script, "person.mjs"} {
		content, err := os.ReadFile(filepath.Join("npm", name))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	return start(ctx, "node", filepath.Join(dir, script))
}

func TestNPMOpenIDClient(t *testing.T) {
	t.Parallel()
	ctx := bounded(t)
	node(ctx, t, "openid-client.mjs").run(ctx, t)
}

func TestNPMOAuth4WebAPI(t *testing.T) {
	t.Parallel()
	ctx := bounded(t)
	node(ctx, t, "oauth4webapi.mjs").run(ctx, t)
}

// debianPython sees the packages of Debian; another one on the PATH may not.
const debianPython = "/usr/bin/python3"

func TestPythonAuthlib(t *testing.T) {
	t.Parallel()
	ctx := bounded(t)
	const script = "testdata/authlib_client.py"
	_, err := os.Stat(script) // so that a cached result is as old as the script
	must(t, err)
	start(ctx, debianPython, script).run(ctx, t)
}
