// Package firstrun does what a newcomer does: `make run`, and then every command that it
// prints, in order, in one shell.
package firstrun

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	// What `make run` runs; a cached result is as old as the code that the test depends on.
	_ "github.com/gatehouse-dev/gatehouse/internal/cli"
	"github.com/gatehouse-dev/gatehouse/test/person"
)

func TestEveryPrintedCommandWorks(t *testing.T) {
	run := startMakeRun(t)
	shell := startShell(t)

	service, device := run.commands[:4], run.commands[4:]
	for _, command := range service[:2] {
		shell.do(t, command)
	}
	wantJSON(t, shell.do(t, service[2]), "slug", "acme")
	if refused := shell.do(t, service[3]); !strings.Contains(refused, "insufficient_scope") {
		t.Errorf("another organization's API answered %s, want insufficient_scope", refused)
	}

	answer := shell.do(t, device[0])
	var asked struct {
		Complete string `json:"verification_uri_complete"`
	}
	if err := json.Unmarshal([]byte(answer), &asked); err != nil {
		t.Fatalf("the device request answered %s: %v", answer, err)
	}
	shell.do(t, device[1])
	wantJSON(t, shell.do(t, device[2]), "error", "authorization_pending")
	wantJSON(t, shell.do(t, device[2]), "error", "slow_down")
	if err := person.New().Approve(t.Context(), asked.Complete, "demo@example.com", run.password); err != nil {
		t.Fatal(err)
	}
	wantJSON(t, shell.do(t, device[2]), "token_type", "Bearer")

	run.interrupt(t)
}

func wantJSON(t *testing.T, body, field, want string) {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil || got[field] != want {
		t.Fatalf("answered %s, want %q in %q (%v)", body, want, field, err)
	}
}

// makeRun is a running `make run` and what it printed.
type makeRun struct {
	cmd      *exec.Cmd
	address  string
	commands []string
	password string
}

var passwordLine = regexp.MustCompile(`password: (\S+)`)

func startMakeRun(t *testing.T) *makeRun {
	t.Helper()
	var logs bytes.Buffer
	address := freeAddress(t)
	cmd := exec.CommandContext(t.Context(), "make", "--no-print-directory", "run", "LISTEN="+address, "OPS_LISTEN="+freeAddress(t), "DATA_DIR="+filepath.Join(t.TempDir(), "data"))
	cmd.Dir = "../.."
	cmd.Stderr = &logs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := &makeRun{cmd: cmd, address: address}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		line := lines.Text()
		if m := passwordLine.FindStringSubmatch(line); m != nil {
			r.password = m[1]
		}
		if command, ok := strings.CutPrefix(line, "    "); ok {
			r.commands = append(r.commands, command)
		}
		if strings.HasPrefix(line, "Edit the manifests") { // the last line
			go io.Copy(io.Discard, stdout)
			break
		}
	}
	if len(r.commands) != 7 || r.password == "" {
		_ = cmd.Cancel()
		t.Fatalf("printed %d commands and password %q, want 7 and one\n%s", len(r.commands), r.password, &logs)
	}
	return r
}

// interrupt is Ctrl-C without a terminal: the signal goes to the whole group, and make
// waits for Gatehouse to end before it ends by the signal itself.
func (r *makeRun) interrupt(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(-r.cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := r.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if l, err := net.Listen("tcp", r.address); err != nil {
		t.Errorf("something still listens on %s: %v", r.address, err)
	} else {
		_ = l.Close()
	}
}

// shell is one bash in which the commands run one after another, so that their variables
// live on.
type shell struct {
	in  io.Writer
	out *bufio.Reader
}

func startShell(t *testing.T) *shell {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "bash")
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "NO_PROXY=*")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	return &shell{in, bufio.NewReader(out)}
}

// do runs one command and returns what it printed.
func (s *shell) do(t *testing.T, command string) string {
	t.Helper()
	const end = "--end-of-output--"
	fmt.Fprintf(s.in, "%s\necho; echo %s\n", command, end)
	var printed strings.Builder
	for {
		line, err := s.out.ReadString('\n')
		if err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		if strings.TrimSpace(line) == end {
			return strings.TrimSpace(printed.String())
		}
		printed.WriteString(line)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprintf("localhost:%d", l.Addr().(*net.TCPAddr).Port)
}
