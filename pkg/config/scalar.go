package config

import (
	"errors"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/sluice-siem/sluice/pkg/internal/glyph"
)

// scalar is a single value with its variables expanded. Its meaning depends on the
// field: the text 5 may be a number or a name.
type scalar struct {
	text   string
	quoted bool
}

// lineEnds may end a secret: a variable often holds what was in a file.
const lineEnds = "\r\n"

// reading says how to read a value.
type reading struct {
	ends  string                               // characters to cut from its end
	meant string                               // what to do if it is no place of a value in a template
	flaw  func(n ast.Node, text string) string // what is wrong with it; empty if nothing is
}

// A variable may hold any text.
const inVariable = "write ${NAME}, and put the text in that variable if it is meant as it stands"

var (
	asText = reading{meant: inVariable, flaw: flawOf}
	asPath = reading{ends: lineEnds, meant: inVariable, flaw: flawOf}
)

// asSecret reads a secret that fileKey may set, too; "" if no key does.
func asSecret(fileKey string) reading {
	r := reading{ends: lineEnds, meant: inVariable, flaw: flawOfSecret}
	if fileKey != "" {
		r.meant = "write ${NAME}, or put the secret in a file and its path in " + fileKey + " if it is meant as it stands"
	}
	return r
}

// scalar reads a node that should be a single value.
func (d *decoder) scalar(path string, n ast.Node) (scalar, bool) { return d.scalarAs(asText, path, n) }

func (d *decoder) scalarAs(how reading, path string, n ast.Node) (scalar, bool) {
	var s scalar
	switch n := n.(type) {
	case *ast.StringNode:
		s = scalar{n.Value, inQuotes(n)}
	case *ast.LiteralNode:
		s = scalar{n.Value.Value, true}
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		s = scalar{n.GetToken().Value, false}
	case *ast.NullNode:
		d.report.blame(at(n), path, "has no value; write one or remove the key")
		return s, false
	default:
		d.report.blame(at(n), path, "%s", wantsValue(n))
		return s, false
	}
	text, errs := expand(s.text, how.meant, d.env)
	for _, err := range errs {
		d.report.blame(at(n), path, "%v", err)
	}
	text = strings.TrimRight(text, how.ends)
	// Braces require that a variable is in quotes. Its value is what counts.
	s.text, s.quoted = text, s.quoted && !strings.Contains(s.text, "${")
	flaw := how.flaw(n, text)
	if flaw != "" && len(errs) == 0 {
		d.report.blame(at(n), path, "%s", flaw)
	}
	return s, len(errs) == 0 && flaw == ""
}

func inQuotes(n *ast.StringNode) bool {
	return n.Token.Type == token.SingleQuoteType || n.Token.Type == token.DoubleQuoteType
}

// wantsValue says what to write in place of a list or of keys and values.
func wantsValue(n ast.Node) string {
	if _, isMap := n.(ast.MapNode); isMap {
		return "is keys and values, as a colon and a space make it; write a single value, in quotes if a colon is meant"
	}
	return "is " + form(n) + "; write a single value, in quotes if a bracket is meant"
}

// flawOf says what is wrong with a value that is hardly what its author sees or means;
// empty if nothing is.
func flawOf(n ast.Node, text string) string {
	first, _ := utf8.DecodeRuneInString(text)
	last, _ := utf8.DecodeLastRuneInString(text)
	_, isString := n.(*ast.StringNode)
	hidden := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && isHidden(r) })
	switch {
	case text == "":
		return ""
	case losesTab(n, text):
		return tabLost
	case strings.ContainsRune(glyph.Quotes, first):
		return "begins with " + glyph.Name(first) + plainQuotes
	case hidden >= 0:
		r, _ := utf8.DecodeRuneInString(text[hidden:])
		return "has " + glyph.Name(r) + " in it; remove it"
	case isString && glyph.Unseen(first):
		return "begins or ends with " + glyph.Name(first) + "; remove it"
	case isString && glyph.Unseen(last):
		return "begins or ends with " + glyph.Name(last) + "; remove it"
	}
	return ""
}

// flawOfSecret says what YAML makes of a secret that its author hardly means. Any character
// may belong to a secret, also one that is not seen; setting.Secret refuses those that
// cannot be in a token.
func flawOfSecret(n ast.Node, text string) string {
	node, isString := n.(*ast.StringNode)
	if !isString {
		return ""
	}
	first, _ := utf8.DecodeRuneInString(node.Value)
	switch {
	case losesTab(n, text):
		return tabLost
	case !inQuotes(node) && strings.ContainsRune(glyph.Quotes, first):
		return "begins with " + glyph.Name(first) + plainQuotes
	}
	return ""
}

