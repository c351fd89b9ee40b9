package config

import (
	"errors"
	"strings"

	"github.com/goccy/go-yaml"
)

const checkQuotes = "check indentation and quotes"

// explanations say in words of our own what the parser objects to, by its message.
// The parser's messages are never shown, since some of them quote the file, which
// may hold a secret. A message that is not listed here is told by its place alone.
var explanations = map[string]string{
	"could not find end character of double-quoted text":                 `a double quote is not closed; write " at the end, and \" for one in the text`,
	"could not find end character of single-quoted text":                 "a single quote is not closed; write ' at the end, and '' for one in the text",
	"value is not allowed in this context":                               "this does not belong here; " + checkQuotes,
	"value is not allowed in this context. map key-value is pre-defined": "this does not belong to the key before it; " + checkQuotes,
	"mapping value is not allowed in this context":                       "a second colon makes this a key; write the text in quotes",
	"non-map value is specified":                                         "a key and its colon are missing; write \"key: value\"",
	"unexpected key name":                                                "a colon with a blank behind it is missing; write \"key: value\"",
	"map key definition includes an implicit line break":                 "a colon with a blank behind it is missing in a line before; write \"key: value\"",
	"block sequence entries are not allowed in this context":             "a list begins behind its key; write each \"- …\" in a line of its own",
	"',' or '}' must be specified":                                       "a comma or } is missing; " + checkQuotes,
	"',' or ']' must be specified":                                       "a comma or ] is missing; " + checkQuotes,
	"could not find flow mapping end token '}'":                          "{ is not closed; write }",
	"sequence end token ']' not found":                                   "[ is not closed; write ]",
	"could not find '[' character corresponding to ']'":                  "] closes nothing; remove it, or write the text in quotes",
	"could not find '{' character corresponding to '}'":                  "} closes nothing; remove it, or write the text in quotes",
	"found character '\t' that cannot start any token":                   "a tab cannot indent; write blanks",
	"found a tab character where an indentation space is expected":       "a tab cannot indent; write blanks",
	"tab character cannot use as a map key directly":                     "a tab cannot stand here; write blanks",
	"tab character cannot use as a sequence delimiter":                   "a tab cannot stand here; write blanks",
	"invalid number of indent is specified after space only":             "the indentation of a text over several lines is not even; write as many blanks in each line",
	"invalid number of indent is specified in the multi-line header":     "the indentation of a text over several lines does not fit its first line; remove the digit",
	"'@' is a reserved character":                                        "begins with @; write the text in quotes",
	"'`' is a reserved character":                                        "begins with `; write the text in quotes",
}

const invalidHeader = "invalid header option: "

// syntax tells where the parser could not go on, and what to write.
func (t *tree) syntax(text string, err error) {
	var e yaml.Error
	if !errors.As(err, &e) || e.GetToken() == nil {
		t.blame(top, "", "not YAML; %s", checkQuotes)
		return
	}
	at := placeOf(e.GetToken())
	lines := strings.Split(text, "\n")
	at.line = min(at.line, len(lines))
	t.blame(at, "", "not YAML: %s", explain(e.GetMessage(), lines[at.line-1]))
}

func explain(message, line string) string {
	if strings.Contains(line, "${") && strings.ContainsAny(line, "[{") && strings.HasPrefix(message, "','") {
		return `write ${…} in quotes inside [ ] and { }`
	}
	if strings.HasPrefix(message, invalidHeader) {
		return "| and > begin a text over several lines; write a value that begins with one of them in quotes"
	}
	if told, known := explanations[message]; known {
		return told
	}
	return "this cannot be parsed; " + checkQuotes
}
