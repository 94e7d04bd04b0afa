package browser

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/test/leaks"
	"github.com/gatehouse-dev/gatehouse/test/process"
)

// walkOf is the declaration in the walk of docs/people.md, as it is written there.
func walkOf(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/people.md")
	if err != nil {
		t.Fatal(err)
	}
	_, walk, _ := strings.Cut(string(page), "## Sign in with your company's provider\n")
	_, walk, _ = strings.Cut(walk, "   ```yaml\n")
	block, _, found := strings.Cut(walk, "   ```\n")
	if !found {
		t.Fatal("docs/people.md has no declaration in its walk")
	}
	return regexp.MustCompile("(?m)^   ").ReplaceAllString(block, "")
}

var callbackLine = regexp.MustCompile(`msg="enter this at the provider" provider=gatehouse-system/company callbackURL=(\S+)`)

// The walk of docs/people.md, step by step: with a provider that is on this machine, which
// has to be allowed, and signs its certificate itself.
func TestTheWalkToACompanysProviderLeadsThere(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 3*time.Minute)
	defer cancel()
	dir := t.TempDir()
	binary, err := process.Build(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	samples := filepath.Join(dir, "samples")
	if err := os.CopyFS(samples, os.DirFS("../../config/samples")); err != nil {
		t.Fatal(err)
	}
	declare := func(text string) {
		if err := os.WriteFile(filepath.Join(samples, "15-company.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	block := walkOf(t)
	declare(block)
	p, err := process.Serve(ctx, process.Options{
		Binary: binary, Manifests: samples, DataDir: filepath.Join(dir, "data"), Flags: []string{"--allow-upstream-cidr", "127.0.0.1/32"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	callback := callbackLine.FindStringSubmatch(p.Printed.String())
	if callback == nil {
		t.Fatalf("the log does not say what to enter at the provider:\n%s", p.Printed)
	}
	issuer := freeIssuer()
	cert := runProvider(t, issuer, callback[1])
	leaks.Remember(clientSecret)
	declare(strings.NewReplacer(
		"issuer: https://login.company.example", "issuer: "+issuer+"\n    caBundle: |\n      "+strings.ReplaceAll(strings.TrimSpace(string(cert)), "\n", "\n      "),
		"what-the-provider-calls-it", "RS256", "what-the-provider-gave", clientSecret,
	).Replace(block))
	for served := func() int { return strings.Count(p.Printed.String(), "msg=serving") }; served() < 2; time.Sleep(10 * time.Millisecond) {
		if ctx.Err() != nil {
			t.Fatalf("the change is not served:\n%s", p.Printed)
		}
	}
	w := (&installation{url: p.URL}).visitor(t, issuer)
	w.open("/login/")
	w.wantText("Continue with My company")
	w.press(way)
	w.proves("ann")
	w.wantText("You are signed in")
	w.open("/account/identities/")
	w.wantText("My company", "ann@acme.example", "It is your only way in")
}
