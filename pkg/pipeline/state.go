package pipeline

import (
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// state is what Status tells of a lane, apart from what fails. The stages write
// to it once a page or a Publish.
type state struct {
	mu      sync.Mutex
	running bool
	done    bool            // with Once: it caught up, and all is settled
	ended   error           // why the lane last ended by itself; nil while it runs
	reader  source.Reader   // nil while none is open
	last    source.Progress // of the reader before
	queues  []*queue

	moved   time.Time   // when the reader last handed out a page that found room
	blocked bool        // the reader waits for room
	waiting []time.Time // for each page that was read and is not settled, the time of its oldest event

	read, taken, refused uint64
	filtered, unprepared uint64
	unmapped, truncated  uint64
	lastTaken            time.Time
	asked                time.Time // when the Publish under way began; zero if none is
	publishes            tally
}

func (s *state) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running, s.done, s.ended = true, false, nil
}

// end notes that a lane ended, and why if nobody told it to.
func (s *state) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running, s.ended = false, err
}

func (s *state) open(r source.Reader, queues ...*queue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reader, s.queues, s.waiting = r, queues, nil
}

// close is called before the reader is closed, since that is not asked after. done
// says that the stages ended because nothing waits behind them. It returns how many
// pages were read and not settled.
func (s *state) close(done bool) (unsettled int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = done
	s.last = s.reader.Progress()
	unsettled = len(s.waiting)
	s.reader, s.queues, s.waiting, s.blocked = nil, nil, nil, false
	return unsettled
}

// handing notes a page that the reader handed out, and that now waits for room.
func (s *state) handing(p *page) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read += uint64(len(p.events))
	s.waiting = append(s.waiting, p.oldest)
	s.blocked = true
}

// encoded notes what there is to say about the records of a page.
func (s *state) encoded(p *page) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unprepared += uint64(p.unprepared)
	for i := range p.part.records {
		if p.part.records[i].Unmapped {
			s.unmapped++
		}
		if p.part.records[i].Truncated {
			s.truncated++
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
	s.waiting = s.waiting[pages:]
}

// published notes records that the sink took, and tells whether they are the
// first.
func (s *state) published(records int) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if records == 0 {
		return false
	}
	first = s.taken == 0
	s.taken += uint64(records)
	s.lastTaken = time.Now()
	return first
}

// passed notes events that the sink was not to get, once all around them are
// settled: so each event that was settled counts once as one of published,
// rejected and filtered.
func (s *state) passed(events int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.filtered += uint64(events)
}

func (s *state) rejected(records int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused += uint64(records)
}

// asking notes that a Publish begins, and returns what notes its end.
func (s *state) asking() (answered func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = time.Now()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked = time.Time{}
	}
}

func (s *state) observe(publish time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.publishes.observe(publish)
}

// view is what Status needs of the state beside what it tells.
type view struct {
	running, blocked bool
	ended            error
	fresh            time.Time // the last sign that the source can be read
	oldest           time.Time // of the events that were read and are not settled
	asked            time.Time // when the Publish under way began; zero if none is
}

func (s *state) snapshot(to *Status) view {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := view{running: s.running, ended: s.ended, blocked: s.blocked, fresh: s.moved, asked: s.asked}
	to.Reader = s.last
	if s.reader != nil {
		to.Reader = s.reader.Progress()
		to.CatchingUp = !to.Reader.CaughtUp
	}
	if to.Reader.LastRead.After(v.fresh) {
		v.fresh = to.Reader.LastRead
	}
	for _, t := range s.waiting {
		if !t.IsZero() {
			v.oldest = t
			break
		}
	}
	for i, q := range s.queues {
		to.QueuedPages[i] = len(q.pages)
		to.QueuedBytes += q.held.Load()
	}
	to.Done = s.done
	to.Read, to.Published, to.Rejected = s.read, s.taken, s.refused
	to.Filtered, to.Unprepared = s.filtered, s.unprepared
	to.Unmapped, to.Truncated = s.unmapped, s.truncated
	to.LastPublished, to.Publish = s.lastTaken, s.publishes.snapshot()
	return v
}
