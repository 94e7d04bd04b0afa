package mapping_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-dev/gatehouse/internal/mapping"
)

// claims reads JSON as a backend does: numbers keep all their digits.
func claims(t *testing.T, text string) map[string]any {
	t.Helper()
	d, c := json.NewDecoder(strings.NewReader(text)), map[string]any{}
	d.UseNumber()
	if err := d.Decode(&c); err != nil {
		t.Fatal(text, err)
	}
	return c
}

func made(t *testing.T, s mapping.Source) *mapping.Mapping {
	t.Helper()
	m, problems := mapping.New(s)
	if len(problems) > 0 {
		t.Fatalf("%+v: %+v", s, problems)
	}
	return m
}

func TestDefaultsReadWhatIsUsual(t *testing.T) {
	for name, c := range map[string]struct {
		of, claims string
		want       mapping.Profile
	}{
		"OIDC": {"OIDC", `{"sub":"00u1","email":"Ann@Acme.com","email_verified":true,"name":"Ann","groups":["b","a","a"]}`,
			mapping.Profile{Subject: "00u1", Email: "ann@acme.com", EmailVerified: true, Name: "Ann", Groups: []string{"a", "b"}}},
		"OIDC, verified in a text": {"OIDC", `{"sub":"1","email":"ann@acme.com","email_verified":"true"}`, mapping.Profile{Subject: "1", Email: "ann@acme.com", EmailVerified: true}},
		"OIDC, not verified":       {"OIDC", `{"sub":"1","email":"ann@acme.com","email_verified":"yes"}`, mapping.Profile{Subject: "1", Email: "ann@acme.com"}},
		"OIDC, subject alone":      {"OIDC", `{"sub":"1"}`, mapping.Profile{Subject: "1"}},
		"OIDC, all null":           {"OIDC", `{"sub":"1","email":null,"email_verified":null,"name":null,"groups":null}`, mapping.Profile{Subject: "1"}},
		"OIDC, verified nothing":   {"OIDC", `{"sub":"1","email_verified":true}`, mapping.Profile{Subject: "1"}},
		"OAuth2, a number":         {"OAuth2", `{"id":90071992547409931,"email":"ann@acme.com"}`, mapping.Profile{Subject: "90071992547409931", Email: "ann@acme.com"}},
		"OAuth2, sub goes first":   {"OAuth2", `{"sub":"a","id":7}`, mapping.Profile{Subject: "a"}},
		"GitHub": {"GitHub", `{"id":"4711","login":"ann","name":null,"email":"ann@acme.com","email_verified":true,"organizations":["acme"],"teams":["acme/dev"]}`,
			mapping.Profile{Subject: "4711", Email: "ann@acme.com", EmailVerified: true, Name: "ann", Groups: []string{"acme", "acme/dev"}}},
		"GitHub, least":   {"GitHub", `{"id":"4711","login":"ann"}`, mapping.Profile{Subject: "4711", Name: "ann", Groups: []string{}}},
		"SAML":            {"SAML", `{"name_id":"n1","attributes":{"mail":["ann@acme.com","b@acme.com"],"displayName":["Ann"],"groups":["g"]}}`, mapping.Profile{Subject: "n1", Email: "ann@acme.com", Name: "Ann", Groups: []string{"g"}}},
		"SAML, by number": {"SAML", `{"name_id":"n1","attributes":{"urn:oid:0.9.2342.19200300.100.1.3":["ann@acme.com"],"mail":[]}}`, mapping.Profile{Subject: "n1", Email: "ann@acme.com"}},
		"SAML, least":     {"SAML", `{"name_id":"n1"}`, mapping.Profile{Subject: "n1"}},
		"LDAP": {"LDAP", `{"dn":"uid=ann","username":"ann","subject":"e-1","groups":["dev"],"attributes":{"mail":["ann@acme.com"],"cn":["Ann"]}}`,
			mapping.Profile{Subject: "e-1", Email: "ann@acme.com", Name: "Ann", Groups: []string{"dev"}}},
		"LDAP, least": {"LDAP", `{"subject":"e-1","attributes":{}}`, mapping.Profile{Subject: "e-1"}},
	} {
		got, err := made(t, mapping.Default(c.of)).Apply(claims(t, c.claims))
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

// An address that nobody is said to have verified is never taken for verified, whatever
// else a directory or an assertion says.
func TestAddressesOfDirectoriesAndAssertionsAreNotVerifiedByDefault(t *testing.T) {
	for of, c := range map[string]string{
		"SAML": `{"name_id":"n","email_verified":true,"attributes":{"mail":["ann@acme.com"],"email_verified":["true"]}}`,
		"LDAP": `{"subject":"n","email_verified":true,"attributes":{"mail":["ann@acme.com"]}}`,
	} {
		if p, err := made(t, mapping.Default(of)).Apply(claims(t, c)); err != nil || p.EmailVerified {
			t.Errorf("%s: %+v, %v", of, p, err)
		}
	}
}

func TestWhatIsNotWhatItShouldBeIsRefusedAndNeverCut(t *testing.T) {
	long := strings.Repeat("x", 256)
	many := slices.Repeat([]string{"g"}, 501)
	for name, c := range map[string]struct {
		claims map[string]any
		field  string
	}{
		"no subject":             {map[string]any{}, "subject"},
		"empty subject":          {map[string]any{"sub": ""}, "subject"},
		"null subject":           {map[string]any{"sub": nil}, "subject"},
		"subject that is a list": {map[string]any{"sub": []any{"a"}}, "subject"},
		"subject of 256 bytes":   {map[string]any{"sub": long}, "subject"},
		"subject with a zero":    {map[string]any{"sub": "a\x00"}, "subject"},
		"subject with a newline": {map[string]any{"sub": "a\nb"}, "subject"},
		"subject not UTF-8":      {map[string]any{"sub": "a\xff"}, "subject"},
		"two addresses":          {map[string]any{"sub": "a", "email": "a@b.example,c@d.example"}, "email"},
		"a name and an address":  {map[string]any{"sub": "a", "email": "Ann <a@b.example>"}, "email"},
		"two signs":              {map[string]any{"sub": "a", "email": "a@b@c"}, "email"},
		"no sign":                {map[string]any{"sub": "a", "email": "ann"}, "email"},
		"other letters":          {map[string]any{"sub": "a", "email": "ann@acme.com\u0131"}, "email"},
		"a long address":         {map[string]any{"sub": "a", "email": long + "@b.example"}, "email"},
		"space before it":        {map[string]any{"sub": "a", "email": " a@b.example"}, "email"},
		"a name that turns text": {map[string]any{"sub": "a", "name": "a\u202eb"}, "name"},
		"a name that breaks it":  {map[string]any{"sub": "a", "name": "a\r\nb"}, "name"},
		"a long name":            {map[string]any{"sub": "a", "name": strings.Repeat("ä", 129)}, "name"},
		"groups that are a text": {map[string]any{"sub": "a", "groups": "admin"}, "groups"},
		"a group that is a list": {map[string]any{"sub": "a", "groups": []any{[]any{"x"}}}, "groups"},
		"an empty group":         {map[string]any{"sub": "a", "groups": []any{""}}, "groups"},
		"a long group":           {map[string]any{"sub": "a", "groups": []any{long + "y"}}, "groups"},
		"a group of two lines":   {map[string]any{"sub": "a", "groups": []any{"a\nb"}}, "groups"},
		"501 groups":             {map[string]any{"sub": "a", "groups": many}, "groups"},
		"deep claims":            {map[string]any{"sub": "a", "x": deep(20)}, "claims"},
		"too many claims":        {map[string]any{"sub": "a", "x": slices.Repeat([]any{1.0}, 20_001)}, "claims"},
		"too much text":          {map[string]any{"sub": "a", "x": slices.Repeat([]any{strings.Repeat("x", 4000)}, 300)}, "claims"},
		"something of Go":        {map[string]any{"sub": "a", "x": struct{}{}}, "claims"},
	} {
		p, err := made(t, mapping.Default("OIDC")).Apply(c.claims)
		var why *mapping.Error
		if !errors.As(err, &why) || why.Field != c.field || !cmp.Equal(p, mapping.Profile{}) {
			t.Errorf("%s: %+v, %v; want an error of %s", name, p, err, c.field)
		}
	}
}

func deep(n int) (v any) {
	for range n {
		v = []any{v}
	}
	return v
}

// Two people must never have one subject because a number lost its last digits.
func TestNumbersKeepTheirDigitsOrAreLeftOut(t *testing.T) {
	m := made(t, mapping.Source{Subject: `string(claims.id)`})
	for _, c := range []struct {
		id   any
		want string // empty: refused
	}{
		{json.Number("4711"), "4711"}, {float64(4711), "4711"}, {json.Number("9007199254740993"), "9007199254740993"},
		{float64(1 << 53), ""}, {float64(1<<53 - 1), "9007199254740991"}, {json.Number("123456789012345678901234567890"), ""},
		{math.Inf(1), ""}, {math.NaN(), ""}, {json.Number("1e999"), ""}, {json.Number("x"), ""}, {7, "7"}, {int64(8), "8"}, {json.Number("1.5"), "1.5"},
	} {
		p, err := m.Apply(map[string]any{"id": c.id})
		if p.Subject != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%v: %q, %v", c.id, p.Subject, err)
		}
	}
}

func TestRequireLetsNobodyInByMistake(t *testing.T) {
	for require, c := range map[string]struct {
		claims string
		want   error // nil: let in; an *Error: cannot be read
	}{
		`claims.hd == "acme.com"`:               {`{"hd":"acme.com"}`, nil},
		`claims.hd == "acme.org"`:               {`{"hd":"acme.com"}`, mapping.ErrRequired},
		`claims.?hd.orValue("") == "acme.net"`:  {`{}`, mapping.ErrRequired},
		`claims.hd == "acme.example"`:           {`{}`, &mapping.Error{}},
		`claims.?admin`:                         {`{}`, mapping.ErrRequired},
		`claims.admin`:                          {`{"admin":null}`, mapping.ErrRequired},
		`claims["admin"]`:                       {`{"admin":"true"}`, &mapping.Error{}},
		`claims.admin || claims.hd == "x"`:      {`{"admin":true}`, nil},
		`"staff" in claims.groups`:              {`{"groups":["staff"]}`, nil},
		`"staff" in claims.?groups.orValue([])`: {`{}`, mapping.ErrRequired},
	} {
		m := made(t, mapping.Source{Subject: `"me"`, Require: require})
		p, err := m.Apply(claims(t, c.claims))
		var unread, unreadWanted *mapping.Error
		switch {
		case c.want == nil && (err != nil || p.Subject != "me"), errors.Is(c.want, mapping.ErrRequired) != errors.Is(err, mapping.ErrRequired),
			errors.As(c.want, &unreadWanted) && (!errors.As(err, &unread) || unread.Field != "require"):
			t.Errorf("%s of %s: %+v, %v", require, c.claims, p, err)
		}
	}
}

func TestDeclaredMethodsAreTold(t *testing.T) {
	m := made(t, mapping.Source{Subject: `claims.sub`, AMR: `"c2" in claims.?acr.orValue([]) ? ["mfa", "hwk"] : []`})
	if p, err := m.Apply(claims(t, `{"sub":"a","acr":["c2"]}`)); err != nil || !slices.Equal(p.AMR, []string{"hwk", "mfa"}) {
		t.Errorf("%+v, %v", p, err)
	}
	if p, _ := m.Apply(claims(t, `{"sub":"a"}`)); p.AMR == nil || len(p.AMR) != 0 {
		t.Errorf("%#v: what the mapping says is none is none, whatever the provider says", p.AMR)
	}
	if p, _ := made(t, mapping.Source{Subject: `claims.sub`}).Apply(claims(t, `{"sub":"a"}`)); p.AMR != nil {
		t.Errorf("%#v: a mapping that does not speak of methods says nothing", p.AMR)
	}
	if _, err := made(t, mapping.Source{Subject: `claims.sub`, AMR: `claims.amr`}).Apply(claims(t, `{"sub":"a","amr":["a b"]}`)); err == nil {
		t.Error("a method with a space is no method")
	}
}

// Whoever reads a log must not find claims in it, by whatever way an expression fails.
func TestErrorsHoldNothingOfTheClaims(t *testing.T) {
	const mark = "0xSECRET"
	for _, text := range []string{
		`claims[claims.x]`, `string(int(claims.x))`, `claims.x.y`, `claims.list[claims.x]`, `string(bool(claims.x))`, `string(double(claims.x))`,
		`claims.x == "a" ? "a" : claims[claims.x + "1"]`, `claims.x + 1`, `claims.x`, `claims.list.join(",")`, `claims.x.substring(99)`,
	} {
		m, problems := mapping.New(mapping.Source{Subject: text, Email: text})
		if problems != nil {
			continue
		}
		_, err := m.Apply(map[string]any{"x": mark + "\n", "list": []any{mark, 1.0}, mark: mark})
		if err == nil {
			t.Errorf("%s: no error", text)
		} else if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), mark) {
			t.Errorf("%s: %#v", text, err)
		}
	}
}

