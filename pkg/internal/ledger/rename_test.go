package ledger_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/internal/ledger"
	"github.com/sluice-siem/sluice/pkg/sink"
)

const renamed = "acme-eu/siem" // its source has another partition

func at(t testing.TB, name string, s ledger.Settings) *ledger.Ledger {
	t.Helper()
	l := ledger.New(name, s)
	t.Cleanup(l.Close)
	return l
}

// kept returns the position of each lane that has one.
func kept(t testing.TB, s ledger.Settings) map[string]string {
	t.Helper()
	entries, err := at(t, lane, s).Lanes(within(t))
	if err != nil {
		t.Fatal(err)
	}
	positions := make(map[string]string)
	for _, e := range entries {
		positions[e.Lane] = string(e.Position)
	}
	return positions
}

func expectKept(t testing.TB, s ledger.Settings, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, kept(t, s)); diff != "" {
		t.Errorf("lanes with a position (-want +got):\n%s", diff)
	}
}

func TestRenamedLaneGoesOn(t *testing.T) {
	if ledger.Partition("acme") == ledger.Partition("acme-eu") {
		t.Fatal("both sources have the same partition")
	}
	s := settings(start(t))
	running := open(t, s)
	take(t, running, "")
	commit(t, running, `1`, "a")
	to := at(t, renamed, s)
	for range 2 { // The second time changes nothing.
		if err := to.Rename(within(t), lane); err != nil {
			t.Fatal(err)
		}
		expectKept(t, s, map[string]string{renamed: `1`})
	}
	take(t, at(t, renamed, s), `1`)
	t.Run("the former lane does not begin anew", func(t *testing.T) {
		if err := running.Commit(within(t), records("b"), nil, []byte(`2`)); class(err) != "fenced" {
			t.Errorf("the instance that ran it: got %v, want to be fenced", err)
		}
		_, err := open(t, s).Take(within(t))
		if class(err) != "destination" || !strings.Contains(err.Error(), "given to lane "+renamed) || !strings.Contains(hint(err), "set -c FILE --to") {
			t.Errorf("got %v with hint %q, want to be told of the new name", err, hint(err))
		}
		if err := open(t, s).Set(within(t), set(`7`)); err != nil {
			t.Fatal(err)
		}
		take(t, open(t, s), `7`)
	})
}

func TestRenameIsRefused(t *testing.T) {
	s := settings(start(t))
	busy := at(t, renamed, s)
	take(t, busy, "")
	if err := busy.Commit(within(t), nil, nil, []byte(`5`)); err != nil {
		t.Fatal(err)
	}
	t.Run("a lane without a position is refused", func(t *testing.T) {
		err := at(t, "acme/other", s).Rename(within(t), "acme/nobody")
		if !errors.Is(err, ledger.ErrNone) {
			t.Errorf("got %v, want %v", err, ledger.ErrNone)
		}
	})
	t.Run("a new lane that has a position is refused, and nobody is fenced", func(t *testing.T) {
		l := open(t, s)
		take(t, l, "")
		commit(t, l, `1`, "a")
		err := at(t, renamed, s).Rename(within(t), lane)
		if err == nil || !strings.Contains(err.Error(), "already has a position") || hint(err) == "" {
			t.Errorf("got %v with hint %q, want to be refused", err, hint(err))
		}
		commit(t, l, `2`, "b")
		if err := busy.Commit(within(t), nil, nil, []byte(`6`)); err != nil {
			t.Error(err)
		}
		expectKept(t, s, map[string]string{lane: `2`, renamed: `6`})
	})
}

// The process dies before or after each request that it sends. One of the lanes has the
// position then, and the rename can be run again.
func TestRenameIsInterrupted(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.InitProducerID, kmsg.AddPartitionsToTxn, kmsg.Produce, kmsg.EndTxn} {
		for nth := 1; nth <= 3; nth++ {
			for _, done := range []bool{false, true} {
				t.Run(key.Name()+strings.Repeat("+", nth-1)+map[bool]string{true: ", done", false: ""}[done], func(t *testing.T) {
					t.Parallel()
					interruptRename(t, key, nth, done)
				})
			}
		}
	}
}

func interruptRename(t *testing.T, key kmsg.Key, nth int, done bool) {
	c := cluster(t)
	s := settings(c.ListenAddrs())
	l := open(t, s)
	take(t, l, "")
	commit(t, l, `1`, "a")
	l.Close()
	ctx, die := context.WithCancel(t.Context())
	defer die()
	met, count := make(chan struct{}), 0
	var revived atomic.Bool
	c.ControlKey(key.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if revived.Load() {
			return nil, nil, false
		}
		count++
		if count < nth || count == nth && done {
			return nil, nil, false
		}
		if count == nth || count == nth+1 && done {
			close(met)
		}
		return nil, errors.New("dead"), true
	})
	to := at(t, renamed, s)
	ended := make(chan error, 1)
	go func() { ended <- to.Rename(ctx, lane) }()
	select {
	case <-met:
		to.Close()
		die()
		<-ended
	case err := <-ended: // The rename has fewer requests of this kind.
		if err != nil {
			t.Fatal(err)
		}
	}
	revived.Store(true)
	if n := len(kept(t, s)); n != 1 {
		t.Errorf("%d lanes have a position, want 1: %v", n, kept(t, s))
	}
	if err := at(t, renamed, s).Rename(within(t), lane); err != nil {
		t.Fatal(err)
	}
	expectKept(t, s, map[string]string{renamed: `1`})
}

