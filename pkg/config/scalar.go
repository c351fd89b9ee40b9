package config

import (
	"errors"
	"math"
	"reflect"
	"strconv"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// scalar is a single value with its variables expanded. Its meaning depends on the
// field: the text 5 may be a number or a name.
type scalar struct {
	text   string
	quoted bool
}

// scalar reads a node that should be a single value.
func (d *decoder) scalar(path string, n ast.Node) (scalar, bool) {
	var s scalar
	switch n := n.(type) {
	case *ast.StringNode:
		quoted := n.Token.Type == token.SingleQuoteType || n.Token.Type == token.DoubleQuoteType
		s = scalar{n.Value, quoted}
	case *ast.LiteralNode:
		s = scalar{n.Value.Value, true}
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		s = scalar{n.GetToken().Value, false}
	case *ast.NullNode:
		d.report.blame(at(n), path, "has no value; write one or remove the key")
		return s, false
	default:
		d.report.blame(at(n), path, "is %s; write a single value, in quotes if there is a colon in it", form(n))
		return s, false
	}
	text, errs := expand(s.text, d.env)
	for _, err := range errs {
		d.report.blame(at(n), path, "%v", err)
	}
	s.text = text
	return s, len(errs) == 0
}

// text reads a node that should be text. A number stays as it is written, since
// identifiers and passwords may consist of digits.
func (d *decoder) text(path string, n ast.Node) (string, bool) {
	if _, isBool := n.(*ast.BoolNode); isBool {
		d.report.blame(at(n), path, "is true or false; write text, in quotes if you mean the word")
		return "", false
	}
	s, ok := d.scalar(path, n)
	return s.text, ok
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
		d.report.blame(at(n), path, "cannot be set from YAML, since the settings hold a %s; remove the key", v.Type())
	case s.quoted:
		d.report.blame(at(n), path, "is text in quotes; write %s without quotes", want)
	case errors.Is(err, strconv.ErrRange):
		d.report.blame(at(n), path, "is out of range; write %s that fits", want)
	case err != nil:
		d.report.blame(at(n), path, "does not fit; write %s", want)
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
