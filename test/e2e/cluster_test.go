package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/test/process"
)

var exported = regexp.MustCompile(`export KUBECONFIG=(\S+)`)

// The program is built first: `go run` would stand between the signal and it.
func TestMakeClusterPrintsItsCommandsAndEndsWellOnInterrupt(t *testing.T) {
	dir := t.TempDir()
	for name, pkg := range map[string]string{"gatehouse": ".", "cluster": "./hack/cluster"} {
		build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, name), pkg)
		build.Dir = "../.."
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	var printed process.Output
	cluster := exec.Command(filepath.Join(dir, "cluster"), "--gatehouse", filepath.Join(dir, "gatehouse"), "--listen", freeAddress(t), "--ops-listen", freeAddress(t))
	cluster.Dir, cluster.Stdout, cluster.Stderr = "../..", &printed, &printed
	if err := cluster.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cluster.Wait() }()
	for end := time.Now().Add(2 * time.Minute); exported.FindStringSubmatch(printed.String()) == nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			_ = cluster.Process.Signal(syscall.SIGTERM)
			t.Fatalf("not ready: %v\n%s", <-ended, printed.String())
		}
	}
	kubeconfig := exported.FindStringSubmatch(printed.String())[1]
	shell := exec.CommandContext(t.Context(), "bash", "-ec", "shopt -s expand_aliases\n"+commands(printed.String()))
	shell.Dir = "../.."
	out, err := shell.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "organization.auth.gatehouse.dev/acme") || !strings.Contains(string(out), "created you@example.com") {
		t.Errorf("the printed commands: %v\n%s", err, out)
	}
	if err := cluster.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("ended with %v\n%s", err, printed.String())
	}
	if _, err := os.Stat(kubeconfig); err == nil {
		t.Errorf("%s is left behind", kubeconfig)
	}
}

// commands are the indented lines after the last "In another terminal".
func commands(printed string) string {
	_, after, _ := strings.Cut(printed, "In another terminal:")
	var lines []string
	for line := range strings.Lines(after) {
		if command, indented := strings.CutPrefix(line, "    "); indented {
			lines = append(lines, strings.TrimSpace(command))
		}
	}
	return strings.Join(lines, "\n")
}
