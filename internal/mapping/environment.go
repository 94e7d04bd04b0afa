package mapping

import (
	"fmt"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	"github.com/google/cel-go/common/env"
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/ext"
)

// notThere are the functions of CEL that expressions have no use for. Those of time read
// the time zones of the computer they run on, and two replicas must not disagree; sizes of
// bytes are not what people count in.
var notThere = []string{
	overloads.TypeConvertTimestamp, overloads.TypeConvertDuration, overloads.TypeConvertBytes,
	overloads.TimeGetFullYear, overloads.TimeGetMonth, overloads.TimeGetDayOfYear, overloads.TimeGetDayOfMonth,
	overloads.TimeGetDate, overloads.TimeGetDayOfWeek, overloads.TimeGetHours, overloads.TimeGetMinutes,
	overloads.TimeGetSeconds, overloads.TimeGetMilliseconds,
}

// environment is what expressions may use: the standard library short of time and bytes,
// text functions, and claims that may be missing (`claims.?email`). The macros optMap and
// optFlatMap write down what they are called on twice, so that forty of them in a row are
// 2^40 expressions: they are not there.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	var without []*env.Function
	for _, name := range notThere {
		without = append(without, &env.Function{Name: name})
	}
	return cel.NewCustomEnv(
		cel.StdLib(cel.StdLibSubset(&env.LibrarySubset{ExcludeFunctions: without})),
		cel.OptionalTypes(), ext.Strings(ext.StringsVersion(5)),
		cel.ClearMacros(),
		cel.Macros(cel.HasMacro, cel.AllMacro, cel.ExistsMacro, cel.ExistsOneMacro, cel.MapMacro, cel.MapFilterMacro, cel.FilterMacro),
		cel.Variable("claims", cel.MapType(cel.StringType, cel.DynType)),
		cel.ParserRecursionLimit(48), cel.ParserExpressionSizeLimit(SourceMost), cel.ParserErrorRecoveryLimit(4),
	)
})

// results are the types that the expressions may have, by field.
var results = map[string]*cel.Type{
	"subject": cel.StringType, "email": cel.StringType, "name": cel.StringType,
	"emailVerified": cel.BoolType, "require": cel.BoolType,
	"groups": cel.ListType(cel.StringType), "amr": cel.ListType(cel.StringType),
}

// build makes a program of an expression, or says what is wrong with it.
func build(text string, result *cel.Type) (program cel.Program, wrong string) {
	if len(text) > SourceMost {
		return nil, fmt.Sprintf("has %d bytes; use at most %d", len(text), SourceMost)
	}
	e, err := environment()
	if err != nil { // it is made of constants
		return nil, "cannot be read: " + err.Error()
	}
	parsed, issues := e.Parse(text)
	if issues.Err() != nil {
		return nil, firstIssue(issues)
	}
	if n := loops(parsed.NativeRep()); n > loopsMost { // before it is checked: types of types take their time
		return nil, fmt.Sprintf("has %d loops (map, filter, all, exists); use at most %d", n, loopsMost)
	}
	checked, issues := e.Check(parsed)
	if issues.Err() != nil {
		return nil, firstIssue(issues)
	}
	if !is(checked.OutputType(), result) {
		return nil, fmt.Sprintf("makes a value of type %s; it must make %s", clip(checked.OutputType().String()), word(result))
	}
	if wrong = bounded(checked.NativeRep()); wrong != "" {
		return nil, wrong
	}
	cost, err := e.EstimateCost(checked, sizes{})
	if err != nil || cost.Max > CostMost {
		return nil, fmt.Sprintf("may cost more than %d steps where the claims have lists of %d entries; use fewer loops inside one another", CostMost, sizeAssumed)
	}
	program, err = e.Program(checked, cel.CostLimit(CostMost), cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return nil, "cannot be read: " + oneLine(err.Error())
	}
	return program, ""
}

// is reports whether values of the type can be what is wanted: also one that is known only
// when it is there, and one that may be missing.
func is(got, want *cel.Type) bool {
	if got.Kind() == types.OpaqueKind && got.TypeName() == "optional_type" {
		got = got.Parameters()[0]
	}
	switch {
	case got.Kind() == types.DynKind, got.Kind() == types.NullTypeKind:
		return true
	case want.Kind() == types.ListKind:
		return got.Kind() == types.ListKind && is(got.Parameters()[0], want.Parameters()[0])
	default:
		return got.Kind() == want.Kind() || got.Kind() == types.TypeParamKind
	}
}

func word(t *cel.Type) string {
	switch t.Kind() {
	case types.BoolKind:
		return "true or false (bool)"
	case types.ListKind:
		return "a list of texts (list(string))"
	default:
		return "a text (string)"
	}
}

// When the cost is estimated a list is taken to have as many entries as a person may have
// groups, and each entry to be as long as names of groups are. What there is in the end is
// counted when it runs.
const (
	sizeAssumed  = GroupsMost
	entryAssumed = 100
)

// sizes estimates what only the claims know.
type sizes struct{}

func (sizes) EstimateSize(n checker.AstNode) *checker.SizeEstimate {
	if path := n.Path(); len(path) > 0 && strings.HasPrefix(path[len(path)-1], "@") { // what a loop is at
		return &checker.SizeEstimate{Max: entryAssumed}
	}
	return &checker.SizeEstimate{Max: sizeAssumed}
}

func (sizes) EstimateCallCost(string, string, *checker.AstNode, []checker.AstNode) *checker.CallEstimate {
	return nil
}

// firstIssue is what the checker says first, on one line, with a cure for what is most
// often wrong.
func firstIssue(issues *cel.Issues) string {
	all := issues.Errors()
	if len(all) == 0 {
		return "cannot be read: " + oneLine(issues.Err().Error())
	}
	first := all[0]
	message := oneLine(strings.ReplaceAll(first.Message, " (in container '')", ""))
	if at := first.Location; at.Line() > 0 && at.Column() >= 0 {
		message = fmt.Sprintf("column %d of line %d: %s", at.Column()+1, at.Line(), message)
	}
	if strings.Contains(first.Message, "undeclared reference") {
		message += "; an expression reads claims, as in claims.email"
	}
	return message
}

func oneLine(text string) string { return clip(strings.Join(strings.Fields(text), " ")) }

// clip bounds what is said of an expression.
func clip(text string) string {
	const most = 300
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
