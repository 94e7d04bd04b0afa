package compile_test

import (
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
)

// largest is one tenant with n applications and Roles of which every list is as long as the
// schema admits; with wrong, every entry that can be wrong is.
func largest(n int, wrong bool) compile.Input {
	meta := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: "evil", Name: name, UID: types.UID(name), Generation: 1}
	}
	scope := func(i int) v1alpha1.ScopeName { return v1alpha1.ScopeName(fmt.Sprintf("evil:s%d", i)) }
	o := &v1alpha1.Organization{ObjectMeta: meta("evil"), Spec: v1alpha1.OrganizationSpec{Slug: "evil", Scopes: &v1alpha1.ScopeCatalogue{}}}
	for i := range 64 {
		c := v1alpha1.CustomScope{Name: scope(i), Description: strings.Repeat("d", 200)}
		for k := range 32 {
			c.Implies = append(c.Implies, scope((i+k+1)%64))
		}
		o.Spec.Scopes.Custom = append(o.Spec.Scopes.Custom, c)
	}
	in := compile.Input{SystemNamespace: "gatehouse-system", Organizations: []*v1alpha1.Organization{o}, Namespaces: []compile.Namespace{{Name: "evil"}}}
	shift := 0
	if wrong {
		shift = 1000
	}
	for a := range n {
		in.Applications = append(in.Applications, largestApplication(meta(fmt.Sprint("app-", a)), a, shift, scope))
		r := &v1alpha1.Role{ObjectMeta: meta(fmt.Sprint("role-", a)), Spec: v1alpha1.RoleSpec{OrganizationRef: v1alpha1.ObjectReference{Name: "evil"}}}
		for range 32 {
			rule := v1alpha1.RoleRule{}
			for s := range 64 + shift/32 {
				rule.Scopes = append(rule.Scopes, scope(s+shift))
			}
			r.Spec.Rules = append(r.Spec.Rules, rule)
		}
		for k := range 16 {
			r.Spec.Inherits = append(r.Spec.Inherits, v1alpha1.ObjectReference{Name: fmt.Sprint("role-", (a*7+k*31+shift)%n+shift)})
		}
		for s := range 512 {
			name := fmt.Sprintf("person-%d@evil.example", s)
			if wrong {
				name = strings.Repeat("x", 254)
			}
			r.Spec.Subjects = append(r.Spec.Subjects, v1alpha1.Subject{Kind: "User", Name: name, NotAfter: v1alpha1.Timestamp(fmt.Sprintf("2027-01-31T%02d:%02d:00Z", s/60, s%60))})
		}
		in.Roles = append(in.Roles, r)
	}
	return in
}

func largestApplication(meta metav1.ObjectMeta, a, shift int, scope func(int) v1alpha1.ScopeName) *v1alpha1.ApiApplication {
	app := &v1alpha1.ApiApplication{ObjectMeta: meta, Spec: v1alpha1.ApiApplicationSpec{
		OrganizationRef: v1alpha1.ObjectReference{Name: "evil"}, Type: "SPA", GrantTypes: []v1alpha1.GrantTypeName{"authorization_code"},
	}}
	for s := range 64 + shift/32 {
		app.Spec.Scopes = append(app.Spec.Scopes, v1alpha1.ApplicationScope(scope(s+shift)))
	}
	scheme := "https"
	if shift > 0 {
		scheme = "ftp"
	}
	long := func(i, length int) string {
		uri := fmt.Sprintf("%s://a%d-%d.evil.example/", scheme, a, i)
		return uri + strings.Repeat("p", length-len(uri))
	}
	for i := range 32 {
		app.Spec.RedirectURIs = append(app.Spec.RedirectURIs, v1alpha1.RedirectURI(long(i, 1024)))
		app.Spec.PostLogoutRedirectURIs = append(app.Spec.PostLogoutRedirectURIs, v1alpha1.RedirectURI(long(i, 1024)))
		app.Spec.AllowedOrigins = append(app.Spec.AllowedOrigins, v1alpha1.WebOrigin(fmt.Sprintf("%s://a%d-%d.evil.example", scheme, a, i)))
		app.Spec.Resources = append(app.Spec.Resources, v1alpha1.Audience(long(i%16, 256)))
	}
	for i := range 16 {
		app.Spec.Audiences = append(app.Spec.Audiences, v1alpha1.Audience(long(i, 256)))
	}
	return app
}

