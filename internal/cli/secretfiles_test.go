package cli

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/credential"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// desk is a server of files without the server: one Machine whose secret is generated.
type desk struct {
	t     *testing.T
	dir   string
	files *secretFiles
	app   *v1alpha1.ApiApplication
	in    compile.Input
	now   time.Time
	last  compile.Result
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, dir: t.TempDir(), now: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)}
	d.app = &v1alpha1.ApiApplication{
		ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "ci", UID: "ci", Generation: 1},
		Spec: v1alpha1.ApiApplicationSpec{
			OrganizationRef: v1alpha1.ObjectReference{Name: "acme"}, Type: "Machine", Scopes: []v1alpha1.ApplicationScope{"org:read"},
			Credentials: &v1alpha1.Credentials{Rotation: &v1alpha1.CredentialsRotation{Period: "2h", Overlap: "1h"}},
		},
	}
	d.in = compile.Input{
		AnySlug: true, DigestKey: model.NewSensitive("key"), Issuer: "https://auth.example.com", Applications: []*v1alpha1.ApiApplication{d.app},
		Organizations: []*v1alpha1.Organization{{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "acme", UID: "acme"}, Spec: v1alpha1.OrganizationSpec{Slug: "acme"}}},
	}
	d.open()
	return d
}

func (d *desk) open() {
	d.t.Helper()
	var err error
	if d.files, err = openSecretFiles(d.dir, d.in.DigestKey, slog.New(slog.NewTextHandler(io.Discard, nil))); err != nil {
		d.t.Fatal(err)
	}
}

// settle keeps the files until there is nothing more to do, and returns when there will be.
func (d *desk) settle() time.Time {
	d.t.Helper()
	if _, err := d.files.reload(); err != nil {
		d.t.Fatal(err)
	}
	for range 20 {
		d.in.Outputs = d.files.inputs()
		d.last = compile.Compile(d.in)
		changed, again, err := d.files.keep(d.last.Reports, d.now)
		if err != nil {
			d.t.Fatal(err)
		}
		if !changed {
			return again
		}
	}
	d.t.Fatal("it never comes to rest")
	return time.Time{}
}

func (d *desk) file(name string) string { return filepath.Join(d.dir, secretsDir, name) }

func (d *desk) secret() string {
	d.t.Helper()
	content, err := os.ReadFile(d.file("acme/ci-credentials.yaml"))
	if err != nil {
		d.t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(content), "client-secret: ")
	secret, _, _ := strings.Cut(after, "\n")
	return secret
}

func (d *desk) proves(secret string) bool {
	_, app := d.last.Snapshot.Application("acme.acme.ci")
	return app != nil && app.Proves(d.in.DigestKey.Digest([]byte(secret)), d.now)
}

func TestAGeneratedSecretIsRotatedByTheClockAndOutlivesARestart(t *testing.T) {
	d := newDesk(t)
	at := d.settle()
	first := d.secret()
	if !at.Equal(d.now.Add(2*time.Hour)) || !d.proves(first) || !strings.HasPrefix(first, credential.Prefix) {
		t.Fatalf("made, until %v, proves %v", at, d.proves(first))
	}
	d.open()
	if again := d.settle(); !again.Equal(at) || d.secret() != first {
		t.Error("a restart changed it")
	}
	d.now = at
	if at = d.settle(); !at.Equal(d.now.Add(credential.Lead)) || d.secret() != first {
		t.Fatalf("the secret was written with its digest, or is to be at %v", at)
	}
	d.open() // what was announced is lost, and another one is
	if at = d.settle(); !at.Equal(d.now.Add(credential.Lead)) || d.secret() != first {
		t.Fatalf("after a restart it goes on at %v", at)
	}
	d.now = at
	at = d.settle()
	second := d.secret()
	if !at.Equal(d.now.Add(time.Hour)) || second == first || !d.proves(first) || !d.proves(second) {
		t.Fatalf("in the overlap: until %v, the first %v, the second %v", at, d.proves(first), d.proves(second))
	}
	d.now = at
	d.settle()
	if d.proves(first) || !d.proves(second) || d.secret() != second {
		t.Error("after the overlap the first one works, or the second one does not")
	}
}

func TestAFileOfAClientSecretThatIsNoSecretAnyMoreStays(t *testing.T) {
	d := newDesk(t)
	d.settle()
	first := d.secret()
	if err := os.WriteFile(d.file("acme/ci-credentials.yaml"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := d.settle()
	if !d.proves(first) {
		t.Error("an edit that went wrong ended the secret")
	}
	d.now = at // a rotation is due, but nobody's file is overwritten
	d.settle()
	if content, _ := os.ReadFile(d.file("acme/ci-credentials.yaml")); string(content) != "{" {
		t.Errorf("it was overwritten with %q", content)
	}
}

func TestNoClientSecretIsWrittenOutsideOfItsDirectory(t *testing.T) {
	d := newDesk(t)
	d.app.Namespace, d.in.Organizations[0].Namespace = "../..", "../.."
	result := compile.Compile(d.in)
	if _, _, err := d.files.keep(result.Reports, d.now); err == nil {
		t.Error("it was written")
	}
}

func TestWhoChangesASecretByHandGetsAnotherOne(t *testing.T) {
	d := newDesk(t)
	d.settle()
	first := d.secret()
	content, _ := os.ReadFile(d.file("acme/ci-credentials.yaml"))
	if err := os.WriteFile(d.file("acme/ci-credentials.yaml"), []byte(strings.Replace(string(content), first, "of-my-own", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	d.settle()
	if second := d.secret(); second == "of-my-own" || !d.proves(second) || !d.proves(first) || d.proves("of-my-own") {
		t.Errorf("the new one proves %v, the one before %v, the one by hand %v", d.proves(second), d.proves(first), d.proves("of-my-own"))
	}
}

func TestTheFileOfACopiedSecretFollowsItsSourceAndGoesWithIt(t *testing.T) {
	d := newDesk(t)
	source := func(secret string) {
		d.in.Secrets = []compile.Secret{{Namespace: "acme", Name: "source", Version: secret, Data: map[string]model.Sensitive{"password": model.NewSensitive(secret + "\n")}}}
		d.settle()
	}
	d.app.Spec.Credentials = &v1alpha1.Credentials{
		Source: "FromSecret", FromSecret: &v1alpha1.SecretKeyReference{Name: "source", Key: "password"}, Output: &v1alpha1.CredentialsOutput{},
	}
	for _, secret := range []string{"a-first-one-of-thirty-two-letters-and-more", "the-second-of-thirty-two-letters-and-more"} {
		source(secret)
		if d.secret() != secret || !d.proves(secret) {
			t.Errorf("the file has %d characters, and it proves %v", len(d.secret()), d.proves(secret))
		}
	}
	gone := func(why string) {
		t.Helper()
		if _, err := os.Stat(d.file("acme/ci-credentials.yaml")); !os.IsNotExist(err) {
			t.Errorf("%s, and its copy is there: %v", why, err)
		}
	}
	source("short")
	gone("the source holds no client secret")
	source("the-second-of-thirty-two-letters-and-more")
	d.in.Secrets = nil
	d.settle()
	gone("the source is gone")
	source("the-second-of-thirty-two-letters-and-more")
	if !d.proves(d.secret()) {
		t.Error("the source is back, and its copy is not")
	}
	d.app = d.app.DeepCopy()
	d.app.Spec.Credentials.Output, d.app.Generation = nil, 2
	d.in.Applications[0] = d.app
	d.settle()
	gone("no output is declared")
}
