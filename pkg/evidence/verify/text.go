package verify

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Section is a part of a report for people.
type Section struct {
	Title string
	Lines []Line
}

// Line is a line of a section. Texts from an export are in it as they are: whoever shows
// them must escape them.
type Line struct {
	Deep int // how far it is indented
	Text string
	Bad  bool // it tells of a finding
}

// Summary returns the verdict in a sentence.
func (r *Report) Summary() string {
	switch r.Verdict {
	case NotVerifiable:
		return "nothing could be verified: " + r.Reason
	case Clean:
		return fmt.Sprintf("clean: %s, and each is as it was delivered", number(r.Counts.Good, "record"))
	}
	var parts []string
	for _, k := range wrong {
		if n := r.Totals[k]; n > 0 && k == Missing {
			parts = append(parts, number(r.Counts.Missing, "record")+" missing")
		} else if n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", thousands(int64(n)), k))
		}
	}
	return "findings: " + strings.Join(append(parts, r.differences()...), ", ")
}

// wrong are the kinds of findings in the order of a report.
var wrong = []Kind{Missing, Altered, Moved, Forged, MissingNote, AlteredNote, ForgedNote, Contradiction, CutTail}

// Sections returns the report in the order in which people read it: whether the records are
// right, whether the log goes on, and how far it reaches.
func (r *Report) Sections() []Section {
	if len(r.Logs) == 0 {
		return []Section{r.others()}
	}
	return slices.DeleteFunc([]Section{r.integrity(), r.continuity(), r.completeness(), r.source(), r.others()}, func(s Section) bool { return len(s.Lines) == 0 })
}

func (s *Section) line(deep int, format string, args ...any) {
	s.Lines = append(s.Lines, Line{Deep: deep, Text: fmt.Sprintf(format, args...)})
}

func (r *Report) integrity() Section {
	s := Section{Title: "Integrity"}
	c := &r.Counts
	s.line(0, "%s read: %s as delivered, %s", number(c.Records, "record"), thousands(c.Good), number(c.Notes-c.RepeatedNotes, "note"))
	for _, part := range []struct {
		n    int64
		text string
	}{
		{c.ByContent, "without a number, and found by what they say"},
		{c.Duplicates + c.RepeatedNotes, "there more than once"},
		{c.Orphaned, "orphaned: delivered, not saved because the lane stopped, and delivered again"},
		{c.Once, "delivered again, and there under an earlier number: the destination stores an event once"},
		{c.Replayed, "sent again by a person"},
		{c.Rejected, "rejected: they became dead letters, and " + thousands(c.Redriven) + " of them were delivered later"},
		{c.Unsealed, "that no note covers yet"},
		{c.Unproven, "whose note is missing, so nothing says whether they are whole"},
		{c.Before, "without a number, from before the first note"},
	} {
		if part.n > 0 {
			s.line(1, "%s %s", thousands(part.n), part.text)
		}
	}
	r.found(&s, r.Findings, wrong[:4], true)
	r.found(&s, r.Notices, []Kind{Unproven}, false)
	return s
}

// found adds the findings of some kinds.
func (r *Report) found(s *Section, all []Finding, kinds []Kind, bad bool) {
	for _, k := range kinds {
		n := 0
		for i := range all {
			if f := &all[i]; f.Kind == k {
				if n++; n == 1 {
					s.Lines = append(s.Lines, Line{0, fmt.Sprintf("%s: %s", k, thousands(int64(r.Totals[k]))), bad})
				}
				s.Lines = append(s.Lines, Line{1, f.Text(), bad})
			}
		}
		if more := r.Totals[k] - n; more > 0 && n > 0 {
			s.line(1, "and %s more", thousands(int64(more)))
		}
	}
}

