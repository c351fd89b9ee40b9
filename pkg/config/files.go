package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sluice-siem/sluice/pkg/internal/regular"
)

// Limits on the files that sources names. A source has a few hundred bytes.
const (
	maxFiles = 10_000
	maxTotal = 16 << 20 // bytes, of all files together
)

// namesFiles says what to write as sources. It shows where a relative path leads without
// showing the path itself: a value may be a misplaced secret.
func (r *resolver) namesFiles() string {
	dir := filepath.Dir(r.report.file)
	if resolved, err := filepath.Abs(dir); err == nil {
		dir = resolved
	}
	return "write the path of a directory, or a pattern such as conf.d/*.yaml; a relative path starts in " + dir
}

// sourceFiles reads the files that sources names in place of a list.
func (r *resolver) sourceFiles(d deferred) []sourceNode {
	text, ok := r.decoder.text(d.path, d.node)
	if !ok {
		return r.unknownSource()
	}
	found, err := r.look(text)
	if err != nil {
		r.report.blame(at(d.node), d.path, "%s", withoutQuotations(err))
		return r.unknownSource()
	}
	r.files = found
	var nodes []sourceNode
	total := 0
	for _, path := range found.Read {
		file := r.of(path)
		data, err := r.trace.look(func() ([]byte, error) { return readRegular(path) })
		if err != nil {
			file.report.blame(top, "", "%s", withoutPath(err))
			nodes = append(nodes, file.unknownSource()...)
			continue
		}
		if total += len(data); total > maxTotal {
			r.report.blame(at(d.node), d.path, "the files exceed %d bytes together; are all of them configurations?", maxTotal)
			return r.unknownSource()
		}
		nodes = append(nodes, file.sourcesIn(data)...)
	}
	return nodes
}

// of returns the resolver of a file that this one names.
func (r *resolver) of(path string) *resolver {
	found := r.report.of(path)
	return &resolver{report: found, decoder: newDecoder(found, r.decoder.env), kinds: r.kinds, trace: r.trace}
}

// look returns the files that a text names, and leaves that in the footprint.
func (r *resolver) look(text string) (found *SourceFiles, err error) {
	_, err = r.trace.look(func() ([]byte, error) {
		files, err := r.selected(text)
		if found == nil {
			found = &files
		}
		return []byte(strings.Join(files.Read, "\x00") + "\n" + strings.Join(files.Skipped, "\x00")), err
	})
	return found, err
}

// selected returns the files that a text names.
func (r *resolver) selected(text string) (found SourceFiles, err error) {
	if text == "" {
		return found, errors.New("is empty; " + r.namesFiles())
	}
	path := filepath.Clean(text)
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(r.report.file), path)
	}
	dir, pattern := filepath.Split(path)
	_, malformed := filepath.Match(pattern, "")
	selects := func(name string) bool { matched, _ := filepath.Match(pattern, name); return matched }
	whole := false // a directory, not a pattern
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		dir, selects, malformed, whole = path, isYAML, nil, true
	}
	if malformed != nil {
		return found, errors.New("is not a pattern; close each [ with ]")
	}
	found, err = list(filepath.Clean(dir), selects)
	if !whole {
		found.Skipped = nil // A pattern is there to leave files out.
	}
	switch {
	case err != nil && strings.ContainsAny(dir, "*?["):
		return found, errors.New("has a wildcard before the last slash, which is not supported; " + r.namesFiles())
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return found, fmt.Errorf("%w; %s", err, r.namesFiles())
	case len(found.Read) > maxFiles:
		return found, fmt.Errorf("names more than %d files; are all of them configurations?", maxFiles)
	case len(found.Read) > 0:
		return found, nil
	case len(found.Skipped) > 0:
		return found, fmt.Errorf("the directory holds no file that ends in .yaml or .yml, but %d others; rename them, or name them by a pattern such as conf.d/*", len(found.Skipped))
	case whole:
		return found, errors.New("the directory is empty, hidden files aside; add a file that ends in .yaml or .yml")
	case err == nil && strings.ContainsAny(pattern, "*?["):
		return found, errors.New("no file matches the pattern; " + r.namesFiles())
	}
	return found, errors.New("there is no file or directory of this name; " + r.namesFiles())
}

// list returns the files of a directory that are not hidden: those with a name that is
// selected, and the others. It returns a file with several names once, under the first.
func list(dir string, selects func(name string) bool) (found SourceFiles, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return found, err
	}
	seen := map[string]bool{}
	for _, e := range entries {
		path, hidden := filepath.Join(dir, e.Name()), strings.HasPrefix(e.Name(), ".")
		switch {
		case hidden:
		case !selects(e.Name()):
			found.Skipped = append(found.Skipped, path)
		case first(seen, path):
			found.Read = append(found.Read, path)
		}
	}
	return found, nil
}

func isYAML(name string) bool {
	ending := filepath.Ext(name)
	return ending == ".yaml" || ending == ".yml"
}

// first reports whether a file was not seen under another name. In a volume of
// Kubernetes each file is a link.
func first(seen map[string]bool, path string) bool {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return true // Reading it reports why.
	}
	again := seen[target]
	seen[target] = true
	return !again
}

// readRegular reads a file, unless reading it could block.
func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		return nil, errors.New("is a directory, and Sluice does not search it; name the files in it, or move it away")
	}
	data, err := read(path, regular.Open)
	if errors.Is(err, regular.ErrIrregular) {
		return nil, fmt.Errorf("%w; move it away", regular.ErrIrregular)
	}
	if err != nil {
		return nil, fmt.Errorf("%w; make the file readable, or move it away", err)
	}
	return data, nil
}
