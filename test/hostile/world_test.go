// Package hostile is a tenant that means harm, on a real Kubernetes API with RBAC and a real
// server: each of its moves must be refused, by the API server or by a condition that names
// what is wrong, and the other tenant must not notice any.
//
// Start reading at world: acme is the victim, mallory the tenant of the namespace evil. A
// move is a row of moves in moves_test.go, or a test of its own beside it.
package hostile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/controllers"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/test/keyringtest"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
	"github.com/gatehouse-dev/gatehouse/test/localkube"
)

const (
	systemNamespace = "gatehouse-system"
	patience        = 40 * time.Second // far more than anything here takes
)

// world is one installation on a Kubernetes API of its own.
type world struct {
	kube   *localkube.Cluster
	admin  client.Client
	issuer string
	http   *http.Client

	// editor may what a person with gatehouse-edit and the right to write Secrets and
	// ConfigMaps may, in evil. owner may also write Organizations, Roles and AuthProviders there.
	editor, owner *person

	mu     sync.Mutex
	served *model.Snapshot
}

// person is somebody in the cluster.
type person struct {
	client.Client
	config *rest.Config
}

var here *world

func TestMain(m *testing.M) {
	code, err := within(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// within runs the tests in a world.
func within(run func() int) (code int, err error) {
	definitions, err := localkube.Definitions()
	if err != nil {
		return 1, err
	}
	kube, err := localkube.Start("", definitions)
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, kube.Stop()) }()
	w := &world{kube: kube}
	if w.admin, err = w.clientOf(kube.Config); err != nil {
		return 1, err
	}
	if err := errors.Join(w.install(), w.apply(w.admin, tenants)); err != nil {
		return 1, err
	}
	if w.editor, err = w.person("mallory-the-editor"); err != nil {
		return 1, err
	}
	if w.owner, err = w.person("mallory-the-owner"); err != nil {
		return 1, err
	}
	ctx, stop := context.WithCancel(context.Background())
	ended, err := w.serve(ctx)
	defer func() {
		stop()
		err = errors.Join(err, ended())
	}()
	if err != nil {
		return 1, err
	}
	here = w
	return run(), w.keepEmitted()
}

// install applies what config gives a cluster besides the definitions.
func (w *world) install() error {
	files, err := filepath.Glob("../../config/rbac/*.yaml")
	if err != nil {
		return err
	}
	for _, f := range append([]string{"../../config/default/namespace.yaml"}, files...) {
		if filepath.Base(f) == "kustomization.yaml" {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		if err := w.apply(w.admin, string(text)); err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
	}
	return nil
}

// serve runs server and controllers, the latter as the service account of config/rbac.
func (w *world) serve(ctx context.Context) (ended func() error, err error) {
	keys, err := keyringtest.New()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "hostile")
	if err != nil {
		return nil, err
	}
	db, err := store.OpenSQLite(ctx, filepath.Join(dir, "gatehouse.db"))
	if err != nil {
		return nil, err
	}
	var s *server.Server
	front := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { s.Handler().ServeHTTP(rw, r) }))
	w.http, w.issuer = front.Client(), front.URL
	w.http.Transport = leaks.Transport(w.http.Transport)
	var running sync.WaitGroup
	ended = func() error {
		front.Close()
		running.Wait()
		return errors.Join(db.Close(), os.RemoveAll(dir))
	}
	if s, err = server.New(ctx, server.Config{Issuer: front.URL, Store: db, Keyring: keys}); err != nil {
		return ended, err
	}
	account, err := w.kube.AddUser(envtest.User{
		Name:   "system:serviceaccount:" + systemNamespace + ":gatehouse",
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + systemNamespace},
	}, &rest.Config{QPS: -1})
	if err != nil {
		return ended, err
	}
	c := controllers.New(controllers.Options{
		Config: account.Config(), SystemNamespace: systemNamespace, Installation: "hostile", Issuer: front.URL,
		DigestKey: keys.DigestKey(), Log: logr.Discard(),
		Publish: func(ctx context.Context, snapshot *model.Snapshot) error {
			err := s.Publish(ctx, snapshot)
			w.mu.Lock()
			defer w.mu.Unlock()
			w.served = snapshot
			return err
		},
	})
	running.Go(func() { _ = s.Run(ctx) })
	running.Go(func() { _ = c.Run(ctx) })
	return ended, wait("ready", c.Ready)
}

