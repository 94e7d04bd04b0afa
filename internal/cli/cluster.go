package cli

import (
	"os"
	"strings"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"

	"github.com/gatehouse-dev/gatehouse/controllers"
)

const (
	defaultSystemNamespace = "gatehouse-system"
	podNamespaceFile       = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
)

// cluster is the source of declarations that are resources of a cluster.
func (in *installation) cluster(config *rest.Config) source {
	return controllers.New(controllers.Options{
		Config:          config,
		SystemNamespace: in.systemNamespace,
		Installation:    in.keys.Installation,
		Issuer:          in.issuer,
		Dev:             in.dev,
		DigestKey:       in.keys.DigestKey(),
		Keyring:         in.keeper,
		Publish:         in.publish,
		Log:             logr.FromSlogHandler(in.log.Handler()),
	})
}

// podNamespace is the namespace that this pod runs in; elsewhere the documented default.
func podNamespace() string {
	if name, err := os.ReadFile(podNamespaceFile); err == nil && len(strings.TrimSpace(string(name))) > 0 {
		return strings.TrimSpace(string(name))
	}
	return defaultSystemNamespace
}
