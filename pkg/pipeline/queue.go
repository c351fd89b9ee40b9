package pipeline

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sync/semaphore"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/evidence/audit"
	"github.com/sluice-siem/sluice/pkg/internal/pool"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// queuePages is the limit of pages in a queue. The limit of bytes is reached long before,
// unless pages are nearly empty.
const queuePages = 1024

// These are the bytes of memory that an event takes besides its raw bytes, and a record
// besides its body. Since events are small, they are a third of a page that was read.
const (
	eventBytes  = int64(unsafe.Sizeof(source.Event{}))
	recordBytes = int64(unsafe.Sizeof(sink.Record{}) + unsafe.Sizeof([]byte(nil)))
)

const (
	// defaultQueue is the size of a lane's queue unless its owner or its sink needs more.
	defaultQueue = 16 << 20
	// readAhead is the most of it that may wait to be encoded. That is enough for the
	// reader and the encoder to work at the same time, however large the batches are.
	readAhead = 4 << 20
)

// QueueBytes is how large a lane's queue must be so that a sink with these limits gets
// batches as large as it allows. A Publish takes what is queued, and a batch stays in
// the queue until it is settled. So while one batch is on its way, the queue holds that
// much less of the next: in the long run half a queue goes into each Publish. 16 MiB is
// enough for most sinks. A sink whose Publish takes long, because the destination
// confirms late, declares larger batches.
//
// A record counts with its event, which is seldom larger, and with the memory that the
// encoder reserves for it.
func QueueBytes(limits sink.Limits) int64 {
	limits = limits.WithDefaults()
	bodies := int64(limits.Bytes)
	return max(defaultQueue, readAhead+bodies+bodies+bodies/8+int64(limits.Records)*recordBytes)
}

// page is one read on its way through the lane. It holds events until they are encoded,
// and records and rejects afterwards.
type page struct {
	events  []source.Event
	part    part
	rooms   [][]byte        // borrowed buffers in which bodies of its records stand
	rejects []sink.Reject   // events that could not be encoded
	leaves  []evidence.Leaf // of its records and rejects, by number; none without evidence
	next    source.Position // nil if it is found by an audit: the position does not move

	hours   audit.Hours    // its events, as audits count them; none without audits
	outcome *audit.Outcome // of the audit that ends with it; nil in all others
	saved   chan struct{}  // is closed once the outcome is saved

	filtered   int   // events that the sink should not get
	unprepared int   // events whose preparation failed
	why        error // the error of the last of them

	bare     bool // no event was read with it
	caughtUp bool
	read     time.Time // when the reader returned it
	oldest   time.Time // time of its first event; zero if it has none
	bytes    int64     // memory that it holds
	charged  bool      // it holds the lane's turn
	grown    int64     // bytes beyond it
}

// part is a run of records, oldest first, with the raw events that they were made of. A
// Publish may read its slices until the records are settled, so nobody may write to them
// before that.
type part struct {
	records []sink.Record
	raws    [][]byte
}

func (p part) len() int            { return len(p.records) }
func (p part) slice(i, j int) part { return part{p.records[i:j], p.raws[i:j]} }

// join copies parts into one.
func join(parts ...part) part {
	if len(parts) == 1 {
		return parts[0]
	}
	n := 0
	for _, p := range parts {
		n += p.len()
	}
	all := part{make([]sink.Record, 0, n), make([][]byte, 0, n)}
	for _, p := range parts {
		all.records = append(all.records, p.records...)
		all.raws = append(all.raws, p.raws...)
	}
	return all
}

// queue joins two stages. The second one runs in a goroutine that exists only while pages
// wait, so an idle lane has none for it. The queue is bounded in pages, and in the bytes
// of pages that were put and not yet released. A page that was taken counts until it is
// released.
type queue struct {
	room *semaphore.Weighted
	size int64
	held atomic.Int64
	run  func(stage func() error) // runs a stage in a goroutine

	memory   source.Memory // of the lane
	charged  atomic.Int64  // pages that hold the lane's turn
	grown    atomic.Int64  // bytes beyond it
	released chan struct{} // after each release, if somebody waits

	full    atomic.Bool   // a page waits for space
	changed chan struct{} // after a page was put, or waits for space

	mu      sync.Mutex
	stage   func() error // takes pages until none waits
	running bool         // also once the stage has failed: then it is not run again
	pages   []*page      // that wait; nil if none does
}

// newQueue returns a queue without a stage.
func newQueue(size int64, memory source.Memory, run func(stage func() error)) *queue {
	size = max(size, 1) // An empty semaphore would let everything pass.
	return &queue{
		room: semaphore.NewWeighted(size), size: size, run: run,
		memory: memory, released: make(chan struct{}, 1), changed: make(chan struct{}, 1),
	}
}

