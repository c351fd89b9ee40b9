package where

import (
	"errors"
	"fmt"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"
)

// Expression is a condition, compiled. The zero value is none.
type Expression struct {
	text     string
	program  *vm.Program
	metadata mention
}

// UnmarshalText implements encoding.TextUnmarshaler: it compiles the text of a
// configuration. The error tells the line and the column within the text.
func (x *Expression) UnmarshalText(text []byte) error {
	written := strings.TrimSpace(string(text))
	if written == "" {
		return errors.New("is empty; write a condition such as severity >= 3, or remove the key")
	}
	program, err := expr.Compile(written, expr.Env(&Fields{}), expr.AsBool())
	if err != nil {
		return fmt.Errorf("is no condition: %s", explain(err))
	}
	*x = Expression{text: written, program: program, metadata: mentionIn(program.Node())}
	return nil
}

// IsSet reports whether there is a condition at all.
func (x Expression) IsSet() bool { return x.program != nil }

// String is the condition as it was written.
func (x Expression) String() string { return x.text }

// Equal reports whether both were written alike.
func (x Expression) Equal(other Expression) bool { return x.text == other.text }

// mention is which members of metadata an expression asks for, so that no others
// are decoded.
type mention struct {
	mentioned bool
	keys      map[string]bool // nil: all, since it is not known which
}

// mentionIn looks for metadata in an expression. Where each mention of it asks
// for a member whose name is written there, only those members are needed.
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