// What one tenant declares is judged while all wait. Hundreds of objects of the largest size
// must be judged fast, and what is found wrong in them must cost little memory.
func TestTheLargestThatATenantCanDeclareCostsLittle(t *testing.T) {
	const n = 200
	for name, wrong := range map[string]bool{"right": false, "wrong": true} {
		t.Run(name, func(t *testing.T) {
			in := largest(n, wrong)
			before := heap()
			var c compile.Compiler
			start := spent(t)
			c.Compile(in)
			first := spent(t) - start
			used := heap() - before
			changed := *in.Roles[0]
			changed.Generation, changed.Spec.DisplayName = 2, "changed"
			in.Roles[0] = &changed
			start = spent(t)
			result := c.Compile(in)
			next := spent(t) - start
			t.Logf("%d applications and Roles: %v of CPU, after one change %v, %d MiB", n, first, next, used>>20)
			if first > 4*time.Second || next > 4*time.Second {
				t.Errorf("took %v, after one change %v", first, next)
			}
			if used > 100<<20 {
				t.Errorf("%d MiB are kept", used>>20)
			}
			if len(result.Reports) != 2*n+1 {
				t.Errorf("%d reports", len(result.Reports))
			}
		})
	}
}

// Providers with all that the schema admits: each draft is made once, and one change costs
// that one again.
func TestTheLargestProvidersOfATenantCostLittle(t *testing.T) {
	const n = 50
	in := largest(1, false)
	big := `claims.a.filter(x, x.contains("b")).map(x, x.lowerAscii())`
	for i := range n {
		in.Providers = append(in.Providers, largestProvider(i, big))
	}
	before := heap()
	var c compile.Compiler
	start := spent(t)
	result := c.Compile(in)
	first := spent(t) - start
	used := heap() - before
	in.Providers[0] = in.Providers[0].DeepCopy()
	start = spent(t)
	result = c.Compile(in)
	next := spent(t) - start
	t.Logf("%d providers: %v of CPU, after one change %v, %d MiB", n, first, next, used>>20)
	if first > n*400*time.Millisecond || next > 2*time.Second {
		t.Errorf("took %v, after one change %v", first, next)
	}
	if used > n<<20 {
		t.Errorf("%d MiB are kept", used>>20)
	}
	if len(result.Snapshot.OrganizationBySlug("evil").Providers) != n {
		t.Errorf("%d are served", len(result.Snapshot.OrganizationBySlug("evil").Providers))
		for _, r := range result.Reports {
			if r.NotServed {
				t.Fatal(r.Findings[0].Message)
			}
		}
	}
}

func largestProvider(i int, expression string) *v1alpha1.AuthProvider {
	p := &v1alpha1.AuthProvider{ObjectMeta: metav1.ObjectMeta{Namespace: "evil", Name: fmt.Sprint("p-", i), UID: types.UID(fmt.Sprint("p-", i)), Generation: 1}}
	text := v1alpha1.Expression(expression + ` == [] ? "me" : ""`)
	metadata := strings.Replace(goodMetadata, "<SingleSign", strings.Repeat("<a b='c'/>", 9000)+"<SingleSign", 1)
	p.Spec = v1alpha1.AuthProviderSpec{
		OrganizationRef: &v1alpha1.ObjectReference{Name: "evil"}, Type: "SAML", SAML: &v1alpha1.SAMLProvider{Metadata: metadata, CABundle: v1alpha1.CABundle(strings.Repeat(certificate, 64))},
		Mapping: &v1alpha1.ProviderMapping{Subject: v1alpha1.Expression(fmt.Sprintf("%q + (%s)", fmt.Sprint(i), text)), Name: text, Groups: v1alpha1.Expression(expression), Require: v1alpha1.Expression(expression + " == []")},
	}
	claims := `{"a":[` + strings.TrimSuffix(strings.Repeat(`"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",`, 280), ",") + `]}`
	for range 16 {
		p.Spec.Mapping.Examples = append(p.Spec.Mapping.Examples, v1alpha1.MappingExample{Claims: apiruntime.RawExtension{Raw: []byte(claims)}})
	}
	return p
}

// spent is the CPU time of this process: on a machine with other work the wall's says little.
func spent(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
