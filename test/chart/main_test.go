package chart

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestMain reads what only Helm, kubectl and the build of the image read otherwise: a test's
// cached result is as old as the files that its own process opened.
func TestMain(m *testing.M) {
	for _, dir := range []string{path, root + "/config", root + "/hack/image", "testdata"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				_, err = os.ReadFile(path)
			}
			return err
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}
