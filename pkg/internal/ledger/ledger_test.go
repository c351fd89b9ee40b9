package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
	"github.com/sluice-siem/sluice/pkg/internal/ledger"
	"github.com/sluice-siem/sluice/pkg/sink"
)

const (
	lane  = "acme/siem"
	audit = "audit"
)

func cluster(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(3, audit)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func start(t testing.TB, opts ...kfake.Opt) []string {
	t.Helper()
	return cluster(t, opts...).ListenAddrs()
}

func settings(brokers []string) ledger.Settings {
	return ledger.Settings{
		Cluster:   &kafkaclient.Settings{Brokers: brokers},
		Namespace: ledger.DefaultNamespace, Positions: ledger.DefaultPositions,
		Topic: audit, DeadLetters: audit + ".dead-letters", Log: zerolog.Nop(),
	}
}

func open(t testing.TB, s ledger.Settings) *ledger.Ledger {
	t.Helper()
	l := ledger.New(lane, s)
	t.Cleanup(l.Close)
	return l
}

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func take(t testing.TB, l *ledger.Ledger, want string) {
	t.Helper()
	pos, err := l.Take(within(t))
	if err != nil || string(pos) != want {
		t.Fatalf("got position %s and %v, want %q", pos, err, want)
	}
}

func commit(t testing.TB, l *ledger.Ledger, pos string, texts ...string) {
	t.Helper()
	if err := l.Commit(within(t), records(texts...), nil, []byte(pos)); err != nil {
		t.Fatal(err)
	}
}

func records(texts ...string) []kgo.Record {
	all := make([]kgo.Record, len(texts))
	for i, text := range texts {
		all[i] = kgo.Record{Topic: audit, Key: []byte(text), Value: []byte(text)}
	}
	return all
}

// committed returns the committed values of the topic, in any order.
func committed(t testing.TB, brokers []string, topic string, n int) []*kgo.Record {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var all []*kgo.Record
	for len(all) < n {
		fetches := c.PollFetches(within(t))
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		all = append(all, fetches.Records()...)
	}
	if len(all) > n {
		t.Fatalf("%d records are committed, want %d", len(all), n)
	}
	return all
}

// hint returns the hint of an error.
func hint(err error) string {
	return failure.Hint(err)
}

func class(err error) string {
	return failure.Class(err)
}

func TestPositionMovesWithTheRecords(t *testing.T) {
	brokers := start(t)
	first := open(t, settings(brokers))
	take(t, first, "")
	commit(t, first, `{"at":1}`, "a", "b")
	commit(t, first, `{"at":2}`, "c")
	first.Close()
	second := open(t, settings(brokers))
	take(t, second, `{"at":2}`)
	commit(t, second, `{"at":3}`, "d")
	committed(t, brokers, audit, 4)
}

func TestPredecessorIsFenced(t *testing.T) {
	brokers := start(t)
	first, second := open(t, settings(brokers)), open(t, settings(brokers))
	take(t, first, "")
	commit(t, first, `1`, "a")
	take(t, second, `1`)
	err := first.Commit(within(t), records("b"), nil, []byte(`2`))
	if failure.RetryAfter(err) < time.Minute || !strings.Contains(err.Error(), "another instance took the lane") {
		t.Fatalf("got %v, want to be fenced, with a pause of a minute", err)
	}
	commit(t, second, `2`, "b")
	if err := first.Commit(within(t), records("b"), nil, []byte(`2`)); !errors.Is(err, sink.ErrMoved) {
		t.Fatalf("got %v, want %v", err, sink.ErrMoved)
	}
	take(t, first, `2`)
	committed(t, brokers, audit, 2)
}

func TestSetPositionIsTakenUpAtOnce(t *testing.T) {
	brokers := start(t)
	running, person := open(t, settings(brokers)), open(t, settings(brokers))
	take(t, running, "")
	commit(t, running, `1`, "a")
	if err := person.Set(within(t), set(`"chosen"`)); err != nil {
		t.Fatal(err)
	}
	if err := running.Commit(within(t), records("b"), nil, []byte(`2`)); !errors.Is(err, sink.ErrMoved) {
		t.Fatalf("got %v, want %v", err, sink.ErrMoved)
	}
	take(t, running, `"chosen"`)
	commit(t, running, `3`, "c")
	committed(t, brokers, audit, 2)
}

func TestRefusedRecordsAreNamed(t *testing.T) {
	brokers := start(t)
	l := open(t, settings(brokers))
	take(t, l, "")
	all := records("a", "b", strings.Repeat("x", 2<<20), "d")
	err := l.Commit(within(t), all, nil, []byte(`1`))
	var bad sink.BatchError
	if !errors.As(err, &bad) || len(bad) != 1 || bad[0].Index != 2 || !sink.IsPermanent(bad[0].Err) {
		t.Fatalf("got %v, want record 2 to be refused for good", err)
	}
	rejects := []sink.Reject{{Record: sink.Record{ID: "x"}, Raw: []byte(strings.Repeat("y", 2<<20)), Reason: "too large", Time: time.Now()}}
	if err := l.Commit(within(t), records("a", "b", "d"), rejects, []byte(`1`)); err != nil {
		t.Fatal(err)
	}
	committed(t, brokers, audit, 3)
	for i, part := range committed(t, brokers, audit+".dead-letters", 5) {
		if got, want := string(part.Headers[3].Value), fmt.Sprintf("%d/5", i+1); got != want {
			t.Errorf("got part %s, want %s", got, want)
		}
	}
}

func TestDeadLettersAreReadBack(t *testing.T) {
	brokers := start(t)
	l, other := open(t, settings(brokers)), ledger.New("acme/other", settings(brokers))
	t.Cleanup(other.Close)
	expectRejects(t, l) // The topic does not exist yet.
	take(t, l, "")
	take(t, other, "")
	reject := func(id string, size int) sink.Reject {
		return sink.Reject{
			Record: sink.Record{ID: id, Organization: "acme", Action: "user.login", Body: []byte("{}")},
			Raw:    []byte(strings.Repeat(id, size)), Reason: "it is bad", Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		}
	}
	want := []sink.Reject{reject("small", 1), reject("large", 500_000), reject("last", 1)}
	for i, l := range []*ledger.Ledger{l, other, l} {
		r := []sink.Reject{want[i]}
		if i == 0 {
			r = want[:2]
		}
		if err := l.Commit(within(t), nil, r, fmt.Appendf(nil, "%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	stranger, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	if err := stranger.ProduceSync(within(t), &kgo.Record{Topic: audit + ".dead-letters", Value: []byte("not a letter")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	err = l.Commit(within(t), records(strings.Repeat("x", 2<<20)), want, []byte(`9`))
	if _, refused := errors.AsType[sink.BatchError](err); !refused {
		t.Fatalf("got %v, want the transaction to be aborted for a record that is too large", err)
	}
	expectRejects(t, l, want...)
}

// expectRejects compares the dead letters. It does not take the lane.
func expectRejects(t *testing.T, l *ledger.Ledger, want ...sink.Reject) {
	t.Helper()
	var got []sink.Reject
	for r, err := range l.Rejects(within(t)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(bytes.Equal)); diff != "" {
		t.Errorf("dead letters (-want +got):\n%s", diff)
	}
}

func TestReleasedPositionIsKeptOnce(t *testing.T) {
	brokers := start(t)
	l := open(t, settings(brokers))
	take(t, l, "")
	commit(t, l, `7`, "a")
	var kept []string
	keep := func(pos []byte) error { kept = append(kept, string(pos)); return nil }
	for range 2 {
		if err := open(t, settings(brokers)).Release(within(t), keep); err != nil {
			t.Fatal(err)
		}
	}
	if len(kept) != 1 || kept[0] != `7` {
		t.Errorf("got %q kept, want 7 once", kept)
	}
	take(t, open(t, settings(brokers)), "")
}

// set chooses a position, whatever was there.
func set(pos string) func([]byte) ([]byte, error) {
	return func([]byte) ([]byte, error) { return []byte(pos), nil }
}
