package where

import (
	"errors"
	"fmt"
	"strings"

	"github.com/expr-lang/expr/ast"

	"github.com/sluice-siem/sluice/pkg/source"
)

// Expression is a condition. The zero value is none.
type Expression struct {
	text    string
	product *source.Product // its events are those that the text is checked for; nil: a product that names no objects
}

// For returns an Expression into which a condition for the events of a product is decoded.
func For(p *source.Product) Expression { return Expression{product: p} }

// UnmarshalText implements encoding.TextUnmarshaler. It checks the condition. The error
// has the line and the column in the text.
func (x *Expression) UnmarshalText(text []byte) error {
	written := strings.TrimSpace(string(text))
	if written == "" {
		return errors.New("is empty; write a condition such as severity >= 3, or remove the key")
	}
	if _, err := vocabularyOf(x.product).compile(written); err != nil {
		return fmt.Errorf("is not a condition: %w", err)
	}
	x.text = written
	return nil
}

// IsSet reports whether there is a condition at all.
func (x Expression) IsSet() bool { return x.text != "" }

// String is the condition as it was written.
func (x Expression) String() string { return x.text }

// Equal reports whether both were written alike.
func (x Expression) Equal(other Expression) bool { return x.text == other.text }

// mention is which members of metadata an expression uses. Only these are decoded.
type mention struct {
	mentioned bool
	keys      map[string]bool // nil: all, since the names are not in the expression
}

// mentionIn looks for metadata in an expression. If every mention of it has the name of a
// member, only those members are needed.
func mentionIn(node ast.Node) mention {
	v := &mentions{keys: map[string]bool{}}
	ast.Walk(&node, v)
	if v.all > v.members {
		return mention{mentioned: true}
	}
	return mention{mentioned: v.all > 0, keys: v.keys}
}

// mentions counts how often metadata is named, and how often a member of it.
type mentions struct {
	all, members int
	keys         map[string]bool
}

func (v *mentions) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		// $env is all the fields under one name.
		if n.Value == "metadata" || n.Value == "$env" {
			v.all++
		}
	case *ast.MemberNode:
		object, ofMetadata := n.Node.(*ast.IdentifierNode)
		key, written := n.Property.(*ast.StringNode)
		if ofMetadata && written && object.Value == "metadata" {
			v.members++
			v.keys[key.Value] = true
		}
	}
}
