package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/sluice-siem/sluice/pkg/internal/glyph"
)

// report collects the problems of one file, and holds the reports of the files that it
// names. If a value could not be decoded, it leaves
// out the problems that follow from that.
type report struct {
	file     string
	problems Errors
	others   []*report
	places   map[string]place  // the place of each key, by its path
	blamed   map[string]bool   // paths whose value could not be decoded: no more problems about them
	hidden   map[string]string // paths whose last key must not be shown, and the path to show instead
	bare     map[string]bool   // paths of sizes without a unit
}

func newReport(file string) *report {
	return &report{file: file, places: map[string]place{}, blamed: map[string]bool{}, hidden: map[string]string{}, bare: map[string]bool{}}
}

// of begins the report of a file that this one names.
func (r *report) of(file string) *report {
	other := newReport(file)
	r.others = append(r.others, other)
	return other
}

// err returns the problems as an error, nil if there is none.
func (r *report) err() error {
	if problems := r.all(); len(problems) > 0 {
		return problems
	}
	return nil
}

// all returns the problems of all files.
func (r *report) all() Errors {
	found := slices.Clone(r.problems)
	for _, other := range r.others {
		found = append(found, other.all()...)
	}
	return found.sorted()
}

type place struct{ line, column int }

var top = place{1, 1}

// blame reports why the value at a path could not be decoded.
func (r *report) blame(at place, path, format string, args ...any) {
	r.blamed[path] = true
	r.add(at, path, fmt.Sprintf(format, args...))
}

// reject reports what is wrong with the value at a path, at the place of its key.
func (r *report) reject(path, format string, args ...any) {
	if file := path + "_file"; r.given(file) && !r.given(path) {
		path = file
	}
	text := fmt.Sprintf(format, args...)
	if r.bare[path] {
		text = "has no unit, so it is a number of bytes, and " + text
	}
	r.add(r.near(path), path, text)
}

func (r *report) add(at place, path, text string) {
	text = strings.ReplaceAll(text, "\n", " ")
	r.problems = append(r.problems, Problem{File: r.file, Line: at.line, Column: at.column, Key: r.shown(path), Text: text})
}

// shown cuts a path before the first key that must not be shown.
func (r *report) shown(path string) string {
	for p := path; p != ""; p = parent(p) {
		if around, hidden := r.hidden[p]; hidden {
			path = around
		}
	}
	return path
}

// where returns the place of a key with the name of the file; empty if the key is absent.
func (r *report) where(path string) string {
	if !r.given(path) {
		return ""
	}
	at := r.near(path)
	return fmt.Sprintf("%s:%d:%d", glyph.Visible(r.file), at.line, at.column)
}

// near returns the place of a key. If the key is absent, it returns that of the nearest
// key around it.
func (r *report) near(path string) place {
	for ; path != ""; path = parent(path) {
		for _, p := range []string{path, path + "_file"} {
			if at, ok := r.places[p]; ok {
				return at
			}
		}
	}
	return top
}

// Visit implements ast.Visitor. It looks for tags that hold the keys of the file.
func (r *report) Visit(n ast.Node) ast.Visitor {
	if tag, isTag := n.(*ast.TagNode); isTag && at(tag.Value).column == 1 {
		r.swallowed("", tag)
	}
	return r
}

// swallowed marks the keys in a tag as not decoded, so that they do not count as missing.
// The parser takes the lines below a tag for its value.
func (r *report) swallowed(path string, tag *ast.TagNode) {
	if m, isMap := tag.Value.(ast.MapNode); isMap {
		for it := m.MapRange(); it.Next(); {
			r.blamed[join(path, it.Key().String())] = true
		}
	}
}

// given reports whether the file has the key at a path.
func (r *report) given(path string) bool {
	_, ok := r.places[path]
	return ok
}

// check reports a problem with a value if ok is false and the value could be decoded.
func (r *report) check(ok bool, path, format string, args ...any) bool {
	if !ok && !r.unavailable(path) {
		r.reject(path, format, args...)
	}
	return ok
}

// unavailable reports whether the value at a path, or one around it, could not be
// decoded. Checking it would only repeat that problem.
func (r *report) unavailable(path string) bool {
	if r.blamed[path+"_file"] {
		return true
	}
	for ; path != ""; path = parent(path) {
		if r.blamed[path] {
			return true
		}
	}
	return r.blamed[""]
}

// sound reports whether there is no problem at a path or below it.
func (r *report) sound(path string) bool {
	return !slices.ContainsFunc(r.problems, func(p Problem) bool {
		rest, below := strings.CutPrefix(p.Key, path)
		return below && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}
