//go:build integration

package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/internal/ledger"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// These tests use Apache Kafka itself. One broker serves all of them. Those that mostly
// wait run in parallel, and the test that kills the broker comes last.
func TestRealBroker(t *testing.T) {
	b := startBroker(t)
	t.Run("a predecessor died in the middle of a transaction", func(t *testing.T) { leftOpen(t, b) })
	t.Run("a predecessor is fenced", func(t *testing.T) { isFenced(t, b) })
	t.Run("a transaction outlives its time-out", func(t *testing.T) { timesOut(t, b) })
	t.Run("the answer to a commit is lost", func(t *testing.T) { losesAnswer(t, b) })
	t.Run("refused records", func(t *testing.T) { refuses(t, b) })
	t.Run("large positions", func(t *testing.T) { takesLarge(t, b) })
	t.Run("an advertised address leads nowhere", func(t *testing.T) { leadsNowhere(t, b) })
	t.Run("together", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T, *broker){
			"another lane's transaction hangs": hangs,
			"a transaction is aborted by hand": isAborted,
			"compaction":                       compacts,
			"topics":                           verifiesTopics,
			"permissions":                      needsPermissions,
			"connections are cut":              isCut,
			"a lane is renamed":                isRenamed,
			"what a lane left behind":          leavesTraces,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, b)
			})
		}
	})
	t.Run("the broker is killed before a commit", func(t *testing.T) { isKilled(t, b) })
}

// to returns records for a topic. All have the same key, so their order is kept.
func to(topic string, texts ...string) []kgo.Record {
	all := make([]kgo.Record, len(texts))
	for i, text := range texts {
		all[i] = kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte(text)}
	}
	return all
}

func write(t *testing.T, l *ledger.Ledger, topic, pos string, texts ...string) {
	t.Helper()
	if err := l.Commit(within(t), to(topic, texts...), nil, []byte(pos)); err != nil {
		t.Fatal(err)
	}
}

// insist commits until a commit succeeds, and returns the number of failures. A broker that
// was killed may need long until it has ended its transactions on a busy machine.
func insist(t *testing.T, l *ledger.Ledger, topic, pos string, texts ...string) (failures int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	for ; ; failures++ {
		err := l.Commit(ctx, to(topic, texts...), nil, []byte(pos))
		if err == nil {
			return failures
		}
		if class(err) == "fenced" || errors.Is(err, sink.ErrMoved) || ctx.Err() != nil {
			t.Fatalf("after %d failures: %v", failures, err)
		}
	}
}

// read returns the committed values of a topic with one partition, up to its present end.
// All its transactions must have ended, and it waits for their markers.
func (b *broker) read(t *testing.T, topic string) []string {
	t.Helper()
	b.awaitComplete(t, topic)
	end := b.end(t, topic, 0, 0)
	c := b.client(t, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	var values []string
	for at := int64(0); at < end; {
		fetches := c.PollFetches(within(t))
		if err := fetches.Err(); err != nil {
			t.Fatalf("reading topic %s at %d of %d: %v", topic, at, end, err)
		}
		for _, r := range fetches.Records() {
			if !r.Attrs.IsControl() {
				values = append(values, string(r.Value))
			}
			at = r.Offset + 1
		}
	}
	return values
}

// end returns the end of a partition for an isolation level.
func (b *broker) end(t *testing.T, topic string, partition int32, isolation int8) int64 {
	t.Helper()
	at, err := offset(within(t), b.client(t), topic, partition, isolation)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func offset(ctx context.Context, c *kgo.Client, topic string, partition int32, isolation int8) (int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.IsolationLevel = isolation
	asked := kmsg.NewListOffsetsRequestTopic()
	asked.Topic = topic
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp = partition, -1 // the latest
	asked.Partitions = append(asked.Partitions, p)
	req.Topics = append(req.Topics, asked)
	resp, err := req.RequestWith(ctx, c)
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		return 0, fmt.Errorf("asking for the end of topic %s: %w", topic, err)
	}
	return resp.Topics[0].Partitions[0].Offset, nil
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("committed (-want +got):\n%s", diff)
	}
}

