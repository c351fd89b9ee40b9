package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// tree is a configuration on its way from text to values, and the problems
// found so far.
type tree struct {
	file     string
	least    string // what a file holds that is not empty
	env      func(string) (string, bool)
	problems Errors
	places   map[string]place  // where each key stands, by its path
	blamed   map[string]bool   // paths whose value could not be had: nothing more is said of them
	hidden   map[string]string // paths whose last key is not shown, and what is shown instead
}

func newTree(file, least string, env func(string) (string, bool)) *tree {
	return &tree{
		file: file, least: least, env: env,
		places: map[string]place{}, blamed: map[string]bool{}, hidden: map[string]string{},
	}
}

type place struct{ line, column int }

var top = place{1, 1}

// blame records why the value at a path could not be had.
func (t *tree) blame(at place, path, format string, args ...any) {
	t.blamed[path] = true
	t.add(at, path, fmt.Sprintf(format, args...))
}

// reject records what is wrong with the value at a path, at its key.
func (t *tree) reject(path, format string, args ...any) {
	t.add(t.near(path), path, fmt.Sprintf(format, args...))
}

func (t *tree) add(at place, path, text string) {
	text = strings.ReplaceAll(text, "\n", " ")
	t.problems = append(t.problems, Problem{File: t.file, Line: at.line, Column: at.column, Key: t.shown(path), Text: text})
}

// shown is a path up to the first key in it that may not be shown.
func (t *tree) shown(path string) string {
	for p := path; p != ""; p = parent(p) {
		if around, hidden := t.hidden[p]; hidden {
			path = around
		}
	}
	return path
}

// near is the place of a key, or of the nearest one around it if it is absent.
func (t *tree) near(path string) place {
	for ; path != ""; path = parent(path) {
		for _, p := range []string{path, path + "_file"} {
			if at, ok := t.places[p]; ok {
				return at
			}
		}
	}
	return top
}

// settled reports whether the value at a path, or one around it, could not be
// had, so that judging it would only repeat that.
func (t *tree) settled(path string) bool {
	if t.blamed[path+"_file"] {
		return true
	}
	for ; path != ""; path = parent(path) {
		if t.blamed[path] {
			return true
		}
	}
	return t.blamed[""]
}

// sound reports whether there is no problem at a path or below it.
func (t *tree) sound(path string) bool {
	return !slices.ContainsFunc(t.problems, func(p Problem) bool {
		rest, below := strings.CutPrefix(p.Key, path)
		return below && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

// join appends a key to a path. One that could be mistaken for more than a key
// is quoted.
func join(path, key string) string {
	plain := key != "" && strings.IndexFunc(key, func(r rune) bool {
		return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0
	switch {
	case !plain:
		return path + "[" + strconv.Quote(key) + "]"
	case path == "":
		return key
	}
	return path + "." + key
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// parse returns the one document in data, nil if there is a problem.
func (t *tree) parse(data []byte) ast.Node {
	if len(data) > maxFile {
		t.blame(top, "", "the file exceeds %d bytes; is it a configuration?", maxFile)
		return nil
	}
	if !utf8.Valid(data) {
		t.blame(top, "", "the file is not UTF-8; save it as that")
		return nil
	}
	text := strings.TrimPrefix(string(data), "\ufeff")
	file, err := parser.ParseBytes([]byte(text), 0, parser.AllowDuplicateMapKey())
	if err != nil {
		t.syntax(text, err)
		return nil
	}
	for _, doc := range file.Docs[min(1, len(file.Docs)):] {
		t.add(placeOf(doc.Start), "", "another document begins here; write one configuration a file")
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		t.blame(top, "", "the file is empty; write at least %s", t.least)
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

// plain reports whether a node is of the YAML that is read here, and tells how
// to do without where it is not.
func (t *tree) plain(path string, n ast.Node) bool {
	switch n.(type) {
	case *ast.AnchorNode:
		t.blame(at(n), path, "begins with &, an anchor of YAML, which is not supported; quote the text, or write the value out where it is used")
	case *ast.AliasNode:
		t.blame(at(n), path, "begins with *, an alias of YAML, which is not supported; quote the text, or write the value out")
	case *ast.TagNode:
		t.blame(at(n), path, "begins with !, a tag of YAML, which is not supported; quote the text, or remove the tag")
	case *ast.DirectiveNode:
		t.blame(at(n), path, "begins with %%, a directive of YAML, which is not supported; remove it")
	default:
		return true
	}
	return false
}
