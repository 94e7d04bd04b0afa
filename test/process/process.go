// Package process starts what tests and benchmarks run against: Gatehouse itself, built from
// this tree, as a process of its own on loopback.
package process

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	// What is built and run here; a test's cached result is as old as the code it depends on.
	_ "github.com/gatehouse-dev/gatehouse/internal/cli"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
)

// clockTicks is the unit of CPU time in /proc (USER_HZ), the same on every Linux.
const clockTicks = 100

// Process is a server that runs.
type Process struct {
	// URL of its public endpoints.
	URL string
	// Printed is what it has printed so far, to stdout and stderr.
	Printed *Output

	cmd     *exec.Cmd
	logs    *Output // stderr alone
	dataDir string
}

// Output keeps what a process printed; it may be read while the process goes on.
type Output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write adds to the output.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// String returns the output so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Start starts a program and waits until ready, a URL, answers 200. It ends with ctx.
func Start(ctx context.Context, url, ready string, name string, args ...string) (*Process, error) {
	p := &Process{cmd: exec.CommandContext(ctx, name, args...), URL: url, Printed: new(Output), logs: new(Output)}
	p.cmd.Stdout, p.cmd.Stderr = p.Printed, io.MultiWriter(p.Printed, p.logs)
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 15 * time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	deadline := time.Now().Add(time.Minute)
	for {
		if answer, err := http.Get(ready); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return p, nil
			}
		}
		if time.Now().After(deadline) {
			_ = p.Stop()
			return nil, fmt.Errorf("%s is not ready after a minute:\n%s", name, p.Printed)
		}
		time.Sleep(time.Millisecond)
	}
}

// Stop asks the process to end and waits for it; an exit code other than 0 is an error.
func (p *Process) Stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	defer p.keepEmitted()
	return p.cmd.Wait()
}

// Kill ends the process at once, as a power cut would, and waits for it.
func (p *Process) Kill() {
	defer p.keepEmitted()
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// keepEmitted keeps the log and the database for the search for secrets. What --dev prints
// to stdout is for the person who started it, with the password that is its purpose.
func (p *Process) keepEmitted() {
	leaks.Emitted("log", []byte(p.logs.String()))
	for _, suffix := range []string{"", "-wal"} {
		if content, err := os.ReadFile(filepath.Join(p.dataDir, "gatehouse.db"+suffix)); err == nil {
			leaks.Emitted("store", content)
		}
	}
}

// CPU returns the CPU time that the process has used so far, user and system.
func (p *Process) CPU() (time.Duration, error) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "stat"))
	if err != nil {
		return 0, err
	}
	// The second field is the name in parentheses; utime and stime are the 14th and 15th.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / clockTicks, errors.Join(err1, err2)
}

// RSS returns the resident memory in MiB.
func (p *Process) RSS() (float64, error) {
	statm, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "statm"))
	if err != nil {
		return 0, err
	}
	pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
	return float64(pages*os.Getpagesize()) / (1 << 20), err
}

// PeakRSS returns the most that was resident at one time since the start, in MiB.
func (p *Process) PeakRSS() (float64, error) {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "status"))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kibibytes, err := strconv.Atoi(strings.Fields(rest + " kB")[0])
	return float64(kibibytes) / 1024, err
}

// Build builds Gatehouse into dir with the linker flags of a release, and returns its path.
func Build(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "gatehouse")
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags", "-s -w", "-o", binary, "github.com/gatehouse-dev/gatehouse")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return binary, nil
}

// FreeAddress returns a loopback address that nobody listens on.
func FreeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// Options are how a Gatehouse of files is started.
type Options struct {
	Binary, Manifests, DataDir string
	Address, OpsAddress        string   // empty: free ones
	RateLimitScale             string   // empty: no limits
	Flags                      []string // further ones
}

// Serve starts Gatehouse on a directory of manifests, with --dev.
func Serve(ctx context.Context, o Options) (*Process, error) {
	for _, address := range []*string{&o.Address, &o.OpsAddress} {
		if *address != "" {
			continue
		}
		free, err := FreeAddress()
		if err != nil {
			return nil, err
		}
		*address = free
	}
	flags := append([]string{"serve", "--dev",
		"--manifests", o.Manifests, "--data-dir", o.DataDir, "--issuer", "http://" + o.Address,
		"--listen", o.Address, "--ops-listen", o.OpsAddress, "--rate-limit-scale", cmp.Or(o.RateLimitScale, "0")}, o.Flags...)
	p, err := Start(ctx, "http://"+o.Address, "http://"+o.OpsAddress+"/readyz", o.Binary, flags...)
	if err == nil {
		p.dataDir = o.DataDir
	}
	return p, err
}

var printedPassword = regexp.MustCompile(`password: (\S+)`)

// DemoPassword waits for the password of demo@example.com, which is printed at the start.
func (p *Process) DemoPassword(ctx context.Context) (string, error) {
	for ctx.Err() == nil {
		if found := printedPassword.FindStringSubmatch(p.Printed.String()); found != nil {
			return found[1], nil
		}
		time.Sleep(time.Millisecond)
	}
	return "", fmt.Errorf("no password was printed:\n%s", p.Printed)
}
