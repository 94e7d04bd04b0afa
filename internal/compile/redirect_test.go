package compile_test

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
)

// servedAs judges an application beside nobody else, under the issuer
// https://auth.example.com.
func servedAs(t *testing.T, spec v1alpha1.ApiApplicationSpec) *v1alpha1.EffectiveApplication {
	t.Helper()
	spec.OrganizationRef.Name = "acme"
	spec.Scopes = append([]v1alpha1.ApplicationScope{"org:read"}, spec.Scopes...)
	meta := metav1.ObjectMeta{Namespace: "acme", Name: "acme", UID: "1"}
	result := compile.Compile(compile.Input{
		Issuer:        "https://auth.example.com",
		Organizations: []*v1alpha1.Organization{{ObjectMeta: meta, Spec: v1alpha1.OrganizationSpec{Slug: "acme"}}},
		Applications:  []*v1alpha1.ApiApplication{{ObjectMeta: meta, Spec: spec}},
	})
	for _, r := range result.Reports {
		if r.Application != nil && r.Application.Effective != nil {
			return r.Application.Effective
		}
	}
	t.Fatalf("%+v is not served", spec)
	return nil
}

// Each of these once let somebody else receive a code somewhere.
func TestOnlyRedirectURIsThatEverybodyReadsAlikeAreServed(t *testing.T) {
	everywhere := []string{
		"https://app.example.com", "https://app.example.com/", "https://app.example.com/cb?a=b&c=%20d", "https://app.example.com:8443/cb",
		"https://localhost/cb", "https://127.0.0.1/cb", "https://[2001:db8::1]:8443/cb", "https://xn--bcher-kva.example/cb", "https://a_b.example/cb",
		"http://localhost/cb", "http://localhost:3000/cb", "http://127.0.0.1:3000/cb", "http://[::1]:3000/cb",
	}
	nativeOnly := []string{"com.example.app:/cb", "com.example.app:/", "com.example.app:/cb?a=b", "io.github.x-y+z:/cb"}
	nowhere := []string{
		"", "/cb", "app.example.com/cb", "//app.example.com/cb", "https:", "https:/cb", "https:cb", "https://", "https:///cb", "https://?a", "https://:443/cb",
		"https://app.example.com#", "https://app.example.com/cb#x", "https://app.example.com/#",
		"https://user@app.example.com/", "https://user:pw@app.example.com/", "https://@app.example.com/", "https://app.example.com@evil.example/",
		"https://*.example.com/cb", "https://app.example.com/*", "*", "https://*/",
		"https://app.example.com\\@evil.example/", "https:\\\\app.example.com/", "https://app.example.com/a b", " https://app.example.com/", "https://app.example.com/\n", "https://app.example.com/\x00", "https://app.example.com/\t", "https://app.example.com/\x7f",
		"https://app.example.com/\"", "https://app.example.com/<x>", "https://bücher.example/cb", "https://app.example.com/é",
		"HTTPS://app.example.com/", "https://App.example.com/", "https://app.example.com./", "https://.example.com/", "https://app..example.com/", "https://-app.example.com/", "https://%61pp.example.com/", "https://app.example.com%2f@evil.example/", "https://app.example.com;evil/", "https://app,example.com/",
		"https://app.example.com:/", "https://app.example.com:0/", "https://app.example.com:65536/", "https://app.example.com:0443/", "https://app.example.com:x/", "https://app.example.com:+443/",
		"https://1/", "https://127.1/", "https://0x7f.0.0.1/", "https://0177.0.0.1/", "https://2130706433/", "https://127.0.0.01/", "https://[::1", "https://[::0001]/", "https://[fe80::1%25eth0]/", "https://[::ffff:127.0.0.1]/", "https://::1/", "https://fe80::a:1/",
		"http://app.example.com/", "http://127.0.0.2/cb", "http://127.0.0.1.evil.example/cb", "http://localhost.evil.example/", "http://0.0.0.0/", "http://[::]/", "http://LOCALHOST/", "http://localhost@evil.example/",
		"javascript:alert(1)", "javascript://app.example.com/%0aalert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x", "blob:https://app.example.com/x", "about:blank", "view-source:https://app.example.com/", "ftp://app.example.com/", "urn:ietf:wg:oauth:2.0:oob", "myapp:/cb", "myapp://cb",
		"com.example.app", "com.example.app:", "com.example.app:cb", "com.example.app://cb", "com.example.app:///cb", "com.example.app:?a", "com.example.app:/cb#x", "Com.example.app:/cb", "1com.example:/cb", "com.example.app:/a b",
	}
	for _, uri := range slices.Concat(everywhere, nativeOnly, nowhere) {
		for _, kind := range []string{v1alpha1.TypeSPA, v1alpha1.TypeNative} {
			got := servedAs(t, v1alpha1.ApiApplicationSpec{Type: kind, RedirectURIs: []v1alpha1.RedirectURI{v1alpha1.RedirectURI(uri)}})
			want := slices.Contains(everywhere, uri) || kind == v1alpha1.TypeNative && slices.Contains(nativeOnly, uri)
			if admitted := len(got.RedirectURIs) == 1; admitted != want {
				t.Errorf("%s: %q is served: %v, want %v", kind, uri, admitted, want)
			} else if want && string(got.RedirectURIs[0]) != uri {
				t.Errorf("%q is served as %q", uri, got.RedirectURIs[0])
			}
		}
	}
}

