package cli

import (
	"cmp"
	"encoding/xml"
	"io"
	"slices"
)

// The parts of a JUnit report that the runners of builds read.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class    string         `xml:"classname,attr"`
		Name     string         `xml:"name,attr"`
		File     string         `xml:"file,attr"`
		Line     int            `xml:"line,attr,omitempty"`
		Failures []junitFailure `xml:"failure"`
		Output   string         `xml:"system-out,omitempty"`
	}
	junitFailure struct {
		Type    string `xml:"type,attr"`
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// validationJUnit writes one test for each object, which fails with its findings, and one
// for each file that cannot be read. Warnings are what a test prints; notes are nothing.
func validationJUnit(w io.Writer, v *validation) error {
	suite := junitSuite{Name: "gatehouse validate"}
	for _, o := range v.right {
		suite.Cases = append(suite.Cases, junitTest(o))
	}
	failing := len(suite.Cases)
	for _, f := range v.Findings {
		test := junitTest(f)
		i := slices.IndexFunc(suite.Cases[failing:], func(c junitCase) bool { return c.Class == test.Class && c.Name == test.Name })
		if i += failing; i < failing {
			i = len(suite.Cases)
			suite.Cases = append(suite.Cases, test)
		}
		suite.Cases[i].Failures = append(suite.Cases[i].Failures, junitFailure{f.Reason, f.Message, f.String()})
	}
	for _, f := range v.Warnings {
		test := junitTest(f)
		for i := range suite.Cases {
			if c := &suite.Cases[i]; c.Class == test.Class && c.Name == test.Name {
				c.Output += "warning: " + f.String() + "\n"
			}
		}
	}
	suite.Tests, suite.Failures = len(suite.Cases), len(suite.Cases)-failing
	slices.SortStableFunc(suite.Cases, func(a, b junitCase) int { return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line)) })
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(junitSuites{Tests: suite.Tests, Failures: suite.Failures, Suites: []junitSuite{suite}}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// junitTest is the test of what the entry is about, without its findings.
func junitTest(v validated) junitCase {
	return junitCase{Class: v.File, Name: cmp.Or(objectName(v), v.File), File: v.File, Line: v.Line}
}
