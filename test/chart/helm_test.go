// Package chart installs charts/gatehouse with the Helm that people have, both living
// versions of it, on a real Kubernetes API, and runs what was installed as a node would.
package chart

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/gatehouse-dev/gatehouse/test/localkube"
)

const (
	root      = "../.."
	path      = root + "/charts/gatehouse"
	namespace = "gatehouse-system"
	issuer    = "https://auth.example.com"
	// rendered for this Kubernetes; Helm's own idea of a default depends on its build.
	kubeVersion = "1.36.3"
)

// helm is one version of it.
type helm struct{ version, binary string }

var required = regexp.MustCompile(`(?m)^\thelm\.sh/helm/v[34] (v\S+)`)

// helms are the versions that hack/tools/helm pins.
func helms() ([]helm, error) {
	pins, err := os.ReadFile(root + "/hack/tools/helm/go.mod")
	if err != nil {
		return nil, err
	}
	cache := os.Getenv("GATEHOUSE_CACHE")
	if cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return nil, err
		}
		cache = filepath.Join(dir, "gatehouse")
	}
	var all []helm
	for _, pin := range required.FindAllSubmatch(pins, -1) {
		h := helm{string(pin[1]), filepath.Join(cache, "bin", "helm-"+string(pin[1]))}
		if _, err := os.Stat(h.binary); err != nil {
			return nil, fmt.Errorf("%w; `make tools` builds it", err)
		}
		all = append(all, h)
	}
	if len(all) != 2 {
		return nil, fmt.Errorf("hack/tools/helm pins %d versions, want two", len(all))
	}
	return all, nil
}

// each runs a test with each version of Helm.
func each(t *testing.T, test func(*testing.T, helm)) {
	t.Helper()
	all, err := helms()
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range all {
		t.Run("helm "+h.version, func(t *testing.T) { test(t, h) })
	}
}

// run runs Helm with nothing of its user's: kubeconfig is of a test's cluster, or empty.
func (h helm) run(t *testing.T, kubeconfig string, args ...string) (stdout string, err error) {
	t.Helper()
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), h.binary, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	return output(cmd)
}

// must is run for what has to work.
func (h helm) must(t *testing.T, kubeconfig string, args ...string) string {
	t.Helper()
	out, err := h.run(t, kubeconfig, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// template renders the chart as it is installed in these tests.
func (h helm) template(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return h.run(t, "", append([]string{"template", "gatehouse", path, "--namespace", namespace, "--kube-version", kubeVersion}, args...)...)
}

// kubectl runs kubectl; an empty kubeconfig is for commands that ask no cluster.
func kubectl(t *testing.T, kubeconfig, stdin string, args ...string) string {
	t.Helper()
	binary, err := localkube.Kubectl()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
	cmd.Stdin = bytes.NewBufferString(stdin)
	out, err := output(cmd)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func output(cmd *exec.Cmd) (string, error) {
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%s: %w\n%s%s", cmd, err, out, exit.Stderr)
	}
	return string(out), err
}
