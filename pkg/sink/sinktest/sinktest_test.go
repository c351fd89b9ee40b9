package sinktest_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/sinktest"
)

type publishFunc = func(g *good, ctx context.Context, batch []sink.Record) error

// TestGoodSinksPass holds sinks against the suite that differ in how much they
// can tell of a failure. Each is as good as the others.
func TestGoodSinksPass(t *testing.T) {
	for name, publish := range map[string]publishFunc{
		"one that names each record":             publishEach,
		"one that cannot tell which record":      publishWhole,
		"one that stops at the first failure":    publishUpToFailure,
		"one that takes none of a failing batch": takeNoneUnlessAll,
	} {
		t.Run(name, func(t *testing.T) {
			sinktest.Run(t, func(testing.TB) sinktest.Harness {
				return newDestination().harness(func(d *destination) sink.Sink {
					g := newGood(d)
					g.publish = publish
					return g
				})
			})
		})
	}
}

// takeNoneUnlessAll looks at a batch before it takes anything of it.
func takeNoneUnlessAll(g *good, ctx context.Context, batch []sink.Record) error {
	rehearsal := newGood(newDestination())
	g.mu.Lock()
	rehearsal.takes = g.takes
	g.mu.Unlock()
	if err := firstOf(publishEach(rehearsal, ctx, batch)); err != nil {
		return err
	}
	return publishEach(g, ctx, batch)
}

