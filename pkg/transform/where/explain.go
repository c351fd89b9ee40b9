package where

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/expr-lang/expr/file"
)

// explanations are our own texts for the messages of the expression language. Those
// messages quote the expression, and at run time the event. If a user pastes other text
// into a condition by mistake, it may be a secret. So an explanation repeats only types
// and operators, and for a message that is not listed only its place is reported.
var explanations = []struct {
	message *regexp.Regexp
	told    string // with the groups of message
}{
	{regexp.MustCompile(`^unknown name `), "unknown name"},
	{regexp.MustCompile(`^type where\.Party has no field `), "unknown member; those of {parties} are id, type and name"},
	{regexp.MustCompile(`^unexpected token EOF$`), "the condition ends too early"},
	{regexp.MustCompile(`^unexpected token Operator\("="\)$`), "= is not an operator; compare with =="},
	{regexp.MustCompile(`^unexpected token `), "unexpected text"},
	{regexp.MustCompile(`^literal not terminated$`), "a quotation is not closed"},
	{regexp.MustCompile(`^error parsing regexp: `), "a pattern is not a regular expression"},
	{regexp.MustCompile(`^(expected bool, but got [\w.]+)$`), "$1"},
	{regexp.MustCompile(`^(invalid operation: ` + operator + ` \(mismatched types? ` + goType + `(?: and ` + goType + `)?\))$`), "$1"},
	{regexp.MustCompile(`^(invalid operation: ` + goType + ` ` + operator + ` ` + goType + `)$`), "$1"},
	{regexp.MustCompile(`^(invalid operation: (?:int|float|bool)\(` + goType + `\))$`), "$1"},
	{regexp.MustCompile(`^cannot fetch .* from (` + goType + `)$`), "cannot fetch a member of $1"},
}

const operator = `(?:[^\w\s]{1,3}|and|or|not|in|contains|matches|startsWith|endsWith)`

// goType is a type of Go that the fields of an event can have.
const goType = `(?:<nil>|(?:\[\]|map\[string\])?(?:bool|int|float64|string|unknown|interface \{\}|any|time\.Time|time\.Duration|json\.Number|where\.Party|array))`

func (v vocabulary) explain(err error) string {
	var at *file.Error
	if !errors.As(err, &at) {
		return v.told(err.Error())
	}
	text := v.told(at.Message)
	if at.Line > 0 {
		text = fmt.Sprintf("%s at line %d, column %d", text, at.Line, at.Column+1)
	}
	if strings.HasPrefix(at.Message, "unknown name") {
		text += "; the fields are " + strings.Join(v.names(), ", ")
	}
	return text
}

func (v vocabulary) told(message string) string {
	message, _, _ = strings.Cut(message, "\n")
	for _, e := range explanations {
		if e.message.MatchString(message) {
			text := e.message.ReplaceAllString(message[:len(e.message.FindString(message))], e.told)
			return strings.Replace(text, "{parties}", v.parties(), 1)
		}
	}
	return "the condition cannot be understood"
}
