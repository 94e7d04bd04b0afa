// Package localkube starts a real Kubernetes API on loopback: etcd and kube-apiserver, from
// the binaries that `make tools` builds. By itself it has no controllers: namespaces that are
// deleted stay Terminating, and nothing is collected. Where that matters, Manage starts those
// of kube-controller-manager that are asked for.
package localkube

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/gatehouse-dev/gatehouse/config/crd"
)

// version of the binaries; the Makefile names the same in GATEHOUSE_ENVTEST_ASSETS.
const version = "v1.36.3"

// Cluster is a running Kubernetes API.
type Cluster struct {
	*envtest.Environment
	// Config is an administrator's.
	Config *rest.Config
}

// Option changes how kube-apiserver is started.
type Option func(*envtest.APIServer)

// Flag sets a flag of kube-apiserver.
func Flag(name, value string) Option {
	return func(s *envtest.APIServer) { s.Configure().Set(name, value) }
}

// Log gets what kube-apiserver logs.
func Log(w io.Writer) Option {
	return func(s *envtest.APIServer) { s.Err = w }
}

// Start starts a Kubernetes API with the given definitions; Stop ends it. In dir are its
// certificates, which lets APIServer be stopped and started again; none: a temporary one.
func Start(dir string, definitions []*apiextensionsv1.CustomResourceDefinition, options ...Option) (*Cluster, error) {
	assets, err := Assets()
	if err != nil {
		return nil, err
	}
	env := &envtest.Environment{
		BinaryAssetsDirectory:    assets,
		CRDs:                     definitions,
		ControlPlaneStartTimeout: 2 * time.Minute,
		// Stopping waits for open watches; after this they are cut off.
		ControlPlaneStopTimeout: 5 * time.Second,
	}
	server := env.ControlPlane.GetAPIServer()
	server.CertDir = dir
	// Without it the machine must have a route to somewhere.
	server.Configure().Set("advertise-address", "127.0.0.1")
	for _, o := range options {
		o(server)
	}
	config, err := env.Start()
	if err != nil {
		return nil, fmt.Errorf("start Kubernetes API: %w", errors.Join(err, env.Stop()))
	}
	return &Cluster{env, config}, nil
}

// Assets is the directory with kube-apiserver, kube-controller-manager, etcd and kubectl.
func Assets() (string, error) {
	dir := os.Getenv("GATEHOUSE_ENVTEST_ASSETS")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find cache: %w", err)
		}
		dir = filepath.Join(cache, "gatehouse", "bin", "kubernetes-"+version)
	}
	for _, name := range []string{"kube-apiserver", managerName, "etcd", "kubectl"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return "", fmt.Errorf("%w; `make tools` builds it", err)
		}
	}
	return dir, nil
}

// Kubectl is the path of kubectl.
func Kubectl() (string, error) {
	dir, err := Assets()
	return filepath.Join(dir, "kubectl"), err
}

// Definitions are the CustomResourceDefinitions of the four kinds.
func Definitions() ([]*apiextensionsv1.CustomResourceDefinition, error) {
	files, err := fs.Glob(crd.FS, "*.yaml")
	if err != nil {
		return nil, err
	}
	var all []*apiextensionsv1.CustomResourceDefinition
	for _, file := range files {
		b, err := fs.ReadFile(crd.FS, file)
		if err != nil {
			return nil, err
		}
		d := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(b, d); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, d)
	}
	return all, nil
}
