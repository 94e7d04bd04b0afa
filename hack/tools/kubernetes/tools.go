//go:build tools

// Package tools pins the Kubernetes release that the tests run against. The
// binaries are built from it once and kept outside the tree, by version.
package tools

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
	_ "k8s.io/kubernetes/cmd/kubectl"
)
