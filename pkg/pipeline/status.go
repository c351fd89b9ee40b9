package pipeline

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/evidence/audit"
	"github.com/sluice-siem/sluice/pkg/source"
)

// Status is a snapshot of a lane. Metrics, readiness, the console and the progress
// line read only this.
type Status struct {
	Lane, Source, Sink, Format string

	Elsewhere  bool      // another replica runs the lane; set by the owner of the Set
	Ready      bool      // the last read is fresh and the last publish was accepted
	Done       bool      // with Once: it caught up, and all is settled
	Paused     *Pause    // somebody paused it, so it is not ready and does not run; nil: it is not paused
	Unplaced   bool      // it is paused, and its position is not known
	Resting    bool      // it cannot continue, and is started again after a rest; Reason says why
	Reason     string    // why not ready, for people; empty if ready
	Troubles   []Trouble // what Reason says, one by one
	Refused    []Trouble // credentials that were changed and are refused, while the former one still works; no reason not to be ready
	CatchingUp bool      // the reader has not caught up, or events that it returned before it had are not settled

	Reader   source.Progress
	Position source.Description // of the last saved checkpoint
	Lag      time.Duration      // age of the oldest event that is known to wait; if none is known, of the newest delivered one; 0 when caught up

	Unsettled int // events that were read and are not settled

	Counters
	Retries map[string]uint64 // failures that were retried, by class of error; an error without a class counts under its operation: take, start, read, open, publish, bury, save, audit

	QueuedPages   [2]int    // waiting to be transformed, waiting to be published
	QueuedBytes   int64     // of raw events, positions and bodies, those being published included
	LastPublished time.Time // zero if nothing was published since the process began
	Publish       Histogram

	Lateness Histogram // from when a late event happened until it was read, while the lane had caught up

	Audits   *Audits   // nil without audits, and until the lane was taken
	Evidence *Evidence // of the lane's log; nil without evidence, and until the lane was taken
}

// Evidence is what is known of a lane's log, as the last saved position has it.
type Evidence struct {
	Origin   string    // names the log
	Epoch    uint64    // how often the lane was taken
	Records  uint64    // numbered so far
	Covered  uint64    // of them those that notes cover
	Notes    uint64    // written so far
	LastNote time.Time // when the last one was written
	Pending  int       // notes that the destination does not have yet
	Key      string    // the verifier key that signed the last note
}

// Unsealed returns how many records no note covers.
func (e *Evidence) Unsealed() uint64 { return e.Records - e.Covered }

// Audits is what a lane's audits found.
type Audits struct {
	Last   audit.Result  // zero before the first
	Next   time.Time     // when the next one is due
	Advice time.Duration // a longer overlap, if events came too late for the one in effect; 0 if none did

	// Since the process began.
	Done                                uint64
	Missing, Vanished, Altered, Unclear uint64
}

// Trouble is a reason why a lane is not ready. Times that are not known are zero.
type Trouble struct {
	Operation string    // what failed: take, start, read, open, publish, bury or save; or what is wrong, such as "not running"
	Err       string    // text of the error, or what is known of it; may be empty
	Hint      string    // what to do; may be empty
	Note      string    // what else delays it; may be empty
	Since     time.Time // when it began
	Next      time.Time // when the next attempt is due, in the past while one is under way
	Refused   bool      // the other side does not accept the credentials
	Attempts  int       // that failed in a row; 0 if they are not counted
}

// String returns the trouble as Status.Reason has it.
func (t Trouble) String() string {
	text := t.Operation
	if t.Err != "" {
		text += ": " + t.Err
	}
	if t.Attempts > 0 {
		text += fmt.Sprintf(" (retrying since %s, %d attempts)", t.Since.UTC().Format(time.RFC3339), t.Attempts)
	}
	if t.Hint != "" {
		text += "; hint: " + t.Hint
	}
	if t.Note != "" {
		text += "; " + t.Note
	}
	return text
}

// trouble makes the troubles of a lane its reason not to be ready.
func (s *Status) trouble(list []Trouble) {
	s.Troubles, s.Reason, s.Ready = list, strings.Join(texts(list), "; "), len(list) == 0
}

func texts(list []Trouble) []string {
	texts := make([]string, len(list))
	for i, t := range list {
		texts[i] = t.String()
	}
	return texts
}

// Waiting returns how many events are known to wait: those that a walk has listed and not
// returned, and those that were returned and are not settled. all is the number of events
// of the walk, or the same as waiting if they are of earlier walks.
func (s *Status) Waiting() (waiting, all int) {
	waiting = max(s.Reader.WalkEvents-s.Reader.Handed, 0) + s.Unsettled
	return waiting, max(s.Reader.WalkEvents, waiting)
}

// Counters is what a lane has counted since the process began. Each settled event counts
// once as published, rejected or filtered.
type Counters struct {
	Read       uint64 // events that the reader returned
	Filtered   uint64 // events that were not to be sent to the sink
	Unprepared uint64 // events that were delivered although their preparation failed
	Unmapped   uint64 // events whose action is not in the catalogue
	Truncated  uint64 // records in which values were shortened or left out to fit a limit
	Published  uint64 // records that the destination took responsibility for
	Rejected   uint64 // records that became dead letters

	BeyondWindow uint64 // records older than the destination takes, sent or not
}

