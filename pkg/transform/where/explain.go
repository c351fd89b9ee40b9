package where

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/expr-lang/expr/file"

	"github.com/sluice-siem/sluice/pkg/internal/glyph"
	"github.com/sluice-siem/sluice/pkg/internal/nearest"
)

// explanations are our own texts for the messages of the expression language. They hold no
// double quotes: the configuration shows nothing between those (package setting). Those
// messages quote the expression, and at run time the event. If a user pastes other text
// into a condition by mistake, it may be a secret. So an explanation repeats only kinds of
// values and operators, and for a message that is not listed only its place is reported.
var explanations = []struct {
	message *regexp.Regexp
	told    func(v vocabulary, groups []string) (what, wayOut string)
}{
	{regexp.MustCompile(`^unknown name (.*)$`), vocabulary.unknownName},
	{regexp.MustCompile(`^type where\.Party has no field `), vocabulary.unknownMember},
	{regexp.MustCompile(`^type (` + goType + `) has no field `), always("$1 has no members", "write the field alone")},
	{regexp.MustCompile(`^unexpected token EOF$`), always("the condition ends too early", "complete it, or close what is open")},
	{regexp.MustCompile(`^unexpected token Operator\("="\)$`), always("= is not an operator", "compare with ==")},
	{regexp.MustCompile(`^unexpected token Identifier\("(?:AND|OR|NOT|IN|And|Or|Not|In)"\)$`), always("an operator is in capitals", "write and, or, not and in in small letters")},
	{regexp.MustCompile(`^unexpected token Identifier\("(?i:like)"\)$`), always("LIKE is not an operator", "write contains, startsWith, endsWith, or matches with a regular expression")},
	{regexp.MustCompile(`^unexpected token `), always("something does not belong here", "write and, or, not, ==, !=, in, contains or matches between two values, and text in quotes")},
	{regexp.MustCompile(`^literal not terminated$`), always("a quotation is not closed", "close it; a # after a blank begins a comment, so write the whole condition in single quotes if one is in it")},
	{regexp.MustCompile(`^invalid char escape$`), always("a backslash begins an unknown escape", `write \\ for a backslash`)},
	{regexp.MustCompile(`^unrecognized character: U\+[0-9A-F]+ '(.)'$`), unknownCharacter},
	{regexp.MustCompile(`^error parsing regexp: `), always("a pattern is not a regular expression", `write a \ before a sign that is meant as itself`)},
	{regexp.MustCompile(`^expected bool, but got (` + goType + `)$`), noCondition},
	{regexp.MustCompile(`^invalid operation: bool\((` + goType + `)\)$`), noCondition},
	{regexp.MustCompile(`^invalid operation: (` + operator + `) \(mismatched types? (` + goType + `)(?: and (` + goType + `))?\)$`), mismatch},
	{regexp.MustCompile(`^invalid operation: (` + goType + `) (` + operator + `) (` + goType + `)$`), mismatchAtRunTime},
	{regexp.MustCompile(`^cannot use (` + goType + `) as type (` + goType + `) in array`), always("a list of $2 cannot hold $1", "compare like with like, such as actor.id with text")},
	{regexp.MustCompile(`^cannot use (` + goType + `) as argument \(type (` + goType + `)\)`), always("a function is given $1 and takes $2", "compare like with like")},
	{regexp.MustCompile(`^(?:invalid number of arguments|not enough arguments|too many arguments)`), always("a function is given too much or too little", "see docs/filtering.md")},
	{regexp.MustCompile(`^cannot fetch .* from (` + goType + `)$`), always("$1 has no members", "a member of metadata that may be missing needs ?., as in metadata.a?.b")},
}

// always returns an explanation with the kinds of the groups in it.
func always(what, wayOut string) func(vocabulary, []string) (string, string) {
	return func(_ vocabulary, groups []string) (string, string) {
		text := what
		for i, group := range groups[1:] {
			text = strings.ReplaceAll(text, fmt.Sprintf("$%d", i+1), kindOf(group))
		}
		return text, wayOut
	}
}

const operator = `(?:[^\w\s]{1,3}|and|or|not|in|contains|matches|startsWith|endsWith)`

