package manifest

import "testing"

func TestSamplesLoad(t *testing.T) {
	set, problems := Load([]string{"../../config/samples"}, Options{SystemNamespace: "gatehouse-system"})
	if len(problems) > 0 || len(set.Notes) > 0 {
		t.Fatalf("%v %v", problems, set.Notes)
	}
	t.Log(set.Len(), set.Files)
}
