package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// swellingBy makes bodies of a few hundred bytes, and now and then a body that does not
// fit into the buffer.
func swellingBy(events int) swelling {
	format := swelling{make([]int, events)}
	for i := range format.sizes {
		format.sizes[i] = 200 + i%7
		if i%41 == 0 {
			format.sizes[i] = 5000
		}
	}
	return format
}

// holds reports whether the record is the one that the format made of its event.
func (s swelling) holds(r *sink.Record) bool {
	if r.ID == "" {
		return false // It was cleared.
	}
	n := index(r.ID)
	return bytes.Equal(r.Body, bytes.Repeat([]byte{byte(n)}, s.sizes[n]))
}

// read checks records twice, as a slow sink reads them: when they come, and again after
// all other stages had time to continue.
func (s swelling) read(t *testing.T, records []sink.Record) {
	t.Helper()
	for _, when := range []string{"when it was handed over", "while it was read"} {
		for i := range records {
			if !s.holds(&records[i]) {
				t.Errorf("record %d of %d (id %q) is not what its format made, %s", i, len(records), records[i].ID, when)
				return
			}
		}
		pass(time.Second)
	}
}

// The memory of a page is reused only when its batch is settled, however many attempts
// that takes.
func TestABatchStaysWhatItIsUntilItIsSettled(t *testing.T) {
	const events = 2000
	format := swellingBy(events)
	synctest.Test(t, func(t *testing.T) {
		b := newRig(&eventLog{total: events, page: 25}, &fakeSink{
			limits: sink.Limits{Records: 60},
			answer: func(_ context.Context, n int, batch []sink.Record) error {
				format.read(t, batch)
				switch {
				case n%3 == 0:
					return errors.New("not now")
				case n%3 == 1 && len(batch) > 3:
					return sink.BatchError{{Index: 1, Err: sink.Permanent(errors.New("bad"))}, {Index: 3, Err: errors.New("later")}}
				}
				return nil
			},
		})
		b.Transformer = format
		letters := &readLetters{stores: b.stores, read: func(r []sink.Record) { format.read(t, r) }}
		b.DeadLetters = letters
		b.QueueBytes = 64 << 10
		b.MaxRejects = events
		b.catchUp(t)
		if got := len(b.stores.buried()); got == 0 {
			t.Error("nothing was buried")
		}
		if got, want := b.stores.last(), events; got != want {
			t.Errorf("the position is behind %d events, want %d", got, want)
		}
	})
}

// readLetters is a dead letter store that reads the rejects, and keeps only their names.
type readLetters struct {
	*stores
	read func([]sink.Record)
}

func (l *readLetters) Put(ctx context.Context, lane string, rejects []sink.Reject) error {
	var records []sink.Record
	for i := range rejects {
		records = append(records, rejects[i].Record)
	}
	l.read(records)
	return l.stores.Put(ctx, lane, rejects)
}

// lingering hangs in its Publish whatever it is asked, and reports what it was given.
type lingering struct {
	fakeSink
	handed chan []sink.Record
	leave  chan struct{}
}

func (s *lingering) Publish(_ context.Context, batch []sink.Record) error {
	s.handed <- batch
	<-s.leave
	return errors.New("left")
}

func TestWhatAnAbandonedPublishReadsStaysWhatItIs(t *testing.T) {
	const events = 2000
	format := swellingBy(events)
	synctest.Test(t, func(t *testing.T) {
		stuck := &lingering{handed: make(chan []sink.Record, 1), leave: make(chan struct{})}
		var opened atomic.Int32
		b := newRig(&eventLog{total: events, page: 25}, &fakeSink{limits: sink.Limits{Records: 60}})
		b.Transformer = format
		b.QueueBytes = 64 << 10
		b.Lane.Open = func(context.Context) (sink.Sink, error) {
			if opened.Add(1) == 1 {
				return stuck, nil
			}
			return b.sink, nil
		}
		b.catchUp(t)
		if got, want := len(b.sink.taken()), events; got != want {
			t.Errorf("%d events were delivered after the Publish was abandoned, want %d", got, want)
		}
		format.read(t, <-stuck.handed)
		close(stuck.leave)
	})
}

// A page of large records leaves memory that counts as a whole. If pages of small records
// used it, they would fill the queue.
func TestLargeRecordsLeaveNoMemoryToSmallOnes(t *testing.T) {
	const events, each = 500, 25
	format := swelling{slices.Repeat([]int{10}, events)}
	for i := range 2 * each {
		format.sizes[i] = 40_000
	}
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		s := &fakeSink{limits: sink.Limits{Records: each}}
		s.answer = func(_ context.Context, n int, _ []sink.Record) error {
			if n == 4 {
				<-hang
			}
			return nil
		}
		b := newRig(&eventLog{total: events, page: each}, s)
		b.Transformer = format
		b.QueueBytes = 256 << 10
		stop := start(b.Lane)
		pass(time.Second)
		synctest.Wait()
		if got, least := b.Status().QueuedPages[1], 8; got < least {
			t.Errorf("%d pages are queued, want at least %d", got, least)
		}
		close(hang)
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// Reused memory counts like any other.
func TestUsedMemoryCounts(t *testing.T) {
	const events, each, size = 2000, 25, 4000
	format := swelling{slices.Repeat([]int{size}, events)}
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		s := &fakeSink{limits: sink.Limits{Records: each}}
		s.answer = func(_ context.Context, n int, _ []sink.Record) error {
			if n == 20 {
				<-hang
			}
			return nil
		}
		b := newRig(&eventLog{total: events, page: each}, s)
		b.Transformer = format
		b.QueueBytes = 1 << 20
		stop := start(b.Lane)
		pass(time.Second)
		synctest.Wait()
		if got, most := b.Status().QueuedPages[1]*each*size, 1<<20; got > most {
			t.Errorf("bodies of %d bytes are queued, want at most %d", got, most)
		}
		close(hang)
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// The lane allocates less than the bodies of its pages take. The race detector discards a
// part of the reusable memory at random.
func TestMemoryIsUsedAgain(t *testing.T) {
	const pages = 1000
	bodies := uint64(pages * 100 * len(newEndless(1).page.Events[0].Raw))
	if got := allocated(func() { drain(t, pages) }); got > bodies {
		t.Errorf("%d bytes were allocated for %d bytes of bodies", got, bodies)
	}
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// An abandoned Publish keeps the memory of its own batch, but of no other.
func TestMemoryIsUsedAgainAfterAPublishWasAbandoned(t *testing.T) {
	const pages = 1000
	bodies := uint64(pages * 100 * len(newEndless(1).page.Events[0].Raw))
	synctest.Test(t, func(t *testing.T) {
		stuck := &stuckSink{closed: make(chan struct{})}
		if got := allocated(func() { drainTo(t, pages, stuck, discard{}) }); got > bodies {
			t.Errorf("%d bytes were allocated for %d bytes of bodies", got, bodies)
		}
		if stuck.closings != 1 {
			t.Errorf("the sink that hung was closed %d times, want once", stuck.closings)
		}
	})
}