func TestOnlyOriginsThatBrowsersSendAreServed(t *testing.T) {
	sent := []string{"https://app.example.com", "https://app.example.com:8443", "https://app.example.com:80", "https://127.0.0.1", "https://[2001:db8::1]", "http://localhost", "http://localhost:3000", "http://127.0.0.1:443", "http://[::1]:3000"}
	never := []string{
		"", "*", "null", "https://*.example.com", "https://app.example.com/", "https://app.example.com/x", "https://app.example.com?", "https://app.example.com?x", "https://app.example.com#", "https://user@app.example.com",
		"https://app.example.com:443", "http://localhost:80", "https://app.example.com:", "https://app.example.com:0", "https://app.example.com:08443", "HTTPS://app.example.com", "https://APP.example.com", "https://bücher.example", "https://127.1", "https://[::0001]",
		"app.example.com", "//app.example.com", "http://app.example.com", "http://127.0.0.2", "com.example.app:/", "chrome-extension://abc", "file://", "https://a.example https://b.example", "https://a.example,https://b.example",
	}
	for _, origin := range slices.Concat(sent, never) {
		got := servedAs(t, v1alpha1.ApiApplicationSpec{Type: v1alpha1.TypeDevice, AllowedOrigins: []v1alpha1.WebOrigin{v1alpha1.WebOrigin(origin)}})
		if want := slices.Contains(sent, origin); (len(got.AllowedOrigins) == 1) != want {
			t.Errorf("%q is served: %v, want %v", origin, !want, want)
		}
	}
}

func TestAnAudienceIsAnAbsoluteURIAndNoneOfOurs(t *testing.T) {
	good := []string{"https://api.example.com", "https://api.example.com/v1?x", "https://api.example.com:8443", "https://auth.example.com:8443", "https://auth.example.com.evil.example", "urn:example:api", "urn:ietf:params:x"}
	bad := []string{
		"", "api", "/api", "acme.cli", "http://api.example.com", "https://api.example.com#", "https://api.example.com/#x", "https://user@api.example.com", "https://*.example.com", "https://API.example.com", "https://", "urn:", "urn:x", "urn:example:", "URN:example:api", "urn:Example:api", "urn:example:a b", "mailto:a@example.com",
		"https://auth.example.com", "https://auth.example.com/", "https://auth.example.com/organizations/globex", "https://auth.example.com:443", "https://auth.example.com:443/organizations/globex", "https://auth.example.com?x", "https://AUTH.example.com/", "https://auth.example.com:0443/",
	}
	for _, audience := range slices.Concat(good, bad) {
		got := servedAs(t, v1alpha1.ApiApplicationSpec{Type: v1alpha1.TypeDevice, Audiences: []v1alpha1.Audience{v1alpha1.Audience(audience)}})
		if want := slices.Contains(good, audience); (len(got.Audiences) == 1) != want {
			t.Errorf("%q is served: %v, want %v", audience, !want, want)
		}
	}
}

// One that cannot be told of sign-outs works without: people sign in to it all the same.
func TestSignOutsAreToldOverTLSToWhereverPeopleSignIn(t *testing.T) {
	const right = "https://app.example.com:8443/logout?a=b"
	for uri, told := range map[string]bool{
		right: true, "": false, "http://app.example.com/logout": false, "http://localhost/logout": false, "https://app.example.com/#": false,
		"https://ann:secret@app.example.com/": false, "https://app.example.com/a b": false, "https://127.1/": false, "ftp://app.example.com/": false,
	} {
		spec := v1alpha1.ApiApplicationSpec{
			Type: v1alpha1.TypeSPA, Scopes: []v1alpha1.ApplicationScope{"openid"}, RedirectURIs: []v1alpha1.RedirectURI{"https://app.example.com/cb"},
			Logout: &v1alpha1.ApplicationLogout{BackChannelURI: uri},
		}
		want := map[bool]string{true: uri}[told]
		if got := servedAs(t, spec).BackChannelURI; got != want {
			t.Errorf("%q: served %q", uri, got)
		}
	}
	spec := v1alpha1.ApiApplicationSpec{Type: v1alpha1.TypeDevice, Scopes: []v1alpha1.ApplicationScope{"openid"}, Logout: &v1alpha1.ApplicationLogout{BackChannelURI: right}}
	if got := servedAs(t, spec).BackChannelURI; got != "" {
		t.Errorf("a device is told of %q", got)
	}
}