func (w *world) snapshot() *model.Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.served
}

func (w *world) clientOf(config *rest.Config) (client.Client, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	return client.New(rest.CopyConfig(config), client.Options{Scheme: scheme})
}

func (w *world) person(name string) (*person, error) {
	user, err := w.kube.AddUser(envtest.User{Name: name}, &rest.Config{QPS: -1})
	if err != nil {
		return nil, err
	}
	p := &person{config: user.Config()}
	p.Client, err = w.clientOf(p.config)
	return p, err
}

// apply creates objects from YAML.
func (w *world) apply(as client.Client, manifests string) error {
	for d := yaml.NewYAMLOrJSONDecoder(strings.NewReader(manifests), 4096); ; {
		u := &unstructured.Unstructured{}
		if err := d.Decode(&u.Object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if u.Object == nil {
			continue
		}
		if err := as.Create(context.Background(), u); err != nil {
			return err
		}
	}
}

// wait waits until what holds.
func wait(what string, check func() error) error {
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if err = check(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("never %s: %w", what, err)
}

// eventually waits until what holds, or fails the test.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	if err := wait(what, check); err != nil {
		t.Fatal(err)
	}
}

// get reads an object of the four kinds, as "Kind namespace/name".
func (w *world) get(of string) (*unstructured.Unstructured, error) {
	kind, name, _ := strings.Cut(of, " ")
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
	namespace, name, _ := strings.Cut(name, "/")
	return u, w.admin.Get(context.Background(), client.ObjectKey{Namespace: namespace, Name: name}, u)
}

// judged waits until the object has its verdict, and returns it with its Ready condition.
func (w *world) judged(t *testing.T, of string) (*unstructured.Unstructured, metav1.Condition) {
	t.Helper()
	var u *unstructured.Unstructured
	eventually(t, "judged: "+of, func() (err error) {
		if u, err = w.get(of); err != nil {
			return err
		}
		if g, _, _ := unstructured.NestedInt64(u.Object, "status", "observedGeneration"); g != u.GetGeneration() {
			return fmt.Errorf("generation %d, observed %d", u.GetGeneration(), g)
		}
		return nil
	})
	return u, ready(u)
}

// becomes waits for a Ready condition: True, or the reason of one that is False.
func (w *world) becomes(t *testing.T, of, want string) metav1.Condition {
	t.Helper()
	var c metav1.Condition
	eventually(t, of+" "+want, func() error {
		if _, c = w.judged(t, of); string(c.Status) != want && (c.Status == metav1.ConditionTrue || c.Reason != want) {
			return fmt.Errorf("Ready is %s %s: %s", c.Status, c.Reason, c.Message)
		}
		return nil
	})
	return c
}

func ready(u *unstructured.Unstructured) (c metav1.Condition) {
	all, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, item := range all {
		var found metav1.Condition
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.(map[string]any), &found); err == nil && found.Type == v1alpha1.Ready {
			return found
		}
	}
	return c
}

