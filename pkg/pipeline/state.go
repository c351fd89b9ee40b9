package pipeline

import (
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/evidence/audit"
	"github.com/sluice-siem/sluice/pkg/source"
)

// state is what Status reports about a lane, apart from failures. The stages update it
// once a page or a Publish.
type state struct {
	mu      sync.Mutex
	running bool
	done    bool            // with Once: it caught up, and all is settled
	ended   error           // why the lane last ended by itself; nil while it runs
	reader  source.Reader   // nil while none is open
	last    source.Progress // progress of the reader before
	queues  []*queue

	moved      time.Time   // when a page of the reader last found space in the queue
	blocked    bool        // the reader waits for space in the queue
	anySettled bool        // a page was settled since the process began
	caughtUp   bool        // the page that was read last is the last one of its walk
	waiting    []unsettled // a page each

	noteLog   *Evidence     // nil without evidence
	audits    *Audits       // nil without audits
	late      tally         // from when a late event happened until it was read
	most      time.Duration // of late, since the last audit
	count     Counters
	lastTaken time.Time
	asked     time.Time // when the Publish under way began; zero if none is
	publishes tally
}

// unsettled is a page that was read and is not settled.
type unsettled struct {
	oldest time.Time // time of its oldest event; zero if it has none
	events int
	behind bool // the reader had not caught up before it returned the page
}

func (s *state) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running, s.done, s.ended = true, false, nil
}

// end records that a lane ended. err is nil if the lane was told to end.
func (s *state) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running, s.ended = false, err
}

func (s *state) open(r source.Reader, queues ...*queue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reader, s.queues, s.waiting, s.caughtUp = r, queues, nil, false
}

// close reads the reader's progress for the last time, so it is called before the
// reader is closed. done means that the stages ended because the lane has caught up.
// close returns how many pages were read and not settled.
func (s *state) close(done bool) (unsettled int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = done
	s.last = s.reader.Progress()
	unsettled = len(s.waiting)
	s.reader, s.queues, s.waiting, s.blocked = nil, nil, nil, false
	return unsettled
}

// handing records a page that the reader returned and that waits for space in the queue.
func (s *state) handing(p *page) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count.Read += uint64(len(p.events))
	s.observeLate(p)
	if p.next == nil { // from an audit
		p.caughtUp = s.caughtUp
	}
	s.waiting = append(s.waiting, unsettled{p.oldest, len(p.events), !s.caughtUp || !p.caughtUp})
	s.caughtUp = p.caughtUp
	s.blocked = true
}

// observeLate observes late events. While a lane catches up, nobody knows when an event was
// listed.
func (s *state) observeLate(p *page) {
	if !s.caughtUp {
		return
	}
	for i := range p.events {
		if e := &p.events[i]; e.Late {
			s.late.observe(e.Read.Sub(e.Time))
			if p.next != nil { // An audit finds an event long after it was listed.
				s.most = max(s.most, e.Read.Sub(e.Time))
			}
		}
	}
}

// latest returns how late the latest event since the last audit was.
func (s *state) latest() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	most := s.most
	s.most = 0
	return most
}

// atRest reports whether the lane has caught up and all it read is settled.
func (s *state) atRest() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.caughtUp && len(s.waiting) == 0
}

// overlap returns the overlap in effect.
func (s *state) overlap() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reader == nil {
		return s.last.Overlap
	}
	return s.reader.Progress().Overlap
}

// audited records the result of the last audit and when the next is due.
func (s *state) audited(last audit.Result, next time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.audits == nil {
		s.audits = &Audits{}
	}
	s.audits.Last, s.audits.Next = last, next
}

// lastAudit returns what the last audit found, in a line; empty if there was none.
func (s *state) lastAudit() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.audits == nil {
		return ""
	}
	return s.audits.Last.String()
}

// found counts what an audit found, once that is saved.
func (s *state) found(o *audit.Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.audits.Done++
	s.audits.Missing += o.Result.Missing
	s.audits.Vanished += o.Vanished
	s.audits.Altered += o.Altered
	s.audits.Unclear += o.Unclear
}

// encoded counts the unprepared, unmapped and truncated records of a page.
func (s *state) encoded(p *page) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count.Unprepared += uint64(p.unprepared)
	for i := range p.part.records {
		if p.part.records[i].Unmapped {
			s.count.Unmapped++
		}
		if p.part.records[i].Truncated {
			s.count.Truncated++
		}
	}
}

func (s *state) handed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocked = false
	s.moved = time.Now()
}

func (s *state) settled(pages int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.anySettled = true
	if s.waiting = s.waiting[pages:]; len(s.waiting) == 0 {
		s.waiting = nil
	}
}

// published counts records that the sink accepted, and reports whether they are the
// first.
func (s *state) published(records int) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if records == 0 {
		return false
	}
	first = s.count.Published == 0
	s.count.Published += uint64(records)
	s.lastTaken = time.Now()
	return first
}

// noted records a lane's log as its last saved position has it.
func (s *state) noted(log *evidence.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noteLog = &Evidence{
		Origin: log.Origin, Epoch: log.Epoch, Records: log.Tree.Size, Covered: log.Covered.Size,
		Notes: log.Notes, LastNote: log.Last, Pending: len(log.Pending), Key: log.Key,
	}
}

// passed counts filtered events, once all events around them are settled.
func (s *state) passed(events int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count.Filtered += uint64(events)
}

// leftWindow counts records that are older than the destination takes.
func (s *state) leftWindow(records int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count.BeyondWindow += uint64(records)
}

func (s *state) rejected(records int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count.Rejected += uint64(records)
}

// asking records that a Publish begins. The function that it returns records the end.
func (s *state) asking() (answered func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	began := time.Now()
	s.asked = began
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked = time.Time{}
		s.publishes.observe(time.Since(began))
	}
}

// accepted reports whether the sink has accepted a record since the process began.
func (s *state) accepted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count.Published > 0
}

// view is what Status needs of the state without reporting it.
type view struct {
	running, blocked bool
	ended            error
	fresh            time.Time // the last sign that the source can be read
	oldest           time.Time // of the events that were read and are not settled
	asked            time.Time // when the Publish under way began; zero if none is
	settled          bool      // a page was settled since the process began
}

func (s *state) snapshot(to *Status) view {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := view{running: s.running, ended: s.ended, blocked: s.blocked, fresh: s.moved, asked: s.asked, settled: s.anySettled}
	to.Reader = s.last
	if s.reader != nil {
		to.Reader = s.reader.Progress()
		to.CatchingUp = !to.Reader.CaughtUp
	}
	if to.Reader.LastRead.After(v.fresh) {
		v.fresh = to.Reader.LastRead
	}
	for _, p := range s.waiting {
		if v.oldest.IsZero() {
			v.oldest = p.oldest
		}
		to.Unsettled += p.events
		to.CatchingUp = to.CatchingUp || p.behind && p.events > 0
	}
	for i, q := range s.queues {
		to.QueuedPages[i] = q.waiting()
		to.QueuedBytes += q.held.Load()
	}
	to.Done, to.Counters = s.done, s.count
	to.LastPublished, to.Publish = s.lastTaken, s.publishes.snapshot()
	to.Evidence = s.noteLog
	to.Lateness = s.late.snapshot()
	if s.audits != nil {
		audits := *s.audits
		audits.Advice = audits.Last.Advise(to.Reader.Overlap)
		to.Audits = &audits
	}
	return v
}
