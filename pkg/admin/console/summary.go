package console

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/glyph"
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
	Own, Elsewhere, Down, Paused, Catching, Ready, Done int

	Lag          time.Duration // the largest
	LagKnown     bool          // of any lane
	Unread       int           // lanes that read nothing yet
	Left         time.Duration // the shortest time until the log forgets something
	Forgets      bool          // Left is known of a lane
	Unexpired    int           // lanes of which nobody knows when the log forgets their events
	Since        time.Time     // of the state that the summary tells
	Gaps         uint64
	GapLanes     []string // which lanes have them
	GapTold      bool     // each of these delivers
	Letters      int
	LettersKnown bool
	LettersErr   error  // why they cannot be counted
	Unprepared   uint64 // events delivered although where or enrich failed
	Hour         uint64 // events settled in the last hour
	HourKnown    bool
	Queued       int // events of catch-ups that are not delivered yet
}

func (s *snapshot) totals() totals {
	t := totals{LettersKnown: true, GapTold: true}
	for _, l := range s.Lanes {
		if l.State == elsewhere {
			t.Elsewhere++
			continue
		}
		t.Own++
		switch l.State {
		case down:
			t.Down++
		case paused:
			t.Paused++
		case catching:
			t.Catching++
		case done:
			t.Done++
		}
		if l.Ready {
			t.Ready++
		}
		t.add(l)
	}
	t.since(s)
	return t
}

func (t *totals) add(l laneView) {
	if l.LagKnown() {
		t.Lag, t.LagKnown = max(t.Lag, l.Lag), true
	}
	if l.Unread() {
		t.Unread++
	}
	if t.Gaps += l.Reader.Gaps; l.Reader.Gaps > 0 {
		t.GapLanes = append(t.GapLanes, l.Source+" → "+l.Sink)
		t.GapTold = t.GapTold && l.State != down
	}
	t.Letters += l.Letters.Count
	t.LettersKnown = t.LettersKnown && l.Letters.Kept && l.Letters.Err == nil
	if t.LettersErr == nil {
		t.LettersErr = l.Letters.Err
	}
	t.Unprepared += l.Unprepared
	switch r := l.Retention(); {
	case r == nil && l.State != done && l.Position.Through.IsZero():
		t.Unexpired++
	case r != nil && (!t.Forgets || r.Left < t.Left):
		t.Left, t.Forgets = r.Left, true
	}
	if l.HourKnown {
		t.Hour, t.HourKnown = t.Hour+l.Hour, true
	}
	if l.State == catching && l.Reader.WalkDone {
		waiting, _ := l.Waiting()
		t.Queued += waiting
	}
}

// since finds since when lanes are down, or else since when all are ready, if they are.
func (t *totals) since(s *snapshot) {
	for _, l := range s.Lanes {
		switch {
		case l.State == elsewhere:
		case t.Down > 0 && l.State == down && !l.Since.IsZero() && (t.Since.IsZero() || l.Since.Before(t.Since)):
			t.Since = l.Since
		case t.Ready == t.Own && l.Readied.After(t.Since):
			t.Since = l.Readied
		}
	}
}