// put waits for space. A page larger than the queue acquires all of it, and so passes
// alone.
func (q *queue) put(ctx context.Context, p *page) error {
	if err := q.enter(ctx, q.weight(p)); err != nil {
		return err
	}
	if err := q.charge(ctx, p); err != nil {
		q.room.Release(q.weight(p))
		return err
	}
	q.held.Add(p.bytes)
	defer q.signal()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pages = append(q.pages, p)
	if !q.running {
		q.running = true
		q.run(q.stage)
	}
	return nil
}

// enter waits for space.
func (q *queue) enter(ctx context.Context, weight int64) error {
	if q.room.TryAcquire(weight) {
		return nil
	}
	defer q.waits()()
	return q.room.Acquire(ctx, weight)
}

// waits says that a page waits for space. The function that it returns says that it waits no
// more.
func (q *queue) waits() (ended func()) {
	q.full.Store(true)
	q.signal()
	return func() { q.full.Store(false) }
}

// signal tells a stage that lingers to look at the queue again.
func (q *queue) signal() {
	select {
	case q.changed <- struct{}{}:
	default:
	}
}

// take returns the page that waits longest. It is nil if none waits: then the stage must
// return, and put runs it again. After an error it must return, too.
func (q *queue) take(ctx context.Context) (*page, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.pages) == 0 {
		q.running = false
		return nil, nil
	}
	return q.first(), nil
}

// takeIf returns the page that waits longest if it is accepted, and otherwise nil. refused
// means that one waits that was not accepted.
func (q *queue) takeIf(accepted func(*page) bool) (p *page, refused bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.pages) == 0 {
		return nil, false
	}
	if !accepted(q.pages[0]) {
		return nil, true
	}
	return q.first(), false
}

// first removes the first page. The caller holds the lock.
func (q *queue) first() *page {
	p := q.pages[0]
	q.pages[0] = nil
	if q.pages = q.pages[1:]; len(q.pages) == 0 {
		q.pages = nil
	}
	return p
}

func (q *queue) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.pages)
}

func (q *queue) release(p *page) {
	q.held.Add(-p.bytes)
	q.room.Release(q.weight(p))
	if p.charged {
		q.memory.Shrink(p.grown)
		q.grown.Add(-p.grown)
		q.memory.Leave()
		q.charged.Add(-1)
	}
	select {
	case q.released <- struct{}{}:
	default:
	}
}

// charge waits for memory. A page that is alone in the queue is part of the lane's turn.
// Each further one needs more, or waits until one before it is released. A page without
// events takes nothing.
func (q *queue) charge(ctx context.Context, p *page) error {
	if p.bare {
		return nil
	}
	if err := q.memory.Enter(ctx); err != nil {
		return err
	}
	p.charged, p.grown = true, 0
	q.charged.Add(1)
	if q.grow(p) {
		return nil
	}
	defer q.waits()()
	for !q.grow(p) {
		select {
		case <-q.released:
		case <-ctx.Done():
			q.memory.Leave()
			q.charged.Add(-1)
			return ctx.Err()
		}
	}
	return nil
}

// grow reports whether there is memory for a page.
func (q *queue) grow(p *page) bool {
	if q.held.Load() == 0 {
		return true
	}
	if !q.memory.Grow(p.bytes) {
		return false
	}
	p.grown = p.bytes
	q.grown.Add(p.grown)
	return true
}

// close gives back the memory of pages that were not released, once nobody puts or
// releases any more.
func (q *queue) close() {
	q.memory.Shrink(q.grown.Swap(0))
	for range q.charged.Swap(0) {
		q.memory.Leave()
	}
}

// weight bounds the number of pages, too: a nearly empty one counts more than its bytes.
func (q *queue) weight(p *page) int64 { return min(max(p.bytes, q.size/queuePages), q.size) }

// spares are parts that no lane uses, empty to append to.
var spares sync.Pool

// reuse gives the memory of a released page to later pages of any lane. Nobody may read
// the page's records or their bodies any more.
func (p *page) reuse() {
	clear(p.part.records) // of the events they point to
	clear(p.part.raws)
	spare := p.part.slice(0, 0)
	spares.Put(&spare)
	for _, buf := range p.rooms {
		pool.Put(buf)
	}
	p.part, p.rooms = part{}, nil
}

// blank returns a page without content. It has the memory of a reused page if there is
// one.
func blank() *page {
	if spare, ok := spares.Get().(*part); ok {
		return &page{part: *spare}
	}
	return &page{}
}
