// Package compile judges declarations: Input in, Snapshot and Reports out.
package compile

// Compiler remembers its last result, so that one change costs its organization and not
// the world. It is not safe for concurrent use. The zero value is ready.
type Compiler struct{}

// Compile returns the verdict on the input; it is always the one that a fresh Compiler
// would return.
func (c *Compiler) Compile(in Input) Result { panic("not written yet") }

// Compile is the verdict of a fresh Compiler.
func Compile(in Input) Result { return new(Compiler).Compile(in) }
