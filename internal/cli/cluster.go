package cli

import (
	"os"
	"strings"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/labels"
	names "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"

	"github.com/gatehouse-dev/gatehouse/controllers"
)

const (
	defaultSystemNamespace = "gatehouse-system"
	podNamespaceFile       = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
)

// cluster is the source of declarations that are resources of a cluster.
func (in *installation) cluster(config *rest.Config) (source, error) {
	selector, err := labels.Parse(in.selector)
	if err != nil {
		return nil, usageError("--selector: %w", err)
	}
	return controllers.New(controllers.Options{
		Config:          config,
		SystemNamespace: in.systemNamespace,
		Namespaces:      in.namespaces,
		Selector:        selector,
		Installation:    in.keys.Installation,
		Issuer:          in.issuer,
		Dev:             in.dev,
		DigestKey:       in.keys.DigestKey(),
		Keyring:         in.keeper,
		Publish:         in.publish,
		Metrics:         in.registry,
		Probe:           in.probe,

		ServiceAccountKeys: in.server.UseCluster,

		Log: logr.FromSlogHandler(in.log.Handler()),
	}), nil
}

// checkScope refuses what cannot be followed, and either flag where files are served.
func (o *serveOptions) checkScope() error {
	if o.manifests != "" && (len(o.namespaces) > 0 || o.selector != "") {
		return usageError("--namespaces and --selector divide a cluster's resources; leave them out with --manifests")
	}
	_, err := scope(o.namespaces, o.selector)
	return err
}

// scope reads which objects of a cluster are looked at.
func scope(namespaces []string, selector string) (labels.Selector, error) {
	for _, name := range namespaces {
		if wrong := names.IsDNS1123Label(name); len(wrong) > 0 {
			return nil, usageError("--namespaces: %q is no name of a namespace; write them like acme,globex", name)
		}
	}
	matching, err := labels.Parse(selector)
	if err != nil {
		return nil, usageError("--selector: %w; write it like auth.gatehouse.dev/installation=blue", err)
	}
	return matching, nil
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
