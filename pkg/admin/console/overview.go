package console

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	fewLanes      = 20  // up to here each lane has a card
	lanesOfPage   = 100 // rows of a page
	shownEvents   = 12  // on the overview
	eventsOfPage  = 200
	maxFilterText = 200 // bytes of a search
)

// find is a search box.
type find struct {
	Action, Label, Hint, Text string
	Hidden                    bool
}

func searched(query url.Values) string {
	text := strings.ToValidUTF8(strings.TrimSpace(query.Get("q")), "")
	return text[:min(len(text), maxFilterText)]
}

func (c *console) overview(p *page, s *snapshot, query url.Values) (*page, error) {
	tot := s.totals()
	sum := s.summary(tot)
	c.head(p, s, "overview", strings.TrimSuffix(sum.Head, "."))
	p.Icon = sum.Class + ".svg"
	q := searched(query)
	found := matching(s.Lanes, q)
	many := len(s.Lanes) > fewLanes
	p.Content = []fragment{
		{id: "sentence", template: "sentence", data: sum},
		{id: "facts", template: "facts", data: facts{tot, s}},
		c.troubles(s),
		c.configuration(),
		flowFragment(s),
		{id: "find-lanes", template: "lanes-head", data: lanesHead{
			find{"/", "Search lanes", "source, sink, target or error", q, !many && q == ""}, len(s.Lanes), len(found),
		}},
		c.laneList(s, found, q, pageNumber(query)),
		c.activityFragment(s),
	}
	if c.deps.Private {
		p.Content = append(p.Content,
			fragment{id: "find-events", template: "events-head", data: eventsHead{find{"/events", "Filter events", "words of an event", "", false}, true}},
			c.eventList("", shownEvents, s))
	}
	return p, nil
}

// refusal is why the latest reload of the configuration changed nothing.
type refusal struct {
	Problems []string
	More     int // problems that are not shown
	At       time.Time
}

const fewProblems = 5

func (c *console) configuration() fragment {
	f := fragment{id: "configuration", template: "configuration"}
	if c.deps.Refused == nil {
		return f
	}
	if problems, at := c.deps.Refused(); len(problems) > 0 {
		few := min(len(problems), fewProblems)
		f.data = refusal{problems[:few], len(problems) - few, at}
	}
	return f
}

func (c *console) head(p *page, s *snapshot, nav, title string) {
	p.Nav, p.Now, p.Title, p.Icon = nav, s.Now, title, "idle.svg"
}

// pageNumber is the page of a list, from 1.
func pageNumber(query url.Values) int {
	n, err := strconv.Atoi(query.Get("page"))
	if err != nil {
		return 1
	}
	return max(n, 1)
}

// matching returns the lanes that have every word of a search in their names, their target,
// their state, their error or their progress. The words of a state select exactly that
// state: "ready" does not find a lane that is not ready.
func matching(all []laneView, q string) []laneView {
	q = strings.Join(strings.Fields(strings.ToLower(q)), " ")
	if q == "" {
		return all
	}
	rest, states := statesIn(q)
	words := strings.Fields(rest)
	return slices.DeleteFunc(slices.Clone(all), func(l laneView) bool {
		names := []string{l.Source, l.Sink, l.Format}
		for _, s := range states {
			if l.State != s && !slices.Contains(names, s.Word()) {
				return true
			}
		}
		text := l.text()
		return slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(text, word) })
	})
}

// statesIn finds the states that a search names, and returns the rest of it.
func statesIn(q string) (rest string, found []state) {
	rest = " " + q + " "
	for s := down; s <= elsewhere; s++ { // "not ready" goes before "ready".
		if without := strings.ReplaceAll(rest, " "+s.Word()+" ", " "); without != rest {
			rest, found = without, append(found, s)
		}
	}
	return rest, found
}

// text is what a search looks at, in lower case.
func (l laneView) text() string {
	parts := []string{l.Lane, l.Source + " → " + l.Sink, l.Format, l.Target, l.State.Word(), l.Reason}
	for _, t := range l.Troubles {
		parts = append(parts, t.What(), t.Err, t.Note, t.Hint)
	}
	if p := l.Progress(); p != nil {
		parts = append(parts, p.Text)
	}
	return strings.ToLower(strings.Join(parts, "\n"))
}

type lanesHead struct {
	Find       find
	All, Found int
}

// Text is the search, and Hidden is whether there is no need for one.
func (h lanesHead) Text() string { return h.Find.Text }
func (h lanesHead) Hidden() bool { return h.Find.Hidden }

type facts struct {
	totals
	*snapshot
}

func (f facts) WaitingLanes() int { return int(f.Memory.Waiting) }

