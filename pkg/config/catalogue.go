package config

import (
	"maps"
	"reflect"
	"slices"

	"github.com/sluice-siem/sluice/pkg/transform"
)

// catalogue reads the file of that name, which corrects what is known of actions;
// nil is what is built in. The file is as strict as the configuration that names
// it, and its problems are told with those.
func (t *tree) catalogue(name string) *transform.Catalogue {
	const path = "catalogue"
	if _, given := t.places[path]; !given || t.settled(path) {
		return nil
	}
	if !t.check(name != "", path, "is empty; write the path of a file or remove the key") {
		return nil
	}
	data, err := read(name)
	if err != nil {
		t.check(false, path, "%s; write the path of a file that can be read", withoutQuotations(err))
		return nil
	}
	file := newTree(name, "actions", t.env)
	entries := file.entries(data)
	t.problems = append(t.problems, file.problems...)
	if len(file.problems) > 0 {
		return nil
	}
	return transform.Builtin().With(entries, name)
}

// entries reads a whole catalogue file. The result is of use if there is no
// problem.
func (t *tree) entries(data []byte) *transform.Entries {
	var e transform.Entries
	root := t.parse(data)
	if root == nil {
		return &e
	}
	t.decode("", root, reflect.ValueOf(&e).Elem())
	t.validate("", reflect.ValueOf(&e).Elem())
	known := transform.Builtin().With(&e, t.file)
	actions, techniques := known.Actions(), append(known.Techniques(), transform.None)
	for _, name := range slices.Sorted(maps.Keys(e.Actions)) {
		entry, path := e.Actions[name], join("actions", name)
		t.named(join(path, "alias"), "action", entry.Alias, actions)
		t.named(join(path, "technique"), "technique", entry.Technique, techniques)
	}
	return &e
}

// named checks a name that is optional. There are too many to list.
func (t *tree) named(path, what, name string, known []string) {
	hint := "docs/mapping.md lists those that are known"
	if s := suggest(name, known); s != "" {
		hint = "did you mean " + s + "?"
	}
	t.check(name == "" || slices.Contains(known, name), path, "unknown %s; %s", what, hint)
}
