package compile_test

import (
	"math/rand/v2"
	"testing"

	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/compile/compiletest"
)

func BenchmarkFirstCompile(b *testing.B) {
	in := compiletest.World(compiletest.Large)
	for b.Loop() {
		compile.Compile(in)
	}
}

// One application changes; the Input comes in another order each time, as from the map of
// a watch cache.
func BenchmarkOneChange(b *testing.B) {
	in := compiletest.World(compiletest.Large)
	random := rand.New(rand.NewPCG(1, 2))
	random.Shuffle(len(in.Applications), func(i, j int) {
		in.Applications[i], in.Applications[j] = in.Applications[j], in.Applications[i]
	})
	var c compile.Compiler
	c.Compile(in)
	for n := 0; b.Loop(); n++ {
		i := n % len(in.Applications)
		changed := in.Applications[i].DeepCopy()
		changed.Generation++
		changed.Spec.Suspend = !changed.Spec.Suspend
		in.Applications[i] = changed
		c.Compile(in)
	}
}

func BenchmarkNoChange(b *testing.B) {
	in := compiletest.World(compiletest.Large)
	var c compile.Compiler
	c.Compile(in)
	for b.Loop() {
		c.Compile(in)
	}
}
