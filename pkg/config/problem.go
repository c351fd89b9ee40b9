package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-siem/sluice/pkg/internal/glyph"
)

// Problem is one thing wrong with a configuration.
type Problem struct {
	File         string
	Line, Column int    // from 1
	Key          string // such as "sinks[0].settings.topic"; empty for the file as a whole
	Text         string // what is wrong; what to do
}

func (p Problem) String() string {
	if p.Key == "" {
		return fmt.Sprintf("%s:%d:%d: %s", glyph.Visible(p.File), p.Line, p.Column, p.Text)
	}
	return fmt.Sprintf("%s:%d:%d: %s: %s", glyph.Visible(p.File), p.Line, p.Column, p.Key, p.Text)
}

// Errors lists everything wrong with a configuration, by file and line.
type Errors []Problem

// Error returns the problems, one a line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// sorted returns the problems by place, each once. Settings and the settings within them
// may report the same problem.
func (e Errors) sorted() Errors {
	slices.SortStableFunc(e, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Key, b.Key), cmp.Compare(a.Text, b.Text))
	})
	return slices.Compact(e)
}
