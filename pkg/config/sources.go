package config

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/sluice-siem/sluice/pkg/internal/glyph"
	"github.com/sluice-siem/sluice/pkg/source"
)

// sourceNode is a source as it is written, and the resolver of the file that has it.
type sourceNode struct {
	deferred
	file *resolver
}

// sourceNodes returns the sources of the configuration: those of its list, or those of
// the files that it names in place of a list.
func (r *resolver) sourceNodes(d deferred) []sourceNode {
	if d.node != nil && form(d.node) == singleValue {
		return r.sourceFiles(d)
	}
	return r.sourceList(d)
}

// sourceList reads the list of one file. If nobody knows what is in it, the result is a
// source without a name, so that a sink is not blamed for naming one of them.
func (r *resolver) sourceList(d deferred) []sourceNode {
	var list []deferred
	r.decoder.fill(d, &list)
	if len(list) == 0 {
		if !r.report.unavailable("sources") {
			r.report.blame(r.report.near("sources"), "sources", "missing; write at least one source")
		}
		return r.unknownSource()
	}
	nodes := make([]sourceNode, len(list))
	for i, d := range list {
		nodes[i] = sourceNode{d, r}
	}
	return nodes
}

func (r *resolver) unknownSource() []sourceNode {
	return []sourceNode{{deferred{path: "sources"}, r}}
}

// sourcesIn reads a file that sources names.
func (r *resolver) sourcesIn(data []byte) []sourceNode {
	var doc struct {
		Sources deferred `yaml:"sources"`
	}
	if root := r.report.parse(data, "sources"); root != nil {
		r.decoder.decode("", root, reflect.ValueOf(&doc).Elem())
	}
	return r.sourceList(doc.Sources)
}

func sources(nodes []sourceNode) []Source {
	list := make([]Source, len(nodes))
	seen := map[string]spot{}
	for i, n := range nodes {
		list[i] = n.file.source(n.deferred, seen)
	}
	return list
}

func (r *resolver) source(d deferred, seen map[string]spot) Source {
	var e sourceEntry
	if i := slices.IndexFunc(r.kinds.Sources, func(k source.Type) bool { return k.Name == typeOf(d.node) }); i >= 0 {
		r.decoder.settings[d.path] = r.kinds.Sources[i].Settings()
	}
	r.decoder.fill(d, &e)
	r.name(d.path, "source", e.Name, seen)
	r.report.check(e.Name != r.kinds.Own.Name || e.Name == "", join(d.path, "name"), "is the name of Sluice's own log; write another one")
	s := Source{Name: e.Name}
	var ok bool
	s.Type, ok = among(r.report, join(d.path, "type"), "type of source", e.Type, r.kinds.Sources, func(k source.Type) string { return k.Name })
	if !ok {
		r.decoder.scan(e.Settings)
		return s
	}
	s.Settings = r.settings(join(d.path, "settings"), e.Settings, s.Type.Settings())
	return s
}

// spot is where something is written.
type spot struct {
	report *report // of the file
	path   string
}

// from returns how a message about a file refers to a spot.
func (s spot) from(file *report) string {
	if s.report == file {
		return s.path
	}
	return fmt.Sprintf("%s in %s:%d", s.path, glyph.Visible(s.report.file), s.report.near(s.path).line)
}

// alsoNames reports that another spot has the same name.
func (s spot) alsoNames(other spot, name, what string) {
	s.report.reject(join(s.path, "name"), "%s is also the name of %s; give every %s a name of its own", name, other.from(s.report), what)
}

// name checks that a name is valid and not among the names seen so far.
func (r *resolver) name(path, what, name string, seen map[string]spot) {
	key := join(path, "name")
	if !r.report.check(name != "", key, "missing; give every %s a name", what) ||
		!r.report.check(goodName.MatchString(name), key, "is not a name; write 1 to 64 of a-z 0-9 - _ . beginning with a letter or digit") {
		return
	}
	here := spot{r.report, path}
	other, twice := seen[name]
	if !twice {
		seen[name] = here
		return
	}
	here.alsoNames(other, name, what)
	// Either file may be the one to change.
	if other.report != here.report {
		other.alsoNames(here, name, what)
	}
}

// unfollowed refuses a source that no sink follows. Its events would silently go
// nowhere.
func (r *resolver) unfollowed(sources []Source, nodes []sourceNode, sinks []Sink) {
	followed := map[string]bool{}
	for i, s := range sinks {
		if !r.report.sound(join(index("sinks", i), "sources")) {
			return
		}
		for _, name := range s.Sources {
			followed[name] = true
		}
	}
	for i, s := range sources {
		report, path := nodes[i].file.report, nodes[i].path
		report.check(len(sinks) == 0 || followed[s.Name] || !report.sound(join(path, "name")), path,
			"no sink follows %s; add it to the sources of a sink, or remove it", s.Name)
	}
}