func TestExpressionsAreJudgedWithACure(t *testing.T) {
	for _, c := range []struct {
		of   mapping.Source
		want []string // of each problem: the field, then words of the message
	}{
		{mapping.Source{}, []string{"subject", "is missing"}},
		{mapping.Source{Subject: `claim.sub`}, []string{"subject", "undeclared reference to 'claim'; an expression reads claims"}},
		{mapping.Source{Subject: `claims.sub +`}, []string{"subject", "Syntax error"}},
		{mapping.Source{Subject: `1`}, []string{"subject", "makes a value of type int; it must make a text"}},
		{mapping.Source{Subject: `claims.sub`, EmailVerified: `"true"`}, []string{"emailVerified", "it must make true or false"}},
		{mapping.Source{Subject: `claims.sub`, Groups: `"a"`}, []string{"groups", "it must make a list of texts"}},
		{mapping.Source{Subject: `claims.sub`, Groups: `[1]`}, []string{"groups", "type list(int)"}},
		{mapping.Source{Subject: `claims.sub`, Require: `claims.hd.matches(claims.re)`}, []string{"require", "matches takes a text that is written out"}},
		{mapping.Source{Subject: `claims.sub`, Require: `claims.hd.matches("(")`}, []string{"require", "error parsing regexp"}},
		{mapping.Source{Subject: `claims.sub.replace("a", claims.b)`}, []string{"subject", "replace takes a text that is written out"}},
		{mapping.Source{Subject: `"%s".format([claims.sub])`}, []string{"subject", "format is not served; put texts together with +"}},
		{mapping.Source{Subject: strings.Repeat(" ", 4097)}, []string{"subject", "has 4097 bytes; use at most 4096"}},
		{mapping.Source{Subject: `claims.sub`, Groups: `claims.teams.map(t, t.name)`}, []string{"groups", "write string(…) around what it makes, as in claims.teams.map(t, string(t.name))"}},
		{mapping.Source{Subject: `{"a": claims.sub}["a"]`}, []string{"subject", "makes an object"}},
		{mapping.Source{Subject: "claims.sub", Require: "claims.a &&\n  claim.b"}, []string{"require", "column 3 of line 2"}},
	} {
		_, problems := mapping.New(c.of)
		if len(problems) != 1 || problems[0].Field != c.want[0] || !strings.Contains(problems[0].Message, c.want[1]) {
			t.Errorf("%+v: %+v, want %q", c.of, problems, c.want)
		}
		for _, p := range problems {
			if strings.ContainsAny(p.Message, "\n\t") || len(p.Message) > 400 {
				t.Errorf("%q is no line for people", p.Message)
			}
		}
	}
	if _, problems := mapping.New(mapping.Source{Subject: "1", Email: "2", Name: "("}); len(problems) != 3 {
		t.Errorf("not every problem is told: %+v", problems)
	}
}

