package hostile

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
)

const (
	manySecrets = 2000
	bombs       = 24
	// largestObjects are as large as the schema admits, in every list.
	largestObjects = 20
	// others is how long another tenant may wait for a verdict meanwhile: far more than it
	// takes, for the machine also runs the API server and what mallory does to it.
	others = 5 * time.Second
)

// Thousands of Secrets with the label, and some with as much metadata as the API server
// admits: little of it is kept, and the others wait no longer for their verdicts.
func TestManyAndHugeSecretsOfOneTenantCostTheOthersNothing(t *testing.T) {
	w := here
	w.before(t)
	t.Cleanup(func() { w.clean(t) })
	if err := w.apply(w.owner, ownOrganization); err != nil {
		t.Fatal(err)
	}
	w.becomes(t, "Organization evil/evil", "True")
	before := heap()
	for range 4 { // what others have just let go of is none of this
		before = min(before, heap())
	}
	var g errgroup.Group
	g.SetLimit(8)
	for i := range manySecrets {
		g.Go(func() error {
			return w.editor.Create(t.Context(), &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("s", i), Namespace: "evil", Labels: map[string]string{v1alpha1.SecretLabel: v1alpha1.SecretInput}},
				StringData: map[string]string{"a": strings.Repeat("x", 2000)},
			})
		})
		if i%500 == 250 {
			w.waitsLittle(t)
		}
	}
	for i := range bombs {
		g.Go(func() error { return w.editor.Create(t.Context(), secretBomb(i)) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	w.waitsLittle(t)
	w.secretsAreRead(t)
	// What is kept is kept in every reading, and what is not falls away: the buffers of a
	// watch and of those who write go when the connections have rest.
	var used int64
	eventually(t, "little is kept", func() error {
		if used = heap() - before; used > mostKept {
			return fmt.Errorf("%.1f MiB are kept, want at most %.1f", float64(used)/(1<<20), float64(mostKept)/(1<<20))
		}
		return nil
	})
	t.Logf("%d Secrets of 2 kB and %d of %d kB: %.1f MiB", manySecrets, bombs, bombBytes>>10, float64(used)/(1<<20))
}

// mostKept is what may be kept of all the Secrets: of an ordinary one its cut value and what
// the cache and Compile have around it, of a huge one no more than that, and the buffers that
// a watch keeps for an event as large as the largest. The huge ones as they are would be
// more than all of it.
const mostKept int64 = (manySecrets+bombs)*4<<10 + 4*bombBytes

// secretsAreRead waits until every Secret that is there has been read: the events of a kind
// come in their order, and an application waits for the one that is made last.
func (w *world) secretsAreRead(t *testing.T) {
	t.Helper()
	if err := w.apply(w.editor, `
apiVersion: v1
kind: Secret
metadata: {name: last, namespace: evil, labels: {auth.gatehouse.dev/secret: input}}
stringData: {secret: the-last-of-thousands-of-secrets-0123}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: last, namespace: evil}
spec:
  organizationRef: {name: evil}
  type: Machine
  scopes: ["org:read"]
  credentials: {source: FromSecret, fromSecret: {name: last, key: secret}}
`); err != nil {
		t.Fatal(err)
	}
	w.becomes(t, "ApiApplication evil/last", "True")
}

const bombBytes = 900 << 10

// secretBomb is a Secret whose metadata is large: labels have no limit of their own.
func secretBomb(i int) *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Name: fmt.Sprint("bomb", i), Namespace: "evil",
		Labels:      map[string]string{v1alpha1.SecretLabel: []string{v1alpha1.SecretInput, v1alpha1.SecretOutput}[i%2]},
		Annotations: map[string]string{"a": strings.Repeat("x", 200<<10)},
		OwnerReferences: []metav1.OwnerReference{
			{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ApiApplication", Name: "ci", UID: types.UID(strings.Repeat("u", 36))},
		},
	}}
	for n := 200 << 10; n < bombBytes; n += 320 {
		s.Labels[fmt.Sprintf("%s/l%d", strings.Repeat("a", 240), n)] = strings.Repeat("v", 60)
	}
	return s
}

// waitsLittle fails if another tenant waits long for a verdict now.
func (w *world) waitsLittle(t *testing.T) {
	t.Helper()
	start := time.Now()
	w.flush(t)
	if took := time.Since(start); took > others {
		t.Errorf("the verdict on another tenant's Role took %v", took)
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Objects as large as the schema admits are judged like others, and nobody else waits for
// it. How much CPU hundreds of them take is measured beside Compile.
func TestTheLargestObjectsOfOneTenantDelayNobody(t *testing.T) {
	w := here
	w.before(t)
	t.Cleanup(func() { w.clean(t) })
	if err := w.apply(w.owner, ownOrganization); err != nil {
		t.Fatal(err)
	}
	for i := range largestObjects {
		if err := w.apply(w.editor, largestApplication(i)); err != nil {
			t.Fatal(err)
		}
		if err := w.apply(w.owner, largestRole(i)); err != nil {
			t.Fatal(err)
		}
		if i%10 == 5 {
			w.waitsLittle(t)
		}
	}
	w.becomes(t, "ApiApplication evil/large0", "True")
	w.becomes(t, fmt.Sprintf("Role evil/large%d", largestObjects-1), "True")
	w.waitsLittle(t)
}

func repeated(n int, entry string) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(entry, i)
	}
	return "[" + strings.Join(all, ",") + "]"
}

func largestApplication(i int) string {
	uris := repeated(32, `"https://a%d.evil.example/`+strings.Repeat("p", 980)+`"`)
	return fmt.Sprintf(`{"apiVersion":"auth.gatehouse.dev/v1alpha1","kind":"ApiApplication","metadata":{"name":"large%d","namespace":"evil"},
"spec":{"organizationRef":{"name":"evil"},"type":"SPA","scopes":["org:read"],"redirectURIs":%s,"postLogoutRedirectURIs":%s,"allowedOrigins":%s,"audiences":%s}}`,
		i, uris, uris, repeated(32, `"https://a%d.evil.example"`), repeated(16, fmt.Sprintf(`"https://b%d`, i)+`-%d.evil.example/`+strings.Repeat("p", 200)+`"`))
}

func largestRole(i int) string {
	return fmt.Sprintf(`{"apiVersion":"auth.gatehouse.dev/v1alpha1","kind":"Role","metadata":{"name":"large%d","namespace":"evil"},
"spec":{"organizationRef":{"name":"evil"},"rules":%s,"subjects":%s}}`,
		i, "["+strings.TrimSuffix(strings.Repeat(`{"scopes":["org:read","org:admin","team:admin","project:admin","event:admin","alerts:write","member:admin"]},`, 32), ",")+"]",
		repeated(512, `{"kind":"User","name":"person-%d@evil.example"}`))
}
