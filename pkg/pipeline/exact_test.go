package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// step is one PublishAt.
type step struct {
	Batch, Rejects []string
	Position       string
}

// ledger is a sink that keeps the position, and answers as its script says.
type ledger struct {
	limits sink.Limits
	answer func(ctx context.Context, n int, batch []sink.Record) error // n counts from 1; nil commits
	asked  func(ctx context.Context, n int) error                      // like answer, for Position

	mu       sync.Mutex
	position string // empty: none
	steps    []step // all steps that were asked for
	done     []step // the committed steps
	taken    int
}

func (l *ledger) Limits() sink.Limits { return l.limits }
func (l *ledger) Close() error        { return nil }

func (l *ledger) Publish(context.Context, []sink.Record) error {
	return errors.New("published without a position")
}

func (l *ledger) Position(ctx context.Context) ([]byte, error) {
	l.mu.Lock()
	l.taken++
	n := l.taken
	l.mu.Unlock()
	if l.asked != nil {
		if err := l.asked(ctx, n); err != nil {
			return nil, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.position == "" {
		return nil, nil
	}
	return []byte(l.position), nil
}

func (l *ledger) PublishAt(ctx context.Context, batch []sink.Record, rejects []sink.Reject, pos []byte) error {
	s := step{Batch: names(batch), Position: string(pos)}
	for _, r := range rejects {
		s.Rejects = append(s.Rejects, r.Record.ID)
	}
	l.mu.Lock()
	l.steps = append(l.steps, s)
	n := len(l.steps)
	l.mu.Unlock()
	if l.answer != nil {
		if err := l.answer(ctx, n, batch); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done = append(l.done, s)
	l.position = string(pos)
	return nil
}

func (l *ledger) Look(context.Context) ([]byte, time.Time, error) { panic("a lane looks at nothing") }
func (l *ledger) Set(context.Context, func([]byte) ([]byte, error)) error {
	panic("a lane sets nothing")
}
func (l *ledger) Rejects(context.Context) iter.Seq2[sink.Reject, error] {
	panic("a lane reads no dead letters")
}

// set moves the position, as another instance or a person does.
func (l *ledger) set(pos string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.position = pos
	return fmt.Errorf("committing: %w", sink.ErrMoved)
}

func (l *ledger) committed() (records, rejects []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.done {
		records = append(records, s.Batch...)
		rejects = append(rejects, s.Rejects...)
	}
	return records, rejects
}

// newExactRig puts all pages into one transaction, unless limits prevent it.
func newExactRig(log *eventLog, l *ledger) *rig {
	b := newRig(log, &fakeSink{})
	b.Lane.Open = func(context.Context) (sink.Sink, error) { return l, nil }
	return b
}

// naming refuses the records of these numbers for good, and names all of them.
func naming(bad ...int) func(context.Context, int, []sink.Record) error {
	return func(_ context.Context, _ int, batch []sink.Record) error {
		var named sink.BatchError
		for i, r := range batch {
			for _, n := range bad {
				if r.ID == id(n) {
					named = append(named, sink.RecordError{Index: i, Err: permanent("malformed")})
				}
			}
		}
		if len(named) == 0 {
			return nil
		}
		return named
	}
}

// one names only the first of the records that answer names.
func one(answer func(context.Context, int, []sink.Record) error) func(context.Context, int, []sink.Record) error {
	return func(ctx context.Context, n int, batch []sink.Record) error {
		if named, ok := errors.AsType[sink.BatchError](answer(ctx, n, batch)); ok {
			return named[:1]
		}
		return nil
	}
}

// wantCommitted compares what was committed, and requires that nothing was stored
// elsewhere.
func wantCommitted(t *testing.T, b *rig, l *ledger, records, rejects []string) {
	t.Helper()
	gotRecords, gotRejects := l.committed()
	if diff := cmp.Diff(records, gotRecords); diff != "" {
		t.Errorf("records committed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(rejects, gotRejects); diff != "" {
		t.Errorf("dead letters committed (-want +got):\n%s", diff)
	}
	if got := append(b.stores.buried(), b.stores.saved...); len(got) > 0 {
		t.Errorf("the stores were given %q, want nothing", got)
	}
}

func TestRejectsAreCommittedWithTheirNeighbours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{answer: naming(2, 7, 8)}
		b := newExactRig(&eventLog{total: 10}, l)
		b.Transformer = verbatim{map[string]bool{id(5): true}}
		b.catchUp(t)
		records := []string{id(0), id(1), id(3), id(4), id(6), id(9)}
		wantCommitted(t, b, l, records, []string{id(5), id(2), id(7), id(8)})
		want := []step{ // The start; all records, of which some are refused; the others.
			{Batch: []string{}, Position: "0"},
			{Batch: append(append(ids(0, 5), id(6)), ids(7, 10)...), Rejects: []string{id(5)}, Position: "10"},
			{Batch: records, Rejects: []string{id(5), id(2), id(7), id(8)}, Position: "10"},
		}
		if diff := cmp.Diff(want, l.steps[:3]); diff != "" {
			t.Errorf("asked of the sink (-want +got):\n%s", diff)
		}
		if s := b.Status(); s.Published != 6 || s.Rejected != 4 || s.Position.Event.IsZero() {
			t.Errorf("published %d, rejected %d, position %+v", s.Published, s.Rejected, s.Position)
		}
	})
}

func TestRejectsInARowBeforeACommit(t *testing.T) {
	numbers := func(from, to, by int) (all []int) {
		for n := from; n < to; n += by {
			all = append(all, n)
		}
		return all
	}
	t.Run("are not buried while the destination may be at fault", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			recovers := time.Now().Add(time.Hour)
			l := &ledger{}
			l.answer = func(ctx context.Context, n int, batch []sink.Record) error {
				if time.Now().After(recovers) {
					return nil
				}
				for i := range batch { // one at a time, as Kafka names them
					return sink.BatchError{{Index: i, Err: permanent("malformed")}}
				}
				return nil
			}
			b := newExactRig(&eventLog{total: 30, page: 30}, l)
			b.Transformer = verbatim{map[string]bool{id(29): true}}
			b.MaxRejects = 5
			stop := start(b.Lane)
			pass(30 * time.Minute)
			synctest.Wait()
			wantCommitted(t, b, l, nil, nil)
			s := b.Status()
			if want := "publish: 6 records in a row were refused, so the destination is taken to be at fault"; s.Ready || !strings.HasPrefix(s.Reason, want) ||
				!strings.Contains(s.Reason, "malformed") || !strings.HasSuffix(s.Reason, hintOfDistrust) {
				t.Errorf("ready %t, reason %q", s.Ready, s.Reason)
			}
			pass(time.Hour)
			synctest.Wait()
			wantCommitted(t, b, l, ids(0, 29), ids(29, 30)) // An event that cannot be encoded says nothing about the destination.
			if s := b.Status(); !s.Ready {
				t.Errorf("not ready once it takes them: %s", s.Reason)
			}
			if err := stop(); err != nil {
				t.Fatal(err)
			}
		})
	})
	bad := numbers(0, 40, 2)
	for name, answer := range map[string]func(context.Context, int, []sink.Record) error{
		"all named at once": naming(bad...),
		"each named alone":  one(naming(bad...)),
	} {
		t.Run("do not count as a row if others are between them, "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &ledger{answer: answer}
				b := newExactRig(&eventLog{total: 40, page: 40}, l)
				b.MaxRejects = 1
				b.catchUp(t)
				if records, rejects := l.committed(); len(records) != 20 || len(rejects) != 20 {
					t.Errorf("%d records and %d dead letters were committed, want 20 of each", len(records), len(rejects))
				}
				if got := b.Status().Retries["destination"]; got != 0 {
					t.Errorf("the destination was distrusted %d times, want never", got)
				}
			})
		})
	}
	t.Run("are counted from one commit to the next", func(t *testing.T) {
		for _, test := range []struct {
			name     string
			good     []int
			rejects  int
			position string
		}{
			{"none delivered", nil, 4, "4"},
			{"one delivered last", []int{3}, 7, "8"},
		} {
			t.Run(test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := &ledger{limits: sink.Limits{Records: 4}}
					good := map[int]bool{}
					for _, n := range test.good {
						good[n] = true
					}
					var bad []int
					for n := range 20 {
						if !good[n] {
							bad = append(bad, n)
						}
					}
					l.answer = naming(bad...)
					b := newExactRig(&eventLog{total: 20, page: 4}, l)
					b.MaxRejects = 7
					stop := start(b.Lane)
					pass(time.Hour)
					synctest.Wait()
					_, rejects := l.committed()
					if l.position != test.position || len(rejects) != test.rejects {
						t.Errorf("%d dead letters were committed up to position %s, want %d up to %s", len(rejects), l.position, test.rejects, test.position)
					}
					if s := b.Status(); s.Ready {
						t.Error("the lane is ready")
					}
					if err := stop(); err != nil {
						t.Fatal(err)
					}
				})
			})
		}
	})
}

