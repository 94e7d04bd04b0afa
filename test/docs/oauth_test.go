package docs

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

// What docs/oauth.md tells of endpoints is what the metadata tells.
func TestThePageForClientsNamesEveryEndpoint(t *testing.T) {
	page, err := os.ReadFile(root + "/docs/oauth.md")
	if err != nil {
		t.Fatal(err)
	}
	w := servertest.New(t)
	metadata := w.Get(t, "/.well-known/openid-configuration", "").JSON()
	for name, value := range metadata {
		if at, _ := value.(string); strings.HasSuffix(name, "_endpoint") || name == "jwks_uri" {
			if path := strings.TrimPrefix(at, w.HTTP.URL); !strings.Contains(string(page), "`"+path+"`") {
				t.Errorf("the page does not tell of %s", path)
			}
		}
	}
	for _, path := range regexp.MustCompile("`(/(?:oauth|api|\\.well-known)/[^` ]*)`").FindAllStringSubmatch(string(page), -1) {
		if a := w.Get(t, path[1], ""); a.Status == 404 {
			t.Errorf("the page tells of %s, which is not there", path[1])
		}
	}
}