// leave begins a transaction and leaves it open.
func (b *broker) leave(t *testing.T, id string, limit time.Duration, records ...*kgo.Record) *kgo.Client {
	t.Helper()
	c := b.client(t, kgo.TransactionalID(id), kgo.TransactionTimeout(limit), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err := c.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := c.ProduceSync(within(t), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	return c
}

func leftOpen(t *testing.T, b *broker) {
	const name = "left-open"
	b.create(t, name, 1)
	s := b.settings(name)
	first := open(t, s)
	take(t, first, "")
	write(t, first, name, `1`, "a")
	first.Close()
	dead := b.leave(t, ledger.TransactionalID(name, lane), time.Minute,
		&kgo.Record{Topic: name, Value: []byte("never")},
		&kgo.Record{Topic: s.Positions, Partition: ledger.Partition("acme"), Key: []byte(ledger.TransactionalID(name, lane)), Value: []byte("never")})
	dead.Close()

	second := open(t, s)
	began := time.Now()
	take(t, second, `1`)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v to take the lane", took)
	}
	expect(t, b.read(t, name), "a")
	write(t, second, name, `2`, "b")
	expect(t, b.read(t, name), "a", "b")
}

func isFenced(t *testing.T, b *broker) {
	const name = "fenced"
	b.create(t, name, 1)
	var way wire
	s := b.settings(name)
	s.Dial = way.dial
	first, second := open(t, s), open(t, b.settings(name))
	take(t, first, "")
	write(t, first, name, `1`, "a")

	take(t, second, `1`)
	expectFenced(t, first.Commit(within(t), to(name, "never"), nil, []byte(`2`)), kerr.InvalidProducerEpoch)
	write(t, second, name, `3`, "b")
	if err := first.Commit(within(t), to(name, "never"), nil, []byte(`2`)); !errors.Is(err, sink.ErrMoved) {
		t.Fatalf("got %v, want %v", err, sink.ErrMoved)
	}

	take(t, first, `3`)
	expectFenced(t, second.Commit(within(t), to(name, "never"), nil, []byte(`4`)), kerr.InvalidProducerEpoch)
	way.at(kmsg.EndTxn, func() {
		if pos, err := second.Take(within(t)); err != nil || string(pos) != `3` {
			t.Errorf("got position %s and %v, want 3", pos, err)
		}
	}, nil)
	expectFenced(t, first.Commit(within(t), to(name, "never"), nil, []byte(`4`)), kerr.ProducerFenced)
	write(t, second, name, `5`, "c")
	expect(t, b.read(t, name), "a", "b", "c")
}

func expectFenced(t *testing.T, err, code error) {
	t.Helper()
	if class(err) != "fenced" || failure.RetryAfter(err) < time.Minute || hint(err) == "" {
		t.Fatalf("got %v of class %q, want to be fenced, with a pause of a minute and a hint", err, class(err))
	}
	if !errors.Is(err, code) {
		t.Errorf("got %v, want the broker to say %v", err, code)
	}
}

// A process is stopped for longer than its transaction may be open.
func timesOut(t *testing.T, b *broker) {
	const name = "timed-out"
	b.create(t, name, 1)
	way := wire{id: ledger.TransactionalID(name, lane), limit: time.Second}
	s := b.settings(name)
	s.Dial = way.dial
	var log strings.Builder
	s.Log = zerolog.New(zerolog.SyncWriter(&log)).Level(zerolog.InfoLevel)
	l := open(t, s)
	take(t, l, "")
	write(t, l, name, `1`, "a")
	way.at(kmsg.EndTxn, func() { b.awaitComplete(t, name) }, nil)
	write(t, l, name, `2`, "b") // Nobody else took the lane, so it is taken again at once.
	if !strings.Contains(log.String(), "the transaction timed out") {
		t.Errorf("got log %q, want a line that the transaction timed out", log.String())
	}
	expect(t, b.read(t, name), "a", "b")
	take(t, open(t, b.settings(name)), `2`)
}

// awaitComplete waits until no transaction is open in a topic.
func (b *broker) awaitComplete(t *testing.T, topic string) {
	t.Helper()
	const soon = ledger.TransactionTimeout / 3 // before Kafka aborts by itself what a lane left open
	ctx, cancel := context.WithTimeout(within(t), soon)
	defer cancel()
	c := b.client(t)
	for {
		end, err := offset(ctx, c, topic, 0, 0)
		if err != nil {
			t.Error(err)
			return
		}
		stable, err := offset(ctx, c, topic, 0, 1)
		if err != nil {
			t.Errorf("a committed reader of %s is held up below %d: %v", topic, end, err)
			return
		}
		if stable >= end {
			return
		}
	}
}

func losesAnswer(t *testing.T, b *broker) {
	const name = "answer"
	b.create(t, name, 1)
	var way wire
	s := b.settings(name)
	s.Dial = way.dial
	s.Cluster.Brokers = []string{b.proxy.address()}
	l := open(t, s)
	take(t, l, "")
	for pos, tt := range []struct{ before, after func() }{
		{b.proxy.silence, func() { b.awaitComplete(t, name); b.proxy.close() }}, // the transaction was committed
		{b.proxy.close, nil}, // the transaction was not committed
	} {
		way.at(kmsg.EndTxn, tt.before, tt.after)
		text := fmt.Sprint(pos + 1)
		if err := l.Commit(within(t), to(name, text), nil, []byte(text)); err == nil || class(err) == "fenced" {
			t.Fatalf("got %v, want an error that leaves the outcome open", err)
		}
		b.proxy.open()
		insist(t, l, name, text, text)
	}
	write(t, l, name, `3`, "3")
	expect(t, b.read(t, name), "1", "2", "3")
	take(t, open(t, b.settings(name)), `3`)
}

// The command in the hint ends an open transaction.
func isAborted(t *testing.T, b *broker) {
	const name = "by-hand"
	b.create(t, name, 1)
	s := b.settings(name)
	l := open(t, s)
	take(t, l, "")
	write(t, l, name, `1`, "a")
	b.leave(t, "another", 10*time.Minute, &kgo.Record{
		Topic: s.Positions, Partition: ledger.Partition("acme"), Key: []byte("another"), Value: []byte("open"),
	})
	_, err := l.Take(within(t))
	if class(err) != "open_transaction" {
		t.Fatalf("got %v, want an error about the open transaction", err)
	}
	b.run(t, remedy(err))
	take(t, l, `1`)
}

func hangs(t *testing.T, b *broker) {
	const name = "hanging"
	b.create(t, name, 1)
	s := b.settings(name)
	l := open(t, s)
	take(t, l, "")
	write(t, l, name, `1`, "a")
	began := time.Now()
	b.leave(t, "another lane", 20*time.Second, &kgo.Record{
		Topic: s.Positions, Partition: ledger.Partition("acme"), Key: []byte("another lane"), Value: []byte("open"),
	})
	write(t, l, name, `2`, "b")
	l.Close()

	var log strings.Builder
	s.Log = zerolog.New(zerolog.SyncWriter(&log)).Level(zerolog.InfoLevel)
	next := open(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	pos, err := next.Take(ctx)
	if class(err) != "open_transaction" || !strings.Contains(hint(err), "kafka-transactions.sh") {
		t.Errorf("got position %s and %v of class %q, want an error about the open transaction", pos, err, class(err))
	}
	for err != nil && ctx.Err() == nil {
		if class(err) != "open_transaction" {
			t.Fatal(err)
		}
		pos, err = next.Take(ctx)
	}
	if err != nil || string(pos) != `2` {
		t.Errorf("got position %s and %v, want 2", pos, err)
	}
	if took := time.Since(began); took < 20*time.Second {
		t.Errorf("the lane was taken after %v, before the transaction had timed out", took)
	}
	if !strings.Contains(log.String(), "waiting for transactions of other lanes") {
		t.Errorf("got log %q, want a line with what the lane waits for", log.String())
	}
	write(t, next, name, `3`, "c")
	expect(t, b.read(t, name), "a", "b", "c")
}

func refuses(t *testing.T, b *broker) {
	t.Run("one too large among a thousand", func(t *testing.T) {
		const name = "too-large"
		b.create(t, name, 1, "max.message.bytes=20000")
		l := open(t, b.settings(name))
		take(t, l, "")
		texts := make([]string, 1000)
		for i := range texts {
			texts[i] = fmt.Sprintf("%d %s", i, noise(100))
		}
		texts[617] = noise(40_000)
		rest := refuse(t, b, l, name, texts, 617)
		write(t, l, name, `1`, rest...)
		expect(t, b.read(t, name), rest...)
		take(t, open(t, b.settings(name)), `1`)
	})
	t.Run("without a key, where the topic is compacted", func(t *testing.T) {
		const name = "keyless"
		b.create(t, name, 1, "cleanup.policy=compact")
		l := open(t, b.settings(name))
		take(t, l, "")
		all := to(name, "a", "b", "c")
		all[1].Key = nil
		err := l.Commit(within(t), all, nil, []byte(`1`))
		expectRefused(t, err, 1)
		write(t, l, name, `1`, "a", "c")
		expect(t, b.read(t, name), "a", "c")
	})
}

// refuse commits records of which Kafka refuses one. It returns the texts of the others.
func refuse(t *testing.T, b *broker, l *ledger.Ledger, topic string, texts []string, want int) []string {
	t.Helper()
	err := l.Commit(within(t), to(topic, texts...), nil, []byte(`1`))
	expectRefused(t, err, want)
	expect(t, b.read(t, topic))
	return append(append([]string(nil), texts[:want]...), texts[want+1:]...)
}

func expectRefused(t *testing.T, err error, want int) {
	t.Helper()
	var bad sink.BatchError
	if !errors.As(err, &bad) || len(bad) != 1 || bad[0].Index != want || !sink.IsPermanent(bad[0].Err) {
		t.Fatalf("got %v, want record %d to be refused for good", err, want)
	}
}

// noise returns text that does not compress.
func noise(n int) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = byte('!' + rand.N(90))
	}
	return string(text)
}

func takesLarge(t *testing.T, b *broker) {
	const name = "large"
	b.create(t, name, 1)
	s := b.settings(name)
	l := open(t, s)
	take(t, l, "")
	pos := `"` + strings.Map(func(r rune) rune {
		if r == '"' || r == '\\' || r == '<' || r == '>' || r == '&' {
			return 'x'
		}
		return r
	}, noise(768<<10-2)) + `"`
	write(t, l, name, pos, "a")
	take(t, open(t, s), pos)
	l = open(t, s)
	take(t, l, pos)
	err := l.Commit(within(t), to(name, "b"), nil, []byte(`"`+strings.Repeat("y", 856<<10)+`"`))
	if err == nil || !strings.Contains(err.Error(), "bytes is too large") {
		t.Errorf("got %v, want an error that the position is too large", err)
	}
	write(t, l, name, `1`, "b")
	expect(t, b.read(t, name), "a", "b")
}
