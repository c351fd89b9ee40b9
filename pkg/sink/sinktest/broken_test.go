package sinktest_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// broken are sinks that each break one rule, with that rule and a part of the
// failure that it must report.
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
	{"delivers backwards", "delivers every record once and in order", "reordered", publishes(
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
	{"wraps every second body", "delivers every record once and in order", "5 bodies that Received returned are none of the records, the first is \"[{", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			wrapped := slices.Clone(batch)
			for i := 1; i < len(wrapped); i += 2 {
				wrapped[i].Body = slices.Concat([]byte("["), wrapped[i].Body, []byte("]"))
			}
			return publishEach(g, ctx, wrapped)
		})},
	{"reports an empty batch as an error", "returns nil for an empty batch", "Publish of an empty batch", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			if len(batch) == 0 {
				return errors.New("nothing to publish")
			}
			return publishEach(g, ctx, batch)
		})},
	{"publishes an empty batch as a record", "returns nil for an empty batch", "record 0 was changed", publishes(
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
	{"leaves half a record when the destination fails", "reports which records a failing destination took", "6 of 57 bodies that Received returned are none of the records that were published", publishes(
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
	{"sorts the batch it was lent", "keeps nothing of a batch", "was replaced", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			err := publishEach(g, ctx, batch)
			slices.Reverse(batch)
			return err
		})},
	{"takes smaller batches than its limits", "takes as much as its limits allow", "batch too large", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			if len(batch) > 100 {
				return errors.New("batch too large")
			}
			return publishEach(g, ctx, batch)
		})},
	{"takes smaller records than its limits", "takes as much as its limits allow", "record too large", func(g *good) {
		g.limits.RecordBytes = 8001
		g.publish = func(g *good, ctx context.Context, batch []sink.Record) error {
			if len(batch) > 0 && len(batch[0].Body) > 8000 {
				return sink.Permanent(errors.New("record too large"))
			}
			return publishEach(g, ctx, batch)
		}
	}},
	{"retries an event that is too old", "takes or refuses an event that is too old", "3 records are still not delivered", func(g *good) {
		g.limits.OldestEvent = time.Hour
		g.publish = refusingOld(errors.New("try again later"))
	}},
	{"refuses a whole batch over an event that is too old", "takes or refuses an event that is too old", "a record of just now got a permanent error", func(g *good) {
		g.limits.OldestEvent = time.Hour
		g.publish = func(g *good, ctx context.Context, batch []sink.Record) error {
			err := refusingOld(sink.Permanent(errors.New("too old")))(g, ctx, batch)
			if err == nil || len(batch) == 0 {
				return err
			}
			var all sink.BatchError
			for i := range batch {
				all = append(all, sink.RecordError{Index: i, Err: sink.Permanent(errors.New("too old"))})
			}
			return all
		}
	}},
	{"blames a record for the ended context", "returns when the context has ended", "the context had ended", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			if err := ctx.Err(); err != nil {
				return sink.Permanent(err)
			}
			return publishEach(g, ctx, batch)
		})},
	{"returns nil once the context has ended", "returns when the context has ended", "although Publish returned nil", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			if ctx.Err() != nil {
				return nil
			}
			return publishEach(g, ctx, batch)
		})},
	{"keeps failing after a failure", "returns when the context has ended", "still not delivered", failsForGood},
	{"keeps failing after the destination was down", "retries a destination that is down", "still not delivered", failsForGood},
	{"returns nil while the destination is down", "retries a destination that is down", "although Publish returned nil", publishes(
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
	{"returns nil when the destination failed halfway", "reports which records a failing destination took", "although Publish returned nil", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			err := publishUpToFailure(g, ctx, batch)
			if partial, ok := errors.AsType[sink.BatchError](err); ok && partial[0].Index > 0 && errors.Is(err, errDown) {
				return nil
			}
			return firstOf(err)
		})},
	{"names only the record it stopped at", "reports which records a failing destination took", "does not name them", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			if partial, ok := errors.AsType[sink.BatchError](publishUpToFailure(g, ctx, batch)); ok {
				return partial[:1]
			}
			return nil
		})},
	{"names the record after the one it means", "delivers the records around a refused one", "does not name them", publishes(
		partially(func(e sink.RecordError, size int) sink.RecordError {
			e.Index = (e.Index + 1) % size
			return e
		}))},
	{"names a record that is not in the batch", "returns a permanent error for a refused record", "names record 1 of a batch of 1", publishes(
		partially(func(e sink.RecordError, size int) sink.RecordError {
			e.Index = size
			return e
		}))},
	{"names a record before the batch", "returns a permanent error for a refused record", "names record -1", publishes(
		partially(func(e sink.RecordError, _ int) sink.RecordError {
			e.Index = -1
			return e
		}))},
	{"names a record without an error", "returns a permanent error for a refused record", "without an error", publishes(
		partially(func(e sink.RecordError, _ int) sink.RecordError {
			e.Err = nil
			return e
		}))},
	{"names a record twice", "delivers the records around a refused one", "twice", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			err := publishEach(g, ctx, batch)
			if partial, ok := errors.AsType[sink.BatchError](err); ok {
				return append(partial, partial[0])
			}
			return err
		})},
	{"names no record", "delivers the records around a refused one", "names no record", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			if publishEach(g, ctx, batch) != nil {
				return sink.BatchError{}
			}
			return nil
		})},
	{"retries a refused record", "returns a permanent error for a refused record", "want a permanent error", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			if err := firstOf(publishEach(g, ctx, batch)); err != nil {
				return errors.New("try again")
			}
			return nil
		})},
	{"skips a refused record", "returns a permanent error for a refused record", "although Publish returned nil", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			if err := publishEach(g, ctx, batch); err != nil && !sink.IsPermanent(err) {
				return err
			}
			return nil
		})},
	{"rejects all records after a refused one", "delivers the records around a refused one", "in a batch with 1 bad records 7 got a permanent error", publishes(
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
	{"returns nil when it leaves a hanging destination", "returns from a hanging destination when the context ends", "although Publish returned nil", publishes(
		func(g *good, ctx context.Context, batch []sink.Record) error {
			if err := publishEach(g, ctx, batch); !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		})},
	{"blames a record for Close", "returns from a hanging destination when closed", "the sink was closed", publishes(
		func(g *good, _ context.Context, batch []sink.Record) error {
			err := publishEach(g, context.Background(), batch)
			if errors.Is(err, errClosed) {
				return sink.Permanent(err)
			}
			return err
		})},
	{"still hangs after Close", "returns from a hanging destination when closed", "after Close, has not returned", func(g *good) {
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
	{"returns an error from Close", "closes without having published", "closing failed", closes(
		func(g *good) error { return errors.Join(errors.New("closing failed"), closeOnce(g)) })},
	{"publishes a record in Close", "closes without having published", "1 records arrived, 0 were published", closes(
		func(g *good) error {
			return errors.Join(g.take(sink.Record{Body: []byte("bye")}), closeOnce(g))
		})},
	{"empties the destination when opened", "continues after Close where another sink stopped", "5 of 10 records have arrived", func(g *good) {
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

// failsForGood returns its first error at every later Publish.
func failsForGood(g *good) {
	var first error
	g.publish = func(g *good, ctx context.Context, batch []sink.Record) error {
		if first == nil {
			first = firstOf(publishEach(g, ctx, batch))
		}
		return first
	}
}

// partially changes each RecordError of a BatchError.
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
