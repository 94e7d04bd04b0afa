package incluster

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile/compiletest"
	"github.com/gatehouse-dev/gatehouse/test/localkube"
)

// patience bounds every wait: far more than anything here takes.
const patience = 2 * time.Minute

// start starts a cluster with a world of this size in it.
func start(t *testing.T, size compiletest.Size) *Cluster {
	t.Helper()
	c, err := Start(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	if _, err := c.Declare(t.Context(), size); err != nil {
		t.Fatal(err)
	}
	return c
}

// run starts a replica, which ends with the test.
func (c *Cluster) run(t *testing.T, name string) *Replica {
	t.Helper()
	r, err := c.Run(context.WithoutCancel(t.Context()), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s printed:\n%s", name, r.Printed)
		}
		_ = r.Stop()
	})
	return r
}

func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	t.Fatalf("never %s: %v", what, err)
}

// post sends a form of the client that is Held.
func (r *Replica) post(path string, form url.Values) (answer map[string]any, err error) {
	request, err := http.NewRequest(http.MethodPost, r.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(HeldClientID, compiletest.Secret)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %d %s", path, response.StatusCode, body)
	}
	if err == nil {
		err = json.Unmarshal(body, &answer)
	}
	return answer, err
}

// scope is what a new token of the client that is Held may.
func (r *Replica) scope() (string, error) {
	issued, err := r.post("/oauth/token/", url.Values{"grant_type": {"client_credentials"}})
	if err != nil {
		return "", err
	}
	token, _ := issued["access_token"].(string)
	seen, err := r.post("/oauth/introspect/", url.Values{"token": {token}})
	scope, _ := seen["scope"].(string)
	return scope, err
}

func (r *Replica) serves(want string) error {
	got, err := r.scope()
	if err == nil && got != want {
		err = fmt.Errorf("the scope is %q", got)
	}
	return err
}

func (r *Replica) ready() error {
	response, err := http.Get(r.Ready)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(response.Body)
		return fmt.Errorf("%d %s", response.StatusCode, body)
	}
	return nil
}

// grant changes what the Role of Held grants.
func (c *Cluster) grant(t *testing.T, scopes ...v1alpha1.ScopeName) {
	t.Helper()
	eventually(t, "changed", func() error {
		var role v1alpha1.Role
		if err := c.Admin.Get(t.Context(), client.ObjectKey{Namespace: HeldNamespace, Name: HeldRole}, &role); err != nil {
			return err
		}
		role.Spec.Rules = []v1alpha1.RoleRule{{Scopes: scopes}}
		return c.Admin.Update(t.Context(), &role)
	})
}

// said waits until the status of the Role of Held is on its present declaration.
func (c *Cluster) said(t *testing.T) {
	t.Helper()
	eventually(t, "said", func() error {
		role, err := c.heldRole(t)
		if err == nil && role.Status.ObservedGeneration != role.Generation {
			err = fmt.Errorf("generation %d, observed %d", role.Generation, role.Status.ObservedGeneration)
		}
		return err
	})
}

func (c *Cluster) heldRole(t *testing.T) (*v1alpha1.Role, error) {
	var role v1alpha1.Role
	err := c.Admin.Get(t.Context(), client.ObjectKey{Namespace: HeldNamespace, Name: HeldRole}, &role)
	return &role, err
}

// settle waits until the replica has written nothing but its Lease for a while.
func (c *Cluster) settle(t *testing.T, r *Replica) {
	t.Helper()
	began := time.Now()
	eventually(t, "settled", func() error {
		asked, err := c.Asked(r)
		last := began
		for _, e := range writes(asked) {
			if e.Time.After(last) {
				last = e.Time
			}
		}
		if err == nil && time.Since(last) < 5*time.Second {
			err = fmt.Errorf("it wrote at %s", last)
		}
		return err
	})
}

// writes are the requests that ask for a change of anything but the Lease.
func writes(asked []localkube.Event) []localkube.Event {
	return slices.DeleteFunc(slices.Clone(asked), func(e localkube.Event) bool { return !e.Writes() || e.Resource == "leases" })
}

func after(asked []localkube.Event, when time.Time) []localkube.Event {
	return slices.DeleteFunc(slices.Clone(asked), func(e localkube.Event) bool { return e.Time.Before(when) })
}

// versions are the versions of everything that is declared, by kind and name.
func (c *Cluster) versions(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, kind := range []string{"Organization", "ApiApplication", "Role", "AuthProvider"} {
		items := &metav1.PartialObjectMetadataList{}
		items.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind + "List"))
		if err := c.Admin.List(t.Context(), items); err != nil {
			t.Fatalf("list %s: %v", kind, err)
		}
		for _, o := range items.Items {
			all[kind+" "+o.Namespace+"/"+o.Name] = o.ResourceVersion
		}
	}
	return all
}

// asking asks for tokens until the returned function is called, which returns how many there
// were and the first error.
func (r *Replica) asking() (stop func() (int64, error)) {
	var n atomic.Int64
	var first atomic.Pointer[error]
	var clients sync.WaitGroup
	ended := make(chan struct{})
	for range 2 {
		clients.Go(func() {
			for {
				select {
				case <-ended:
					return
				case <-time.After(5 * time.Millisecond): // a client that is in no hurry
				}
				n.Add(1)
				if _, err := r.scope(); err != nil {
					first.CompareAndSwap(nil, &err)
				}
				if err := r.ready(); err != nil {
					err = fmt.Errorf("not ready: %w", err)
					first.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	return func() (int64, error) {
		close(ended)
		clients.Wait()
		if err := first.Load(); err != nil {
			return n.Load(), *err
		}
		return n.Load(), nil
	}
}

// byUserAndVerb counts requests, for people to read.
func byUserAndVerb(events []localkube.Event) string {
	counts := map[string]int{}
	for _, e := range events {
		counts[strings.Join([]string{e.User, e.Verb, e.Group + "/" + e.Resource + "/" + e.Subresource}, " ")]++
	}
	var lines []string
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		lines = append(lines, fmt.Sprintf("%5d %s", counts[what], what))
	}
	return strings.Join(lines, "\n")
}

// length is how long a test takes that is short here and long by wish.
func length(t *testing.T, variable string, usual time.Duration) time.Duration {
	t.Helper()
	wish := os.Getenv(variable)
	if wish == "" {
		return usual
	}
	d, err := time.ParseDuration(wish)
	if err != nil || d <= 0 {
		t.Fatalf("%s: %q is no length of time, such as 5m", variable, wish)
	}
	return d
}
