package config

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/sluice-siem/sluice/pkg/internal/glyph"
)

// No message shows a value of the file or of a variable. Any value may be a secret, for
// example under a wrong key, or after a lost line break or quote. File, line, column and
// key are enough to find it. Only names that are valid, and paths that surely are paths,
// are shown (shownPath).

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
// setting requires errors to put values in quotes. A path is shown if it surely is one.
func withoutQuotations(err error) string {
	if file := new(fs.PathError); errors.As(err, &file) {
		return shownPath(file.Path) + withoutPath(err)
	}
	return withoutPath(err)
}

// withoutPath also leaves out the path of a file.
func withoutPath(err error) string {
	text := err.Error()
	var file *fs.PathError
	var address *net.AddrError
	switch {
	case errors.As(err, &file):
		// What comes before only says that a file is read.
		_, rest, _ := strings.Cut(text, file.Error())
		text = file.Err.Error() + rest
	case errors.As(err, &address):
		text = strings.ReplaceAll(text, address.Error(), address.Err)
	}
	text = quotation.ReplaceAllString(text, `"…"`)
	return strings.TrimPrefix(text, `"…" `)
}

var (
	// goodPath is a path of several parts that nobody would take for a secret.
	goodPath = regexp.MustCompile(`^(/|\./|(\.\./)+)?[a-z0-9_.-]{1,40}(/[a-z0-9_.-]{1,40})+$`)
	goodFile = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
)

// shownPath returns a path for the begin of a message. It leaves out what may be a secret
// in place of a path, or behind it after a lost line break.
func shownPath(path string) string {
	where := ""
	if !filepath.IsAbs(path) {
		if dir, err := os.Getwd(); err == nil {
			where = "in " + glyph.Visible(dir)
		}
	}
	dir, name := filepath.Split(filepath.Clean(path))
	shown := glyph.Visible(path)
	switch {
	case exists(path) || goodPath.MatchString(path):
	case strings.Trim(dir, "/") == "" || !exists(dir):
		shown = ""
	case !goodFile.MatchString(name):
		shown = glyph.Visible(dir) + "…"
	}
	if text := strings.TrimSpace(shown + " " + where); text != "" {
		return text + ": "
	}
	return ""
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