const (
	tabLost     = "has a tab in it, which YAML leaves out; write blanks, or the text in quotes"
	plainQuotes = "; write \" or ' around a text"
)

// losesTab reports whether YAML leaves out a tab of a text.
func losesTab(n ast.Node, text string) bool {
	node, isString := n.(*ast.StringNode)
	return isString && strings.Contains(strings.TrimSpace(node.Token.Origin), "\t") && !strings.Contains(text, "\t")
}

// isHidden reports whether a character leaves no trace where it is printed.
func isHidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}

// text reads a node that should be text. A number stays as it is written, since
// identifiers and passwords may consist of digits.
func (d *decoder) text(path string, n ast.Node) (string, bool) {
	s, ok := d.scalar(path, n)
	if _, isString := n.(*ast.StringNode); ok && isString && strings.Trim(s.text, " ") != s.text {
		d.report.blame(at(n), path, "begins or ends with a blank; remove it")
		return "", false
	}
	if ok && strings.HasPrefix(s.text, "~/") {
		d.report.blame(at(n), path, "begins with ~, which only a shell replaces; write ${HOME} or the whole path")
		return "", false
	}
	return s.text, ok && d.isNoSwitch(path, n) && d.isBare(path, n, s.text)
}

// isNoSwitch refuses true and false.
func (d *decoder) isNoSwitch(path string, n ast.Node) bool {
	_, isBool := n.(*ast.BoolNode)
	if isBool {
		d.report.blame(at(n), path, "is true or false; write text, in quotes if you mean the word")
	}
	return !isBool
}

// isBare refuses a text that holds its own quotes.
func (d *decoder) isBare(path string, n ast.Node, text string) bool {
	if last := len(text) - 1; last > 0 && text[0] == text[last] && strings.ContainsRune(`"'`, rune(text[0])) {
		d.report.blame(at(n), path, "is in quotes twice; write one pair of quotes, and none in a variable")
		return false
	}
	return true
}

// decodeScalar sets a field of a basic kind.
func (d *decoder) decodeScalar(path string, n ast.Node, v reflect.Value) {
	if v.Kind() == reflect.String {
		if text, ok := d.text(path, n); ok {
			v.SetString(text)
		}
		return
	}
	s, ok := d.scalar(path, n)
	if !ok {
		return
	}
	want, err := parseInto(v, s.text)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		d.report.blame(at(n), path, "cannot be set in a file; remove the key")
	case s.quoted:
		d.report.blame(at(n), path, "is text in quotes; write %s without quotes", want)
	case errors.Is(err, strconv.ErrRange):
		d.report.blame(at(n), path, "is out of range; write %s that fits", want)
	case err != nil:
		d.report.blame(at(n), path, "is not %s; write one", want)
	}
}

// parseInto parses text into v. It also returns what such a field wants, for a message.
func parseInto(v reflect.Value, text string) (want string, err error) {
	switch {
	case v.Kind() == reflect.Bool:
		set := text == "true" || text == "True" || text == "TRUE"
		if !set && text != "false" && text != "False" && text != "FALSE" {
			err = strconv.ErrSyntax
		}
		v.SetBool(set)
		return "true or false", err
	case v.CanInt():
		i, err := strconv.ParseInt(text, 10, v.Type().Bits())
		v.SetInt(i)
		return "a whole number", err
	case v.CanUint():
		u, err := strconv.ParseUint(text, 10, v.Type().Bits())
		v.SetUint(u)
		return "a whole number of 0 or more", err
	case v.CanFloat():
		f, err := strconv.ParseFloat(text, v.Type().Bits())
		if err == nil && (math.IsNaN(f) || math.IsInf(f, 0)) {
			err = strconv.ErrSyntax
		}
		v.SetFloat(f)
		return "a number", err
	}
	return "", errors.ErrUnsupported
}

const singleValue = "a single value"

// form names the form of a node in a message.
func form(n ast.Node) string {
	switch n.(type) {
	case *ast.SequenceNode:
		return "a list"
	case ast.MapNode:
		return "keys and values"
	case *ast.NullNode:
		return "empty"
	}
	return singleValue
}
