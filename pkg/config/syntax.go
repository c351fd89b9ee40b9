package config

import (
	"errors"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"

	"github.com/sluice-siem/sluice/pkg/internal/glyph"
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
	secondColon:                  "a second colon makes this a key; write the text in quotes",
	"non-map value is specified": "a key and its colon are missing; write \"key: value\"",
	"unexpected key name":        "a colon followed by a space is missing; write \"key: value\"",
	"map key definition includes an implicit line break":     "a line before this one lacks a colon followed by a space; write \"key: value\"",
	"block sequence entries are not allowed in this context": "a list begins on the line of its key; write each \"- …\" on a line of its own",
	"',' or '}' must be specified":                           "a comma or } is missing; " + checkQuotes,
	"',' or ']' must be specified":                           "a comma or ] is missing; " + checkQuotes,
	"could not find flow mapping end token '}'":              "{ is not closed; write }",
	"sequence end token ']' not found":                       "[ is not closed; write ]",
	"could not find '[' character corresponding to ']'":      "] closes nothing; remove it, or write the text in quotes",
	"could not find '{' character corresponding to '}'":      "} closes nothing; remove it, or write the text in quotes",
	tab: "a tab is not allowed here; write spaces",
	"found a tab character where an indentation space is expected":   "a tab is not allowed here; write spaces",
	"tab character cannot use as a map key directly":                 "a tab is not allowed here; write spaces",
	"tab character cannot use as a sequence delimiter":               "a tab is not allowed here; write spaces",
	"invalid number of indent is specified after space only":         "the lines of a text over several lines are indented differently; indent them alike",
	"invalid number of indent is specified in the multi-line header": "the indentation of a text over several lines does not fit its first line; remove the digit",
	"'@' is a reserved character":                                    "begins with @; write the text in quotes",
	"'`' is a reserved character":                                    "begins with `; write the text in quotes",
}

// Messages of the parser that are looked for, besides those that are translated.
const (
	invalidHeader = "invalid header option: "
	unknownEscape = "found unknown escape character"
	secondColon   = "mapping value is not allowed in this context"
	tab           = "found character '\t' that cannot start any token"
)

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
	if open := openQuote(text, at.line); open.line > 0 {
		r.blame(open, "", "not YAML: a quote opens here and is not closed in this line; close it with the same quote")
		return
	}
	r.blame(at, "", "not YAML: %s", explain(e.GetMessage(), lines[at.line-1], lines[at.line:]))
}

// openQuote returns where the quotation begins that ends in a line and began in an earlier
// one. Its quote is the one that lacks, not the last. The zero place is none.
func openQuote(text string, line int) place {
	for _, tk := range lexer.Tokenize(text) {
		quoted := tk.Type == token.DoubleQuoteType || tk.Type == token.SingleQuoteType
		begins := placeOf(tk)
		if lines := strings.Count(strings.TrimSpace(tk.Origin), "\n"); quoted && begins.line < line && begins.line+lines >= line {
			return begins
		}
	}
	return place{}
}

// Lines that explain most of what the parser says about them.
var (
	condition  = regexp.MustCompile(`\bwhere\s*:`)
	keyed      = regexp.MustCompile(`^\s*(?:- +)*[A-Za-z_]+\s*:\s`)
	bracketed  = regexp.MustCompile(`[^\s,:\[{][\[{]`)
	colonFirst = regexp.MustCompile(`[\[{,]\s*:`)
	conflict   = regexp.MustCompile(`^(?:<<<<<<<|=======|>>>>>>>)`)
	aside      = regexp.MustCompile(`"[^"]*"|'[^']*'|\s#.*`) // what may hold any character
	misplaced  = regexp.MustCompile(`^(?:value is not allowed|mapping value is not allowed|',' or)`)
)

// peculiar explains what the parser cannot: the line looks as if something else was meant.
func peculiar(message, line string, below []string) string {
	unquoted := strings.TrimRight(aside.ReplaceAllString(line, `""`), "\r")
	odd := glyph.In(unquoted)
	switch {
	case conflict.MatchString(line):
		return "a conflict of git is not resolved; keep one side, and remove the lines with <, = and >"
	case strings.Contains(line, "{{") || strings.Contains(line, "{%"):
		return "a template was not rendered; render it first, or write a text with braces in quotes"
	case strings.Contains(line, "${") && strings.ContainsAny(line, "[{") && strings.HasPrefix(message, "','"):
		return `${…} is not in quotes inside [ ] or { }; write "${…}"`
	case strings.HasPrefix(message, "','") && bracketed.MatchString(unquoted):
		return "a text inside [ ] or { } has a bracket or a brace in it; write the text in quotes"
	case colonFirst.MatchString(unquoted):
		return "a text inside [ ] or { } begins with a colon; write the text in quotes"
	case odd == "a tab":
		return explanations[tab]
	case odd != "":
		return "the line has " + odd + " in it; write plain ASCII, and any other character in quotes"
	case condition.MatchString(line) && misplaced.MatchString(message):
		return "a condition ends before its line does; write all of it in quotes, as in where: '\"iam\" in category', or below where: |"
	case message == secondColon && keyed.MatchString(line) && strings.Count(line, ": ") < 2 && deeper(line, below):
		return "the next line is indented further than this one; indent both alike, or write a text over several lines below |"
	}
	return ""
}

// deeper reports whether the next line that is not empty is indented further.
func deeper(line string, below []string) bool {
	indent := func(s string) int { return len(s) - len(strings.TrimLeft(s, " ")) }
	for _, next := range below {
		if strings.TrimSpace(next) != "" {
			return indent(next) > indent(line)
		}
	}
	return false
}

func explain(message, line string, below []string) string {
	if text := peculiar(message, line, below); text != "" {
		return text
	}
	if strings.HasPrefix(message, unknownEscape) {
		return `a backslash in double quotes begins an escape; write \\ for a backslash, or the text in single quotes`
	}
	if strings.HasPrefix(message, invalidHeader) {
		return "| and > begin a text over several lines; write a value that begins with one of them in quotes"
	}
	if explanation, known := explanations[message]; known {
		return explanation
	}
	return "this cannot be parsed; " + checkQuotes
}
