package interop

import (
	"context"
	_ "embed"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/test/interop/house"
	"github.com/gatehouse-dev/gatehouse/test/person"
	"github.com/gatehouse-dev/gatehouse/test/process"
)

//go:embed testdata/apache.conf
var apacheConfiguration string

// startApache serves two pages on the address that acme.apache registered: one for
// everybody, and one for members that says who reads it.
func startApache(ctx context.Context, t *testing.T) (url string) {
	t.Helper()
	// Not below t.TempDir, whose parent other accounts may not be able to enter: Apache
	// serves as www-data when root starts it.
	dir, err := os.MkdirTemp("", "apache")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	must(t, os.Chmod(dir, 0o755))
	url = "http://" + gatehouse.Apache
	configuration := strings.NewReplacer("DIR", dir, "ADDRESS", gatehouse.Apache, "ISSUER", gatehouse.URL, "SECRET", house.Secret).Replace(apacheConfiguration)
	must(t, os.WriteFile(filepath.Join(dir, "apache.conf"), []byte(configuration), 0o600))
	for name, text := range map[string]string{
		"index.html": "Open to everybody.",
		"members/index.html": `Signed in as <!--#echo var="REMOTE_USER" -->, called <!--#echo var="OIDC_CLAIM_name" -->,
			holding <!--#echo var="OIDC_CLAIM_groups" -->`,
	} {
		file := filepath.Join(dir, "pages", name)
		must(t, os.MkdirAll(filepath.Dir(file), 0o755))
		must(t, os.WriteFile(file, []byte(text), 0o644))
	}
	// The test's own context ends before Apache is stopped.
	alive, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Minute)
	t.Cleanup(cancel)
	apache, err := process.Start(alive, url, url+"/", "/usr/sbin/apache2", "-f", filepath.Join(dir, "apache.conf"), "-DFOREGROUND")
	must(t, err)
	t.Cleanup(func() {
		if err := apache.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Logf("Apache: %s\n%s", apache.Printed, log)
		}
	})
	return url
}

// mod_auth_openidc in front of a page: whoever opens it signs in and reads it, and signs
// out of both sides.
func TestApacheLetsMembersIn(t *testing.T) {
	t.Parallel()
	ctx := bounded(t)
	url := startApache(ctx, t)
	who := gatehouse.Person()
	page, err := who.Allow(ctx, url+"/members/")
	must(t, err)
	want := "Signed in as " + house.Email + ", called Demo Person, holding role:developer"
	if page.URL.String() != url+"/members/" || page.Text != want {
		t.Fatalf("%s says %q, want %q", page.URL, page.Text, want)
	}
	again := visit(ctx, t, who, url+"/members/")
	if again.Text != want {
		t.Errorf("a second visit reads %q", again.Text)
	}
	bye := visit(ctx, t, who, url+"/members/return?logout="+strings.ReplaceAll(url, "/", "%2F")+"%2F")
	if bye.URL.String() != url+"/" || bye.Text != "Open to everybody." {
		t.Errorf("signing out ends at %s: %q", bye.URL, bye.Text)
	}
	if page := visit(ctx, t, who, url+"/members/"); page.URL.Path != "/login/" {
		t.Errorf("after signing out the page leads to %s: %q", page.URL.Path, page.Text)
	}
}

func visit(ctx context.Context, t *testing.T, who *house.Person, url string) *person.Page {
	t.Helper()
	page, err := who.Visit(ctx, url)
	must(t, err)
	if page.Status != http.StatusOK {
		t.Errorf("%s answers %d: %s", url, page.Status, page.Text)
	}
	return page
}
