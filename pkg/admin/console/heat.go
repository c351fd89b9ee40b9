package console

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// days of the heat map.
const days = 7

// heat is the number of events by day and hour.
type heat struct {
	Days  []heatDay
	Known bool // of any hour
}

type heatDay struct {
	Name  string
	Hours [24]heatCell
}

// heatCell is an hour of the heat map.
type heatCell struct {
	Level int    // 0 to 5; 0 is no event
	Class string // future, unknown or known
	Text  string // for a screen reader, beside the names of row and column
	Title string // all of it
	Risky bool
}

func heatOf(hours []Hour, now time.Time) heat {
	var h heat
	most := 0
	byBegin := make(map[int64]Hour, len(hours))
	for _, hour := range hours {
		byBegin[hour.Begin.Unix()] = hour
		if hour.Known {
			h.Known = true
			most = max(most, hour.Events)
		}
	}
	today := now.UTC().Truncate(24 * time.Hour)
	for i := range days {
		day := today.AddDate(0, 0, i-days+1)
		d := heatDay{Name: day.Format("Mon 2 Jan")}
		for n := range d.Hours {
			begin := day.Add(time.Duration(n) * time.Hour)
			hour, listed := byBegin[begin.Unix()]
			d.Hours[n] = cellOf(hour, listed, begin, now, most)
		}
		h.Days = append(h.Days, d)
	}
	return h
}

func cellOf(hour Hour, listed bool, begin, now time.Time, most int) heatCell {
	when := begin.Format("Mon 2 Jan, 15:04") + " to " + begin.Add(time.Hour).Format("15:04 UTC")
	switch {
	case begin.After(now):
		return heatCell{Class: "future", Text: "to come", Title: when + ": to come"}
	case !listed || !hour.Known:
		return heatCell{Class: "unknown", Text: "unknown", Title: when + ": unknown"}
	}
	c := heatCell{Class: "known", Risky: hour.Events > 0 && risky(hour.Highest)}
	if hour.Events > 0 {
		c.Level = 1 + int(4*math.Sqrt(float64(hour.Events)/float64(most))+0.5)
	}
	c.Text = digits(hour.Events)
	if hour.More {
		c.Text = "at least " + c.Text
	}
	if c.Risky {
		c.Text += ", " + severity(hour.Highest)
	}
	c.Title = when + ": "
	if hour.More {
		c.Title += "at least "
	}
	c.Title += several(hour.Events, "event", "events")
	if hour.Events > 0 {
		c.Title += ", highest severity " + severity(hour.Highest)
	}
	return c
}

// tops are the most frequent actors, actions and addresses.
type tops struct {
	Since time.Time
	Lists []topList
}

type topList struct {
	Title, None string
	Items       []topItem
}

type topItem struct {
	Ranked
	Percent int // of the most frequent one
}

// shownTops is how many of each the page shows.
const shownTops = 8

// Any reports whether there is a name at all.
func (t tops) Any() bool {
	return slices.ContainsFunc(t.Lists, func(l topList) bool { return len(l.Items) > 0 })
}

func topsOf(t Tops) tops {
	return tops{t.Since, []topList{
		listOf("Actors", "No actor", t.Actors), listOf("Actions", "No action", t.Actions), listOf("Addresses", "No address", t.Addresses),
	}}
}

func listOf(title, none string, all []Ranked) topList {
	l := topList{Title: title, None: none}
	most := 1
	for _, r := range all {
		most = max(most, r.Events)
	}
	for _, r := range all {
		l.Items = append(l.Items, topItem{r, max(100*r.Events/most, 1)})
	}
	return l
}

// Risky reports whether one of its events stands out, and Severity names the highest.
func (i topItem) Risky() bool      { return risky(i.Highest) }
func (i topItem) Severity() string { return severity(i.Highest) }

// Label is what the list calls it.
func (i topItem) Label() string { return cmp.Or(i.Title, i.Name) }
