package e2e

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

// madeAnew deletes the Organization with its application and applies them again, as after a
// restore: nothing lives again until an administrator says that they are the same.
func (h *house) madeAnew(t *testing.T) {
	token := h.signIn(t, quickly)
	before := h.ask(t, token, "acme").body["id"]
	first := h.kubectl("get", "-n", "acme", "organization/acme", "-o", "jsonpath={.status.id}")
	if first == "" || before != first {
		t.Fatalf("status.id is %q, and the API says %v", first, before)
	}
	refusal := exec.CommandContext(t.Context(), h.kubectlPath, "delete", "-n", "acme", "organization/acme", "--kubeconfig", h.adminConfig)
	if out, err := refusal.CombinedOutput(); err == nil || !strings.Contains(string(out), "set spec.deletionPolicy: Delete") {
		t.Fatalf("a protected Organization: %v\n%s", err, out)
	}
	h.patch("organization/acme", `{"spec":{"deletionPolicy":"Delete"}}`)
	h.kubectl("delete", "-n", "acme", "organization/acme", "apiapplication/cli")
	h.refused(t, token, time.Now())
	h.applySamples()
	h.expect(t, h.signIn(t, quickly), http.StatusOK)
	h.expect(t, token, http.StatusUnauthorized)
	if id := h.kubectl("get", "-n", "acme", "organization/acme", "-o", "jsonpath={.status.id}"); id == first {
		t.Fatal("the Organization that was made anew has the ID of the one before it")
	}

	shown := h.gatehouse("", "adopt", "--all", "--dry-run", "--data-dir", h.data)
	for _, want := range []string{"Organization     acme/acme", "ApiApplication   acme/cli"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not in\n%s", want, shown)
		}
	}
	h.expect(t, token, http.StatusUnauthorized)
	t.Log(h.gatehouse("", "adopt", "--all", "--yes", "--data-dir", h.data))
	for end := time.Now().Add(10 * time.Second); h.ask(t, token, "acme").status != http.StatusOK; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the token is dead, though what it was issued for was adopted")
		}
	}
	if id := h.ask(t, token, "acme").body["id"]; id != first {
		t.Errorf("the Organization is %v, want %s", id, first)
	}
	fresh, err := h.client.TokenSource(t.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	if err != nil {
		t.Fatalf("refresh after the adoption: %v", err)
	}
	h.expect(t, fresh, http.StatusOK)
	h.kubectl("wait", "-n", "acme", "--for=jsonpath={.status.id}="+first, "--timeout=10s", "organization/acme")
}
