package console

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/glyph"
)

type eventsHead struct {
	Find     find
	Overview bool
}

// eventsData is a list of events.
type eventsData struct {
	Began  time.Time
	Filter string
	Now    time.Time
	More   bool // there may be more
	Count  int  // shown at most
}

func (d eventsData) Overview() bool { return d.Count == shownEvents }

// eventList shows the newest events that a filter selects.
func (c *console) eventList(filter string, n int, s *snapshot) fragment {
	kept := c.activity.Recent("", filter, n)
	f := fragment{id: "events", template: "events", data: eventsData{s.Began, filter, s.Now, len(kept) == n, n}}
	for _, k := range kept {
		f.parts = append(f.parts, fragment{id: "event/" + k.Key, template: "event-row", data: k})
	}
	return f
}

// activityFragment shows what happened in the organizations, or why it does not.
func (c *console) activityFragment(s *snapshot) fragment {
	if !c.deps.Private {
		return fragment{id: "activity", template: "not-private"}
	}
	t := c.activity.Top("", shownTops, s.Now)
	return fragment{id: "activity", template: "activity", parts: []fragment{
		s.heat(c.activity.Hours("", s.Now)).fragment(),
		{id: "tops", template: "tops", data: topsData{topsOf(t), s.Now}},
	}}
}

type heatData struct {
	heat
	Began, Now time.Time
	Reading    bool      // a lane catches up
	Through    time.Time // the hours until then are read
}

// fragment has a part for each day, since only the last one changes often.
func (d heatData) fragment() fragment {
	f := fragment{id: "heat", template: "heat", data: d}
	for i, day := range d.Days {
		if d.Known {
			f.parts = append(f.parts, fragment{id: fmt.Sprint("day/", i), template: "heat-day", data: day})
		}
	}
	return f
}

func (s *snapshot) heat(hours []Hour) heatData {
	d := heatData{heat: heatOf(hours, s.Now), Began: s.Began, Now: s.Now, Through: s.Now}
	for _, l := range s.Lanes {
		if l.State == catching && s.Now.Add(-l.Lag).Before(d.Through) {
			d.Reading, d.Through = true, s.Now.Add(-l.Lag)
		}
	}
	return d
}

type topsData struct {
	tops
	Now time.Time
}

func (c *console) eventsPage(p *page, s *snapshot, query url.Values) (*page, error) {
	c.head(p, s, "events", "Recent events")
	if !c.deps.Private {
		p.Content = []fragment{{id: "activity", template: "not-private"}}
		return p, nil
	}
	q := searched(query)
	p.Content = []fragment{
		{id: "find-events", template: "events-head", data: eventsHead{find{"/events", "Filter events", "words of an event", q, false}, false}},
		c.eventList(q, eventsOfPage, s),
	}
	return p, nil
}

// eventData is the page of an event.
type eventData struct {
	Kept
	Pretty   string // the raw event, indented; empty if it is not JSON
	AsItCame string
	Now      time.Time
}

func (c *console) eventPage(ctx context.Context, p *page, s *snapshot, key string) (*page, error) {
	c.head(p, s, "events", "Event")
	if !c.deps.Private {
		p.Content = []fragment{{id: "activity", template: "not-private"}}
		return p, nil
	}
	k, ok := c.activity.Find(key)
	if !ok {
		return nil, errNotFound
	}
	p.Still = true
	if k.Title != "" {
		p.Title = glyph.Visible(k.Title)
	}
	p.Content = []fragment{
		{id: "event", template: "event", data: eventData{k, pretty(k.Event.Raw), glyph.Visible(string(k.Event.Raw)), s.Now}},
	}
	for i, r := range alike(c.deps.Render(ctx, k)) {
		p.Content = append(p.Content, fragment{id: "rendering/" + digits(i), template: "rendering", data: r})
	}
	return p, nil
}

// Bytes is the size of what is remembered of the raw event.
func (d eventData) Bytes() int64 { return int64(len(d.Event.Raw)) }

// pretty indents JSON. Names and values keep their bytes, as far as they can be seen.
func pretty(raw []byte) string {
	var indented bytes.Buffer
	if json.Indent(&indented, raw, "", "  ") != nil {
		return ""
	}
	return lines(indented.String())
}

// lines makes what cannot be seen visible, but keeps the lines.
func lines(text string) string {
	all := strings.Split(text, "\n")
	for i, line := range all {
		all[i] = glyph.Visible(line)
	}
	return strings.Join(all, "\n")
}

// sameRendering is what one or more sinks get.
type sameRendering struct {
	Rendering
	Sinks []string
}

func (r sameRendering) Names() string { return joined(r.Sinks) }

// Bytes is the size of the record's body.
func (r sameRendering) Bytes() int64 { return int64(len(r.Body)) }

// Text is the body with everything visible.
func (r sameRendering) Text() string { return glyph.Visible(r.Body) }

// alike joins the renderings of sinks that get the same.
func alike(all []Rendering) []sameRendering {
	var joined []sameRendering
	for _, r := range all {
		i := slices.IndexFunc(joined, func(j sameRendering) bool {
			return j.Format == r.Format && j.Body == r.Body && j.Withheld == r.Withheld && j.Note == r.Note
		})
		if i < 0 {
			i = len(joined)
			joined = append(joined, sameRendering{Rendering: r})
		}
		joined[i].Sinks = append(joined[i].Sinks, r.Sink)
	}
	return joined
}