func TestWhatPeopleWriteIsServed(t *testing.T) {
	m := made(t, mapping.Source{
		Subject: `claims.iss + "|" + claims.sub`, Email: `claims.?email.orValue(claims.upn).lowerAscii()`,
		EmailVerified: `claims.email_verified == true && claims.email.endsWith("@acme.com")`,
		Name:          `claims.given_name + " " + claims.family_name`,
		Groups:        `claims.groups.filter(g, g.startsWith("/eng/")).map(g, g.substring(5)) + claims.realm_access.roles.map(r, "role:" + r)`,
		Require:       `claims.groups.exists(g, g.matches("^/eng/")) && claims.tid in ["t1", "t2"]`,
	})
	got, err := m.Apply(claims(t, `{"iss":"i","sub":"s","email":"ANN@acme.com","email_verified":true,"given_name":"Ann","family_name":"Lee","tid":"t2",
		"groups":["/eng/dev","/hr"],"realm_access":{"roles":["admin"]}}`))
	want := mapping.Profile{Subject: "i|s", Email: "ann@acme.com", EmailVerified: true, Name: "Ann Lee", Groups: []string{"dev", "role:admin"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func TestClaimsAreNotChanged(t *testing.T) {
	c, again := claims(t, `{"sub":"a","groups":["b","a"],"x":{"y":[1,2]}}`), claims(t, `{"sub":"a","groups":["b","a"],"x":{"y":[1,2]}}`)
	if _, err := made(t, mapping.Default("OIDC")).Apply(c); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(again, c); diff != "" {
		t.Error(diff)
	}
}

func TestMappingsAreEqualByWhatTheySay(t *testing.T) {
	a, b, c := made(t, mapping.Default("OIDC")), made(t, mapping.Default("OIDC")), made(t, mapping.Default("LDAP"))
	var none *mapping.Mapping
	if !a.Equal(b) || a.Equal(c) || a.Equal(none) || none.Equal(a) || !none.Equal(nil) {
		t.Error("mappings are compared wrongly")
	}
	if got := (mapping.Source{Subject: "x"}).Or(mapping.Default("OIDC")); got.Subject != "x" || got.Email != mapping.Default("OIDC").Email {
		t.Errorf("%+v", got)
	}
}