func (s *snapshot) summary(t totals) summary {
	switch {
	case s.Group != nil:
		return summary{"bad", "It is unknown which lanes run here.", []string{s.Group.Error()}}
	case t.Own == 0 && t.Elsewhere > 0:
		return summary{"idle", "This replica stands by.", []string{fmt.Sprintf("Other replicas run %s. If one of them ends, this one continues its lanes.", lanes(t.Elsewhere))}}
	case t.Own == 0:
		return summary{"bad", "No lane runs.", []string{"Nothing is read and nothing is delivered. See Sluice's log for the reason."}}
	case t.Down > 0:
		return summary{"bad", t.downHead(), t.rest(s, t.downSince(s.Now))}
	case t.Paused > 0:
		return summary{"warn", t.pausedHead(), t.rest(s, "sluice resume lets it deliver again.")}
	case t.Catching > 0:
		class := "busy"
		if t.Gaps > 0 || t.Letters > 0 || t.LettersErr != nil || t.Unprepared > 0 {
			class = "warn"
		}
		return summary{class, t.catchingHead(), t.rest(s, "New events follow as soon as the older ones are delivered.")}
	case t.Gaps > 0:
		return summary{"warn", "Every lane delivers, but earlier events are missing.", t.rest(s, t.readySince(s.Now))}
	case t.Letters > 0:
		return summary{"warn", fmt.Sprintf("Every lane delivers, except %s.", several(t.Letters, "dead letter", "dead letters")), t.rest(s, t.readySince(s.Now))}
	case t.LettersErr != nil:
		return summary{"warn", "Every lane delivers, but dead letters cannot be counted.", t.rest(s, t.readySince(s.Now))}
	case t.Unprepared > 0:
		return summary{"warn", fmt.Sprintf("Every lane delivers, but %s unprepared.", several(t.Unprepared, "event", "events")), t.rest(s, t.readySince(s.Now))}
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

func (t totals) pausedHead() string {
	switch {
	case t.Own == 1:
		return "The lane is paused."
	case t.Paused == t.Own:
		return t.all() + " are paused."
	case t.Paused == 1:
		return fmt.Sprintf("1 of %s is paused.", lanes(t.Own))
	}
	return fmt.Sprintf("%s of %s are paused.", digits(t.Paused), lanes(t.Own))
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
	switch {
	case t.Ready < t.Own-t.Done:
		return "For some minutes after a gap, /readyz says that its lane is not ready, so that an alert sees the gap."
	case t.Since.IsZero() || t.Done > 0:
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
	if t.LettersErr != nil {
		rest = append(rest, "Dead letters cannot be counted: "+glyph.Visible(t.LettersErr.Error())+".")
	}
	if t.Unprepared > 0 {
		rest = append(rest, fmt.Sprintf("%s not prepared as configured: where or enrich failed, and Sluice's log has the reason.", were(t.Unprepared)))
	}
	if text := t.forgets(); text != "" {
		rest = append(rest, text)
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
		parts = append(parts, several(t.Gaps, "gap", "gaps")+" in "+where+t.interval())
	}
	if t.Letters > 0 {
		parts = append(parts, several(t.Letters, "dead letter", "dead letters"))
	}
	switch {
	case len(parts) > 0:
		return "Missing: " + joined(parts) + "."
	case t.Unread == t.Own:
		return "Nothing was read yet, so nothing is known of gaps."
	}
	text := fmt.Sprintf("Since %s, when Sluice started, no gap was found", minute(s.Began, s.Now))
	if t.Unread > 0 {
		text += fmt.Sprintf("; %s read nothing yet", lanes(t.Unread))
	}
	if t.LettersKnown {
		text += ". There is no dead letter"
	}
	return text + "."
}

// interval says where the interval of a gap stands, once it does.
func (t totals) interval() string {
	if !t.GapTold {
		return ""
	}
	return " (the sluice.gap event at the destination has the interval)"
}

func were(n uint64) string {
	if n == 1 {
		return "1 delivered event was"
	}
	return digits(n) + " delivered events were"
}

// forgets says how long the log keeps what was not delivered. It speaks only for lanes of
// which that is known.
func (t totals) forgets() string {
	text := ""
	switch {
	case !t.Forgets:
	case t.Left <= 0:
		text = "The log may already have forgotten events that were not delivered."
	case t.Down > 0 || t.Paused > 0:
		text = fmt.Sprintf("The log keeps what was not delivered for another %s", duration(t.Left))
		if t.Unexpired == 0 {
			return text + ": until then nothing is lost."
		}
		text += "."
	case t.Catching > 0:
		text = fmt.Sprintf("The log keeps what is not delivered yet for another %s.", duration(t.Left))
	default:
		text = fmt.Sprintf("If a lane stops now, the log keeps its events for another %s.", duration(t.Left))
	}
	if t.Unexpired > 0 && (t.Forgets || t.Unread > 0 || t.Down > 0) {
		unknown := fmt.Sprintf("For %s it is unknown how long the log keeps their events.", lanes(t.Unexpired))
		if t.Unexpired == 1 {
			unknown = "For 1 lane it is unknown how long the log keeps its events."
		}
		text = strings.TrimSpace(text + " " + unknown)
	}
	return text
}
