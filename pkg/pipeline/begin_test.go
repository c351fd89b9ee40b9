package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// lasting is stores that outlive the process.
type lasting struct {
	*stores
	found sink.Traces
}

func (l lasting) Traces(context.Context, string) (sink.Traces, error) { return l.found, nil }

// remembering is a sink that knows what its lane has delivered.
type remembering struct {
	*fakeSink
	found func() (sink.Traces, error)
}

func (r remembering) Traces(context.Context) (sink.Traces, error) { return r.found() }

// rememberingLedger is a ledger that knows it.
type rememberingLedger struct {
	*ledger
	found sink.Traces
}

func (r rememberingLedger) Look(context.Context) ([]byte, time.Time, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.position == "" {
		return nil, time.Time{}, nil
	}
	return []byte(r.position), time.Now(), nil
}

func (r rememberingLedger) Traces(context.Context) (sink.Traces, error) { return r.found, nil }

var newest = time.Date(2026, 3, 4, 5, 6, 7, 8_000_000, time.UTC)

// A lane that has delivered before does not begin anew, whether the sink or the store has
// the proof. The hint is what a person should type.
func TestLaneThatLostItsPosition(t *testing.T) {
	proof := sink.Traces{Found: "topic audit holds records of the lane", Proof: true, Newest: newest}
	for name, rigged := range map[string]func() *rig{
		"as the sink proves": func() *rig {
			b := newRig(&eventLog{total: 10}, &fakeSink{})
			b.Lane.Open = func(context.Context) (sink.Sink, error) {
				return remembering{b.sink, func() (sink.Traces, error) { return proof, nil }}, nil
			}
			return b
		},
		"as the store proves, whatever the sink found": func() *rig {
			b := newRig(&eventLog{total: 10}, &fakeSink{})
			b.Lane.Positions = lasting{b.stores, proof}
			b.Lane.Open = func(context.Context) (sink.Sink, error) {
				return remembering{b.sink, func() (sink.Traces, error) { return sink.Traces{Found: "a file"}, nil }}, nil
			}
			return b
		},
		"as a sink that keeps positions proves": func() *rig {
			l := &ledger{}
			b := newExactRig(&eventLog{total: 10}, l)
			b.Lane.Open = func(context.Context) (sink.Sink, error) { return rememberingLedger{l, proof}, nil }
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := rigged()
				b.Config = "sluice.yaml"
				err := b.Run(t.Context())
				lost, ok := errors.AsType[*pipeline.Lost](err)
				if !ok {
					t.Fatalf("got %v, want a lost position", err)
				}
				if !strings.Contains(err.Error(), "lane acme/siem has no saved position, but it has delivered before: topic audit holds") {
					t.Errorf("got %q", err)
				}
				for _, want := range []string{
					"`sluice checkpoint set -c sluice.yaml --to beginning acme/siem`", "`sluice checkpoint set -c sluice.yaml --to now acme/siem`",
					"`sluice checkpoint set -c sluice.yaml --to 2026-03-04T05:06:07.008Z acme/siem`",
				} {
					if !strings.Contains(lost.ErrorHint(), want) {
						t.Errorf("hint %q does not contain %s", lost.ErrorHint(), want)
					}
				}
				if len(b.sink.taken()) > 0 || len(b.stores.saved) > 0 {
					t.Errorf("published %q, saved %q, want nothing", b.sink.taken(), b.stores.saved)
				}
				b.Lane.Positions = b.stores
				b.Lane.Open = func(context.Context) (sink.Sink, error) { return b.sink, nil }
				b.stores.saved = []string{"4"} // A person says where.
				b.catchUp(t)
				if diff := cmp.Diff(ids(4, 10), b.sink.taken()); diff != "" {
					t.Errorf("delivered once it was set (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// forgetting is stores whose position a sink can take over.
type forgetting struct{ *stores }

func (f forgetting) Holds(context.Context, string) (bool, error) { return f.last() >= 0, nil }
func (f forgetting) Forget(context.Context, string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.saved = nil
	return nil
}

// A position in the state from before the sink kept it grows old. If the sink then loses
// its own, the lane is refused and does not resume from the old one.
func TestPositionThatASinkLostIsNotTheOneOfTheState(t *testing.T) {
	for name, kept := range map[string]string{"after it was carried over": "", "after a crash while it was carried over": "4"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &ledger{position: kept}
				b := newExactRig(&eventLog{total: 10}, l)
				b.stores.saved = []string{"4"}
				b.Lane.Positions = forgetting{b.stores}
				b.catchUp(t)
				records, _ := l.committed()
				if diff := cmp.Diff(ids(4, 10), records); diff != "" {
					t.Errorf("committed (-want +got):\n%s", diff)
				}
				if got := b.stores.last(); got != -1 {
					t.Errorf("the state still has position %d", got)
				}
				l.position = "" // Its topic was deleted.
				again := b.another()
				again.Positions = forgetting{b.stores}
				again.Open = func(context.Context) (sink.Sink, error) {
					return rememberingLedger{l, sink.Traces{Found: "topic audit holds records of the lane", Proof: true}}, nil
				}
				if err := again.Run(t.Context()); !isLost(err) {
					t.Errorf("got %v, want a lost position", err)
				}
				if after, _ := l.committed(); len(after) != len(records) {
					t.Errorf("%d records were committed again", len(after)-len(records))
				}
			})
		})
	}
}

// oneKey is a state whose position is the sink's once the sink has committed one.
type oneKey struct {
	*stores
	l *ledger
}

func (o oneKey) Holds(context.Context, string) (bool, error) {
	records, _ := o.l.committed()
	return len(records) == 0 && len(o.l.steps) == 0, nil
}

func (o oneKey) Forget(ctx context.Context, lane string) error {
	if held, err := o.Holds(ctx, lane); err != nil || !held {
		return err
	}
	return o.l.Set(ctx, nil)
}

// The state and the sink keep positions under one key in Kafka. The position there
// becomes the sink's, and is not forgotten.
func TestPositionThatTheStateAndTheSinkKeepUnderOneKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{position: "4"}
		b := newExactRig(&eventLog{total: 10}, l)
		b.Lane.Positions = oneKey{b.stores, l}
		b.catchUp(t)
		wantCommitted(t, b, l, ids(4, 10), nil)
		if diff := cmp.Diff(step{Batch: []string{}, Position: "4"}, l.steps[0]); diff != "" {
			t.Errorf("committed first (-want +got):\n%s", diff)
		}
	})
}

