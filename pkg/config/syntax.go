package config

import (
	"errors"
	"strings"

	"github.com/goccy/go-yaml"
)

const checkQuotes = "check indentation and quotes"

// explanations translates messages of the parser. The originals are never shown, since
// some quote the file, which may hold a secret. For a message that is not listed, only
// the place is reported.
var explanations = map[string]string{
	"could not find end character of double-quoted text":                 `a double quote is not closed; write " at the end, and \" for one in the text`,
	"could not find end character of single-quoted text":                 "a single quote is not closed; write ' at the end, and '' for one in the text",
	"value is not allowed in this context":                               "this does not belong here; " + checkQuotes,
	"value is not allowed in this context. map key-value is pre-defined": "this does not belong to the key before it; " + checkQuotes,
	"mapping value is not allowed in this context":                       "a second colon makes this a key; write the text in quotes",
	"non-map value is specified":                                         "a key and its colon are missing; write \"key: value\"",
	"unexpected key name":                                                "a colon followed by a space is missing; write \"key: value\"",
	"map key definition includes an implicit line break":                 "a line before this one lacks a colon followed by a space; write \"key: value\"",
	"block sequence entries are not allowed in this context":             "a list begins on the line of its key; write each \"- …\" on a line of its own",
	"',' or '}' must be specified":                                       "a comma or } is missing; " + checkQuotes,
	"',' or ']' must be specified":                                       "a comma or ] is missing; " + checkQuotes,
	"could not find flow mapping end token '}'":                          "{ is not closed; write }",
	"sequence end token ']' not found":                                   "[ is not closed; write ]",
	"could not find '[' character corresponding to ']'":                  "] closes nothing; remove it, or write the text in quotes",
	"could not find '{' character corresponding to '}'":                  "} closes nothing; remove it, or write the text in quotes",
	"found character '\t' that cannot start any token":                   "a tab cannot indent; write spaces",
	"found a tab character where an indentation space is expected":       "a tab cannot indent; write spaces",
	"tab character cannot use as a map key directly":                     "a tab is not allowed here; write spaces",
	"tab character cannot use as a sequence delimiter":                   "a tab is not allowed here; write spaces",
	"invalid number of indent is specified after space only":             "the lines of a text over several lines are indented differently; indent them alike",
	"invalid number of indent is specified in the multi-line header":     "the indentation of a text over several lines does not fit its first line; remove the digit",
	"'@' is a reserved character":                                        "begins with @; write the text in quotes",
	"'`' is a reserved character":                                        "begins with `; write the text in quotes",
}

const invalidHeader = "invalid header option: "

// syntax reports where the parser stopped, and what to write.
func (r *report) syntax(text string, err error) {
	var e yaml.Error
	if !errors.As(err, &e) || e.GetToken() == nil {
		r.blame(top, "", "not YAML; %s", checkQuotes)
		return
	}
	at := placeOf(e.GetToken())
	lines := strings.Split(text, "\n")
	at.line = min(at.line, len(lines))
	r.blame(at, "", "not YAML: %s", explain(e.GetMessage(), lines[at.line-1]))
}

func explain(message, line string) string {
	if strings.Contains(line, "${") && strings.ContainsAny(line, "[{") && strings.HasPrefix(message, "','") {
		return `write ${…} in quotes inside [ ] and { }`
	}
	if strings.HasPrefix(message, invalidHeader) {
		return "| and > begin a text over several lines; write a value that begins with one of them in quotes"
	}
	if explanation, known := explanations[message]; known {
		return explanation
	}
	return "this cannot be parsed; " + checkQuotes
}
