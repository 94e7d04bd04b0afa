package hostile

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/test/localkube"
)

// strange are values that a schema may admit and Go refuse to decode: one object that no
// replica could list would stop the whole installation. Each is put in as raw JSON.
var strange = []struct{ plural, spec string }{
	{"authproviders", `{"type":"Local","local":{"minLength":9999999999999999999999}}`},
	{"authproviders", `{"type":"Local","local":{"minLength":12.0}}`},
	{"authproviders", `{"type":"Local","local":{"minLength":1.2e1}}`},
	{"authproviders", `{"type":"Local","local":{"minLength":12.5}}`},
	{"authproviders", `{"type":"Local","local":{"minLength":-0}}`},
	{"authproviders", `{"type":"Local","local":{"minLength":1e400}}`},
	{"authproviders", `{"type":"Local","local":{"minLength":"12"}}`},
	{"authproviders", `{"type":"Local","local":{"minLength":null,"checkCommon":null}}`},
	{"authproviders", `{"type":"Local","local":null}`},
	{"authproviders", `{"type":"Local","local":[]}`},
	{"authproviders", `null`},
	{"authproviders", `{"type":"Local","organizationRef":null,"mapping":null,"provisioning":null,"oidc":null}`},
	{"authproviders", `{"type":"OIDC","organizationRef":{"name":"evil"},"oidc":{"issuer":"https://a.example","clientID":"\u0000","pkce":null},"groupsMaxAge":"99999h99999h"}`},
	{"authproviders", claims(`{"a":1e400,"b":9999999999999999999999999,"c":-0,"d":1.0,"e":"\ud800\u0000","":null}`)},
	{"authproviders", claims(`{"a":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`)},
	{"authproviders", claims(`{"a":"` + strings.Repeat("x", 1<<20) + `"}`)},
	{"authproviders", claims(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":1},"raw":"x"}`)},
	{"authproviders", claims(`[]`)}, {"authproviders", claims(`"x"`)}, {"authproviders", claims(`null`)}, {"authproviders", claims(`{}`)},
	{"organizations", `{"slug":"evil","suspend":null,"tokens":null,"login":null,"scopes":null,"allowedNamespaces":null,"displayName":null}`},
	{"organizations", `{"slug":"evil","suspend":"true"}`},
	{"organizations", `{"slug":"evil","tokens":{"accessTokenTTL":3600}}`},
	{"organizations", `{"slug":"evil","tokens":{"accessTokenTTL":"99999h99999h99999h99999h"}}`},
	{"organizations", `{"slug":"evil","tokens":{"accessTokenTTL":"1h\n"}}`},
	{"organizations", `{"slug":"evil","tokens":{"accessTokenTTL":"１h"}}`},
	{"organizations", `{"slug":"evil","displayName":"\u0000\ud800\u202e"}`},
	{"organizations", `{"slug":"evil","displayName":"` + "\xff\xfe" + `"}`},
	{"organizations", `{"slug":"evil","allowedNamespaces":{"apiApplications":{"from":"Selector","selector":{"matchLabels":{"a":null}}}}}`},
	{"organizations", `{"slug":"evil","allowedNamespaces":{"apiApplications":{"from":"Selector","selector":{"matchLabels":null,"matchExpressions":null}}}}`},
	{"organizations", `{"slug":"evil","allowedNamespaces":{"apiApplications":{"from":"Selector","selector":{"matchLabels":{"\u0000":"","` + strings.Repeat("k", 100_000) + `":"x"}}}}}`},
	{"apiapplications", `{"organizationRef":{"name":"evil"},"type":"Device","scopes":["org:read"],"expiresAt":"9999-12-31T23:59:59.999999999+23:59"}`},
	{"apiapplications", `{"organizationRef":{"name":"evil"},"type":"Device","scopes":["org:read"],"expiresAt":"0000-01-01T00:00:00Z"}`},
	{"apiapplications", `{"organizationRef":{"name":"evil"},"type":"Device","scopes":["org:read"],"expiresAt":"2027-02-30T00:00:00Z"}`},
	{"apiapplications", `{"organizationRef":{"name":"evil"},"type":"Device","scopes":["org:read"],"expiresAt":null}`},
	{"apiapplications", `{"organizationRef":{"name":"evil","name":"twice"},"type":"Device","scopes":["org:read"]}`},
	{"apiapplications", `{"organizationRef":{"name":"evil","namespace":null},"type":"Device","scopes":["org:read",null]}`},
	{"apiapplications", `{"organizationRef":{"name":"evil"},"type":"Device","scopes":null}`},
	{"apiapplications", `{"organizationRef":{"name":"evil"},"type":"Device","scopes":["org:read"],"redirectURIs":["\u0000",""]}`},
	{"apiapplications", `{"organizationRef":{"name":"evil"},"type":"Web","scopes":["org:read"],"redirectURIs":["https://\ud83d\ude00.example/\u0007","https://[::1%25eth0]/"]}`},
	{"apiapplications", `{"organizationRef":{"name":"evil"},"type":"Machine","scopes":["org:read"],"credentials":{"rotation":{"generation":1000000000.0}}}`},
	{"apiapplications", `{"organizationRef":{"name":"evil"},"type":"Machine","scopes":["org:read"],"credentials":{"rotation":{"generation":9223372036854775808}}}`},
	{"apiapplications", `{"organizationRef":{"name":"evil"},"type":"Machine","scopes":["org:read"],"credentials":{"output":{"labels":{"":"x"},"annotations":{"\ud800":"y"}}}}`},
	{"apiapplications", `{"organizationRef":{"name":"evil"},"type":"Device","scopes":["org:read"],"unknown":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`},
	{"roles", `{"organizationRef":{"name":"evil"},"rules":null,"subjects":null,"inherits":null}`},
	{"roles", `{"organizationRef":{"name":"evil"},"rules":[null]}`},
	{"roles", `{"organizationRef":{"name":"evil"},"subjects":[{"kind":"User","name":"\u0000@\u0000"}]}`},
	{"roles", `{"organizationRef":{"name":"evil"},"subjects":[{"kind":"User","name":"ann@acme.example","notAfter":"2027-01-31T00:00:60Z"}]}`},
}

// claims are an example of a mapping, which may hold anything.
func claims(raw string) string {
	return `{"type":"OIDC","organizationRef":{"name":"evil"},"oidc":{"issuer":"https://a.example","clientID":"a"},"mapping":{"examples":[{"claims":` + raw + `,"want":{}}]}}`
}

var kindOf = map[string]string{"organizations": "Organization", "apiapplications": "ApiApplication", "roles": "Role", "authproviders": "AuthProvider"}

// Whatever the API server took, everybody's declarations are read and judged on.
func TestWhatGoMightNotDecodeStopsNobody(t *testing.T) {
	w := here
	w.before(t)
	t.Cleanup(func() { w.clean(t) })
	raw, err := rest.HTTPClientFor(w.owner.config)
	if err != nil {
		t.Fatal(err)
	}
	c, err := rest.UnversionedRESTClientForConfigAndClient(unversioned(w.owner.config), raw)
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	for i, s := range strange {
		for _, way := range []string{"create", "apply"} {
			name := fmt.Sprintf("strange-%d-%s", i, way)
			path := "/apis/" + v1alpha1.GroupVersion.String() + "/namespaces/evil/" + s.plural
			body := fmt.Sprintf(`{"apiVersion":%q,"kind":%q,"metadata":{"name":%q,"namespace":"evil"},"spec":%s}`, v1alpha1.GroupVersion, kindOf[s.plural], name, s.spec)
			r := c.Post().AbsPath(path).SetHeader("Content-Type", "application/json")
			if way == "apply" {
				r = c.Patch(types.ApplyYAMLPatchType).AbsPath(path, name).Param("fieldManager", "mallory").Param("force", "true")
			}
			err := r.Param("fieldValidation", "Ignore").Body([]byte(body)).Do(t.Context()).Error()
			if err != nil {
				continue // refused, which is as good
			}
			taken++
			w.judged(t, kindOf[s.plural]+" evil/"+name)
		}
	}
	t.Logf("%d of %d were taken, and judged", taken, 2*len(strange))
	if taken < 10 {
		t.Errorf("the API server took only %d of them: this proves little", taken)
	}
	w.flush(t)
	w.restarted(t)
}

// restarted lists everything as a replica does that starts now.
func (w *world) restarted(t *testing.T) {
	t.Helper()
	for _, list := range []error{
		w.admin.List(t.Context(), &v1alpha1.OrganizationList{}), w.admin.List(t.Context(), &v1alpha1.ApiApplicationList{}),
		w.admin.List(t.Context(), &v1alpha1.RoleList{}), w.admin.List(t.Context(), &v1alpha1.AuthProviderList{}),
	} {
		if list != nil {
			t.Errorf("a replica that starts now could not list: %v", list)
		}
	}
}

func unversioned(config *rest.Config) *rest.Config {
	c := rest.CopyConfig(config)
	c.NegotiatedSerializer = serializer
	return c
}

// kubectl checks nothing with --validate=false; the API server does.
func TestKubectlWithoutValidationChangesNothing(t *testing.T) {
	w := here
	w.before(t)
	t.Cleanup(func() { w.clean(t) })
	kubectl, err := localkube.Kubectl()
	if err != nil {
		t.Fatal(err)
	}
	user, err := w.kube.AddUser(userNamed("mallory-the-owner"), &rest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	config, err := user.KubeConfig()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.apply(w.owner, ownOrganization); err != nil {
		t.Fatal(err)
	}
	run := func(stdin string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), kubectl, append(args, "--kubeconfig", file, "-n", "evil")...)
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	odd := `{"apiVersion":"auth.gatehouse.dev/v1alpha1","kind":"Organization","metadata":{"name":"evil"},"spec":{"slug":"evil","tokens":{"accessTokenTTL":1e3},"unknown":{"a":[{}]}}}`
	if out, err := run(odd, "replace", "--validate=false", "-f", "-"); err == nil || !strings.Contains(out, "spec.tokens.accessTokenTTL") {
		t.Errorf("%v: %s", err, out)
	}
	odd = strings.Replace(odd, `,"tokens":{"accessTokenTTL":1e3}`, "", 1)
	if out, err := run(odd, "replace", "--validate=false", "-f", "-"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	w.becomes(t, "Organization evil/evil", "True")
	if out, err := run(odd, "apply", "--server-side", "--validate=false", "--force-conflicts", "-f", "-"); err == nil || !strings.Contains(out, "field not declared in schema") {
		t.Errorf("%v: %s", err, out)
	}
	w.flush(t)
}

// What is too large is refused as a whole, and what has too many entries by their number.
func TestWhatIsTooLargeIsRefusedByTheAPIServer(t *testing.T) {
	w := here
	w.before(t)
	t.Cleanup(func() { w.clean(t) })
	entries := func(n int, entry string) string {
		all := make([]string, n)
		for i := range all {
			all[i] = strings.ReplaceAll(entry, "%d", fmt.Sprint(i))
		}
		return "[" + strings.Join(all, ",") + "]"
	}
	const device = `{"organizationRef":{"name":"evil"},"type":"Device","scopes":["org:read"],`
	for name, o := range map[string]struct{ kind, spec, says string }{
		"10 MB":           {"AuthProvider", `{"type":"Local","displayName":"` + strings.Repeat("x", 10<<20) + `"}`, ""},
		"10 MB of claims": {"AuthProvider", claims(`{"a":"` + strings.Repeat("x", 10<<20) + `"}`), ""},
		"examples":        {"AuthProvider", `{"type":"OIDC","oidc":{"issuer":"https://a.example","clientID":"a"},"mapping":{"examples":` + entries(5000, `{"claims":{"a":%d},"want":{}}`) + `}}`, "spec.mapping.examples"},
		"upstream scopes": {"AuthProvider", `{"type":"OIDC","oidc":{"issuer":"https://a.example","clientID":"a","scopes":` + entries(5000, `"s%d"`) + `}}`, "spec.oidc.scopes"},
		"organizations":   {"AuthProvider", `{"type":"GitHub","github":{"clientID":"a","clientSecretRef":{"name":"a","key":"b"},"organizations":` + entries(5000, `"o%d"`) + `}}`, "spec.github.organizations"},
		"redirect URIs":   {"ApiApplication", device + `"redirectURIs":` + entries(5000, `"https://a.example/%d"`) + `}`, "spec.redirectURIs"},
		"scopes":          {"ApiApplication", `{"organizationRef":{"name":"evil"},"type":"Device","scopes":` + entries(5000, `"a:b%d"`) + `}`, "spec.scopes"},
		"audiences":       {"ApiApplication", device + `"audiences":` + entries(5000, `"https://a.example/%d"`) + `}`, "spec.audiences"},
		"origins":         {"ApiApplication", device + `"allowedOrigins":` + entries(5000, `"https://a%d.example"`) + `}`, "spec.allowedOrigins"},
		"subjects":        {"Role", `{"organizationRef":{"name":"evil"},"subjects":` + entries(5000, `{"kind":"User","name":"a%d@evil.example"}`) + `}`, "spec.subjects"},
		"rules":           {"Role", `{"organizationRef":{"name":"evil"},"rules":` + entries(5000, `{"scopes":["org:read"]}`) + `}`, "spec.rules"},
		"inherits":        {"Role", `{"organizationRef":{"name":"evil"},"inherits":` + entries(5000, `{"name":"r%d"}`) + `}`, "spec.inherits"},
		"custom scopes":   {"Organization", `{"slug":"evil","scopes":{"custom":` + entries(5000, `{"name":"a:b%d","description":"x"}`) + `}}`, "spec.scopes.custom"},
		"client IDs":      {"Organization", `{"slug":"evil","externalApplications":{"from":"List","clientIDs":` + entries(5000, `"a.b%d"`) + `}}`, "spec.externalApplications.clientIDs"},
		"ways to sign in": {"Organization", `{"slug":"evil","login":{"authProviders":` + entries(5000, `{"name":"p%d"}`) + `}}`, "spec.login.authProviders"},
	} {
		t.Run(name, func(t *testing.T) {
			if !json.Valid([]byte(o.spec)) {
				t.Fatal("no JSON")
			}
			err := w.apply(w.owner, fmt.Sprintf(`{"apiVersion":%q,"kind":%q,"metadata":{"name":"large","namespace":"evil"},"spec":%s}`, v1alpha1.GroupVersion, o.kind, o.spec))
			switch {
			case o.says == "" && !apierrors.IsRequestEntityTooLargeError(err):
				t.Errorf("not refused for its size: %.200v", err)
			case o.says != "" && (!apierrors.IsInvalid(err) || !strings.Contains(err.Error(), o.says) || !strings.Contains(err.Error(), "Too many")):
				t.Errorf("not refused for its number: %.300v", err)
			}
		})
	}
}