func (r *Report) continuity() Section {
	s := Section{Title: "Continuity"}
	for i := range r.Logs {
		l := &r.Logs[i]
		s.line(0, "log %s of lane %s", l.Origin, l.Lane)
		s.line(1, "notes %d to %d, from %s to %s, signed by %s", l.FirstNote, l.LastNote, stamp(l.From), stamp(l.To), strings.Join(l.Keys, ", "))
		if l.Records > 0 {
			s.line(1, "records %d to %d, in %s", l.First, l.First+l.Records-1, number(int64(l.Epoch), "epoch"))
		} else {
			s.line(1, "no records")
		}
		for _, f := range r.Notices {
			if f.Log == l.Origin && (f.Kind == Opening || f.Kind == Silence || f.Kind == NewLog || f.Kind == Begins || f.Kind == Unsealed) {
				s.line(1, "%s", f.Text())
			}
		}
	}
	r.found(&s, r.Findings, wrong[4:], true)
	return s
}

func (r *Report) completeness() Section {
	s := Section{Title: "Completeness"}
	for i := range r.Logs {
		l := &r.Logs[i]
		if l.Through.IsZero() {
			s.line(0, "%s: no note says until when all was delivered", l.Lane)
		} else {
			s.line(0, "%s: all that the source had listed until %s was delivered, or a note or a dead letter tells of it", l.Lane, stamp(l.Through))
		}
		if l.Filtered > 0 {
			s.line(1, "%s not for the sink", number(int64(l.Filtered), "event"))
		}
		if l.Audit != "" {
			s.line(1, "newest audit: %s", l.Audit)
		}
	}
	r.found(&s, r.Notices, []Kind{Gap}, false)
	return s
}

func (r *Report) others() Section {
	s := Section{Title: "Other lines"}
	for _, f := range r.Foreign {
		s.line(0, "%s of %s, the first at %s", number(f.Count, "line"), f.Why, f.First)
	}
	return s
}

// Text returns a finding in a sentence.
func (f *Finding) Text() string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	switch {
	case f.Kind == Opening:
		return f.opening()
	case f.Kind == Silence:
		add("no note from %s to %s", stamp(f.Before), stamp(f.Time))
	case f.Note != nil && f.LastNote != nil:
		add("%s", span("note", *f.Note, *f.LastNote))
	case f.Sequence != nil && f.Last != nil:
		add("%s", span("record", *f.Sequence, *f.Last))
	case f.Sequence != nil && f.ID != "":
		add("record %d", *f.Sequence)
	case f.Note != nil:
		add("note %d", *f.Note)
	}
	if f.Right != nil {
		add("it is record %d", *f.Right)
	}
	if f.ID != "" {
		add("event %s", f.ID)
	}
	if f.Kind != Silence && !f.Time.IsZero() {
		add("of %s", stamp(f.Time))
	}
	if f.Kind == Missing {
		add("%s", between(f.Before, f.After))
	}
	text := strings.Join(parts, ", ")
	if f.Place != (Place{}) && f.Kind != Silence {
		text += " at " + f.Place.String()
	}
	if f.Log != "" && f.Kind != Silence && f.Kind != Begins && f.Kind != Unsealed && f.Kind != NewLog {
		text += " in log " + f.Log
	}
	if f.Detail != "" {
		text += ": " + f.Detail
	}
	return text
}

// opening tells that a lane was taken.
func (f *Finding) opening() string {
	text := fmt.Sprintf("opened at %s as epoch %d, after %s: %s", stamp(f.Time), f.Epoch, number(int64(*f.Sequence), "record"), f.Detail)
	if f.Key != "" {
		text += "; signed from then on by " + f.Key
	}
	return text
}

// String returns a place as name:line.
func (p Place) String() string { return fmt.Sprintf("%s:%d", p.Name, p.Line) }

func between(before, after time.Time) string {
	switch {
	case before.IsZero() && after.IsZero():
		return "with no neighbour there"
	case before.IsZero():
		return "before an event of " + stamp(after)
	case after.IsZero():
		return "after an event of " + stamp(before)
	}
	return fmt.Sprintf("between events of %s and %s", stamp(before), stamp(after))
}

func span(what string, first, last uint64) string {
	if first == last {
		return fmt.Sprintf("%s %d", what, first)
	}
	return fmt.Sprintf("%ss %d to %d", what, first, last)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999Z07:00") }

// number returns a count with its noun.
func number(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return thousands(n) + " " + noun
}

func thousands(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
