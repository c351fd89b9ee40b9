package ledger_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// expiries are the answers of Kafka to a producer that it dropped by itself.
var expiries = []struct {
	name string
	key  kmsg.Key
	code *kerr.Error
}{
	{"an id that expired, told when records are produced", kmsg.Produce, kerr.InvalidProducerIDMapping},
	{"an id that expired, told when the transaction ends", kmsg.EndTxn, kerr.InvalidProducerIDMapping},
	{"a transaction that timed out", kmsg.EndTxn, kerr.InvalidTxnState},
}

// Nobody moved the position, so the lane is taken again at once.
func TestExpiredProducerTakesTheLaneAgainAtOnce(t *testing.T) {
	for _, tt := range expiries {
		t.Run(tt.name, func(t *testing.T) {
			c := cluster(t, kfake.SleepOutOfOrder())
			l := open(t, settings(c.ListenAddrs()))
			take(t, l, "")
			commit(t, l, `1`, "a")
			answer(t, c, tt.key, tt.code)
			commit(t, l, `2`, "b")
			commit(t, l, `3`, "c")
			committed(t, c.ListenAddrs(), audit, 3)
			take(t, open(t, settings(c.ListenAddrs())), `3`)
		})
	}
}

// A group decides who owns the lane, so it is asked again.
func TestExpiredProducerOfAGroup(t *testing.T) {
	for _, tt := range expiries {
		t.Run(tt.name, func(t *testing.T) {
			c := cluster(t, kfake.SleepOutOfOrder())
			s := settings(c.ListenAddrs())
			asked, stranger := 0, errors.New("another owns the lane")
			var refusal error
			s.Confirm = func(context.Context) error { asked++; return refusal }
			l := open(t, s)
			take(t, l, "")
			commit(t, l, `1`, "a")
			answer(t, c, tt.key, tt.code)
			commit(t, l, `2`, "b")
			if asked != 2 {
				t.Errorf("the group was asked %d times, want 2: before each taking", asked)
			}
			refusal = stranger
			answer(t, c, tt.key, tt.code)
			if err := l.Commit(within(t), records("c"), nil, []byte(`3`)); !errors.Is(err, stranger) {
				t.Errorf("got %v, want %v", err, stranger)
			}
			committed(t, c.ListenAddrs(), audit, 2)
		})
	}
}

// Another instance took the id after it expired. Kafka gives the same answer, but the
// position has moved.
func TestRivalAfterAnExpiry(t *testing.T) {
	for _, tt := range expiries {
		t.Run(tt.name, func(t *testing.T) {
			c := cluster(t, kfake.SleepOutOfOrder())
			l, rival := open(t, settings(c.ListenAddrs())), open(t, settings(c.ListenAddrs()))
			take(t, l, "")
			commit(t, l, `1`, "a")
			take(t, rival, `1`)
			commit(t, rival, `2`, "b")
			answer(t, c, tt.key, tt.code)
			expectPause(t, l.Commit(within(t), records("never"), nil, []byte(`2`)))
			commit(t, rival, `3`, "c")
			committed(t, c.ListenAddrs(), audit, 3)
		})
	}
}

// A person set the position after the id expired.
func TestSetAfterAnExpiry(t *testing.T) {
	for _, tt := range expiries {
		t.Run(tt.name, func(t *testing.T) {
			c := cluster(t, kfake.SleepOutOfOrder())
			l, person := open(t, settings(c.ListenAddrs())), open(t, settings(c.ListenAddrs()))
			take(t, l, "")
			commit(t, l, `1`, "a")
			if err := person.Set(within(t), set(`"chosen"`)); err != nil {
				t.Fatal(err)
			}
			answer(t, c, tt.key, tt.code)
			if err := l.Commit(within(t), records("never"), nil, []byte(`2`)); !errors.Is(err, sink.ErrMoved) {
				t.Fatalf("got %v, want %v", err, sink.ErrMoved)
			}
			take(t, l, `"chosen"`)
		})
	}
}

// A rival took the lane and committed nothing, so the position does not show it. The
// ledger fences the rival, which pauses, so the two do not take turns.
func TestRivalThatDoesNotShowPauses(t *testing.T) {
	c := cluster(t, kfake.SleepOutOfOrder())
	l, rival := open(t, settings(c.ListenAddrs())), open(t, settings(c.ListenAddrs()))
	take(t, l, "")
	commit(t, l, `1`, "a")
	take(t, rival, `1`)
	answer(t, c, kmsg.Produce, kerr.InvalidProducerIDMapping)
	commit(t, l, `2`, "b")
	expectPause(t, rival.Commit(within(t), records("never"), nil, []byte(`2`)))
	commit(t, l, `3`, "c")
	committed(t, c.ListenAddrs(), audit, 3)
}

// answer makes the cluster answer the next request of a kind with a code, in place of its
// own answer. No transaction may be open that the request would have ended.
func answer(t *testing.T, c *kfake.Cluster, key kmsg.Key, code *kerr.Error) {
	t.Helper()
	if key != kmsg.EndTxn {
		c.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: code, Count: 1})
		return
	}
	coordinator, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(coordinator.Close)
	c.ControlKey(key.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		abort := *req.(*kmsg.EndTxnRequest)
		if !abort.Commit {
			return nil, nil, false
		}
		abort.Commit = false
		c.SleepControl(func() {
			if _, err := abort.RequestWith(within(t), coordinator); err != nil {
				t.Error(err)
			}
		})
		resp := req.ResponseKind().(*kmsg.EndTxnResponse)
		resp.ErrorCode = code.Code
		return resp, nil, true
	})
}

// expectPause requires an error that leaves the lane to another instance for a minute or
// more.
func expectPause(t *testing.T, err error) {
	t.Helper()
	if class(err) != "fenced" || failure.RetryAfter(err) < time.Minute || hint(err) == "" {
		t.Fatalf("got %v of class %q, want to be fenced, with a pause of a minute and a hint", err, class(err))
	}
}
