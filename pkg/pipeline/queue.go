package pipeline

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sync/semaphore"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// queuePages is how many pages a queue holds at most. Bytes bound it long
// before, unless pages are nearly empty.
const queuePages = 1024

// What an event takes in memory besides its raw bytes, and a record besides its
// body. Events are small, so that this is a third of a page that was read.
const (
	eventBytes  = int64(unsafe.Sizeof(source.Event{}))
	recordBytes = int64(unsafe.Sizeof(sink.Record{}) + unsafe.Sizeof([]byte(nil)))
)

const (
	// defaultQueue is what a lane holds where neither its owner nor its sink asks
	// for more.
	defaultQueue = 16 << 20
	// readAhead is what of it waits to be encoded, at most: enough for the reader
	// and the encoder to work at the same time, whatever the sink's batches are.
	readAhead = 4 << 20
)

// QueueBytes is how much a lane has to hold so that a sink with these limits is
// handed batches as large as it allows: a Publish takes what is queued, and what
// is being published stays queued until it is settled. 16 MiB do for most; a sink
// whose Publish takes long, since the destination confirms late, declares larger
// batches. While one of them is on its way the queue holds that much less of the
// next, so that in the long run half a queue goes into each Publish.
//
// A record counts with the event it was made of, which is seldom larger, and with
// what the encoder sets aside for it.
func QueueBytes(limits sink.Limits) int64 {
	limits = withDefaults(limits)
	bodies := int64(limits.Bytes)
	return max(defaultQueue, readAhead+bodies+bodies+bodies/8+int64(limits.Records)*recordBytes)
}

// page is one read on its way through the lane: events until it is encoded,
// records and rejects after.
type page struct {
	events  []source.Event
	part    part
	room    []byte        // memory that bodies of its records stand in, empty to append to
	rejects []sink.Reject // events that could not be encoded
	next    source.Position

	filtered   int   // events that the sink is not to get
	unprepared int   // events whose preparation failed
	why        error // of the last of them

	caughtUp bool
	oldest   time.Time // of its first event; zero if it has none
	bytes    int64     // of memory it holds
}

// part is a run of records, oldest first, beside the raw events they were made
// of. Its slices are shared with whatever is being published, and are not written
// to before that is settled.
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

// queue joins two stages. It is bounded in pages, and in the bytes of pages that
// were put and not yet released; what was taken out of the channel still counts
// until the taker lets go of it.
type queue struct {
	pages chan *page
	room  *semaphore.Weighted
	size  int64
	held  atomic.Int64
	spare sync.Pool // of *page; see reuse
}

func newQueue(size int64) *queue {
	size = max(size, 1) // An empty semaphore would let everything pass.
	return &queue{pages: make(chan *page, queuePages), room: semaphore.NewWeighted(size), size: size}
}

// put waits for room. A page larger than the queue asks for all of it, and so
// passes alone.
func (q *queue) put(ctx context.Context, p *page) error {
	if err := q.room.Acquire(ctx, q.weight(p)); err != nil {
		return err
	}
	q.held.Add(p.bytes)
	select {
	case q.pages <- p:
		return nil
	case <-ctx.Done():
		q.release(p)
		return ctx.Err()
	}
}

// take waits for a page; it is nil once the queue is closed and empty.
func (q *queue) take(ctx context.Context) (*page, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	select {
	case p := <-q.pages:
		return p, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (q *queue) release(p *page) {
	q.held.Add(-p.bytes)
	q.room.Release(q.weight(p))
}

// reuse leaves the memory of a page that was released to those to come. Nobody
// may read its records or their bodies any more.
func (q *queue) reuse(p *page) {
	clear(p.part.records) // of the events they point to
	clear(p.part.raws)
	q.spare.Put(&page{part: p.part.slice(0, 0), room: p.room})
}

// blank is a page that holds nothing, in memory that was used before if there is
// any. Where a lane is idle the collector takes that back.
func (q *queue) blank() *page {
	if p, ok := q.spare.Get().(*page); ok {
		return p
	}
	return &page{}
}

func (q *queue) weight(p *page) int64 { return min(p.bytes, q.size) }
