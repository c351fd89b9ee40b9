package config

import (
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// parse returns the one document in data, nil if there is a problem. least is what every
// such file needs, for the message about an empty one.
func (r *report) parse(data []byte, least string) ast.Node {
	if len(data) > maxFile {
		r.blame(top, "", "the file exceeds %d bytes; is it a configuration?", maxFile)
		return nil
	}
	if !utf8.Valid(data) {
		r.blame(top, "", "the file is not UTF-8; save it as UTF-8")
		return nil
	}
	text := strings.TrimPrefix(string(data), "\ufeff")
	file, err := parser.ParseBytes([]byte(text), 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(text, err)
		return nil
	}
	for _, doc := range file.Docs[min(1, len(file.Docs)):] {
		r.add(placeOf(doc.Start), "", "another document begins here; write one configuration per file")
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		r.blame(top, "", "the file is empty; write at least %s", least)
		return nil
	}
	return file.Docs[0].Body
}

func placeOf(tk *token.Token) place {
	if tk == nil || tk.Position == nil {
		return top
	}
	return place{max(1, tk.Position.Line), max(1, tk.Position.Column)}
}

// at is where a node begins. The token of a block mapping is its first colon.
func at(n ast.Node) place {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return at(n.Values[0])
		}
	case *ast.MappingValueNode:
		return placeOf(n.Key.GetToken())
	}
	return placeOf(n.GetToken())
}
