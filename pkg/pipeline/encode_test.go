package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// swelling is a format whose bodies have any size. Every byte of a body tells which event
// it is of.
type swelling struct{ sizes []int }

func (s swelling) Transform(dst []byte, e *source.Event) (sink.Record, error) {
	n := index(e.ID)
	if s.sizes[n] < 0 {
		return sink.Record{}, errors.New("beyond the limits")
	}
	for range s.sizes[n] {
		dst = append(dst, byte(n))
	}
	return sink.Record{ID: e.ID, Body: dst}, nil
}

// particular is a format that marks every event as unmapped, and every second record as
// truncated.
type particular struct{}

func (particular) Transform(dst []byte, e *source.Event) (sink.Record, error) {
	return sink.Record{ID: e.ID, Body: append(dst, '.'), Unmapped: true, Truncated: index(e.ID)%2 == 0}, nil
}

func TestWhatIsParticularIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(&eventLog{total: 60, page: 25}, &fakeSink{})
		b.Transformer = particular{}
		b.catchUp(t)
		if s := b.Status(); s.Unmapped != 60 || s.Truncated != 30 {
			t.Errorf("got %d unmapped and %d truncated, want 60 and 30", s.Unmapped, s.Truncated)
		}
	})
}

// Bodies share buffers. Each must stay unchanged when its neighbours, larger or smaller
// than expected, are encoded after it, and when somebody appends to it.
func TestBodiesDoNotOverlap(t *testing.T) {
	const events = 250
	random := rand.New(rand.NewPCG(1, 2))
	format := swelling{make([]int, events)}
	for i := range format.sizes {
		format.sizes[i] = []int{-1, 0, 1, random.IntN(100), random.IntN(3000), random.IntN(50_000)}[random.IntN(6)]
	}
	synctest.Test(t, func(t *testing.T) {
		b := newRig(&eventLog{total: events, page: 25}, &fakeSink{answer: func(_ context.Context, _ int, batch []sink.Record) error {
			for i := range batch {
				_ = append(batch[i].Body, "scribble"...)
			}
			for _, r := range batch {
				n := index(r.ID)
				if want := bytes.Repeat([]byte{byte(n)}, format.sizes[n]); !bytes.Equal(r.Body, want) {
					t.Errorf("the body of event %d is not what its format made", n)
				}
			}
			return nil
		}})
		b.Transformer = format
		b.catchUp(t)
		if got, want := len(b.sink.taken())+len(b.stores.buried()), events; got != want {
			t.Errorf("%d events were delivered or buried, want %d", got, want)
		}
	})
}

// endless is a log that returns the same page again and again, which costs nothing.
type endless struct {
	eventLog
	page source.Page
	left int // pages
}

func newEndless(pages int) *endless {
	e := &endless{left: pages, page: source.Page{Next: position(1)}}
	for i := range 100 {
		e.page.Events = append(e.page.Events, source.Event{
			ID: id(i), Organization: "acme", Action: "branch.created",
			Raw: fmt.Appendf(nil, `{"n":%d,"pad":"%0690d"}`, i, i),
		})
	}
	return e
}

func (e *endless) Open(source.Position, source.Env) (source.Reader, error) { return e, nil }
func (e *endless) Progress() source.Progress                               { return source.Progress{} }

func (e *endless) Next(context.Context) (source.Page, error) {
	e.left--
	page := e.page
	page.CaughtUp = e.left <= 0
	return page, nil
}

// discard is a sink and stores that accept everything, which costs nothing.
type discard struct{}

func (discard) Publish(context.Context, []sink.Record) error          { return nil }
func (discard) Close() error                                          { return nil }
func (discard) Load(context.Context, string) (source.Position, error) { return position(0), nil }
func (discard) Save(context.Context, string, source.Position) error   { return nil }
func (discard) Put(context.Context, string, []sink.Reject) error      { return nil }

func drain(tb testing.TB, pages int) { drainTo(tb, pages, discard{}) }

