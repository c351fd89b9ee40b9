package pipeline_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

const day = 24 * time.Hour

// hourly is a log with an event an hour, the first of which is two days old.
func hourly() *eventLog {
	return &eventLog{total: 48, every: time.Hour, began: time.Now().Add(-2*day + 30*time.Minute)}
}

// Of the events of two days, the first 30 are older than 18 hours.
var withWindow = sink.Limits{OldestEvent: 18 * time.Hour}

func TestEventsThatAreTooOldAreSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(hourly(), &fakeSink{limits: withWindow, answer: func(_ context.Context, n int, batch []sink.Record) error {
			if n < 4 {
				return errReset // They count once, however often they are sent.
			}
			return nil
		}})
		b.catchUp(t)
		if diff := cmp.Diff(ids(0, 48), b.sink.taken()); diff != "" {
			t.Errorf("delivered (-want +got):\n%s", diff)
		}
		if s := b.Status(); s.BeyondWindow != 30 || s.Published != 48 || s.Rejected != 0 {
			t.Errorf("%d beyond the window, %d published, %d rejected; want 30, 48 and 0", s.BeyondWindow, s.Published, s.Rejected)
		}
		told := 0
		for _, line := range b.lines.texts(t) {
			if strings.HasPrefix(line, "warn events are older than the destination takes; they are sent; hint: ") {
				told++
			}
		}
		if told != 1 {
			t.Errorf("the log tells it %d times, want once:\n%s", told, strings.Join(b.lines.texts(t), "\n"))
		}
	})
}

// timeless loses the time of each event.
type timeless struct{}

func (timeless) Transform(dst []byte, e *source.Event) (sink.Record, error) {
	r, err := verbatim{}.Transform(dst, e)
	r.Time = time.Time{}
	return r, err
}

func TestARecordWithoutATimeIsNotTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(hourly(), &fakeSink{limits: withWindow})
		b.BuryOld, b.Transformer = true, timeless{}
		b.catchUp(t)
		if s := b.Status(); s.BeyondWindow != 0 || s.Published != 48 {
			t.Errorf("%d beyond the window, %d published; want 0 and 48", s.BeyondWindow, s.Published)
		}
	})
}

func TestASinkWithoutAWindowTakesEventsOfAnyAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(hourly(), &fakeSink{})
		b.BuryOld = true
		b.catchUp(t)
		if s := b.Status(); s.BeyondWindow != 0 || s.Published != 48 || s.Rejected != 0 {
			t.Errorf("%d beyond the window, %d published, %d rejected; want 0, 48 and 0", s.BeyondWindow, s.Published, s.Rejected)
		}
	})
}

func TestEventsThatAreTooOldBecomeDeadLetters(t *testing.T) {
	t.Run("with their age, and however many there are in a row", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newRig(hourly(), &fakeSink{limits: withWindow})
			b.BuryOld, b.MaxRejects = true, 1
			b.catchUp(t)
			if diff := cmp.Diff(ids(30, 48), b.sink.taken()); diff != "" {
				t.Errorf("delivered (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(ids(0, 30), b.stores.buried()); diff != "" {
				t.Errorf("dead letters (-want +got):\n%s", diff)
			}
			want := "the event is 47h30m0s old, and the destination takes none older than 18h0m0s (beyond_window: dead_letter)"
			if got := b.stores.rejects[0]; got.Reason != want || string(got.Raw) != string(b.log.event(0).Raw) {
				t.Errorf("got reason %q and raw %s, want %q and the event", got.Reason, got.Raw, want)
			}
			if s := b.Status(); s.BeyondWindow != 30 || s.Published != 18 || s.Rejected != 30 || b.stores.last() != 48 {
				t.Errorf("%d beyond the window, %d published, %d rejected, position %d; want 30, 18, 30 and 48", s.BeyondWindow, s.Published, s.Rejected, b.stores.last())
			}
		})
	})
	t.Run("also if they become so old while the destination is down", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			b := newRig(&eventLog{total: 5}, &fakeSink{limits: withWindow, answer: func(context.Context, int, []sink.Record) error {
				if time.Since(began) < 20*time.Hour {
					return errReset
				}
				return nil
			}})
			b.BuryOld = true
			b.catchUp(t)
			if got := b.sink.taken(); got != nil {
				t.Errorf("delivered %v, want nothing", got)
			}
			if diff := cmp.Diff(ids(0, 5), b.stores.buried()); diff != "" || b.Status().BeyondWindow != 5 {
				t.Errorf("%d beyond the window; dead letters (-want +got):\n%s", b.Status().BeyondWindow, diff)
			}
		})
	})
	t.Run("while the others of the batch are split over a bad one", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			log := &eventLog{total: 24, every: time.Hour, began: time.Now().Add(-day)}
			b := newRig(log, &fakeSink{limits: withWindow})
			b.sink.answer = func(_ context.Context, n int, batch []sink.Record) error {
				switch {
				case n == 2:
					return later{errReset} // Meanwhile another event becomes too old.
				case slices.ContainsFunc(batch, func(r sink.Record) bool { return r.ID == id(20) }):
					return permanent("a record is bad")
				}
				return nil
			}
			b.log.began = b.log.began.Add(-time.Minute)
			b.log.page = 24
			b.BuryOld = true
			b.catchUp(t)
			taken, buried := b.sink.taken(), b.stores.buried()
			if diff := cmp.Diff(ids(0, 24), slices.Sorted(slices.Values(slices.Concat(taken, buried)))); diff != "" {
				t.Errorf("delivered or buried (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(append(ids(0, 7), id(20)), buried); diff != "" {
				t.Errorf("dead letters (-want +got):\n%s", diff)
			}
		})
	})
	t.Run("in the same step, if the sink keeps the position", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := &ledger{limits: withWindow, answer: naming(40)}
			b := newExactRig(hourly(), l)
			b.BuryOld, b.MaxRejects = true, 1
			b.catchUp(t)
			records, rejects := l.committed()
			if diff := cmp.Diff(append(ids(30, 40), ids(41, 48)...), records); diff != "" {
				t.Errorf("delivered (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(append(ids(0, 30), id(40)), rejects); diff != "" {
				t.Errorf("dead letters (-want +got):\n%s", diff)
			}
			if s := b.Status(); s.BeyondWindow != 30 || s.Published != 17 || s.Rejected != 31 {
				t.Errorf("%d beyond the window, %d published, %d rejected; want 30, 17 and 31", s.BeyondWindow, s.Published, s.Rejected)
			}
		})
	})
}

// gapAt makes a gap event of one event.
type gapAt struct{ id string }

func (g gapAt) Transform(dst []byte, e *source.Event) (sink.Record, error) {
	r, err := verbatim{}.Transform(dst, e)
	if r.ID == g.id {
		r.Action = source.GapAction
	}
	return r, err
}

func TestAGapIsNeverTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gap := ids(0, 1)[0]
		b := newRig(hourly(), &fakeSink{limits: withWindow})
		b.BuryOld, b.Transformer = true, gapAt{gap}
		b.catchUp(t)
		if diff := cmp.Diff(append([]string{gap}, ids(30, 48)...), b.sink.taken()); diff != "" {
			t.Errorf("delivered (-want +got):\n%s", diff)
		}
		if s := b.Status(); s.BeyondWindow != 29 || s.Rejected != 29 {
			t.Errorf("%d beyond the window, %d rejected; want 29 of each", s.BeyondWindow, s.Rejected)
		}
	})
}