// broken are sinks that break one rule each, the rule that has to notice, and
// words of what it has to say.
var broken = []struct {
	name, rule, says string
	open             func(*good)
}{
	{"loses the last record of a batch", "delivers every record once and in order", "have not arrived", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			return publishEach(g, ctx, batch[:max(1, len(batch)-1)])
		})},
	{"publishes twice", "delivers every record once and in order", "repeated", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			return cmp.Or(publishEach(g, ctx, batch), publishEach(g, ctx, batch))
		})},
	{"delivers backwards", "delivers every record once and in order", "changed places", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			backwards := slices.Clone(batch)
			slices.Reverse(backwards)
			return publishEach(g, ctx, backwards)
		})},
	{"cuts bodies", "delivers every record once and in order", "have not arrived", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			cut := slices.Clone(batch)
			for i := range cut {
				cut[i].Body = cut[i].Body[:len(cut[i].Body)-1]
			}
			return publishEach(g, ctx, cut)
		})},
	{"reports an empty batch as an error", "takes an empty batch as done", "Publish of an empty batch", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			if len(batch) == 0 {
				return errors.New("nothing to publish")
			}
			return publishEach(g, ctx, batch)
		})},
	{"publishes an empty batch as a record", "takes an empty batch as done", "record 0 was changed", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			if len(batch) == 0 {
				return g.take(sink.Record{Body: []byte("[]")})
			}
			return publishEach(g, ctx, batch)
		})},
	{"sends a batch when the next one comes", "keeps nothing of a batch", "have not arrived", sendsLater},
	{"reads a batch after Publish has returned", "keeps nothing of a batch", "have not arrived", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			kept := slices.Clone(batch)
			g.late = func() { _ = publishEach(g, context.Background(), kept) }
			return nil
		})},
	{"leaves half a record where the destination failed", "tells what a destination took before it failed", "is none of the records", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			err := publishUpToFailure(g, ctx, batch)
			if errors.Is(err, errDown) {
				g.mu.Lock()
				defer g.mu.Unlock()
				g.bodies = append(g.bodies, []byte(`{"n":`))
			}
			return err
		})},
	{"appends a line end to the body", "delivers every record once and in order", "appending to a Body", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			for i := range batch {
				_ = append(batch[i].Body, '\n')
			}
			return publishEach(g, ctx, batch)
		})},
	{"sorts the batch it was lent", "keeps nothing of a batch", "another one than was lent", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			err := publishEach(g, ctx, batch)
			slices.Reverse(batch)
			return err
		})},
	{"takes less than it says", "takes as much as its limits allow", "batch too large", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			if len(batch) > 100 {
				return errors.New("batch too large")
			}
			return publishEach(g, ctx, batch)
		})},
	{"takes smaller records than it says", "takes as much as its limits allow", "record too large", func(g *good) {
		g.limits.RecordBytes = 8001
		g.publish = func(g *good, ctx context.Context, batch []sink.Record) error {
			if len(batch) > 0 && len(batch[0].Body) > 8000 {
				return sink.Permanent(errors.New("record too large"))
			}
			return publishEach(g, ctx, batch)
		}
	}},
	{"blames a record for the ended context", "returns when the context has ended", "the context had ended", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			if err := ctx.Err(); err != nil {
				return sink.Permanent(err)
			}
			return publishEach(g, ctx, batch)
		})},
	{"says done once the context has ended", "returns when the context has ended", "although Publish returned nil", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			if ctx.Err() != nil {
				return nil
			}
			return publishEach(g, ctx, batch)
		})},
	{"stays failed after a failure", "returns when the context has ended", "still not settled", failsForGood},
	{"stays failed after the destination was down", "retries a destination that is down", "still not settled", failsForGood},
	{"says done while the destination is down", "retries a destination that is down", "although Publish returned nil", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			if err := firstOf(publishEach(g, ctx, batch)); !errors.Is(err, errDown) {
				return err
			}
			return nil
		})},
	{"blames the records while the destination is down", "retries a destination that is down", "the destination was down", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			return sink.Permanent(publishWhole(g, ctx, batch))
		})},
	{"says done when the destination failed halfway", "tells what a destination took before it failed", "although Publish returned nil", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			err := publishUpToFailure(g, ctx, batch)
			if partial, ok := errors.AsType[sink.BatchError](err); ok && partial[0].Index > 0 && errors.Is(err, errDown) {
				return nil
			}
			return firstOf(err)
		})},
	{"names only the record it stopped at", "tells what a destination took before it failed", "does not name them", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			if partial, ok := errors.AsType[sink.BatchError](publishUpToFailure(g, ctx, batch)); ok {
				return partial[:1]
			}
			return nil
		})},
	{"names the record after the one it means", "delivers what surrounds a refused record", "does not name them", publishes(
		partially(func(e sink.RecordError, size int) sink.RecordError {
			e.Index = (e.Index + 1) % size
			return e
		}))},
	{"names a record that is not in the batch", "gives up a record that is refused for good", "names record 1 of a batch of 1", publishes(
		partially(func(e sink.RecordError, size int) sink.RecordError {
			e.Index = size
			return e
		}))},
	{"names a record before the batch", "gives up a record that is refused for good", "names record -1", publishes(
		partially(func(e sink.RecordError, _ int) sink.RecordError {
			e.Index = -1
			return e
		}))},
	{"names a record without an error", "gives up a record that is refused for good", "without an error", publishes(
		partially(func(e sink.RecordError, _ int) sink.RecordError {
			e.Err = nil
			return e
		}))},
	{"names a record twice", "delivers what surrounds a refused record", "twice", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			err := publishEach(g, ctx, batch)
			if partial, ok := errors.AsType[sink.BatchError](err); ok {
				return append(partial, partial[0])
			}
			return err
		})},
	{"names no record", "delivers what surrounds a refused record", "names no record", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			if publishEach(g, ctx, batch) != nil {
				return sink.BatchError{}
			}
			return nil
		})},
	{"retries what is refused for good", "gives up a record that is refused for good", "want a permanent error", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			if err := firstOf(publishEach(g, ctx, batch)); err != nil {
				return errors.New("try again")
			}
			return nil
		})},
	{"passes a refused record by", "gives up a record that is refused for good", "although Publish returned nil", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			if err := publishEach(g, ctx, batch); err != nil && !sink.IsPermanent(err) {
				return err
			}
			return nil
		})},
	{"gives up all that follow a refused record", "delivers what surrounds a refused record", "of a batch with 1 bad records 7 were given up", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			err := publishUpToFailure(g, ctx, batch)
			if partial, ok := errors.AsType[sink.BatchError](err); ok && sink.IsPermanent(err) {
				for i := range partial {
					partial[i].Err = sink.Permanent(partial[i].Err)
				}
			}
			return err
		})},
	{"ignores the context while it hangs", "returns from a hanging destination when the context ends", "after its context ended, has not returned", publishes(
		func(g *good, _ context.Context, batch []sink.Record) error {
			return publishEach(g, context.Background(), batch)
		})},
	{"says done when it leaves a hanging destination", "returns from a hanging destination when the context ends", "although Publish returned nil", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			if err := publishEach(g, ctx, batch); !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		})},
	{"blames a record for being closed", "returns from a hanging destination when closed", "the sink was closed", publishes(
		func(g *good, _ context.Context, batch []sink.Record) error {
			err := publishEach(g, context.Background(), batch)
			if errors.Is(err, errClosed) {
				return sink.Permanent(err)
			}
			return err
		})},
	{"hangs on although it was closed", "returns from a hanging destination when closed", "after Close, has not returned", func(g *good) {
		g.publish = func(g *good, _ context.Context, batch []sink.Record) error {
			return publishEach(g, context.Background(), batch)
		}
		g.close = func(*good) error { return nil }
	}},
	{"waits in Close for a Publish that hangs", "returns from a hanging destination when closed", "Close has not returned", closes(
		func(g *good) error {
			<-g.wait()
			return closeOnce(g)
		})},
	{"fails to close", "closes without having published", "closing failed", closes(
		func(g *good) error { return errors.Join(errors.New("closing failed"), closeOnce(g)) })},
	{"says goodbye in a record", "closes without having published", "1 records arrived, 0 were published", closes(
		func(g *good) error {
			return errors.Join(g.take(sink.Record{Body: []byte("bye")}), closeOnce(g))
		})},
	{"empties the destination when opened", "goes on after Close where another sink ended", "5 of 10 records have arrived", func(g *good) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.bodies = nil
	}},
}