// drainTo publishes pages to sinks that are opened one after the other.
func drainTo(tb testing.TB, pages int, sinks ...sink.Sink) {
	b := newRig(&eventLog{}, nil)
	b.Source, b.Positions, b.DeadLetters, b.Once = newEndless(pages), discard{}, discard{}, true
	b.QueueBytes = 1 << 20 // so that pages follow each other even if the last stage is slow
	b.Lane.Open = func(context.Context) (sink.Sink, error) {
		next := sinks[0]
		sinks = sinks[1:]
		return next, nil
	}
	if err := b.Run(context.Background()); err != nil {
		tb.Fatal(err)
	}
}

func TestAllocationsOfALane(t *testing.T) {
	const pages = 200
	got := testing.AllocsPerRun(3, func() { drain(t, pages) }) / (pages * 100)
	if most := 0.5; got > most {
		t.Errorf("%.2f allocations per event, want at most %.1f", got, most)
	}
}

// One operation is a page of 100 events through all stages.
func BenchmarkLane(b *testing.B) {
	b.ReportAllocs()
	drain(b, b.N)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/event")
}

// Whoever looks on sees each event that was read, before where, enrich and redact.
func TestObserveSeesEveryPageBeforeItIsPrepared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(&eventLog{total: 60, page: 25}, &fakeSink{})
		prepared := 0
		b.Prepare = func(*source.Event) (*source.Event, error) {
			prepared++
			return nil, nil
		}
		var seen []string
		caughtUp := 0
		b.Observe = func(events []source.Event, last bool) {
			if last {
				caughtUp++
			}
			if len(events) == 0 {
				t.Error("a page without events is observed")
			}
			if prepared != len(seen) {
				t.Errorf("%d events are prepared and %d observed, want a page to be observed first", prepared, len(seen))
			}
			for i := range events {
				seen = append(seen, events[i].ID)
			}
		}
		b.catchUp(t)
		if len(seen) != 60 || caughtUp != 1 {
			t.Fatalf("%d events are observed, and %d pages after which the lane has caught up; want 60 and 1", len(seen), caughtUp)
		}
		for i := range seen {
			if seen[i] != id(i) {
				t.Errorf("event %d is %s, want %s", i, seen[i], id(i))
			}
		}
	})
}

// An event that the source marks as a reject is not encoded. It becomes a dead letter,
// and the events around it are delivered.
func TestRejectOfTheSourceIsBuried(t *testing.T) {
	check := func(t *testing.T, l *pipeline.Lane, rejects []sink.Reject) {
		t.Helper()
		if len(rejects) != 2 || rejects[0].Record.ID != id(3) || rejects[1].Record.ID != id(4) ||
			rejects[0].Reason != "too large" || string(rejects[0].Raw) != `{"n":3,"pad":""}` || rejects[0].Record.Action != "branch.created" {
			t.Errorf("dead letters %+v", rejects)
		}
		if s := l.Status(); s.Rejected != 2 || s.Published != 18 || s.Read != 20 || s.Filtered != 0 {
			t.Errorf("read %d, rejected %d, published %d, filtered %d", s.Read, s.Rejected, s.Published, s.Filtered)
		}
	}
	large := map[int]bool{3: true, 4: true}
	t.Run("in the store", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newRig(&eventLog{total: 20, large: large}, &fakeSink{})
			b.MaxRejects = 1 // A reject of the source says nothing about the destination.
			b.catchUp(t)
			check(t, b.Lane, b.stores.rejects)
		})
	})
	t.Run("in the sink that keeps the position", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newRig(&eventLog{total: 20, large: large}, &fakeSink{})
			keeper := &rejecting{}
			b.Open = func(context.Context) (sink.Sink, error) { return keeper, nil }
			b.MaxRejects = 1
			b.catchUp(t)
			check(t, b.Lane, keeper.rejects)
		})
	})
}

// rejecting is a ledger that stores the dead letters.
type rejecting struct {
	ledger
	rejects []sink.Reject
}

func (r *rejecting) PublishAt(ctx context.Context, batch []sink.Record, rejects []sink.Reject, pos []byte) error {
	r.rejects = append(r.rejects, rejects...)
	return r.ledger.PublishAt(ctx, batch, rejects, pos)
}
