package console

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/source"
)

// state is what a lane does, the worst first.
type state int

const (
	down     state = iota // not ready
	paused                // somebody paused it
	missing               // ready or not, the log had forgotten events that it never read
	catching              // it delivers older events
	ready
	done      // with run --once
	elsewhere // another replica runs it
)

// Word names a state for people; Class is its name in the style sheet.
func (s state) Word() string {
	return [...]string{"not ready", "paused", "events missing", "catching up", "ready", "done", "other replica"}[s]
}

func (s state) Class() string {
	return [...]string{"bad", "warn", "warn", "busy", "good", "good", "idle"}[s]
}

// trouble is why a lane is not ready.
type trouble struct{ pipeline.Trouble }

// What says what the lane cannot do.
func (t trouble) What() string {
	switch t.Operation {
	case "publish":
		return "cannot publish"
	case "read":
		return "cannot read"
	case "open":
		return "cannot open the sink"
	case "take":
		return "cannot take the lane"
	case "start":
		return "cannot find where to begin"
	case "save":
		return "cannot save the position"
	case "bury":
		return "cannot store dead letters"
	}
	return t.Operation
}

// laneView is a lane as the page shows it.
type laneView struct {
	pipeline.Status
	State     state
	Since     time.Time // of the state; zero if it is not known
	Readied   time.Time // since when it is as ready as it is; zero if that is not known
	Target    string
	Rate      float64
	Rated     bool   // Rate is known
	Hour      uint64 // events that it settled in the last hour
	HourKnown bool
	Letters   letters
	Troubles  []trouble
	Now       time.Time
}

// letters are the dead letters of a lane.
type letters struct {
	Kept  bool // in files; otherwise nobody counts them here
	Count int
	Err   error
}

func (l letters) String() string {
	switch {
	case l.Err != nil:
		return "unknown"
	case !l.Kept:
		return "in the destination"
	}
	return digits(l.Count)
}

func (l laneView) ID() string   { return "lane/" + l.Source + "/" + l.Sink }
func (l laneView) Path() string { return "/lanes/" + l.Source + "/" + l.Sink }

// retention is how much of the log's retention is left until it forgets events that the
// lane has not delivered.
type retention struct {
	Left, Whole time.Duration
	Expires     time.Time
}

// Percent of the retention that is left.
func (r retention) Percent() int {
	return int(100 * min(max(r.Left, 0), r.Whole) / max(r.Whole, 1))
}

func (r retention) Class() string {
	switch {
	case r.Left < 6*time.Hour:
		return "bad"
	case r.Percent() < 20:
		return "warn"
	}
	return "good"
}

// Retention returns nil if the log keeps its events for ever, or if nothing is known.
func (l laneView) Retention() *retention {
	p := l.Position
	if p.Expires.IsZero() || l.State == elsewhere {
		return nil
	}
	from := p.Through
	if from.IsZero() { // Nothing was delivered yet.
		from = p.Awaits
	}
	return &retention{Left: p.Expires.Sub(l.Now), Whole: p.Expires.Sub(from), Expires: p.Expires}
}

// progress is how far a catch-up is.
type progress struct {
	Text       string
	Done, Size int // Size 0: it is not known yet
}

// Percent of the events that are delivered.
func (p progress) Percent() int { return 100 * p.Done / max(p.Size, 1) }

// catchesUp reports whether older events wait. A poll that is under way is no catch-up,
// unless it has more than a poll brings.
func catchesUp(s *pipeline.Status) bool {
	return s.CatchingUp && (s.Reader.WalkEvents > 100 || s.Unsettled > 0)
}

// Unread reports whether nothing was ever read in this process, so that nothing is known
// of what waits or is missing.
func (l laneView) Unread() bool {
	return l.State != elsewhere && l.State != done && l.Reader.LastRead.IsZero() && l.Read == 0
}

// LagKnown reports whether Lag is known. The lag of a lane that read nothing yet is that of
// its position, if it has one.
func (l laneView) LagKnown() bool { return !l.Unread() || l.Lag > 0 }

// Progress returns nil if the lane has caught up.
func (l laneView) Progress() *progress {
	r := l.Reader
	if l.State == elsewhere || !catchesUp(&l.Status) {
		return nil
	}
	if !r.WalkDone {
		text := fmt.Sprintf("Listing the log, newest first: %s, %s so far", several(r.WalkPages, "page", "pages"), several(r.WalkEvents, "event", "events"))
		if !r.Oldest.IsZero() {
			text += ", back to " + minute(r.Oldest, l.Now)
		}
		return &progress{Text: text + ". Delivery starts at the oldest event."}
	}
	left, all := l.Waiting()
	p := &progress{Text: "Delivering, oldest first: "}
	if all > left {
		p.Done, p.Size = all-left, all
		p.Text += fmt.Sprintf("%s of %s events", digits(p.Done), digits(all))
	} else {
		p.Text += several(left, "event", "events") + " to go"
	}
	if l.Rated && l.Rate > 0 && left > 0 {
		p.Text += ", " + rate(l.Rate) + ", about " + duration(time.Duration(float64(left)/l.Rate*float64(time.Second))) + " left"
	}
	p.Text += "."
	return p
}

