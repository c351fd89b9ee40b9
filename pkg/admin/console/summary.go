package console

import (
	"fmt"
	"time"
)

// summary answers the first questions of a person: does everything arrive, since when,
// is anything missing, and how much time is left.
type summary struct {
	Class string   // of the style sheet
	Head  string   // one sentence
	Rest  []string // more sentences
}

// totals is what the summary adds up over the lanes that run here.
type totals struct {
	Own, Elsewhere, Down, Catching, Ready, Done int

	Lag, Left    time.Duration // the largest lag, the shortest time until the log forgets something
	Forgets      bool          // Left is known
	Since        time.Time     // of the state that the summary tells
	Gaps         uint64
	GapLanes     []string // which lanes have them
	Letters      int
	LettersKnown bool
	Hour         uint64 // events settled in the last hour
	HourKnown    bool
	Queued       int // events of catch-ups that are not delivered yet
}

func (s *snapshot) totals() totals {
	t := totals{LettersKnown: true}
	for _, l := range s.Lanes {
		if l.State == elsewhere {
			t.Elsewhere++
			continue
		}
		t.Own++
		switch l.State {
		case down:
			t.Down++
		case catching:
			t.Catching++
		case done:
			t.Done++
		}
		t.add(l)
	}
	t.Ready = t.Own - t.Down
	t.since(s)
	return t
}

func (t *totals) add(l laneView) {
	t.Lag = max(t.Lag, l.Lag)
	if t.Gaps += l.Reader.Gaps; l.Reader.Gaps > 0 {
		t.GapLanes = append(t.GapLanes, l.Source+" → "+l.Sink)
	}
	t.Letters += l.Letters.Count
	t.LettersKnown = t.LettersKnown && l.Letters.Kept && l.Letters.Err == nil
	if r := l.Retention(); r != nil && (!t.Forgets || r.Left < t.Left) {
		t.Left, t.Forgets = r.Left, true
	}
	if l.HourKnown {
		t.Hour, t.HourKnown = t.Hour+l.Hour, true
	}
	if l.State == catching && l.Reader.WalkDone {
		t.Queued += l.Reader.WalkEvents - l.Reader.Handed
	}
}

// since finds since when lanes are down, or else since when all are ready.
func (t *totals) since(s *snapshot) {
	for _, l := range s.Lanes {
		switch {
		case l.State == elsewhere || l.Since.IsZero():
		case t.Down > 0 && l.State == down && (t.Since.IsZero() || l.Since.Before(t.Since)):
			t.Since = l.Since
		case t.Down == 0 && l.Since.After(t.Since):
			t.Since = l.Since
		}
	}
}

func (s *snapshot) summary() summary {
	t := s.totals()
	switch {
	case s.Group != nil:
		return summary{"bad", "It is unknown which lanes run here.", []string{s.Group.Error()}}
	case t.Own == 0 && t.Elsewhere > 0:
		return summary{"idle", "This replica stands by.", []string{fmt.Sprintf("Other replicas run %s. If one of them ends, this one continues its lanes.", lanes(t.Elsewhere))}}
	case t.Own == 0:
		return summary{"bad", "No lane runs.", []string{"Nothing is read and nothing is delivered. See Sluice's log for the reason."}}
	case t.Down > 0:
		return summary{"bad", t.downHead(), t.rest(s, t.downSince(s.Now))}
	case t.Catching > 0:
		return summary{"busy", t.catchingHead(), t.rest(s, "New events follow as soon as the older ones are delivered. Nothing is wrong.")}
	case t.Gaps > 0:
		return summary{"warn", "Every lane delivers, but earlier events are missing.", t.rest(s, t.readySince(s.Now))}
	case t.Letters > 0:
		return summary{"warn", fmt.Sprintf("Every lane delivers, except %s.", several(t.Letters, "dead letter", "dead letters")), t.rest(s, t.readySince(s.Now))}
	case t.Done == t.Own:
		return summary{"good", "Every lane has delivered all there was.", t.rest(s, "")}
	}
	return summary{"good", "Every lane delivers.", t.rest(s, t.readySince(s.Now))}
}

