package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/test/leaks"
)

// pods are an application that is the Pods of acme/ci, and a Role that names it.
const pods = `
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: pods, namespace: acme}
spec:
  organizationRef: {name: acme}
  type: Machine
  scopes: ["org:read"]
  credentials:
    source: ServiceAccount
    serviceAccounts: [{name: ci}]
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Role
metadata: {name: pods, namespace: acme}
spec:
  organizationRef: {name: acme}
  rules: [{scopes: ["org:read"]}]
  subjects: [{kind: ApiApplication, name: pods}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: ci, namespace: acme}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: other, namespace: acme}
`

// A token that the API server makes for a Pod becomes an access token, and none that it
// makes for anybody or anything else.
func (h *house) podsProveThemselves(t *testing.T) {
	h.kubectlStdin(pods, "apply", "-f", "-")
	h.kubectl("wait", "-n", "acme", "--for=condition=Ready", "--timeout=30s", "apiapplication/pods", "authrole/pods")
	token := func(account string, more ...string) string {
		made := strings.TrimSpace(h.kubectl(append([]string{"create", "token", account, "-n", "acme", "--duration", "10m"}, more...)...))
		leaks.Remember(made)
		return made
	}
	post := func(assertion string) (int, map[string]any) {
		t.Helper()
		answer, err := http.PostForm(h.client.Endpoint.TokenURL, url.Values{
			"grant_type": {"client_credentials"}, "client_id": {"acme.acme.pods"},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body := map[string]any{}
		if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, body
	}
	good := token("ci", "--audience", h.issuer)
	var status int
	var body map[string]any
	// The keys of the cluster are read beside everything else that happens at the start.
	for end := time.Now().Add(10 * time.Second); status != http.StatusOK && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		status, body = post(good)
	}
	if status != http.StatusOK || body["scope"] != "org:read" {
		t.Fatalf("%d %v", status, body)
	}
	if status, body = post(good); status != http.StatusOK {
		t.Errorf("the same token again: %d %v", status, body)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.issuer+"/api/0/organizations/acme/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+body["access_token"].(string))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("its access token: %d", answer.StatusCode)
	}
	for name, assertion := range map[string]string{
		"another ServiceAccount": token("other", "--audience", h.issuer),
		"for the API server":     token("ci"),
		"for others too":         token("ci", "--audience", h.issuer, "--audience", "https://other.example"),
		"for two days":           token("ci", "--audience", h.issuer, "--duration", "48h"),
	} {
		if status, body := post(assertion); status != http.StatusUnauthorized || body["error"] != "invalid_client" {
			t.Errorf("%s: %d %v", name, status, body)
		}
	}
	// Nobody asks the API server about a token (docs/security.md).
	h.kubectl("delete", "-n", "acme", "serviceaccount/ci")
	if status, body := post(good); status != http.StatusOK {
		t.Errorf("a ServiceAccount that is gone, until its token ends: %d %v", status, body)
	}
	h.kubectl("patch", "-n", "acme", "apiapplication/pods", "--type=merge", "-p", `{"spec":{"credentials":{"serviceAccounts":[{"name":"other"}]}}}`)
	h.kubectl("wait", "-n", "acme", "--for=jsonpath={.status.observedGeneration}=2", "--timeout=30s", "apiapplication/pods")
	if status, body := post(good); status != http.StatusUnauthorized {
		t.Errorf("a ServiceAccount that is no longer listed: %d %v", status, body)
	}
	h.kubectlStdin(pods, "delete", "--ignore-not-found", "-f", "-")
}
