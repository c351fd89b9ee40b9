package config

import (
	"errors"
	"io/fs"
	"net"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// No message shows a value of the file or of a variable. Any value may be a secret, for
// example under a wrong key, or after a lost line break or quote. File, line, column and
// key are enough to find it.

// isName accepts a key that the settings do not know, such as an action in a
// catalogue, if it can hardly be a secret.
func isName(key string, value ast.Node) bool {
	_, null := value.(*ast.NullNode)
	return !null && goodKey.MatchString(key)
}

var goodKey = regexp.MustCompile(`^[a-z][a-z0-9_]*([.-][a-z0-9_]+)*$`)

// quotation is a text in double quotes, also one that is cut off.
var quotation = regexp.MustCompile(`"(?:[^"\\]|\\.)*(?:"|\\?$)`)

// withoutQuotations returns the text of an error without the value it quotes. Package
// setting requires errors to put values in quotes.
func withoutQuotations(err error) string {
	text := err.Error()
	for e := err; e != nil; e = errors.Unwrap(e) {
		switch e := e.(type) {
		case *fs.PathError:
			text = strings.ReplaceAll(text, e.Error(), e.Err.Error())
		case *net.AddrError:
			text = strings.ReplaceAll(text, e.Error(), e.Err)
		}
	}
	text = quotation.ReplaceAllString(text, `"…"`)
	return strings.TrimPrefix(text, `"…" `)
}