// token asks for one with a client ID and a secret.
func (w *world) token(id, secret string) (string, error) {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, w.issuer+"/oauth/token",
		strings.NewReader(url.Values{"grant_type": {"client_credentials"}}.Encode()))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(id, secret)
	answer, err := w.http.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	var body struct {
		Token string `json:"access_token"`
		Error string `json:"error"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		return "", err
	}
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%d %s", answer.StatusCode, body.Error)
	}
	return body.Token, nil
}

// works asks for acme with a token; the error is the answer of one that is refused.
func (w *world) works(token, organization string) error {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, w.issuer+"/api/0/organizations/"+organization+"/", nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := w.http.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", answer.Status)
	}
	return nil
}

// victims are acme's objects; secrets are what mallory must never see or change.
var (
	victims = []string{"Organization acme/acme", "ApiApplication acme/ci", "ApiApplication acme/web", "Role acme/reader", "AuthProvider gatehouse-system/local"}
	secrets = []string{"acme/ci", "acme/web-credentials", "acme/unlabelled", "gatehouse-system/gatehouse-keyring"}
)

// before is the victim as it is, and proves at the end of the test that nothing of it
// changed: its objects are the same and Ready, its Secrets too, its token works.
func (w *world) before(t *testing.T) (token string) {
	t.Helper()
	state := func() map[string]string {
		versions := map[string]string{}
		for _, of := range victims {
			w.becomes(t, of, "True")
			u, err := w.get(of)
			if err != nil {
				t.Fatal(err)
			}
			versions[of] = u.GetResourceVersion()
		}
		for _, name := range secrets {
			versions["Secret "+name] = w.secret(t, name).ResourceVersion
		}
		return versions
	}
	was, mine := state(), ""
	secret := string(w.secret(t, "acme/ci").Data["secret"])
	eventually(t, "a token of acme", func() (err error) {
		mine, err = w.token("acme.acme.ci", secret)
		return err
	})
	t.Cleanup(func() {
		for of, version := range state() {
			if was[of] != version {
				t.Errorf("%s was written", of)
			}
		}
		if err := w.works(mine, "acme"); err != nil {
			t.Errorf("the token of acme: %v", err)
		}
		if _, err := w.token("acme.acme.ci", secret); err != nil {
			t.Errorf("another token of acme: %v", err)
		}
		web := w.secret(t, "acme/web-credentials")
		if _, err := w.token(string(web.Data["client-id"]), string(web.Data["client-secret"])); err == nil || !strings.Contains(err.Error(), "unauthorized_client") {
			t.Errorf("the generated secret of acme's web proves nothing: %v", err)
		}
	})
	return mine
}

func (w *world) secret(t *testing.T, of string) *corev1.Secret {
	t.Helper()
	namespace, name, _ := strings.Cut(of, "/")
	s := &corev1.Secret{}
	if err := w.admin.Get(context.Background(), client.ObjectKey{Namespace: namespace, Name: name}, s); err != nil {
		t.Fatalf("Secret %s: %v", of, err)
	}
	return s
}

// nothingShown fails if a text holds anything of the victim's Secrets.
func (w *world) nothingShown(t *testing.T, text []byte) {
	t.Helper()
	for _, of := range secrets {
		for key, value := range w.secret(t, of).Data {
			if len(value) >= 16 && !slices.Contains([]string{"client-id", "issuer", "token-endpoint"}, key) && bytes.Contains(text, value) {
				t.Errorf("%s of Secret %s is shown", key, of)
			}
		}
	}
}

// keepEmitted keeps what everybody may read for the search for secrets.
func (w *world) keepEmitted() error {
	for _, kind := range []string{"Organization", "ApiApplication", "Role", "AuthProvider", "Event"} {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind + "List"))
		if kind == "Event" {
			list.SetAPIVersion("events.k8s.io/v1")
		}
		if err := w.admin.List(context.Background(), list); err != nil {
			return err
		}
		text, err := json.Marshal(list)
		if err != nil {
			return err
		}
		leaks.Emitted("hostile-"+kind, text)
	}
	return nil
}

// clean removes what was declared in evil.
func (w *world) clean(t *testing.T) {
	t.Helper()
	for _, o := range []client.Object{&v1alpha1.Organization{}, &v1alpha1.ApiApplication{}, &v1alpha1.Role{}, &v1alpha1.AuthProvider{}, &corev1.Secret{}} {
		if err := w.admin.DeleteAllOf(context.Background(), o, client.InNamespace("evil")); err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	}
}
