// Package rotation rotates generated client secrets under load: a real Kubernetes API, two
// replicas of controllers and server behind one address, and clients that know nothing but
// their Secret and read it again now and then.
package rotation

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/controllers"
	"github.com/gatehouse-dev/gatehouse/internal/credential"
	"github.com/gatehouse-dev/gatehouse/server"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/test/clocktest"
	"github.com/gatehouse-dev/gatehouse/test/keyringtest"
	"github.com/gatehouse-dev/gatehouse/test/localkube"
)

const (
	patience = 60 * time.Second // far more than anything here takes
	rounds   = 3
	overlap  = time.Hour
)

// installation is two replicas behind one address.
type installation struct {
	t        *testing.T
	kube     client.Client
	clock    *clocktesting.FakeClock
	http     *http.Client
	replicas []*replica
	// refused are answers that a client did not deserve; asked is how many there were.
	refused, asked atomic.Int64
	firstRefusal   atomic.Value
}

func TestWhoReadsItsSecretAgainIsNeverRefusedWhileItIsRotated(t *testing.T) {
	in := build(t)
	in.declare()
	in.eventually("the Secret is there", func() error { _, err := in.secret(); return err })
	first, _ := in.secret()
	in.eventually("known", in.known) // by both: the first one has no lead
	in.eventually("it is served", func() error { return in.token(first) })
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	turns := make([]atomic.Int64, 4)
	for i := range turns {
		clients.Go(func() { in.client(ctx, &turns[i]) })
	}
	for round := range rounds {
		before, _ := in.secret()
		in.rotate(int64(round + 2))
		in.eventually("announced", func() error { return in.listed(2) })
		in.eventually("known", in.known)
		in.clock.Step(credential.Lead)
		in.takesOver(before, turns)
		in.clock.Step(overlap)
		in.eventually("the one before has ended", func() error { return in.listed(1) })
		if err := in.token(before); err == nil || !strings.Contains(err.Error(), "invalid_client") {
			t.Errorf("the secret of before, after its overlap: %v", err)
		}
	}
	stop()
	clients.Wait()
	t.Logf("%d requests over %d rotations", in.asked.Load(), rounds)
	if n := in.refused.Load(); n > 0 {
		t.Errorf("%d of %d requests failed, the first with %v", n, in.asked.Load(), in.firstRefusal.Load())
	}
	if in.asked.Load() < 100 {
		t.Errorf("only %d requests were made", in.asked.Load())
	}
}

// client asks for tokens, and reads its Secret again after every tenth. Each reading is a
// turn.
func (in *installation) client(ctx context.Context, turns *atomic.Int64) {
	for ctx.Err() == nil {
		s, err := in.secret()
		if err != nil {
			in.t.Errorf("read the Secret: %v", err)
			return
		}
		for range 10 {
			in.asked.Add(1)
			if err := in.token(s); err != nil {
				in.firstRefusal.CompareAndSwap(nil, err.Error())
				in.refused.Add(1)
			}
		}
		turns.Add(1)
	}
}

// takesOver waits until the next secret is in the Secret and everybody has read it. The one
// before works meanwhile.
func (in *installation) takesOver(before *corev1.Secret, turns []atomic.Int64) {
	in.t.Helper()
	in.eventually("rotated", func() error {
		now, err := in.secret()
		if err == nil && string(now.Data["client-secret"]) == string(before.Data["client-secret"]) {
			err = fmt.Errorf("it is the secret of before")
		}
		return err
	})
	if err := in.token(before); err != nil {
		in.t.Errorf("the secret of before, in its overlap: %v", err)
	}
	in.everybodyReadsAgain(turns)
}

// everybodyReadsAgain waits until no client uses what it read before.
func (in *installation) everybodyReadsAgain(turns []atomic.Int64) {
	in.t.Helper()
	for i := range turns {
		start := turns[i].Load()
		in.eventually("read again", func() error {
			if turns[i].Load() < start+2 {
				return fmt.Errorf("client %d has not", i)
			}
			return nil
		})
	}
}

// token asks for a token with what is in the Secret, and nothing else.
func (in *installation) token(s *corev1.Secret) error {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, string(s.Data["token-endpoint"]),
		strings.NewReader(url.Values{"grant_type": {"client_credentials"}}.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(string(s.Data["client-id"]), string(s.Data["client-secret"]))
	answer, err := in.http.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%d %s", answer.StatusCode, body)
	}
	return err
}

