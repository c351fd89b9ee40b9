package sinktest_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/recorder"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/sinktest"
)

type publishFunc = func(g *good, ctx context.Context, batch []sink.Record) error

// TestGoodSinksPass runs the suite against sinks that report failures in more or
// less detail. All of them keep the contract.
func TestGoodSinksPass(t *testing.T) {
	for name, publish := range map[string]publishFunc{
		"one that names each record":             publishEach,
		"one that does not know which record":    publishWhole,
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

// takeNoneUnlessAll checks the whole batch before it takes a record.
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

// TestBrokenSinksAreCaught runs in a synctest bubble, where the suite's patience
// passes at once. A sink that still hangs when the suite is done would block the
// bubble.
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
				r := recorder.Record(t, func(t testing.TB) {
					t.Cleanup(d.close)
					sinktest.RunRule(b.rule, t, h)
				})
				if got := strings.Join(r.Failures, "\n"); !strings.Contains(got, b.says) || !strings.Contains(got, "what to do: ") {
					t.Errorf("a sink that %s: the rule %q reports %q, want %q in it, and what to do", b.name, b.rule, got, b.says)
				}
			})
		})
	}
}

// nosy publishes in Check, and returns an empty string.
type nosy struct{ *good }

func (n nosy) Check(context.Context) (string, error) {
	return "", n.take(sink.Record{Body: []byte("test")})
}

// TestBatchesKeepToTheLimits runs the suite against a sink that takes one record at
// a time.
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

// The suite accepts a destination that takes no old events, and one that takes them.
func TestSinksWithAWindowPass(t *testing.T) {
	for name, refuses := range map[string]bool{"one that refuses older events": true, "one that takes them": false} {
		t.Run(name, func(t *testing.T) {
			sinktest.Run(t, func(testing.TB) sinktest.Harness {
				return newDestination().harness(func(d *destination) sink.Sink {
					g := newGood(d)
					g.limits.OldestEvent = time.Hour
					if refuses {
						g.publish = refusingOld(sink.Permanent(errors.New("too old")))
					}
					return g
				})
			})
		})
	}
}

// refusingOld returns err for each record that is too old, and publishes the others.
func refusingOld(err error) publishFunc {
	return func(g *good, ctx context.Context, batch []sink.Record) error {
		for i, r := range batch {
			if !r.Time.IsZero() && time.Since(r.Time) > g.limits.OldestEvent {
				return oneByOne(g, ctx, batch, i, err)
			}
		}
		return publishEach(g, ctx, batch)
	}
}

// oneByOne publishes what comes before the record i, which it refuses, and behind it.
func oneByOne(g *good, ctx context.Context, batch []sink.Record, i int, err error) error {
	partial := sink.BatchError{{Index: i, Err: err}}
	for _, part := range []struct{ from, to int }{{0, i}, {i + 1, len(batch)}} {
		var named sink.BatchError
		if failed := refusingOld(err)(g, ctx, batch[part.from:part.to]); failed != nil && !errors.As(failed, &named) {
			return failed
		}
		for _, e := range named {
			partial = append(partial, sink.RecordError{Index: part.from + e.Index, Err: e.Err})
		}
	}
	return partial
}

func TestHarnessThatHangsIsCaught(t *testing.T) {
	for name, change := range map[string]func(h *sinktest.Harness, hang func()){
		"Open": func(h *sinktest.Harness, hang func()) {
			h.Open = func(testing.TB) sink.Sink { hang(); return nil }
		},
		"Received": func(h *sinktest.Harness, hang func()) {
			h.Received = func(testing.TB) [][]byte { hang(); return nil }
		},
		"Break, Falter or Hang": func(h *sinktest.Harness, hang func()) { h.Break = func(testing.TB) { hang() } },
		"Repair":                func(h *sinktest.Harness, hang func()) { h.Repair = func(testing.TB) { hang() } },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				forever := make(chan struct{})
				h := newDestination().harness(func(d *destination) sink.Sink { return newGood(d) })
				change(&h, func() { <-forever })
				r := recorder.Record(t, func(t testing.TB) { sinktest.RunRule("retries a destination that is down", t, h) })
				close(forever)
				if want := "Harness." + name + " has not returned after 10s"; len(r.Failures) == 0 || r.Failures[0] != want {
					t.Errorf("got %q, want %q first", r.Failures, want)
				}
			})
		})
	}
}

func TestOpenThatFailsEndsTheRule(t *testing.T) {
	h := newDestination().harness(nil)
	h.Open = func(t testing.TB) sink.Sink {
		t.Fatalf("no such host")
		return nil
	}
	r := recorder.Record(t, func(t testing.TB) { sinktest.RunRule("closes without having published", t, h) })
	if want := []string{"no such host", "what to do: Close sends nothing of its own"}; !slices.Equal(r.Failures, want) {
		t.Errorf("got %q, want %q", r.Failures, want)
	}
}

func TestHarnessThatLacksAFunctionIsCaught(t *testing.T) {
	for want, change := range map[string]func(*sinktest.Harness){
		"Harness.Open or Harness.Received is nil: the suite needs both":        func(h *sinktest.Harness) { h.Received = nil },
		"Harness.Repair is nil: the suite needs it with Break, Falter or Hang": func(h *sinktest.Harness) { h.Repair = nil },
	} {
		h := newDestination().harness(func(d *destination) sink.Sink { return newGood(d) })
		change(&h)
		r := recorder.Record(t, func(t testing.TB) { sinktest.RunRule("closes without having published", t, h) })
		if len(r.Failures) == 0 || r.Failures[0] != want {
			t.Errorf("got %q, want %q first", r.Failures, want)
		}
	}
}

func TestCheckThatPublishesIsCaught(t *testing.T) {
	h := newDestination().harness(func(d *destination) sink.Sink { return nosy{newGood(d)} })
	r := recorder.Record(t, func(t testing.TB) { sinktest.RunRule("checks without publishing", t, h) })
	got := strings.Join(r.Failures, "\n")
	for _, want := range []string{"returned no error and an empty string", "record 0 was changed"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it", got, want)
		}
	}
}

// forgetful has a History with a constant answer.
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
		r := recorder.Record(t, func(t testing.TB) { sinktest.RunRule("knows what its lane delivered before", t, h) })
		if got := strings.Join(r.Failures, "\n"); !strings.Contains(got, want) {
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

// TestMissingHooksAreLogged sets only the two required hooks.
func TestMissingHooksAreLogged(t *testing.T) {
	hooks := map[string]bool{"Break": true, "Falter": true, "Refused": true, "Hang": true}
	for _, rule := range sinktest.RuleNames() {
		d := newDestination()
		h := sinktest.Harness{
			Open:     func(testing.TB) sink.Sink { return newGood(d) },
			Received: d.received,
		}
		r := recorder.Record(t, func(t testing.TB) { sinktest.RunRule(rule, t, h) })
		if len(r.Failures) > 0 {
			t.Errorf("%s: %s", rule, strings.Join(r.Failures, "; "))
		}
		for _, line := range r.Logs {
			name, _, _ := strings.Cut(strings.TrimPrefix(line, "not checked: Harness."), " ")
			delete(hooks, name)
		}
	}
	if len(hooks) > 0 {
		t.Errorf("the missing hooks %v were not logged", hooks)
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
	r := recorder.Record(t, func(t testing.TB) { sinktest.RunRule("continues after Close where another sink stopped", t, h) })
	got := strings.Join(r.Failures, "\n")
	if !strings.Contains(got, "(1048576 bytes)") || len(got) > 4096 {
		t.Errorf("got a failure of %d bytes, want a short one with the size of the body", len(got))
	}
}
