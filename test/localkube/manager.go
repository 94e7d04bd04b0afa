package localkube

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

const managerName = "kube-controller-manager"

// Deleters are the controllers that finish a deletion: of a namespace with everything in it,
// of what an owner leaves behind, of a claim. The collector learns of kinds when it starts and
// then every 30 s, so it is quick only with kinds that are defined before.
var Deleters = []string{"namespace-controller", "garbage-collector-controller", "persistentvolumeclaim-protection-controller"}

// Accounts has a Pod admitted only with a service account, whose token it gets, as in a real
// cluster. A namespace has one once the Runners have made it.
func Accounts(s *envtest.APIServer) { s.Configure().Disable("disable-admission-plugins") }

// Runners are the controllers that make a Pod of a Deployment, with what its admission wants
// to find in the namespace. Nothing schedules it.
var Runners = []string{"deployment-controller", "replicaset-controller", "serviceaccount-controller", "root-ca-certificate-publisher-controller"}

// Manager is a running kube-controller-manager.
type Manager struct {
	process *exec.Cmd
	ended   chan struct{} // closed when it has
	err     error         // with which

	mu  sync.Mutex
	log bytes.Buffer
}

// Manage starts kube-controller-manager with some of its controllers, each as the service
// account that it has in a real cluster and with no more rights. Stop ends it, before the
// cluster's own; dir keeps its kubeconfig. It serves nothing, so it needs no port.
func (c *Cluster) Manage(dir string, controllers ...string) (*Manager, error) {
	assets, err := Assets()
	if err != nil {
		return nil, err
	}
	user, err := c.AddUser(envtest.User{Name: "system:kube-controller-manager"}, nil)
	if err != nil {
		return nil, fmt.Errorf("make its user: %w", err)
	}
	content, err := user.KubeConfig()
	if err != nil {
		return nil, fmt.Errorf("make its kubeconfig: %w", err)
	}
	kubeconfig, authority := filepath.Join(dir, managerName), filepath.Join(dir, managerName+"-ca.crt")
	if err := errors.Join(os.WriteFile(kubeconfig, content, 0o600), os.WriteFile(authority, c.Config.CAData, 0o600)); err != nil {
		return nil, err
	}
	m := &Manager{ended: make(chan struct{}), process: exec.Command(filepath.Join(assets, managerName),
		"--kubeconfig="+kubeconfig, "--controllers="+strings.Join(controllers, ","),
		"--root-ca-file="+authority, "--use-service-account-credentials",
		"--leader-elect=false", "--secure-port=0", "--kube-api-qps=500", "--kube-api-burst=1000")}
	m.process.Stdout, m.process.Stderr = m, m
	// A group of its own: Ctrl-C is for whoever started us, who stops it.
	m.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := m.process.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(m.ended)
		m.err = m.process.Wait()
	}()
	return m, nil
}

// Stop ends it. That it had ended by itself is an error.
func (m *Manager) Stop() error {
	select {
	case <-m.ended:
		return fmt.Errorf("%s ended by itself: %w\n%s", managerName, m.err, m.Log())
	default:
	}
	if err := m.process.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-m.ended: // with what it says to a signal
		return nil
	case <-time.After(10 * time.Second):
		return errors.Join(fmt.Errorf("%s did not end in 10 s", managerName), m.process.Process.Kill())
	}
}

// Write keeps what it logs.
func (m *Manager) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.log.Write(p)
}

// Log is what it has logged so far, for a test that fails.
func (m *Manager) Log() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.log.String()
}
