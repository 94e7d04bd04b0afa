// Command cluster is behind `make cluster`: a local Kubernetes API, as empty as a new one,
// with Gatehouse running against it as the service account of config/rbac. Ctrl-C stops
// both, and nothing of them stays.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"text/template"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/gatehouse-dev/gatehouse/test/localkube"
)

const stopGrace = 15 * time.Second

type options struct{ gatehouse, listen, opsListen, dir string }

func main() {
	var o options
	flag.StringVar(&o.gatehouse, "gatehouse", "bin/gatehouse", "the gatehouse binary")
	flag.StringVar(&o.listen, "listen", "localhost:8080", "address of the public endpoints")
	flag.StringVar(&o.opsListen, "ops-listen", "localhost:8081", "address of /healthz, /readyz and /metrics")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

// run ends with nil when ctx was ended, with an error when a part ended before.
func run(ctx context.Context, o options) (err error) {
	if o.dir, err = os.MkdirTemp("", "gatehouse-cluster-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.dir)) }()
	fmt.Println("Starting etcd, kube-apiserver and kube-controller-manager …")
	kube, err := localkube.Start("", nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kube.Stop()) }()
	if err := install(ctx, kube, o); err != nil && ctx.Err() == nil {
		return err
	}
	// After the kinds are defined, which it learns of when it starts.
	deleters, err := kube.Manage(o.dir, localkube.Deleters...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, deleters.Stop()) }()
	return serve(ctx, o)
}

func (o options) kubeconfig() string { return filepath.Join(o.dir, "kubeconfig") }
func (o options) serviceAccountKubeconfig() string {
	return filepath.Join(o.dir, "gatehouse.kubeconfig")
}

// install writes a kubeconfig for people and one for Gatehouse, and applies what a cluster
// needs before Gatehouse is started in it.
func install(ctx context.Context, kube *localkube.Cluster, o options) error {
	if err := os.WriteFile(o.kubeconfig(), kube.KubeConfig, 0o600); err != nil {
		return err
	}
	user, err := kube.AddUser(envtest.User{
		Name:   "system:serviceaccount:gatehouse-system:gatehouse",
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:gatehouse-system"},
	}, &rest.Config{})
	if err != nil {
		return fmt.Errorf("add service account: %w", err)
	}
	config, err := user.KubeConfig()
	if err != nil {
		return fmt.Errorf("write service account's kubeconfig: %w", err)
	}
	if err := os.WriteFile(o.serviceAccountKubeconfig(), config, 0o600); err != nil {
		return err
	}
	kubectl, err := localkube.Kubectl()
	if err != nil {
		return err
	}
	// All of config/default but the server, which runs here: no pod ever would.
	for _, part := range [][]string{{"-f", "config/default/namespace.yaml"}, {"-k", "config/crd"}, {"-k", "config/rbac"}} {
		apply := exec.CommandContext(ctx, kubectl, append([]string{"apply", "--kubeconfig", o.kubeconfig()}, part...)...)
		apply.Stdout, apply.Stderr = os.Stdout, os.Stderr
		if err := apply.Run(); err != nil {
			return err
		}
	}
	return nil
}

// serve runs Gatehouse until ctx ends.
func serve(ctx context.Context, o options) error {
	gatehouse := exec.CommandContext(ctx, o.gatehouse, "serve", "--dev", "--listen", o.listen,
		"--ops-listen", o.opsListen, "--data-dir", filepath.Join(o.dir, "data"))
	gatehouse.Env = append(os.Environ(), "KUBECONFIG="+o.serviceAccountKubeconfig())
	gatehouse.Stdout, gatehouse.Stderr = os.Stdout, os.Stderr
	// A group of its own: Ctrl-C reaches it through us, once, and the API after it.
	gatehouse.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	gatehouse.Cancel = func() error { return gatehouse.Process.Signal(syscall.SIGINT) }
	gatehouse.WaitDelay = stopGrace
	if err := gatehouse.Start(); errors.Is(err, context.Canceled) {
		return nil
	} else if err != nil {
		return fmt.Errorf("start gatehouse: %w; `make build` builds it", err)
	}
	ready, cancel := context.WithCancel(ctx)
	go func() {
		if awaitReady(ready, "http://"+o.opsListen+"/readyz") == nil {
			printNext(o)
		}
	}()
	err := gatehouse.Wait()
	cancel()
	if errors.Is(err, context.Canceled) { // it was told to end, and ended well
		return nil
	}
	if err == nil {
		err = errors.New("exit status 0")
	}
	return fmt.Errorf("gatehouse ended by itself, its log is above: %w", err)
}

func awaitReady(ctx context.Context, url string) error {
	for tick := time.NewTicker(100 * time.Millisecond); ; {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			tick.Stop()
			return ctx.Err()
		case <-tick.C:
		}
	}
}

var next = template.Must(template.New("next").Parse(`
A Kubernetes API with Gatehouse against it is ready. Ctrl-C stops both. In another terminal:

    export KUBECONFIG={{.Kubeconfig}}
    alias kubectl={{.Kubectl}}
    kubectl apply -f config/samples
    kubectl get gatehouse -A
    PASSWORD=$(head -c 12 /dev/urandom | base64); echo "$PASSWORD"
    echo "$PASSWORD" | {{.Gatehouse}} user create you@example.com --password-stdin --data-dir {{.Data}}

`))

func printNext(o options) {
	kubectl, err := localkube.Kubectl()
	if err != nil {
		kubectl = "kubectl"
	}
	if err := next.Execute(os.Stdout, map[string]string{
		"Kubeconfig": o.kubeconfig(), "Kubectl": kubectl, "Gatehouse": o.gatehouse, "Data": filepath.Join(o.dir, "data"),
	}); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
	}
}