func TestTraces(t *testing.T) {
	event := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	by := func(name string) []kgo.Record {
		return []kgo.Record{{Topic: audit, Key: []byte("k"), Value: []byte("v"), Headers: []kgo.RecordHeader{
			{Key: ledger.HeaderLane, Value: []byte(name)}, {Key: "sluice-event-time", Value: []byte(event.Format(time.RFC3339Nano))},
		}}}
	}
	s := settings(start(t))
	expect := func(t *testing.T, name string, want sink.Traces) {
		t.Helper()
		got, err := at(t, name, s).Traces(within(t))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("traces (-want +got):\n%s", diff)
		}
	}
	expect(t, lane, sink.Traces{})
	first := at(t, lane, s)
	take(t, first, "")
	note := by(lane)[0] // It is newer, and no event.
	note.Headers = append(note.Headers[:1:1], kgo.RecordHeader{Key: "sluice-event-time", Value: []byte("2026-03-05T00:00:00Z")},
		kgo.RecordHeader{Key: "sluice-action", Value: []byte("sluice.seal")})
	if err := first.Commit(within(t), append(by(lane), note), nil, []byte(`1`)); err != nil {
		t.Fatal(err)
	}
	t.Run("of the lane's records are proof", func(t *testing.T) {
		expect(t, lane, sink.Traces{Found: "topic audit holds records of the lane", Proof: true, Newest: event})
	})
	t.Run("of other lanes only show that the cluster was in use", func(t *testing.T) {
		expect(t, "acme/new", sink.Traces{Found: "topic sluice.positions holds positions of other lanes (acme/siem)"})
	})
	t.Run("that were aborted do not count", func(t *testing.T) {
		refused := append(by("acme/aborted"), kgo.Record{Topic: audit, Value: make([]byte, 2<<20)})
		l := at(t, "acme/aborted", s)
		take(t, l, "")
		if err := l.Commit(within(t), refused, nil, []byte(`1`)); err == nil {
			t.Fatal("a record of 2 MiB was taken")
		}
		l.Close()
		got, err := at(t, "acme/aborted", s).Traces(within(t))
		if err != nil || got.Proof {
			t.Errorf("got %+v and %v, want no proof", got, err)
		}
	})
	t.Run("in dead letters are proof", func(t *testing.T) {
		l := at(t, "acme/rejects", s)
		take(t, l, "")
		reject := sink.Reject{Record: sink.Record{ID: "1"}, Raw: []byte(`{}`), Reason: "no", Time: event}
		if err := l.Commit(within(t), nil, []sink.Reject{reject}, []byte(`1`)); err != nil {
			t.Fatal(err)
		}
		expect(t, "acme/rejects", sink.Traces{Found: "topic audit.dead-letters holds records of the lane", Proof: true})
	})
	t.Run("are sought only among the newest records", func(t *testing.T) {
		l := at(t, "acme/busy", s)
		take(t, l, "")
		all := by("acme/early")
		for range 1000 {
			all = append(all, by("acme/busy")...)
		}
		if err := l.Commit(within(t), all, nil, []byte(`1`)); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]bool{"acme/busy": true, "acme/early": false} {
			if got, err := at(t, name, s).Traces(within(t)); err != nil || got.Proof != want {
				t.Errorf("lane %s: got %+v and %v, want proof: %t", name, got, err, want)
			}
		}
	})
	t.Run("are not positions of lanes that begin at the same time", func(t *testing.T) {
		s := settings(start(t))
		one, other := at(t, "acme/one", s), at(t, "acme/other", s)
		take(t, one, "")
		if err := one.Commit(within(t), nil, nil, []byte(`1`)); err != nil {
			t.Fatal(err)
		}
		if got, err := other.Traces(within(t)); err != nil || got != (sink.Traces{}) {
			t.Errorf("got %+v and %v, want none", got, err)
		}
	})
	t.Run("that may not be read are reported as unknown", func(t *testing.T) {
		c := cluster(t)
		s := settings(c.ListenAddrs())
		l := at(t, lane, s)
		take(t, l, "")
		if err := l.Commit(within(t), by(lane), nil, []byte(`1`)); err != nil {
			t.Fatal(err)
		}
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.TopicAuthorizationFailed, Count: -1})
		if got, err := at(t, lane, s).Traces(within(t)); err != nil || got.Proof || !strings.Contains(got.Found, "topic audit may not be read") {
			t.Errorf("got %+v and %v, want to be told", got, err)
		}
	})
	t.Run("are not the events of tests", func(t *testing.T) {
		test := by("acme/tested")
		test[0].Headers = append(test[0].Headers, kgo.RecordHeader{Key: "sluice-action", Value: []byte(sink.TestAction)})
		if err := first.Commit(within(t), test, nil, []byte(`1`)); err != nil {
			t.Fatal(err)
		}
		if got, err := at(t, "acme/tested", s).Traces(within(t)); err != nil || got.Proof {
			t.Errorf("got %+v and %v, want no proof", got, err)
		}
	})
	t.Run("are read without fencing anybody", func(t *testing.T) {
		if err := first.Commit(within(t), by(lane), nil, []byte(`2`)); err != nil {
			t.Error(err)
		}
	})
}
