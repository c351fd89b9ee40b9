package console

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/transform"
)

// Ranked is an actor, an action or an address with its number of events.
type Ranked struct {
	Name    string // as the source sent it, or the beginning of it
	Title   string // of an action, in words
	Events  int
	Highest int // severity
}

// Tops are the most frequent actors, actions and addresses of the last 24 hours, that of
// now included.
type Tops struct {
	Since                      time.Time // later than a day ago if not so much is known
	Actors, Actions, Addresses []Ranked
}

// Top returns at most n of each.
func (a *Activity) Top(src string, n int, now time.Time) Tops {
	last := hourOf(now)
	a.mu.Lock()
	a.advance(last)
	first := max(a.daily, a.oldest)
	top := Tops{Since: beginOf(first)}
	if from, known := a.from(src); !known {
		top.Since = now
	} else if from.After(top.Since) {
		top.Since = from
	}
	a.mu.Unlock()
	var sums [kinds]map[string]count
	for k := range sums {
		sums[k] = map[string]count{}
	}
	catalogues := map[string]*transform.Catalogue{}
	for number := first; number <= last; number++ {
		for _, r := range a.names(src, number) {
			sum := sums[r.kind][r.text]
			sum.plus(r.count)
			sums[r.kind][r.text] = sum
			if r.kind == anAction {
				catalogues[r.text] = r.source.catalogue
			}
		}
	}
	for k, list := range [kinds]*[]Ranked{anActor: &top.Actors, anAction: &top.Actions, anAddress: &top.Addresses} {
		*list = most(sums[k], n)
	}
	for i := range top.Actions {
		r := &top.Actions[i]
		r.Title = transform.Title(r.Name, catalogues[r.Name].Lookup(r.Name))
	}
	return top
}

// most returns at most n names, the most frequent first.
func most(sums map[string]count, n int) []Ranked {
	list := make([]Ranked, 0, len(sums))
	for name, c := range sums {
		list = append(list, Ranked{Name: name, Events: int(c.events), Highest: int(c.highest)})
	}
	slices.SortFunc(list, func(a, b Ranked) int {
		return cmp.Or(b.Events-a.Events, b.Highest-a.Highest, strings.Compare(a.Name, b.Name))
	})
	return slices.Clone(list[:min(n, len(list))])
}

// tally is what an hour counted of a name.
type tally struct {
	source *followed
	kind   kind
	text   string
	count
}

// names returns what an hour counted. It holds the mutex for one hour only, so that lanes
// go on.
func (a *Activity) names(src string, number int64) (list []tally) {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := a.hours[number]
	if h == nil {
		return nil
	}
	for f, n := range h.sources {
		if src != "" && f.name != src {
			continue
		}
		for k, names := range n.names {
			for text, c := range names {
				list = append(list, tally{f, kind(k), text, *c})
			}
		}
	}
	return list
}