// Status returns a snapshot of the lane. It may be called at any time: before, during and
// after Run.
func (l *Lane) Status() Status {
	l.prepared.Do(l.prepare)
	s := Status{Lane: l.Name, Source: l.SourceName, Sink: l.SinkName, Format: l.Format}
	s.Retries = map[string]uint64{}
	for _, op := range l.operations() {
		op.addRetries(s.Retries)
	}
	now := time.Now()
	seen := l.state.snapshot(&s)
	troubles := l.unready(&s, seen, now)
	var err error
	if s.Position, err = l.place.description(l.describe); err != nil {
		troubles = append(troubles, Trouble{Operation: "describe checkpoint", Err: err.Error()})
	}
	s.Lag = lag(&s, seen.oldest, now)
	if l.Refused != nil {
		s.Refused = l.Refused()
	}
	s.trouble(troubles)
	return s
}

// maxSilence limits how long a sink that has taken nothing yet may leave a Publish
// unanswered, and anybody a lane that begins. After that the lane is not ready. Clients of
// some destinations retry by themselves until publish_timeout, so no error would tell
// meanwhile that nobody is there. A sink that has taken records before may be slow. A lane
// that has settled nothing since the process began is not ready before the first answer.
const maxSilence = 15 * time.Second

// AfterGap is the Operation of the trouble that a lane has for some minutes after a gap. It
// delivers meanwhile.
const AfterGap = "events are missing"

// gapAlarm is how long a lane is not ready after a gap, although it continues: long
// enough for an alert that watches only readiness.
const gapAlarm = 15 * time.Minute

// unready returns why the lane is not ready. A failed read is no reason while the last
// read is fresh. While the reader waits for space in the queue, a read that is not fresh
// is no reason either: then only the sink decides. Space for which the lane waits because
// other lanes have the memory is a reason.
func (l *Lane) unready(s *Status, seen view, now time.Time) []Trouble {
	var list []Trouble
	for _, op := range []*operation{&l.publishing, &l.burying, &l.saving, &l.opening, &l.taking, &l.starting} {
		if t, failing := op.trouble(); failing {
			list = append(list, t)
		}
	}
	if waits := now.Sub(seen.asked); !seen.asked.IsZero() && s.LastPublished.IsZero() && (!seen.settled || waits >= maxSilence) {
		list = append(list, Trouble{Operation: "publish", Since: seen.asked,
			Err: fmt.Sprintf("the sink has not accepted anything yet, nor answered for %s", waits.Round(time.Second))})
	}
	if found := s.Reader.LastGap; !found.IsZero() && now.Sub(found) < gapAlarm {
		list = append(list, Trouble{Operation: AfterGap, Since: found,
			Err: fmt.Sprintf("at %s the log no longer reached back to where the lane had stopped (the sluice.gap event has the interval); the lane continues, and is ready again at %s",
				found.UTC().Format(time.RFC3339), found.Add(gapAlarm).UTC().Format(time.RFC3339))})
	}
	if !seen.running {
		t := Trouble{Operation: "not running"}
		if seen.ended != nil {
			t.Err = seen.ended.Error()
		}
		return append(list, t)
	}
	if t, silent := l.silent(seen, now); silent {
		list = append(list, t)
	} else if t, stale := l.stale(seen, now); stale {
		list = append(list, t)
	}
	return list
}

// silent returns what a lane that begins has waited for too long.
func (l *Lane) silent(seen view, now time.Time) (t Trouble, silent bool) {
	for _, op := range []*operation{&l.opening, &l.taking, &l.starting, &l.saving} {
		_, failing := op.trouble()
		if waits := op.waits(now); seen.fresh.IsZero() && waits >= maxSilence && !failing {
			return Trouble{Operation: op.name, Since: now.Add(-waits), Err: fmt.Sprintf("no answer for %s; nothing was read yet", waits.Round(time.Second))}, true
		}
	}
	return t, false
}

// stale returns why the last read is not fresh, if that is a reason not to be ready.
func (l *Lane) stale(seen view, now time.Time) (t Trouble, stale bool) {
	age, fresh, waits := now.Sub(seen.fresh), l.Source.Freshness(), l.Memory.Waiting()
	if seen.blocked && waits == 0 || age < fresh.Age {
		return t, false
	}
	t, failing := l.reading.trouble()
	switch {
	case failing:
	case seen.fresh.IsZero():
		t = Trouble{Operation: "read", Err: "nothing was read yet"}
	default:
		t = Trouble{Operation: "read", Err: fmt.Sprintf("the last read was %s ago", age.Round(time.Second)), Since: seen.fresh}
	}
	var notes []string
	if waits > 0 {
		note := fmt.Sprintf("it has been waiting for memory for %s", waits.Round(time.Second))
		if fresh.Reason == "" {
			note += ": raise memory in the configuration"
		} else { // More memory would only have more lanes wait for their requests.
			note += ", which other lanes have while their requests are held back"
		}
		notes = append(notes, note)
	}
	// Another lane may have met the cause of the delay.
	if !strings.Contains(t.String(), fresh.Reason) {
		notes = append(notes, fresh.Reason)
	}
	t.Note = strings.Join(notes, "; ")
	return t, true
}

// lag returns the age of the oldest event that waits in the lane. If none does, it
// returns the age of the oldest event of the walk under way, or else of the newest
// delivered one.
func lag(s *Status, waiting, now time.Time) time.Duration {
	oldest := waiting
	if oldest.IsZero() {
		if s.Reader.CaughtUp {
			return 0
		}
		oldest = s.Reader.Oldest
		if s.Position.Event.After(oldest) {
			oldest = s.Position.Event
		}
	}
	if oldest.IsZero() {
		return 0
	}
	return max(now.Sub(oldest), 0)
}