// goType is a type of Go that the fields of an event can have.
const goType = `(?:<nil>|(?:\[\]|map\[string\])?(?:bool|int|float64|string|unknown|interface \{\}|any|time\.Time|time\.Duration|json\.Number|where\.Party|array))`

// kinds are the words for types of Go.
var kinds = map[string]string{
	"<nil>": "nothing", "unknown": "nothing", "bool": "true or false", "int": "a number", "float64": "a number", "json.Number": "a number",
	"string": "text", "time.Time": "a time", "time.Duration": "a duration", "where.Party": "an actor or object", "any": "any value", "interface {}": "any value",
}

func kindOf(goType string) string {
	switch {
	case strings.HasPrefix(goType, "[]") || goType == "array":
		return "a list"
	case strings.HasPrefix(goType, "map"):
		return "keys and values"
	}
	return kinds[goType]
}

func (v vocabulary) unknownName(groups []string) (string, string) {
	fields := strings.Join(v.names(), ", ")
	if near := nearest.Word(groups[1], v.names()); near != "" {
		return "unknown name", "did you mean " + near + "? The fields are " + fields
	}
	return "unknown name", "the fields are " + fields + "; text needs quotes"
}

func (v vocabulary) unknownMember([]string) (string, string) {
	return "unknown member", "those of " + v.parties() + " are id, type and name"
}

func unknownCharacter(_ vocabulary, groups []string) (string, string) {
	if odd := glyph.In(groups[1]); odd != "" {
		return "has " + odd + " in it", "write plain quotes around text, and plain ASCII elsewhere"
	}
	return "a character is not one of a condition", "write it in quotes, or remove it"
}

func noCondition(_ vocabulary, groups []string) (string, string) {
	kind, wayOut := kindOf(groups[1]), `compare it, as in action == 'database.deleted'`
	switch kind {
	case "a list":
		wayOut = `ask what is in it, as in 'iam' in category`
	case "a number":
		wayOut = "compare it, as in severity >= 3"
	case "a time":
		wayOut = "compare it, as in time > date('2026-01-31T00:00:00Z')"
	case "an actor or object":
		wayOut = `compare a part of it, as in actor.type == 'User'`
	}
	return "is " + kind + ", not true or false", wayOut
}

func mismatch(v vocabulary, groups []string) (string, string) {
	sign, left, right := groups[1], kindOf(groups[2]), kindOf(groups[3])
	if right == "" {
		return fmt.Sprintf("%s has %s behind it", sign, left), "compare the value with another first"
	}
	return fmt.Sprintf("%s has %s before it and %s behind it", sign, left, right), between(sign, left, right)
}

func mismatchAtRunTime(v vocabulary, groups []string) (string, string) {
	return mismatch(v, []string{"", groups[2], groups[1], groups[3]})
}

// between says how to compare two kinds of values.
func between(sign, left, right string) string {
	has := func(kind string) bool { return left == kind || right == kind }
	switch {
	case has("nothing"):
		return "a member of metadata that may be missing needs a default, as in (metadata.n ?? 0) > 5"
	case sign == "and" || sign == "or" || sign == "&&" || sign == "||":
		return "compare the value with another first"
	case has("a list"):
		return `ask what is in a list, as in 'iam' in category`
	case has("an actor or object"):
		return `compare a part of it, as in actor.type == 'User'`
	case has("a time"):
		return `write a time as date('2026-01-31T00:00:00Z')`
	case sign == "in":
		return `in asks for a member of a list; for a part of a text write contains, as in action contains 'deleted'`
	case has("a number") && has("text"):
		return "write a number without quotes, and text in quotes"
	}
	return "compare like with like"
}

func (v vocabulary) explain(err error) string {
	var at *file.Error
	if !errors.As(err, &at) {
		what, wayOut := v.told(err.Error())
		return what + "; " + wayOut
	}
	what, wayOut := v.told(at.Message)
	if at.Line > 0 {
		what = fmt.Sprintf("%s at line %d, column %d of the condition", what, at.Line, at.Column+1)
	}
	return what + "; " + wayOut
}

func (v vocabulary) told(message string) (what, wayOut string) {
	message, _, _ = strings.Cut(message, "\n")
	for _, e := range explanations {
		if groups := e.message.FindStringSubmatch(message); groups != nil {
			return e.told(v, groups)
		}
	}
	return "the condition cannot be understood", "see docs/filtering.md for what can be written"
}