func TestAnAnswerThatTellsNothingOfACommit(t *testing.T) {
	twice := sink.RecordError{Index: 1, Err: permanent("twice")}
	for name, err := range map[string]error{
		"no record":            sink.BatchError{},
		"a record twice":       sink.BatchError{twice, twice},
		"a record that is not": sink.BatchError{{Index: 10, Err: permanent("beyond")}},
		"a record that may be tried again": sink.BatchError{
			{Index: 1, Err: permanent("malformed")}, {Index: 2, Err: errors.New("busy")},
		},
		"all of them for good": sink.Permanent(errors.New("one of these is malformed")),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &ledger{answer: func(_ context.Context, n int, batch []sink.Record) error {
					if len(batch) > 0 && n <= 4 {
						return err
					}
					return nil
				}}
				b := newExactRig(&eventLog{total: 10}, l)
				b.catchUp(t)
				wantCommitted(t, b, l, ids(0, 10), nil)
				if got, want := len(l.steps), 5; got < want {
					t.Errorf("%d attempts, want at least %d", got, want)
				}
				if got, want := b.Status().Retries["publish"], uint64(3); got != want {
					t.Errorf("%d retries, want %d", got, want)
				}
			})
		})
	}
}

func TestAPositionThatAnotherMoved(t *testing.T) {
	for _, test := range []struct {
		name string
		to   string
		want []string
	}{
		{"back", "3", append(ids(0, 20), ids(3, 50)...)},
		{"on", "33", append(ids(0, 20), ids(33, 50)...)},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &ledger{limits: sink.Limits{Records: 10}}
				l.answer = func(_ context.Context, n int, _ []sink.Record) error {
					if n == 4 { // after the start and two pages
						return l.set(test.to)
					}
					return nil
				}
				b := newExactRig(&eventLog{total: 50}, l)
				began := time.Now()
				b.catchUp(t)
				wantCommitted(t, b, l, test.want, nil)
				if got, want := l.taken, 3; got != want { // twice for a lane that begins
					t.Errorf("the position was asked for %d times, want %d", got, want)
				}
				if got := time.Since(began); got > time.Second {
					t.Errorf("it took %s, want it to go on at once", got)
				}
			})
		})
	}
	t.Run("in the state", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newRig(&eventLog{total: 50}, &fakeSink{limits: sink.Limits{Records: 10}})
			calls := 0
			b.stores.saveErr = func() error {
				if calls++; calls == 3 {
					b.stores.saved = append(b.stores.saved, "33")
					return fmt.Errorf("committing: %w", sink.ErrMoved)
				}
				return nil
			}
			b.catchUp(t)
			if diff := cmp.Diff(append(ids(0, 20), ids(33, 50)...), b.sink.taken()); diff != "" {
				t.Errorf("delivered (-want +got):\n%s", diff)
			}
			if got, want := b.stores.last(), 50; got != want {
				t.Errorf("saved position %d, want %d", got, want)
			}
		})
	})
	t.Run("in the state, when a dead letter was to be kept", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newRig(&eventLog{total: 30}, refusing(4))
			calls := 0
			b.stores.putErr = func() error {
				if calls++; calls == 1 {
					b.stores.saved = append(b.stores.saved, "2")
					return fmt.Errorf("committing: %w", sink.ErrMoved)
				}
				return nil
			}
			b.catchUp(t)
			if diff := cmp.Diff(ids(4, 5), b.stores.buried()); diff != "" {
				t.Errorf("dead letters (-want +got):\n%s", diff)
			}
			if got, want := b.stores.last(), 30; got != want {
				t.Errorf("saved position %d, want %d", got, want)
			}
		})
	})
}

