package mapping

import (
	"fmt"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/common/types"
)

// Bounds on what an expression is written of.
const (
	loopsMost   = 8
	literalMost = 256 // bytes of a pattern, and of a text that stands between or in the place of others
)

// loops counts those of an expression: each is written as a macro.
func loops(tree *ast.AST) (n int) {
	ast.PostOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.ComprehensionKind {
			n++
		}
	}))
	return n
}

// bounded says what of an expression could cost more than is counted. The cost of a step is
// counted after it, and values are shared: a list of two times the same list is made in one
// step, and to compare what forty such steps make takes 2^40. So loops make nothing but
// texts, numbers and truths, and how long a text gets is known before it is made.
func bounded(tree *ast.AST) (wrong string) {
	note := func(says string) {
		if wrong == "" {
			wrong = says
		}
	}
	ast.PostOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.ComprehensionKind:
			if made := collected(e.AsComprehension()); made != nil && !scalar(tree.GetType(made.ID())) {
				note("a map makes texts, numbers or truths only, and here it may make a list or an object; write string(…) around what it makes, as in claims.teams.map(t, string(t.name))")
			}
		case ast.MapKind, ast.StructKind:
			note("makes an object; use texts and lists of them")
		case ast.CallKind:
			note(literals(e.AsCall()))
		default:
		}
	}))
	return wrong
}

// collected is what a loop adds to the list that it makes, for each entry; nil if it makes
// no list, or adds the entry itself.
func collected(loop ast.ComprehensionExpr) (made ast.Expr) {
	step := loop.LoopStep()
	if step.Kind() == ast.CallKind && step.AsCall().FunctionName() == operators.Conditional { // only some of them
		step = step.AsCall().Args()[1]
	}
	if step.Kind() != ast.CallKind || step.AsCall().FunctionName() != operators.Add || len(step.AsCall().Args()) != 2 {
		return nil
	}
	added := step.AsCall().Args()[1]
	if added.Kind() != ast.ListKind || added.AsList().Size() != 1 {
		return added
	}
	made = added.AsList().Elements()[0]
	if made.Kind() == ast.IdentKind && made.AsIdent() == loop.IterVar() {
		return nil
	}
	return made
}

func scalar(t *types.Type) bool {
	switch t.Kind() {
	case types.StringKind, types.BoolKind, types.IntKind, types.UintKind, types.DoubleKind:
		return true
	default:
		return false
	}
}

// literals says which argument must be written out and is not, or is too long. The claims
// must bring no pattern; and how much text format makes is nowhere bounded.
func literals(call ast.CallExpr) (wrong string) {
	arguments, at := call.Args(), -1
	switch call.FunctionName() {
	case "format":
		return "format is not served; put texts together with +"
	case overloads.Matches:
		at = len(arguments) - 1
	case "replace":
		at = 1
	case "join":
		at = 0
	}
	if at < 0 || at >= len(arguments) {
		return ""
	}
	text, written := types.String(""), false
	if arguments[at].Kind() == ast.LiteralKind {
		text, written = arguments[at].AsLiteral().(types.String)
	}
	switch {
	case !written:
		return fmt.Sprintf("%s takes a text that is written out, in quotes, and not one of the claims", call.FunctionName())
	case len(text) > literalMost:
		return fmt.Sprintf("%s has a text of %d bytes; use at most %d", call.FunctionName(), len(text), literalMost)
	}
	return ""
}
