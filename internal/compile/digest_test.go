package compile_test

import (
	"slices"
	"testing"

	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

func TestTheDigestTellsWhatNoDescriptionShows(t *testing.T) {
	digest := compile.Compile(goodWorld()).Snapshot.Digest
	for name, change := range map[string]func(*compile.Input){
		"another client secret": func(in *compile.Input) {
			in.Secrets[0].Data = map[string]model.Sensitive{"secret": model.NewSensitive(knownSecret + "!")}
		},
		"another digest key":             func(in *compile.Input) { in.DigestKey = model.NewSensitive("another key") },
		"another incarnation":            func(in *compile.Input) { in.Applications[0].UID = "new" },
		"an object that is not served":   func(in *compile.Input) { in.Applications = slices.Delete(slices.Clone(in.Applications), 2, 3) },
		"a role nobody holds is removed": func(in *compile.Input) { in.Roles = in.Roles[:2] },
	} {
		in := goodWorld()
		change(&in)
		if compile.Compile(in).Snapshot.Digest == digest {
			t.Errorf("%s: the digest is the same", name)
		}
	}
	if compile.Compile(goodWorld()).Snapshot.Digest != digest {
		t.Error("equal worlds have different digests")
	}
}

func TestAChangedSecretIsPickedUpWithoutTouchingTheApplication(t *testing.T) {
	var c compile.Compiler
	in := goodWorld()
	c.Compile(in)
	in.Secrets = []compile.Secret{{Namespace: "acme", Name: "ci", Version: "2", Data: map[string]model.Sensitive{"secret": model.NewSensitive(knownSecret + "-2\n")}}}
	_, app := c.Compile(in).Snapshot.Application("acme.acme.ci")
	if !app.Proves(in.DigestKey.Digest([]byte(knownSecret+"-2")), noon) || app.Proves(in.DigestKey.Digest([]byte(knownSecret)), noon) {
		t.Error("the old secret still proves the application, or the new one does not")
	}
}