func publishes(f publishFunc) func(*good)    { return func(g *good) { g.publish = f } }
func closes(f func(*good) error) func(*good) { return func(g *good) { g.close = f } }

// sendsLater keeps a batch until the next one or Close.
func sendsLater(g *good) {
	var kept []sink.Record
	g.publish = func(g *good, ctx context.Context, batch []sink.Record) error {
		err := publishEach(g, ctx, kept)
		kept = slices.Clone(batch)
		return err
	}
	g.close = func(g *good) error {
		return errors.Join(publishEach(g, context.Background(), kept), closeOnce(g))
	}
}

// failsForGood reports its first failure ever after.
func failsForGood(g *good) {
	var first error
	g.publish = func(g *good, ctx context.Context, batch []sink.Record) error {
		if first == nil {
			first = firstOf(publishEach(g, ctx, batch))
		}
		return first
	}
}

// partially changes what a BatchError says of each record.
func partially(change func(e sink.RecordError, size int) sink.RecordError) publishFunc {
	return func(g *good, ctx context.Context, batch []sink.Record) error {
		err := publishEach(g, ctx, batch)
		if partial, ok := errors.AsType[sink.BatchError](err); ok {
			for i := range partial {
				partial[i] = change(partial[i], len(batch))
			}
		}
		return err
	}
}

// TestBrokenSinksAreCaught runs in a bubble, where the patience of the suite
// passes at once.
func TestBrokenSinksAreCaught(t *testing.T) {
	for _, b := range broken {
		t.Run(b.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDestination()
				h := d.harness(func(d *destination) sink.Sink {
					g := newGood(d)
					b.open(g)
					return g
				})
				r := record(t, func(t testing.TB) { sinktest.RunRule(b.rule, t, h) })
				d.repair(t) // lets go of goroutines that a broken sink left behind
				if got := strings.Join(r.failures, "\n"); !strings.Contains(got, b.says) {
					t.Errorf("of a sink that %s the rule %q says %q, want %q in it", b.name, b.rule, got, b.says)
				}
			})
		})
	}
}

// nosy publishes when it is asked to check, and says nothing.
type nosy struct{ *good }

func (n nosy) Check(context.Context) (string, error) {
	return "", n.take(sink.Record{Body: []byte("test")})
}

