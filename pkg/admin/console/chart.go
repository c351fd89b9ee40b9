package console

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/pipeline"
)

// chartHeight is the height of a chart in its own units; its width is Points.
const chartHeight = 32

// chart is what a lane did over 24 hours, as paths of SVG: one step for each point.
type chart struct {
	Title   string // what it shows
	Label   string // the same and its values, for a screen reader
	Highest string // the value of the highest point
	Values  string // path of the values
	Unready string // path of the times at which the lane was not ready
	Unknown string // path of the times of which nothing is known
	Lag     bool
	Empty   bool // nothing is known
}

// charts of a lane.
type charts struct {
	Settled, Lag chart
	End          time.Time
}

// lastHour returns how many events a lane settled in the last hour or, since points are of
// ten minutes, up to ten minutes less.
func (c *console) lastHour(s *pipeline.Status) (settled uint64, known bool) {
	points, _ := c.history.Lane(s.Lane)
	settled = c.history.SettledSince(s)
	for _, p := range points[Points-int(time.Hour/Every):] {
		settled += uint64(p.Settled)
		known = known || p.Known
	}
	return settled, known
}

func (c *console) charts(l laneView) charts {
	points, end := c.history.Lane(l.Lane)
	settled := chartOf("Events in 10 min", &points, 1, func(p Point) float64 { return float64(p.Settled) })
	lag := chartOf("Lag", &points, usualLag.Seconds(), func(p Point) float64 { return p.Lag.Seconds() })
	lag.Lag = true
	settled.describe("settled events in ten minutes", &points, end, func(p Point) string { return digits(p.Settled) })
	lag.describe("lag", &points, end, func(p Point) string { return duration(p.Lag) })
	return charts{settled, lag, end}
}

// usualLag is nothing to look at, so its bars stay low.
const usualLag = time.Minute

// chartOf returns a chart that is as high as the highest value, but at least as least.
func chartOf(title string, points *[Points]Point, least float64, value func(Point) float64) chart {
	c := chart{Title: title, Empty: true}
	highest := least
	for _, p := range points {
		if p.Known {
			highest = max(highest, value(p))
			c.Empty = false
		}
	}
	var values, unready, unknown strings.Builder
	for i, p := range points {
		switch {
		case !p.Known:
			fmt.Fprintf(&unknown, "M%d 0h1v%dh-1z", i, chartHeight)
			continue
		case p.Unready:
			fmt.Fprintf(&unready, "M%d 0h1v%dh-1z", i, chartHeight)
		}
		if v := value(p); v > 0 {
			// The least value is seen, too.
			height := strconv.FormatFloat(max(v/highest*chartHeight, 1), 'f', 1, 64)
			fmt.Fprintf(&values, "M%d %dh1v-%sh-1z", i, chartHeight, height)
		}
	}
	c.Values, c.Unready, c.Unknown = values.String(), unready.String(), unknown.String()
	return c
}

// describe says in words what the chart shows.
func (c *chart) describe(what string, points *[Points]Point, end time.Time, word func(Point) string) {
	var highest, last Point
	var at time.Time
	known, unready := 0, 0
	for i, p := range points {
		if !p.Known {
			continue
		}
		known++
		last = p
		if p.Unready {
			unready++
		}
		if at.IsZero() || !c.Lag && p.Settled > highest.Settled || c.Lag && p.Lag > highest.Lag {
			highest, at = p, end.Add(-time.Duration(Points-i)*Every)
		}
	}
	c.Label = "24 hours, " + what + ": "
	if known == 0 {
		c.Label += "nothing is known yet"
		return
	}
	c.Highest = word(highest)
	c.Label += fmt.Sprintf("highest %s at %s UTC, last %s", c.Highest, at.UTC().Format("15:04"), word(last))
	if unready > 0 {
		c.Label += ", not ready during " + duration(time.Duration(unready)*Every)
	}
	if missing := Points - known; missing > 0 {
		c.Label += ", nothing is known of " + duration(time.Duration(missing)*Every)
	}
}
