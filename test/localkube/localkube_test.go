package localkube

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheVersionIsTheOneThatIsBuilt(t *testing.T) {
	tools, err := os.ReadFile("../../hack/tools/kubernetes/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(tools), "k8s.io/kubernetes "+version) {
		t.Errorf("hack/tools/kubernetes builds another version than %s", version)
	}
}

func TestMissingBinariesAreNamedWithTheirCure(t *testing.T) {
	assets, err := Assets()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kubectl", "etcd"} {
		dir := t.TempDir()
		t.Setenv("GATEHOUSE_ENVTEST_ASSETS", dir)
		for _, there := range []string{"kube-apiserver", "kube-controller-manager", "kubectl", "etcd"} {
			if there == name {
				continue
			}
			if err := os.Symlink(filepath.Join(assets, there), filepath.Join(dir, there)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Start("", nil); err == nil || !strings.Contains(err.Error(), name+": no such file") || !strings.Contains(err.Error(), "make tools") {
			t.Errorf("without %s the error is %v", name, err)
		}
	}
}