func (in *installation) secret() (*corev1.Secret, error) {
	s := &corev1.Secret{}
	return s, in.kube.Get(context.Background(), client.ObjectKey{Namespace: "acme", Name: "ci-credentials"}, s)
}

func (in *installation) listed(want int) error {
	list, err := in.list()
	if err == nil && len(list) != want {
		err = fmt.Errorf("%d are listed", len(list))
	}
	return err
}

// list are the secrets that the Secret names, oldest first.
func (in *installation) list() ([]credential.Credential, error) {
	s, err := in.secret()
	if err != nil {
		return nil, err
	}
	return credential.Parse(s.Annotations[v1alpha1.CredentialsAnnotation])
}

func (in *installation) rotate(generation int64) {
	in.t.Helper()
	in.eventually("changed", func() error {
		app := &v1alpha1.ApiApplication{}
		if err := in.kube.Get(in.t.Context(), client.ObjectKey{Namespace: "acme", Name: "ci"}, app); err != nil {
			return err
		}
		app.Spec.Credentials.Rotation.Generation = generation
		return in.kube.Update(in.t.Context(), app)
	})
}

func (in *installation) declare() {
	in.t.Helper()
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "acme", Name: name} }
	acme := v1alpha1.ObjectReference{Name: "acme"}
	for _, o := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "acme"}},
		&v1alpha1.Organization{ObjectMeta: meta("acme"), Spec: v1alpha1.OrganizationSpec{Slug: "acme"}},
		&v1alpha1.ApiApplication{ObjectMeta: meta("ci"), Spec: v1alpha1.ApiApplicationSpec{
			OrganizationRef: acme, Type: v1alpha1.TypeMachine, Scopes: []v1alpha1.ApplicationScope{"org:read"},
			Credentials: &v1alpha1.Credentials{Rotation: &v1alpha1.CredentialsRotation{Overlap: "1h"}},
		}},
		&v1alpha1.Role{ObjectMeta: meta("reader"), Spec: v1alpha1.RoleSpec{
			OrganizationRef: acme, Rules: []v1alpha1.RoleRule{{Scopes: []v1alpha1.ScopeName{"org:read"}}},
			Subjects: []v1alpha1.Subject{{Kind: v1alpha1.SubjectApiApplication, Name: "ci"}},
		}},
	} {
		if err := in.kube.Create(in.t.Context(), o); err != nil {
			in.t.Fatal(err)
		}
	}
}

func (in *installation) eventually(what string, check func() error) {
	in.t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	in.t.Fatalf("never: %s: %v", what, err)
}

// build starts a Kubernetes API and two replicas, whose clock the test sets forward.
func build(t *testing.T) *installation {
	t.Helper()
	definitions, err := localkube.Definitions()
	if err != nil {
		t.Fatal(err)
	}
	kube, err := localkube.Start("", definitions)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kube.Stop(); err != nil {
			t.Error(err)
		}
	})
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	in := &installation{t: t, clock: clocktest.New(t)}
	if in.kube, err = client.New(kube.Config, client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	if err := in.kube.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "gatehouse-system"}}); err != nil {
		t.Fatal(err)
	}
	in.replicate(kube)
	return in
}

// replicate starts two replicas that share keys and store, and take requests by turns.
func (in *installation) replicate(kube *localkube.Cluster) {
	t := in.t
	t.Helper()
	keys, err := keyringtest.New()
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "gatehouse.db"))
	if err != nil {
		t.Fatal(err)
	}
	var turn atomic.Int64
	front := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in.next(&turn).server.Handler().ServeHTTP(w, r)
	}))
	in.http = front.Client()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { // before the API is stopped
		front.Close()
		for _, r := range in.replicas {
			r.stop()
		}
		stop()
		running.Wait()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	for range 2 {
		s, err := server.New(ctx, server.Config{Issuer: front.URL, Store: db, Keyring: keys, Now: in.clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() { _ = s.Run(ctx) })
		r := &replica{in: in, server: s}
		r.options = controllers.Options{
			Config: kube.Config, SystemNamespace: "gatehouse-system", Installation: hex.EncodeToString([]byte("test")),
			Issuer: front.URL, DigestKey: keys.DigestKey(), Publish: r.publish, Log: r.log(), Clock: in.clock,
		}
		in.replicas = append(in.replicas, r)
		r.start()
	}
}
