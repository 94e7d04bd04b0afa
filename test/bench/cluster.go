package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	kube "sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/test/incluster"
	"github.com/gatehouse-dev/gatehouse/test/localkube"
	"github.com/gatehouse-dev/gatehouse/test/process"
)

const roleChanges = 100

// heldRole is a Role that a machine client holds, which sees by introspection what it may.
type heldRole struct{ namespace, name, clientID string }

var (
	smallRole = heldRole{"acme", "developer", "acme.ci"}
	largeRole = heldRole{incluster.HeldNamespace, incluster.HeldRole, incluster.HeldClientID}
)

// measureCluster runs Gatehouse against a real kube-apiserver and measures how long a
// change of a Role takes, from the API server's answer to the first introspection that
// shows it.
func measureCluster(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "gatehouse-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	log.SetLogger(logr.Discard())
	definitions, err := localkube.Definitions()
	if err != nil {
		return err
	}
	env, err := localkube.Start("", definitions)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, env.Stop()) }()
	w, cluster, err := startInCluster(ctx, env, dir)
	if err != nil {
		return err
	}
	defer func() { _ = w.Stop() }()
	times, err := w.changeRole(ctx, cluster, smallRole)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, w.Printed)
	}
	slices.Sort(times)
	fmt.Printf("\nRole changed in the cluster → seen at introspection, %d changes: median %s, p99 %s, max %s (budget 100ms)\n",
		len(times), times[len(times)/2].Round(100*time.Microsecond), times[len(times)*99/100].Round(100*time.Microsecond), times[len(times)-1].Round(100*time.Microsecond))
	return nil
}

func startInCluster(ctx context.Context, env *localkube.Cluster, dir string) (*world, kube.Client, error) {
	admin, err := env.AddUser(envtest.User{Name: "bench", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		return nil, nil, err
	}
	kubeconfig, err := admin.KubeConfig()
	if err != nil {
		return nil, nil, err
	}
	path := filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(path, kubeconfig, 0o600); err != nil {
		return nil, nil, err
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(v1alpha1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
		return nil, nil, err
	}
	cluster, err := kube.New(admin.Config(), kube.Options{Scheme: scheme})
	if err != nil {
		return nil, nil, err
	}
	w := &world{secret: "gcs_" + strings.Repeat("s", 40)}
	if err := apply(ctx, cluster, w.secret); err != nil {
		return nil, nil, err
	}
	binary, err := process.Build(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	listen, err1 := process.FreeAddress()
	ops, err2 := process.FreeAddress()
	if err := errors.Join(err1, err2, os.Setenv("KUBECONFIG", path)); err != nil {
		return nil, nil, err
	}
	w.Process, err = process.Start(ctx, "http://"+listen, "http://"+ops+"/readyz", binary, "serve", "--dev", "--rate-limit-scale", "0",
		"--data-dir", filepath.Join(dir, "data"), "--issuer", "http://"+listen, "--listen", listen, "--ops-listen", ops)
	return w, cluster, err
}

func apply(ctx context.Context, cluster kube.Client, secret string) error {
	for _, name := range []string{"acme", "gatehouse-system"} {
		if err := cluster.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			return err
		}
	}
	for document := range strings.SplitSeq(declarations(secret), "\n---\n") {
		var o unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(document), &o.Object); err != nil {
			return err
		}
		if err := cluster.Create(ctx, &o); err != nil {
			return err
		}
	}
	return nil
}

// changeRole gives the machine client's Role one scope more and one less, in turn.
func (w *world) changeRole(ctx context.Context, cluster kube.Client, of heldRole) ([]time.Duration, error) {
	token, err := redeem(post(w.URL+"/oauth/token/", url.Values{"grant_type": {"client_credentials"}}, of.clientID, w.secret), false, send)
	if err != nil {
		return nil, err
	}
	var times []time.Duration
	for i := range roleChanges {
		want, scopes := "org:read project:read", `["org:read","project:write"]`
		if i%2 == 0 {
			want, scopes = "org:read", `["org:read"]`
		}
		role := &v1alpha1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: of.namespace, Name: of.name}}
		patch := kube.RawPatch(types.MergePatchType, []byte(`{"spec":{"rules":[{"scopes":`+scopes+`}]}}`))
		if err := cluster.Patch(ctx, role, patch); err != nil {
			return nil, err
		}
		changed := time.Now()
		if err := w.untilScope(token.Access, want, of.clientID); err != nil {
			return nil, err
		}
		times = append(times, time.Since(changed))
	}
	return times, nil
}

func (w *world) untilScope(token, want, clientID string) error {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		r := post(w.URL+"/oauth/introspect/", url.Values{"token": {token}}, clientID, w.secret)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		var seen struct {
			Scope string `json:"scope"`
		}
		err = json.NewDecoder(answer.Body).Decode(&seen)
		if err := errors.Join(err, answer.Body.Close()); err != nil {
			return err
		}
		if seen.Scope == want {
			return nil
		}
	}
	return fmt.Errorf("scope %q was not seen within 10 s", want)
}