// troubles lists what is wrong, each error once.
func (c *console) troubles(s *snapshot) fragment {
	f := fragment{id: "troubles", template: "troubles", data: max(len(s.Troubles)-maxTroubles, 0)}
	for _, g := range s.Troubles[:min(len(s.Troubles), maxTroubles)] {
		f.parts = append(f.parts, fragment{id: g.ID, template: "trouble", data: g})
	}
	return f
}

// shownTroubles are those that the top of the overview shows, so that a lane need not
// show them again.
func (s *snapshot) shownTroubles() map[string]bool {
	shown := map[string]bool{}
	for _, g := range s.Troubles[:min(len(s.Troubles), maxTroubles)] {
		for _, l := range g.Lanes {
			shown[l.Lane] = true
		}
	}
	return shown
}

// laneData is a lane with its charts.
type laneData struct {
	laneView
	Charts charts
	Above  bool // its trouble is at the top of the page
}

// Wide reports whether the card needs the width of the page.
func (d laneData) Wide() bool { return len(d.Troubles) > 0 && !d.Above }

// retried is how often a kind of failure was retried.
type retried struct {
	Name   string
	Number uint64
}

// Retried lists the failures that were retried, by name.
func (d laneData) Retried() []retried {
	var list []retried
	for _, name := range slices.Sorted(maps.Keys(d.Retries)) {
		if n := d.Retries[name]; n > 0 {
			list = append(list, retried{name, n})
		}
	}
	return list
}

func (c *console) laneData(l laneView, above bool) laneData {
	d := laneData{laneView: l, Above: above}
	if l.State != elsewhere {
		d.Charts = c.charts(l)
	}
	return d
}

// laneList shows few lanes as cards, and many as rows under their sources.
func (c *console) laneList(s *snapshot, found []laneView, q string, n int) fragment {
	shown := s.shownTroubles()
	if len(s.Lanes) <= fewLanes {
		f := fragment{id: "lanes", template: "lanes-few", data: q}
		for _, l := range found {
			f.parts = append(f.parts, fragment{id: l.ID(), template: "lane-card", data: c.laneData(l, shown[l.Lane])})
		}
		return f
	}
	pages := max((len(found)+lanesOfPage-1)/lanesOfPage, 1)
	n = min(n, pages)
	f := fragment{id: "lanes", template: "lanes-many", data: pager{q, n, pages}}
	part := found[(n-1)*lanesOfPage : min(n*lanesOfPage, len(found))]
	for _, g := range s.bySource(part) {
		group := fragment{id: "source/" + g.Name, template: "lane-group", parts: []fragment{
			{id: "head/" + g.Name, template: "lane-group-head", data: g},
		}}
		for _, l := range g.Shown {
			group.parts = append(group.parts, fragment{id: l.ID(), template: "lane-row", data: c.laneData(l, shown[l.Lane])})
		}
		f.parts = append(f.parts, group)
	}
	return f
}

// pager leads to the other pages of a list.
type pager struct {
	Query       string
	Page, Pages int
}

func (p pager) Before() int { return p.Page - 1 }
func (p pager) After() int {
	if p.Page == p.Pages {
		return 0
	}
	return p.Page + 1
}

// laneGroup is lanes of a source.
type laneGroup struct {
	Name      string
	All, Down int // of all its lanes
	usage
	Shown []laneView
}

// bySource groups lanes, and keeps their order: the source of the worst lane goes first.
func (s *snapshot) bySource(part []laneView) []laneGroup {
	at := map[string]int{}
	var groups []laneGroup
	for _, l := range part {
		i, known := at[l.Source]
		if !known {
			i = len(groups)
			at[l.Source] = i
			groups = append(groups, laneGroup{Name: l.Source, usage: usageOf(s.Sources[l.Source])})
		}
		groups[i].Shown = append(groups[i].Shown, l)
	}
	for _, l := range s.Lanes {
		if i, listed := at[l.Source]; listed {
			groups[i].All++
			if l.State == down {
				groups[i].Down++
			}
		}
	}
	return groups
}

func (c *console) lanePage(p *page, s *snapshot, src, sink string) (*page, error) {
	i := slices.IndexFunc(s.Lanes, func(l laneView) bool { return l.Source == src && l.Sink == sink })
	if i < 0 {
		return nil, errNotFound
	}
	l := s.Lanes[i]
	c.head(p, s, "", src+" → "+sink+": "+l.State.Word())
	p.Icon = l.State.Class() + ".svg"
	data := c.laneData(l, false)
	p.Content = []fragment{
		{id: "lane-head", template: "lane-head", data: data},
		{id: "lane-troubles", template: "lane-troubles", data: data},
		{id: "lane-charts", template: "lane-charts", data: data},
		{id: "lane-facts", template: "lane-facts", data: data},
	}
	return p, nil
}
