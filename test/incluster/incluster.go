// Package incluster runs the program itself in a real Kubernetes API, as the ServiceAccount
// of config/rbac and with nothing else that it may do: what happens to it there, such as an
// API server that goes away and a leader that is killed, happens to a process. It is for
// tests, which are beside it, and for test/bench.
package incluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/test/localkube"
	"github.com/gatehouse-dev/gatehouse/test/process"
)

const (
	// SystemNamespace is where config/default puts Gatehouse.
	SystemNamespace = "gatehouse-system"
	// ServiceAccount is the user that Gatehouse is to the API server.
	ServiceAccount = "system:serviceaccount:" + SystemNamespace + ":gatehouse"
	// Writers is how many objects Create writes at the same time.
	Writers = 32
)

// Cluster is a Kubernetes API in which everything of config/default is installed but the
// Deployment.
type Cluster struct {
	*localkube.Cluster
	Audit *localkube.Audit
	// Admin may do everything, as fast as the API server can.
	Admin client.WithWatch

	dir, binary, kubeconfig string
}

// Start starts a Kubernetes API with Gatehouse's definitions and rights, and builds the
// program; what it needs is kept in dir.
func Start(ctx context.Context, dir string) (*Cluster, error) {
	log.SetLogger(logr.Discard()) // of the machinery that starts the API
	binary, err := process.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	audit, err := localkube.NewAudit(dir)
	if err != nil {
		return nil, err
	}
	definitions, err := localkube.Definitions()
	if err != nil {
		return nil, err
	}
	certificates := filepath.Join(dir, "certificates") // so that it can be stopped and started
	if err := os.MkdirAll(certificates, 0o700); err != nil {
		return nil, err
	}
	kube, err := localkube.Start(certificates, definitions, audit.Option())
	if err != nil {
		return nil, err
	}
	c := &Cluster{Cluster: kube, Audit: audit, dir: dir, binary: binary, kubeconfig: filepath.Join(dir, "kubeconfig")}
	if err := c.prepare(ctx); err != nil {
		return nil, errors.Join(err, kube.Stop())
	}
	return c, nil
}

// prepare installs, and makes the clients of an administrator and of Gatehouse.
func (c *Cluster) prepare(ctx context.Context) error {
	admin, err := c.AddUser(envtest.User{Name: "administrator", Groups: []string{"system:masters"}}, &rest.Config{QPS: -1})
	if err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(v1alpha1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
		return err
	}
	if c.Admin, err = client.NewWithWatch(admin.Config(), client.Options{Scheme: scheme}); err != nil {
		return err
	}
	if err := c.install(ctx); err != nil {
		return err
	}
	account, err := c.AddUser(envtest.User{
		Name: ServiceAccount, Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + SystemNamespace},
	}, &rest.Config{})
	if err != nil {
		return err
	}
	kubeconfig, err := account.KubeConfig()
	if err != nil {
		return err
	}
	return os.WriteFile(c.kubeconfig, kubeconfig, 0o600)
}

func (c *Cluster) install(ctx context.Context) error {
	kubectl, err := localkube.Kubectl()
	if err != nil {
		return err
	}
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("find the root of the module: %w", err)
	}
	admin := filepath.Join(c.dir, "administrator.kubeconfig")
	if err := os.WriteFile(admin, c.KubeConfig, 0o600); err != nil {
		return err
	}
	for _, part := range [][]string{{"-f", "config/default/namespace.yaml"}, {"-k", "config/rbac"}} {
		apply := exec.CommandContext(ctx, kubectl, append([]string{"apply", "--kubeconfig", admin}, part...)...)
		apply.Dir = string(bytes.TrimSpace(root))
		if out, err := apply.CombinedOutput(); err != nil {
			return fmt.Errorf("kubectl apply: %w\n%s", err, out)
		}
	}
	return nil
}

// Replica is a running Gatehouse.
type Replica struct {
	*process.Process
	// Name tells its requests from others' in the audit log: it is what their user agent
	// begins with.
	Name string
	// Ready is the URL of its readiness, Metrics that of its metrics.
	Ready, Metrics string
	// Data is its data directory.
	Data string
}

// Run starts Gatehouse, with its state in a directory of this name; one that is there goes
// on with what it knows. It returns once it is ready.
func (c *Cluster) Run(ctx context.Context, name string) (*Replica, error) {
	listen, err1 := process.FreeAddress()
	ops, err2 := process.FreeAddress()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	r := &Replica{Name: name, Ready: "http://" + ops + "/readyz", Metrics: "http://" + ops + "/metrics", Data: filepath.Join(c.dir, "data-"+name)}
	// Requests name the program by its file.
	program := filepath.Join(c.dir, "bin-"+name)
	if err := os.Symlink(c.binary, program); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	p, err := process.Start(ctx, "http://"+listen, r.Ready, "env", "KUBECONFIG="+c.kubeconfig, program, "serve",
		"--issuer", "https://auth.example.com", "--rate-limit-scale", "0", "--system-namespace", SystemNamespace,
		"--data-dir", r.Data, "--listen", listen, "--ops-listen", ops)
	if err != nil {
		return nil, err
	}
	r.Process = p
	return r, nil
}

// Asked returns the requests of a Replica since it first ran.
func (c *Cluster) Asked(r *Replica) ([]localkube.Event, error) {
	events, err := c.Audit.Events()
	var asked []localkube.Event
	for _, e := range events {
		if e.User == ServiceAccount && bytes.HasPrefix([]byte(e.Agent), []byte("bin-"+r.Name+"/")) {
			asked = append(asked, e)
		}
	}
	return asked, err
}

// Create writes n objects, many at a time; the first error ends it.
func (c *Cluster) Create(ctx context.Context, n int, object func(i int) client.Object) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range Writers {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := c.Admin.Create(ctx, object(i)); err != nil {
					cancel(err)
				}
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}
