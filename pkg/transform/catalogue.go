package transform

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
)

// Catalogue says of every action what it is. The actions that are documented
// have entries of their own; for others there are rules by resource and verb. A
// nil Catalogue is the built-in one.
type Catalogue struct {
	entries *Entries
	actions map[string]*Action

	// What the rules make: resources and verbs number the rows and columns of ruled.
	resources, verbs map[string]int
	ruled            [][]Action
}

//go:embed catalogue.json
var builtinFile []byte

// Builtin is the catalogue that Sluice brings along. It is written in JSON, which
// is read in a few milliseconds, where the same in YAML takes half a second; the
// reader of configurations reads it too.
var Builtin = sync.OnceValue(func() *Catalogue {
	var e Entries
	d := json.NewDecoder(bytes.NewReader(builtinFile))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		panic(fmt.Sprintf("the built-in catalogue: %v", err))
	}
	return newCatalogue(&e)
})

// With returns the catalogue with the entries of a file laid over it, key by key.
// The name of the file is for people. What Validate of the entries has to say,
// and whether Known knows the aliases and techniques in them, is for the caller
// to see to.
func (c *Catalogue) With(e *Entries, file string) *Catalogue {
	return newCatalogue(e.over(c.orBuiltin().entries, file))
}

// Actions are the names of all actions that have an entry, in no order.
func (c *Catalogue) Actions() []string {
	var names []string
	for name := range c.orBuiltin().actions {
		names = append(names, name)
	}
	return names
}

// Techniques are the ids of all techniques that the catalogue can name, in no
// order.
func (c *Catalogue) Techniques() []string {
	var ids []string
	for id := range c.orBuiltin().entries.Techniques {
		ids = append(ids, id)
	}
	return ids
}

func (c *Catalogue) orBuiltin() *Catalogue {
	if c == nil {
		return Builtin()
	}
	return c
}

// Lookup returns what the catalogue has of an action such as
// "deploy_request.queued". An action without an entry is described by the rules
// for its resource and its verb, and not mapped.
func (c *Catalogue) Lookup(action string) *Action {
	c = c.orBuiltin()
	if known, ok := c.actions[action]; ok {
		return known
	}
	return c.byRules(action)
}

func (c *Catalogue) byRules(action string) *Action {
	resource, verb, _ := strings.Cut(action, ".")
	return &c.ruled[row(c.resources, resource)][row(c.verbs, verb)]
}

// row finds the row of a name: its own, else that of the longest beginning of
// whole words, so that "database_branch_tag" is treated as a "database_branch",
// else the first.
func row(rows map[string]int, name string) int {
	for {
		if row, ok := rows[name]; ok {
			return row
		}
		end := strings.LastIndexByte(name, '_')
		if end < 0 {
			return 0
		}
		name = name[:end]
	}
}