// stuckFor returns ten seconds after its context ended.
func stuckFor(ctx context.Context) error {
	<-ctx.Done()
	pass(10 * time.Second)
	return ctx.Err()
}

func TestASinkThatHangsIsOpenedAnewAndAskedForThePosition(t *testing.T) {
	t.Run("in a commit", func(t *testing.T) {
		for _, outcome := range []string{"3", "10"} {
			t.Run("found at "+outcome, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := &ledger{position: "3"}
					l.answer = func(ctx context.Context, n int, _ []sink.Record) error {
						if n == 1 {
							l.set(outcome)
							return stuckFor(ctx)
						}
						return nil
					}
					b := newExactRig(&eventLog{total: 10}, l)
					opened := 0
					b.Lane.Open = func(context.Context) (sink.Sink, error) { opened++; return l, nil }
					b.catchUp(t)
					pass(time.Minute) // The one that was abandoned returns.
					var want []string
					if outcome == "3" {
						want = ids(3, 10)
					}
					wantCommitted(t, b, l, want, nil)
					if opened != 2 || l.taken != 2 {
						t.Errorf("opened %d times, asked for the position %d times, want 2 of each", opened, l.taken)
					}
				})
			})
		}
	})
	t.Run("in taking a lane whose position the state has", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			hangs := &ledger{asked: func(ctx context.Context, _ int) error { return stuckFor(ctx) }}
			hangs.answer = func(context.Context, int, []sink.Record) error { return errors.New("sink is closed") }
			l := &ledger{}
			b := newExactRig(&eventLog{total: 10}, l)
			b.stores.saved = []string{"4"}
			first := true
			b.Lane.Open = func(context.Context) (sink.Sink, error) {
				if first {
					first = false
					return hangs, nil
				}
				return l, nil
			}
			b.catchUp(t)
			pass(time.Minute) // The one that was abandoned returns.
			if records, _ := l.committed(); cmp.Diff(ids(4, 10), records) != "" {
				t.Errorf("committed %q", records)
			}
			if diff := cmp.Diff(step{Batch: []string{}, Position: "4"}, l.steps[0]); diff != "" {
				t.Errorf("carried over (-want +got):\n%s", diff)
			}
			if len(hangs.steps) > 0 {
				t.Errorf("an abandoned sink was called again: %v", hangs.steps)
			}
		})
	})
}