func isLost(err error) bool {
	_, ok := errors.AsType[*pipeline.Lost](err)
	return ok
}

// A refused lane is not taken when it is tried again, since that would fence the person
// who sets its position.
func TestRefusedLaneIsNotTakenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{}
		b := newExactRig(&eventLog{total: 10}, l)
		b.Lane.Open = func(context.Context) (sink.Sink, error) {
			return rememberingLedger{l, sink.Traces{Found: "records", Proof: true}}, nil
		}
		for range 3 {
			taken := l.taken
			if _, ok := errors.AsType[*pipeline.Lost](b.Run(t.Context())); !ok || taken > 0 && l.taken != taken {
				t.Errorf("lost %t, taken %d times before and %d after", ok, taken, l.taken)
			}
		}
		l.position = "4" // A person says where.
		b.catchUp(t)
		if records, _ := l.committed(); cmp.Diff(ids(4, 10), records) != "" {
			t.Errorf("committed %q", records)
		}
	})
}

func TestLaneThatBegins(t *testing.T) {
	lineOf := func(t *testing.T, b *rig) string {
		t.Helper()
		lines := b.lines.texts(t)
		i := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, "lane begins") })
		if i < 0 {
			return ""
		}
		return lines[i]
	}
	run := func(t *testing.T, found sink.Traces, start source.Start) *rig {
		b := newRig(&eventLog{total: 10}, &fakeSink{})
		b.Lane.Positions, b.Lane.Start = lasting{b.stores, found}, start
		b.catchUp(t)
		return b
	}
	t.Run("says so and where", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for want, start := range map[string]source.Start{
				`"at":"beginning"`: {}, `"at":"now"`: {Now: true}, `"at":"2026-03-04T05:06:07.008Z"`: {Since: newest},
			} {
				b := run(t, sink.Traces{}, start)
				if got := lineOf(t, b); got != "warn lane begins: it has no saved position" {
					t.Errorf("got %q", got)
				}
				if !strings.Contains(b.lines.text.String(), want) {
					t.Errorf("the log does not contain %s:\n%s", want, b.lines.text.String())
				}
			}
		})
	})
	t.Run("that may have run before logs what to do", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := run(t, sink.Traces{Found: "file audit.ndjson holds 12 bytes"}, source.Start{})
			got := lineOf(t, b)
			for _, want := range []string{"sluice checkpoint set -c FILE --to now acme/siem", "sluice checkpoint rename -c FILE OLD acme/siem"} {
				if !strings.Contains(got, want) {
					t.Errorf("got %q, want %q in it", got, want)
				}
			}
			if len(b.sink.taken()) != 10 {
				t.Errorf("delivered %q, want all", b.sink.taken())
			}
		})
	})
	t.Run("logs no warning if positions end with the process", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newRig(&eventLog{total: 10}, &fakeSink{})
			b.catchUp(t)
			if got := lineOf(t, b); got != "" {
				t.Errorf("got %q", got)
			}
		})
	})
	t.Run("asks again if the sink cannot answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newRig(&eventLog{total: 10}, &fakeSink{})
			asked := 0
			b.Lane.Open = func(context.Context) (sink.Sink, error) {
				return remembering{b.sink, func() (sink.Traces, error) {
					if asked++; asked < 3 {
						return sink.Traces{}, errors.New("no answer")
					}
					return sink.Traces{}, nil
				}}, nil
			}
			b.catchUp(t)
			if asked != 3 || len(b.sink.taken()) != 10 {
				t.Errorf("asked %d times, delivered %q", asked, b.sink.taken())
			}
		})
	})
}