// troubleGroup is a trouble and the lanes that have it.
type troubleGroup struct {
	trouble
	ID    string
	Lanes []laneView
}

// Title says who cannot do what.
func (g troubleGroup) Title() string {
	if len(g.Lanes) == 1 {
		return fmt.Sprintf("%s → %s: %s", g.Lanes[0].Source, g.Lanes[0].Sink, g.What())
	}
	return fmt.Sprintf("%s lanes: %s", digits(len(g.Lanes)), g.What())
}

const (
	maxTroubles = 10 // groups at the top of the page
	maxNamed    = 12 // lanes that a group names
)

// Named are the lanes that the page names; More is the number of the others.
func (g troubleGroup) Named() []laneView { return g.Lanes[:min(len(g.Lanes), maxNamed)] }
func (g troubleGroup) More() int         { return max(len(g.Lanes)-maxNamed, 0) }

// snapshot is everything that the pages show of the lanes, at one time.
type snapshot struct {
	Now      time.Time
	Began    time.Time  // when the process began
	Lanes    []laneView // the worst first
	Troubles []troubleGroup
	Memory   source.MemoryUsage
	Sources  map[string]source.Usage
	Group    error // why it is unknown which lanes this replica owns
}

func (c *console) snapshot() *snapshot {
	s := &snapshot{Now: time.Now(), Began: c.history.Started(), Memory: c.deps.Memory(), Sources: c.deps.Sources()}
	if c.deps.Group != nil {
		s.Group = c.deps.Group()
	}
	for _, status := range c.deps.Lanes() {
		s.Lanes = append(s.Lanes, c.laneView(status, s.Now))
	}
	slices.SortStableFunc(s.Lanes, func(a, b laneView) int {
		return cmp.Or(cmp.Compare(a.State, b.State), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Sink, b.Sink))
	})
	s.Troubles = grouped(s.Lanes)
	return s
}

func (c *console) laneView(status pipeline.Status, now time.Time) laneView {
	l := laneView{Status: status, Now: now, State: stateOf(&status), Target: c.deps.Target(status.Sink)}
	if l.State == elsewhere {
		return l
	}
	l.Since, l.Readied = c.history.State(&status)
	l.Rate, l.Rated = c.history.Rate(l.Lane)
	l.Hour, l.HourKnown = c.lastHour(&status)
	if c.deps.DeadLetters != nil {
		l.Letters.Kept = true
		l.Letters.Count, l.Letters.Err = c.deps.DeadLetters(l.Lane)
	}
	if l.State == done { // That it no longer runs is no trouble.
		return l
	}
	for _, t := range status.Troubles {
		l.Troubles = append(l.Troubles, trouble{t})
	}
	if p := status.Paused; p != nil {
		l.Since = p.Since
	}
	if began := oldestTrouble(status.Troubles); l.State == down && !began.IsZero() {
		l.Since = began
	}
	return l
}

// oldestTrouble returns when the oldest trouble began that stops a lane; zero if that is
// not known.
func oldestTrouble(list []pipeline.Trouble) (began time.Time) {
	for _, t := range list {
		if t.Operation != pipeline.AfterGap && !t.Since.IsZero() && (began.IsZero() || t.Since.Before(began)) {
			began = t.Since
		}
	}
	return began
}

func stateOf(s *pipeline.Status) state {
	stopped := func(t pipeline.Trouble) bool { return t.Operation != pipeline.AfterGap }
	switch {
	case s.Elsewhere:
		return elsewhere
	case s.Done:
		return done
	case s.Paused != nil && len(s.Troubles) == 0:
		return paused
	case !s.Ready && (len(s.Troubles) == 0 || slices.ContainsFunc(s.Troubles, stopped)):
		return down
	case catchesUp(s):
		return catching
	case s.Reader.Gaps > 0:
		return missing
	}
	return ready
}

// grouped puts the same trouble of several lanes together, that of most lanes first.
func grouped(lanes []laneView) []troubleGroup {
	type key struct{ operation, err, hint, note string }
	at := map[key]int{}
	var groups []troubleGroup
	for _, l := range lanes {
		for _, t := range l.Troubles {
			k := key{t.Operation, t.Err, t.Hint, t.Note}
			i, known := at[k]
			if !known {
				i = len(groups)
				at[k] = i
				groups = append(groups, troubleGroup{trouble: t, ID: "trouble/" + hash(k.operation, k.err, k.hint, k.note)})
			}
			groups[i].add(l, t)
		}
	}
	slices.SortStableFunc(groups, func(a, b troubleGroup) int { return cmp.Compare(len(b.Lanes), len(a.Lanes)) })
	return groups
}

// add adds a lane. The group began with its first lane, and goes on with the next try of any.
func (g *troubleGroup) add(l laneView, t trouble) {
	g.Lanes = append(g.Lanes, l)
	g.Attempts = max(g.Attempts, t.Attempts)
	if g.Since.IsZero() || !t.Since.IsZero() && t.Since.Before(g.Since) {
		g.Since = t.Since
	}
	if g.Next.IsZero() || !t.Next.IsZero() && t.Next.Before(g.Next) {
		g.Next = t.Next
	}
}