func TestWhileALaneIsTaken(t *testing.T) {
	open := sink.Hint(errors.New("transactions are open"), "find what hangs")
	takes := map[string]func() *rig{
		"by its sink": func() *rig {
			free := time.Now().Add(time.Hour)
			return newExactRig(&eventLog{total: 10}, &ledger{asked: func(context.Context, int) error {
				if time.Now().Before(free) {
					return open
				}
				return nil
			}})
		},
		"by the state": func() *rig {
			b := newRig(&eventLog{total: 10}, &fakeSink{})
			b.stores.loadErr = open
			time.AfterFunc(time.Hour, func() {
				b.stores.mu.Lock()
				defer b.stores.mu.Unlock()
				b.stores.loadErr = nil
			})
			return b
		},
	}
	for name, rigged := range takes {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := rigged()
				stop := start(b.Lane)
				pass(time.Hour - time.Second)
				synctest.Wait()
				s := b.Status()
				if want := "take: transactions are open (retrying since "; s.Ready || !strings.HasPrefix(s.Reason, want) || !strings.Contains(s.Reason, "; hint: find what hangs") {
					t.Errorf("ready %t, reason %q, want %q", s.Ready, s.Reason, want)
				}
				if s.Retries["take"] == 0 {
					t.Errorf("retries %v, want some to take", s.Retries)
				}
				pass(2 * time.Minute)
				synctest.Wait()
				if s := b.Status(); !s.Ready || s.Published != 10 {
					t.Errorf("ready %t, published %d: %s", s.Ready, s.Published, s.Reason)
				}
				if err := stop(); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

func TestALaneThatEndedSaysWhy(t *testing.T) {
	b := newExactRig(&eventLog{total: 10}, &ledger{position: `"of another source"`})
	if s := b.Status(); s.Ready || s.Reason != "not running" {
		t.Errorf("before: ready %t, reason %q", s.Ready, s.Reason)
	}
	err := b.Run(t.Context())
	if err == nil {
		t.Fatal("got no error")
	}
	if s := b.Status(); s.Ready || s.Reason != "not running: "+err.Error() {
		t.Errorf("after: ready %t, reason %q", s.Ready, s.Reason)
	}
}
