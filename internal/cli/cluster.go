package cli

import (
	"os"
	"strings"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/gatehouse-dev/gatehouse/controllers"
)

const (
	defaultSystemNamespace = "gatehouse-system"
	podNamespaceFile       = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
)

// cluster is the source of declarations that are resources of a cluster.
func (in *installation) cluster() (source, error) {
	config, err := ctrl.GetConfig()
	if err != nil {
		return nil, usageError("find a cluster: %w; set KUBECONFIG, or serve files with --manifests", err)
	}
	return controllers.New(controllers.Options{
		Config:          config,
		SystemNamespace: in.systemNamespace,
		Installation:    in.keys.Installation,
		Issuer:          in.issuer,
		Dev:             in.dev,
		DigestKey:       in.keys.DigestKey(),
		Publish:         in.publish,

		ServiceAccountKeys: in.server.UseCluster,

		Log: logr.FromSlogHandler(in.log.Handler()),
	}), nil
}

// unknownClusterKey asks the cluster for newer keys of its ServiceAccounts' tokens.
func (in *installation) unknownClusterKey() {
	if c, ok := in.source.(*controllers.Cluster); ok {
		c.RefreshServiceAccountKeys()
	}
}

// podNamespace is the namespace that this pod runs in; elsewhere the documented default.
func podNamespace() string {
	if name, err := os.ReadFile(podNamespaceFile); err == nil && len(strings.TrimSpace(string(name))) > 0 {
		return strings.TrimSpace(string(name))
	}
	return defaultSystemNamespace
}
