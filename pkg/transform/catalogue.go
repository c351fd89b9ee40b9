package transform

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/sluice-siem/sluice/pkg/source"
)

// Catalogue describes every action. Documented actions have entries of their own. Rules
// by resource and verb describe the others. A nil Catalogue is the common one.
type Catalogue struct {
	entries *Entries
	actions map[string]*Action

	// ruled has the actions that the rules make. resources and verbs number its rows and
	// columns.
	resources, verbs map[string]int
	ruled            [][]Action

	depths []layer // few, and searched for each event: a list is faster than a map
}

// layer is how deep things of a type lie.
type layer struct {
	kind  string
	depth int
}

//go:embed common.json
var commonFile []byte

// common is what holds for every source: the verbs that most have, Sluice's own
// actions, and the names of techniques.
var common = sync.OnceValue(func() *Catalogue {
	e, err := parseEntries(commonFile)
	if err != nil {
		panic(fmt.Sprintf("the common catalogue: %v", err))
	}
	return newCatalogue(&e.Entries)
})

// ParseCatalogue reads the catalogue of a type of source. Its entries override those of
// the common catalogue. It is JSON, since that takes a few milliseconds, and YAML takes
// half a second. The error tells every problem, each with the line and the name of its
// entry.
func ParseCatalogue(data []byte) (*Catalogue, error) {
	if len(data) == 0 {
		return common(), nil
	}
	f, err := parseEntries(data)
	if err != nil {
		return nil, err
	}
	f.validate()
	c := common().With(&f.Entries, "")
	f.namesOf(c)
	return c, errors.Join(f.errs...)
}

// With returns the catalogue with the entries of a file, which override it key by key.
// The name of the file is for people. The caller validates the entries, and checks that
// their aliases and techniques are known.
func (c *Catalogue) With(e *Entries, file string) *Catalogue {
	return newCatalogue(e.over(c.orCommon().entries, file))
}

// Actions returns the names of all actions that have an entry, in any order.
func (c *Catalogue) Actions() []string {
	var names []string
	for name := range c.orCommon().actions {
		names = append(names, name)
	}
	return names
}

// Techniques returns the ids of all techniques that the catalogue can name, in any
// order.
func (c *Catalogue) Techniques() []string {
	var ids []string
	for id := range c.orCommon().entries.Techniques {
		ids = append(ids, id)
	}
	return ids
}

func (c *Catalogue) orCommon() *Catalogue {
	if c == nil {
		return common()
	}
	return c
}

// Lookup returns the description of an action such as "deploy_request.queued". If the
// action has no entry, the rules for its resource and its verb describe it, and it is
// not mapped.
func (c *Catalogue) Lookup(action string) *Action {
	c = c.orCommon()
	if known, ok := c.actions[action]; ok {
		return known
	}
	return c.byRules(action)
}

// ownToken is the least severity of an event about the credential with which Sluice reads
// the log: who has it can end the delivery, or read what Sluice reads.
const ownToken = 8

// Of returns the description of an event. It is that of the action, except that an event
// about the credential with which Sluice reads the log is severe whatever its action is.
func (c *Catalogue) Of(e *source.Event) *Action {
	a := c.Lookup(e.Action)
	if !e.OwnToken || a.Severity >= ownToken {
		return a
	}
	severe := *a
	severe.Severity, severe.Reason = ownToken, "it is about the token with which Sluice reads the log"
	return &severe
}

func (c *Catalogue) byRules(action string) *Action {
	resource, verb, _ := strings.Cut(action, ".")
	return &c.ruled[row(c.resources, resource)][row(c.verbs, verb)]
}

// row returns the row of a name: its own, or else the row of its longest prefix in whole
// words, or else the first. So "database_branch_tag" is treated as a "database_branch".
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