func lanes(n int) string { return several(n, "lane", "lanes") }

func (t totals) downHead() string {
	switch {
	case t.Own == 1:
		return "The lane does not deliver."
	case t.Down == t.Own:
		return fmt.Sprintf("None of the %s delivers.", lanes(t.Own))
	case t.Down == 1:
		return fmt.Sprintf("1 of %s does not deliver.", lanes(t.Own))
	}
	return fmt.Sprintf("%s of %s do not deliver.", digits(t.Down), lanes(t.Own))
}

func (t totals) downSince(now time.Time) string {
	if t.Since.IsZero() {
		return ""
	}
	return "It began at " + minute(t.Since, now) + "."
}

func (t totals) catchingHead() string {
	head := "The lane catches up"
	switch {
	case t.Own > 1 && t.Catching == t.Own:
		head = t.all() + " catch up"
	case t.Own > 1 && t.Catching == 1:
		head = fmt.Sprintf("1 of %s catches up", lanes(t.Own))
	case t.Own > 1:
		head = fmt.Sprintf("%s of %s catch up", digits(t.Catching), lanes(t.Own))
	}
	if t.Queued > 0 {
		head += fmt.Sprintf(": %s to go", several(t.Queued, "event", "events"))
	}
	return head + "."
}

// all names all lanes that run here. There are at least two.
func (t totals) all() string {
	if t.Own == 2 {
		return "Both lanes"
	}
	return fmt.Sprintf("All %s", lanes(t.Own))
}

func (t totals) readySince(now time.Time) string {
	who := "The lane has"
	if t.Own > 1 {
		who = t.all() + " have"
	}
	if t.Since.IsZero() {
		return ""
	}
	return fmt.Sprintf("%s been ready since %s.", who, minute(t.Since, now))
}

// rest are the sentences that follow, whatever the state.
func (t totals) rest(s *snapshot, first string) []string {
	var rest []string
	if first != "" {
		rest = append(rest, first)
	}
	rest = append(rest, t.missing(s))
	if t.Forgets {
		rest = append(rest, t.forgets())
	}
	if t.Elsewhere > 0 {
		rest = append(rest, fmt.Sprintf("Other replicas run %s.", lanes(t.Elsewhere)))
	}
	return rest
}

// missing says what is known to be missing. Nobody counts gaps over a restart, so it says
// since when.
func (t totals) missing(s *snapshot) string {
	var parts []string
	if t.Gaps > 0 {
		where := joined(t.GapLanes)
		if len(t.GapLanes) > 3 {
			where = lanes(len(t.GapLanes))
		}
		parts = append(parts, several(t.Gaps, "gap", "gaps")+" in "+where+" (the sluice.gap event at the destination has the interval)")
	}
	if t.Letters > 0 {
		parts = append(parts, several(t.Letters, "dead letter", "dead letters"))
	}
	switch {
	case len(parts) > 0:
		return "Missing: " + joined(parts) + "."
	case t.LettersKnown:
		return fmt.Sprintf("Since %s, when Sluice started, no gap was found. There is no dead letter.", minute(s.Began, s.Now))
	}
	return fmt.Sprintf("Since %s, when Sluice started, no gap was found.", minute(s.Began, s.Now))
}

func (t totals) forgets() string {
	switch {
	case t.Left <= 0:
		return "The log may already have forgotten events that were not delivered."
	case t.Down > 0:
		return fmt.Sprintf("The log keeps what was not delivered for another %s: until then nothing is lost.", duration(t.Left))
	case t.Catching > 0:
		return fmt.Sprintf("The log keeps what is not delivered yet for another %s.", duration(t.Left))
	}
	return fmt.Sprintf("If a lane stops now, the log keeps its events for another %s.", duration(t.Left))
}