// TestBatchesKeepToTheLimits has a sink that takes one record at a time.
func TestBatchesKeepToTheLimits(t *testing.T) {
	sinktest.Run(t, func(testing.TB) sinktest.Harness {
		return newDestination().harness(func(d *destination) sink.Sink {
			g := newGood(d)
			g.limits.Records = 1
			g.publish = func(g *good, ctx context.Context, batch []sink.Record) error {
				if len(batch) > 1 {
					return errors.New("more than one record")
				}
				return publishEach(g, ctx, batch)
			}
			return g
		})
	})
}

func TestCheckThatPublishesIsCaught(t *testing.T) {
	h := newDestination().harness(func(d *destination) sink.Sink { return nosy{newGood(d)} })
	r := record(t, func(t testing.TB) { sinktest.RunRule("checks without publishing", t, h) })
	got := strings.Join(r.failures, "\n")
	for _, want := range []string{"not a word on what was seen", "record 0 was changed"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it", got, want)
		}
	}
}

// forgetful has a history that says always the same.
type forgetful struct {
	*good
	says sink.Traces
}

func (f forgetful) Traces(context.Context) (sink.Traces, error) { return f.says, nil }

func TestHistoryThatIsWrongIsCaught(t *testing.T) {
	for says, want := range map[sink.Traces]string{
		{}:                        "no traces after 3 records were delivered",
		{Found: "who knows what"}: "traces in a fresh destination",
	} {
		h := newDestination().harness(func(d *destination) sink.Sink { return forgetful{newGood(d), says} })
		r := record(t, func(t testing.TB) { sinktest.RunRule("knows what its lane delivered before", t, h) })
		if got := strings.Join(r.failures, "\n"); !strings.Contains(got, want) {
			t.Errorf("of %+v: got %q, want %q in it", says, got, want)
		}
	}
}

func TestEveryRuleCatchesSomething(t *testing.T) {
	caught := map[string]bool{
		"checks without publishing":            true, // TestCheckThatPublishesIsCaught
		"knows what its lane delivered before": true, // TestHistoryThatIsWrongIsCaught
	}
	for _, b := range broken {
		caught[b.rule] = true
	}
	for _, rule := range sinktest.RuleNames() {
		if !caught[rule] {
			t.Errorf("no broken sink shows that the rule %q can fail", rule)
		}
	}
}

// TestWhatIsNotCheckedIsTold gives no hook but the two that are needed.
func TestWhatIsNotCheckedIsTold(t *testing.T) {
	hooks := map[string]bool{"Break": true, "Falter": true, "Refused": true, "Hang": true}
	for _, rule := range sinktest.RuleNames() {
		d := newDestination()
		h := sinktest.Harness{
			Open:     func(testing.TB) sink.Sink { return newGood(d) },
			Received: d.received,
		}
		r := record(t, func(t testing.TB) { sinktest.RunRule(rule, t, h) })
		if len(r.failures) > 0 {
			t.Errorf("%s: %s", rule, strings.Join(r.failures, "; "))
		}
		for _, line := range r.logs {
			name, _, _ := strings.Cut(strings.TrimPrefix(line, "not checked: Harness."), " ")
			delete(hooks, name)
		}
	}
	if len(hooks) > 0 {
		t.Errorf("not told of the missing hooks %v", hooks)
	}
}

// TestLargeBodiesAreClipped keeps a failure over a large record readable.
func TestLargeBodiesAreClipped(t *testing.T) {
	h := newDestination().harness(func(d *destination) sink.Sink {
		g := newGood(d)
		g.close = func(g *good) error {
			return errors.Join(g.take(sink.Record{Body: bytes.Repeat([]byte("z"), 1<<20)}), closeOnce(g))
		}
		return g
	})
	r := record(t, func(t testing.TB) { sinktest.RunRule("goes on after Close where another sink ended", t, h) })
	got := strings.Join(r.failures, "\n")
	if !strings.Contains(got, "(1048576 bytes)") || len(got) > 4096 {
		t.Errorf("got a failure of %d bytes, want a short one that tells the size of the body", len(got))
	}
}
