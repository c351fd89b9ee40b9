package verify

import (
	"fmt"
	"strings"
)

// Compare adds what comparisons with the source found. If they could compare nothing, an
// export without findings is not verifiable: it was to be compared.
func (r *Report) Compare(sources []*ListingReport) {
	r.Sources = sources
	compared := false
	reason := "the export has no log of a lane whose source could be listed"
	for _, s := range sources {
		if !s.Clean() && r.Verdict == Clean {
			r.Verdict = Findings
		}
		if s.Reason == "" {
			compared = true
		} else {
			reason = s.Reason
		}
	}
	if !compared && r.Verdict == Clean {
		r.Verdict, r.Reason = NotVerifiable, "the source could not be compared: "+reason
	}
}

// differences are what comparisons found, for the summary.
func (r *Report) differences() (parts []string) {
	var undelivered, vanished, changed int
	for _, s := range r.Sources {
		undelivered, vanished, changed = undelivered+s.UndeliveredTotal, vanished+s.VanishedTotal, changed+s.ChangedTotal
	}
	for _, part := range []struct {
		n    int
		text string
	}{
		{undelivered, "listed and not delivered"}, {vanished, "delivered and no longer listed"}, {changed, "changed at the source"},
	} {
		if part.n > 0 {
			parts = append(parts, thousands(int64(part.n))+" "+part.text)
		}
	}
	return parts
}

// source tells what comparisons found.
func (r *Report) source() Section {
	s := Section{Title: "Source"}
	for _, l := range r.Sources {
		l.tell(&s)
	}
	return s
}

func (l *ListingReport) tell(s *Section) {
	s.line(0, "%s: organization %s lists %s", l.Lane, l.Organization, number(int64(l.Listed), "event"))
	if l.Reason != "" {
		s.line(1, "nothing could be compared: %s", l.Reason)
		return
	}
	parts := []string{thousands(int64(l.Delivered)) + " delivered"}
	if l.Filtered > 0 {
		parts = append(parts, thousands(int64(l.Filtered))+" not for the sink")
	}
	if l.Rejected > 0 {
		parts = append(parts, thousands(int64(l.Rejected))+" rejected")
	}
	s.line(1, "compared: %s from %s to %s; %s", number(int64(l.Compared), "event"), stamp(l.From), stamp(l.To), strings.Join(parts, ", "))
	if l.NotYetDue > 0 {
		s.line(1, "not yet due: %s, listed at or after that time and not delivered so far", thousands(int64(l.NotYetDue)))
	}
	if l.Undated > 0 {
		s.line(1, "not compared: %s without a usable time", number(int64(l.Undated), "event"))
	}
	if !l.Bytes {
		s.line(1, "not compared: their bytes, since the sink redacts, and hashes are of what it got")
	}
	for _, found := range []struct {
		what  string
		list  []Difference
		total int
	}{
		{"listed and not delivered", l.Undelivered, l.UndeliveredTotal},
		{"delivered and no longer listed", l.Vanished, l.VanishedTotal},
		{"changed at the source since it was delivered", l.Changed, l.ChangedTotal},
	} {
		if found.total == 0 {
			continue
		}
		s.Lines = append(s.Lines, Line{1, fmt.Sprintf("%s: %s", found.what, thousands(int64(found.total))), true})
		for _, d := range found.list {
			s.Lines = append(s.Lines, Line{2, d.text(), true})
		}
		if more := found.total - len(found.list); more > 0 {
			s.line(2, "and %s more", thousands(int64(more)))
		}
	}
}

func (d *Difference) text() string {
	text := "event " + d.ID
	if !d.Time.IsZero() {
		text += " of " + stamp(d.Time)
	}
	if d.Place != (Place{}) {
		text += " at " + d.Place.String()
	}
	return text
}
