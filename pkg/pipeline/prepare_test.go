package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// only keeps the events whose numbers keep accepts.
func only(keep func(n int) bool) func(*source.Event) (*source.Event, error) {
	return func(e *source.Event) (*source.Event, error) {
		if !keep(index(e.ID)) {
			return nil, nil
		}
		return e, nil
	}
}

func TestPositionMovesOverWhatIsFiltered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(&eventLog{total: 60, page: 25}, &fakeSink{})
		b.Prepare = only(func(int) bool { return false })
		b.catchUp(t)
		if got := b.sink.publishes(); len(got) != 0 {
			t.Errorf("%d batches were published, want none", len(got))
		}
		if got := b.stores.last(); got != 60 {
			t.Errorf("the position is behind %d events, want 60", got)
		}
		if s := b.Status(); s.Read != 60 || s.Filtered != 60 || s.Published != 0 {
			t.Errorf("read %d, filtered %d, published %d; want 60, 60 and 0", s.Read, s.Filtered, s.Published)
		}
	})
}

// TestEveryEventIsAccountedFor filters, rejects and delivers events in any order, with a
// sink that fails now and then.
func TestEveryEventIsAccountedFor(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		total, page := rapid.IntRange(0, 120).Draw(rt, "events"), rapid.IntRange(1, 30).Draw(rt, "page")
		fates := rapid.SliceOfN(rapid.SampledFrom([]string{"deliver", "filter", "reject", "cannot encode"}), total, total).Draw(rt, "fates")
		unable := map[string]bool{}
		failures := rapid.IntRange(0, 3).Draw(rt, "failures")
		synctest.Test(t, func(t *testing.T) {
			log := &eventLog{total: total, page: page}
			refuse := func(_ context.Context, n int, batch []sink.Record) error {
				if n <= failures {
					return errReset
				}
				var bad sink.BatchError
				for i, r := range batch {
					if fates[index(r.ID)] == "reject" {
						bad = append(bad, sink.RecordError{Index: i, Err: sink.Permanent(errors.New("no"))})
					}
				}
				if bad != nil {
					return bad
				}
				return nil
			}
			b := newRig(log, &fakeSink{answer: refuse})
			b.MaxRejects = total + 1
			b.Transformer = verbatim{unable}
			b.Prepare = only(func(n int) bool {
				unable[id(n)] = fates[n] == "cannot encode"
				return fates[n] != "filter"
			})
			b.catchUp(t)
			s := b.Status()
			if s.Read != uint64(total) || s.Read != s.Published+s.Rejected+s.Filtered {
				rt.Errorf("read %d, published %d, rejected %d, filtered %d", s.Read, s.Published, s.Rejected, s.Filtered)
			}
			if want := count(fates, "filter"); s.Filtered != want {
				rt.Errorf("filtered %d, want %d", s.Filtered, want)
			}
		})
	})
}

func count(fates []string, fate string) (n uint64) {
	for _, f := range fates {
		if f == fate {
			n++
		}
	}
	return n
}

// TestFilteredEventsCountOnceTheyAreSettled stops a lane while its sink does not accept
// the records around filtered events.
func TestFilteredEventsCountOnceTheyAreSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := true
		b := newRig(&eventLog{total: 10, page: 10}, &fakeSink{answer: func(context.Context, int, []sink.Record) error {
			if down {
				return errReset
			}
			return nil
		}})
		b.Prepare = only(func(n int) bool { return n%2 == 0 })
		stop := start(b.Lane)
		pass(time.Minute)
		synctest.Wait()
		if s := b.Status(); s.Filtered != 0 {
			t.Errorf("%d filtered events count before they are settled, want 0", s.Filtered)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		down = false
		b.Once = true
		if err := b.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := b.Status(); s.Filtered != 5 || s.Published != 5 {
			t.Errorf("filtered %d, published %d; want 5 each", s.Filtered, s.Published)
		}
	})
}

// TestWhatIsPreparedIsWhatIsKept checks everything that leaves the lane: bodies, dead
// letters of the sink and of the format, and the bytes that the lane says it holds.
func TestWhatIsPreparedIsWhatIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bodies []string
		b := newRig(&eventLog{total: 30, page: 10}, &fakeSink{answer: func(_ context.Context, _ int, batch []sink.Record) error {
			var bad sink.BatchError
			for i, r := range batch {
				bodies = append(bodies, string(r.Body))
				if index(r.ID)%5 == 0 {
					bad = append(bad, sink.RecordError{Index: i, Err: sink.Permanent(errors.New("no"))})
				}
			}
			if bad == nil {
				return nil
			}
			return bad
		}})
		b.Transformer = verbatim{map[string]bool{id(7): true}}
		var scratch source.Event
		b.Prepare = func(e *source.Event) (*source.Event, error) {
			scratch = *e
			scratch.Raw = []byte("copy of " + e.ID)
			return &scratch, nil
		}
		b.catchUp(t)
		for _, body := range bodies {
			if !strings.HasPrefix(body, "copy of ") {
				t.Errorf("published %q, want the copy", body)
			}
		}
		if got := len(b.stores.rejects); got != 7 {
			t.Errorf("%d dead letters, want 7", got)
		}
		for _, r := range b.stores.rejects {
			if got, want := string(r.Raw), "copy of "+r.Record.ID; got != want {
				t.Errorf("a dead letter holds %q, want %q", got, want)
			}
		}
	})
}

func TestWhatCannotBePreparedIsDeliveredAndTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(&eventLog{total: 60, page: 25}, &fakeSink{})
		b.Prepare = func(e *source.Event) (*source.Event, error) {
			if index(e.ID)%3 == 0 {
				return e, fmt.Errorf("where: event %s: nothing to compare", e.ID)
			}
			return e, nil
		}
		b.catchUp(t)
		if s := b.Status(); s.Published != 60 || s.Unprepared != 20 || s.Filtered != 0 {
			t.Errorf("published %d, unprepared %d, filtered %d; want 60, 20 and 0", s.Published, s.Unprepared, s.Filtered)
		}
		told := 0
		for _, line := range b.lines.texts(t) {
			if strings.HasPrefix(line, "warn event delivered unfiltered or unenriched") && strings.Contains(line, "nothing to compare") {
				told++
			}
		}
		if told != 1 {
			t.Errorf("logged %d times, want once:\n%s", told, strings.Join(b.lines.texts(t), "\n"))
		}
	})
}
