package text

import "time"

// columns are the layout of a line.
type columns struct {
	clock                      string // layout of the time
	actor, title, object, from int    // widths; a column of width 0 is left out
	long                       int    // width of a sentence without a limit, 0 if there is one
}

// sentence is the width of what an event says itself: that of all columns behind the actor.
func (c columns) sentence() int {
	if c.long > 0 {
		return c.long
	}
	width := c.title + len(gap) + c.object
	if c.from > 0 {
		width += len(gap) + c.from
	}
	return width
}

// layout shares the width of a line; 0 is no limit.
func layout(width int) columns {
	const dated, narrow, least = 120, 100, 40
	if width == 0 {
		return columns{clock: time.DateTime, actor: 24, title: 36, object: 32, from: 64, long: 400}
	}
	c := columns{clock: time.TimeOnly}
	if width >= dated {
		c.clock = time.DateTime
	}
	rest := max(width, least) - len(c.clock) - len("info") - 4*len(gap)
	if width < narrow {
		c.actor, c.object = rest*25/100, rest*35/100
	} else {
		rest -= len(gap)
		c.actor, c.object, c.from = rest*17/100, rest*23/100, rest*28/100
	}
	c.title = rest - c.actor - c.object - c.from
	return c
}
