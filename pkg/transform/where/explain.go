package where

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/expr-lang/expr/file"
)

// explanations say in words of our own what is wrong with an expression, by the
// message of its language. Those messages quote the expression, and at work the
// event; the text around a condition that is folded into it by mistake may be a
// secret. So only types and operators are taken over, and a message that is not
// listed here is told by its place alone.
var explanations = []struct {
	message *regexp.Regexp
	told    string // with the groups of message
}{
	{regexp.MustCompile(`^unknown name `), "unknown name"},
	{regexp.MustCompile(`^type where\.Party has no field `), "unknown member; those of actor, auditable and target are id, type and name"},
	{regexp.MustCompile(`^unexpected token EOF$`), "the condition ends too early"},
	{regexp.MustCompile(`^unexpected token Operator\("="\)$`), "= is no operator; compare with =="},
	{regexp.MustCompile(`^unexpected token `), "unexpected text"},
	{regexp.MustCompile(`^literal not terminated$`), "a quotation is not closed"},
	{regexp.MustCompile(`^error parsing regexp: `), "a pattern is no regular expression"},
	{regexp.MustCompile(`^(expected bool, but got [\w.]+)$`), "$1"},
	{regexp.MustCompile(`^(invalid operation: ` + operator + ` \(mismatched types? ` + goType + `(?: and ` + goType + `)?\))$`), "$1"},
	{regexp.MustCompile(`^(invalid operation: ` + goType + ` ` + operator + ` ` + goType + `)$`), "$1"},
	{regexp.MustCompile(`^(invalid operation: (?:int|float|bool)\(` + goType + `\))$`), "$1"},
	{regexp.MustCompile(`^cannot fetch .* from (` + goType + `)$`), "cannot fetch a member of $1"},
}

const operator = `(?:[^\w\s]{1,3}|and|or|not|in|contains|matches|startsWith|endsWith)`

// goType is a type of Go that the fields of an event can have.
const goType = `(?:<nil>|(?:\[\]|map\[string\])?(?:bool|int|float64|string|unknown|interface \{\}|any|time\.Time|time\.Duration|json\.Number|where\.Party|array))`

func explain(err error) string {
	var at *file.Error
	if !errors.As(err, &at) {
		return told(err.Error())
	}
	text := told(at.Message)
	if at.Line > 0 {
		text = fmt.Sprintf("%s at line %d, column %d", text, at.Line, at.Column+1)
	}
	if strings.HasPrefix(at.Message, "unknown name") {
		text += "; the fields are " + strings.Join(fieldNames(), ", ")
	}
	return text
}

func told(message string) string {
	message, _, _ = strings.Cut(message, "\n")
	for _, e := range explanations {
		if e.message.MatchString(message) {
			return e.message.ReplaceAllString(message[:len(e.message.FindString(message))], e.told)
		}
	}
	return "the condition cannot be understood"
}

// fieldNames are the names by which an expression knows the fields.
func fieldNames() []string {
	var names []string
	for field := range reflect.TypeFor[Fields]().Fields() {
		names = append(names, field.Tag.Get("expr"))
	}
	return names
}
