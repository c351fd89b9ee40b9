package config

import (
	"maps"
	"reflect"
	"slices"

	"github.com/sluice-siem/sluice/pkg/internal/nearest"
	"github.com/sluice-siem/sluice/pkg/internal/regular"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// catalogues gives each source the catalogue of its type, corrected by the file of that
// name. Sources of the same type share a catalogue. The corrections are what that file has.
func (r *resolver) catalogues(c *Config, nodes []sourceNode, name string) {
	brought := map[string]*transform.Catalogue{}
	for i, s := range c.Sources {
		if _, parsed := brought[s.Type.Name]; parsed {
			continue
		}
		of, err := transform.ParseCatalogue(s.Type.Catalogue)
		nodes[i].file.report.check(err == nil, join(nodes[i].path, "type"), "the catalogue of this type is invalid: %v; report it to the author of the type", err)
		brought[s.Type.Name] = of
	}
	of, err := transform.ParseCatalogue(c.Own.Type.Catalogue)
	r.report.check(err == nil, "", "the catalogue of Sluice's own log is invalid: %v; report it to the authors of Sluice", err)
	brought[c.Own.Type.Name] = of
	if c.Corrections = r.catalogue(name, brought); c.Corrections != nil {
		for kind, of := range brought {
			brought[kind] = of.With(c.Corrections, name)
		}
	}
	for i := range c.Sources {
		c.Sources[i].Catalogue = brought[c.Sources[i].Type.Name]
	}
	c.Own.Catalogue = brought[c.Own.Type.Name]
}

// catalogue reads the file of that name; nil if there is none. The file is parsed as
// strictly as the configuration, and its problems are reported with those.
func (r *resolver) catalogue(name string, brought map[string]*transform.Catalogue) *transform.Entries {
	const path = "catalogue"
	if !r.report.given(path) || r.report.unavailable(path) {
		return nil
	}
	if !r.report.check(name != "", path, "is empty; write the path of a file or remove the key") {
		return nil
	}
	data, err := r.trace.look(func() ([]byte, error) { return read(name, regular.Open) })
	if err != nil {
		r.report.check(false, path, "%s; write the path of a file that can be read", withoutQuotations(err))
		return nil
	}
	found := r.report.of(name)
	entries := newDecoder(found, r.decoder.env).entries(data, brought)
	if len(found.problems) > 0 {
		return nil
	}
	return entries
}

// entries reads a whole catalogue file. The result is valid only if there is no problem.
func (d *decoder) entries(data []byte, brought map[string]*transform.Catalogue) *transform.Entries {
	var e transform.Entries
	root := d.report.parse(data, "actions")
	if root == nil {
		return &e
	}
	d.decode("", root, reflect.ValueOf(&e).Elem())
	d.report.validate("", reflect.ValueOf(&e).Elem())
	actions, techniques := []string(nil), []string{transform.None}
	for _, c := range brought {
		known := c.With(&e, d.report.file)
		actions, techniques = append(actions, known.Actions()...), append(techniques, known.Techniques()...)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Actions)) {
		entry, path := e.Actions[name], join("actions", name)
		d.report.named(join(path, "alias"), "action", entry.Alias, actions)
		d.report.named(join(path, "technique"), "technique", entry.Technique, techniques)
	}
	return &e
}

// named checks an optional name. The known ones are too many to list.
func (r *report) named(path, what, name string, known []string) {
	hint := "docs/mapping.md lists the known ones"
	if s := nearest.Word(name, known); s != "" {
		hint = "did you mean " + s + "?"
	}
	r.check(name == "" || slices.Contains(known, name), path, "unknown %s; %s", what, hint)
}
