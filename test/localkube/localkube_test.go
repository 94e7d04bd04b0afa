package localkube

import (
	"os"
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
	t.Setenv("GATEHOUSE_ENVTEST_ASSETS", t.TempDir())
	if _, err := Start("", nil); err == nil || !strings.Contains(err.Error(), "kube-apiserver") || !strings.Contains(err.Error(), "make tools") {
		t.Errorf("the error is %v", err)
	}
}
