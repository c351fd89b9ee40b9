//go:build integration

package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/internal/kafkabroker"
	"github.com/sluice-siem/sluice/pkg/internal/ledger"
)

// The test commits two hundred times while connections are cut.
func isCut(t *testing.T, b *broker) {
	const name, commits = "cut", 200
	b.create(t, name, 1)
	s := b.settings(name)
	s.Cluster.Brokers = []string{b.proxy.address()}
	l := open(t, s)
	take(t, l, "")
	stop := make(chan struct{})
	done := make(chan int)
	go func() {
		cuts := 0
		for {
			select {
			case <-time.After(rand.N(600 * time.Millisecond)):
				b.proxy.cut()
				cuts++
			case <-stop:
				done <- cuts
				return
			}
		}
	}()
	var want []string
	failures := 0
	began := time.Now()
	for i := range commits {
		texts := []string{fmt.Sprintf("%d a", i), fmt.Sprintf("%d b", i)}
		failures += insist(t, l, name, fmt.Sprint(i), texts...)
		want = append(want, texts...)
	}
	close(stop)
	t.Logf("%d commits in %v, %d times cut, %d times Commit returned an error", commits, time.Since(began).Round(time.Millisecond), <-done, failures)
	expect(t, b.read(t, name), want...)
	expect(t, b.console(t, name, len(want)), want...)
	take(t, open(t, b.settings(name)), fmt.Sprint(commits-1))
}

// The broker answers at an address of the settings, and advertises another that leads
// nowhere, as one in a container does.
func leadsNowhere(t *testing.T, b *broker) {
	s := b.settings("nowhere")
	take(t, open(t, s), "") // creates the topics
	s.Cluster.Brokers = []string{b.far}
	if _, err := open(t, s).Check(within(t)); err != nil {
		t.Fatalf("while the advertised address can be reached: %v", err)
	}
	b.proxy.close()
	defer b.proxy.open()
	_, err := open(t, s).Check(within(t))
	want := "coordinates the transactions and advertises " + b.proxy.address() + ", which cannot be reached"
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(hint(err), "set advertised.listeners of broker") {
		t.Errorf("got %v with hint %q, want %q", err, hint(err), want)
	}
}

// console returns the committed records of a topic, as Kafka's own consumer prints them.
// It ends when no record has come for a while.
func (b *broker) console(t *testing.T, topic string, n int) []string {
	t.Helper()
	out, err := kafkabroker.Tool(within(t), "org.apache.kafka.tools.consumer.ConsoleConsumer",
		"--bootstrap-server", b.plain, "--topic", topic, "--partition", "0", "--offset", "earliest", "--isolation-level", "read_committed",
		"--timeout-ms", "20000", "--max-messages", fmt.Sprint(n+1)).Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

// The broker dies after all records are produced and before the commit, and comes back.
func isKilled(t *testing.T, b *broker) {
	const name = "killed"
	b.create(t, name, 1)
	var way wire
	s := b.settings(name)
	s.Dial = way.dial
	l := open(t, s)
	take(t, l, "")
	write(t, l, name, `1`, "a")
	way.at(kmsg.EndTxn, func() {
		if err := b.Kill(); err != nil {
			t.Error(err)
		}
	}, nil)
	if err := l.Commit(within(t), to(name, "b"), nil, []byte(`2`)); err == nil {
		t.Fatal("got nil from a broker that is dead")
	}
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	b.endHanging(t, l, name)
	t.Logf("%d times Commit returned an error", 1+insist(t, l, name, `2`, "b"))
	write(t, l, name, `3`, "c")
	expect(t, b.read(t, name), "a", "b", "c")
	take(t, open(t, b.settings(name)), `3`)
}

// endHanging does what a person does about a transaction that hangs: a broker that was
// killed and is alone sometimes forgets to end it (docs/kafka.md). The ledger waits for it,
// with a hint, and nothing is committed meanwhile.
func (b *broker) endHanging(t *testing.T, l *ledger.Ledger, topic string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	began := time.Now()
	for {
		_, err := l.Take(ctx)
		switch {
		case err == nil:
			return
		case ctx.Err() != nil:
			t.Fatal(err)
		case class(err) == "open_transaction" && time.Since(began) > 2*ledger.TransactionTimeout:
			t.Logf("Kafka forgot to end a transaction: %v", err)
			b.run(t, remedy(err))
			if end, stable := b.end(t, topic, 0, 0), b.end(t, topic, 0, 1); stable < end {
				b.run(t, fmt.Sprintf("kafka-transactions.sh --bootstrap-server %s abort --topic %s --partition 0 --start-offset %d", b.plain, topic, stable))
			}
		}
	}
}

// remedy is the command in the hint about an open transaction.
func remedy(err error) string {
	_, command, _ := strings.Cut(hint(err), "abort it: ")
	return command
}

// Two thousand commits go into small segments. Compaction removes most of them, and a
// taking still finds the newest.
func compacts(t *testing.T, b *broker) {
	const name, commits = "compacted", 2000
	b.create(t, name, 1)
	s := b.settings(name)
	index := ledger.Partition("acme")
	b.create(t, s.Positions, ledger.Partitions, "cleanup.policy=compact", "segment.bytes=1048576", "min.cleanable.dirty.ratio=0.01")
	l := open(t, s)
	take(t, l, "")
	padding := noise(3000)
	padding = strings.NewReplacer(`"`, "x", `\`, "x", "<", "x", ">", "x", "&", "x").Replace(padding)
	began := time.Now()
	last := ""
	for i := range commits {
		last = fmt.Sprintf(`{"at":%d,"padding":%q}`, i, padding)
		write(t, l, name, last)
	}
	t.Logf("%.0f commits a second", commits/time.Since(began).Seconds())
	l.Close()
	another := ledger.TransactionalID(name, "acme/another")
	dead := b.leave(t, another, time.Minute, &kgo.Record{Topic: s.Positions, Partition: index, Key: []byte(another), Value: []byte(noise(900_000))})
	if err := dead.EndTransaction(within(t), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	left := b.shrinks(t, s.Positions, index, commits/2)
	t.Logf("%d of %d records are left", left, commits)
	take(t, open(t, s), last)
	take(t, open(t, s), last)
}

// shrinks waits until a partition has fewer records than a limit, and returns how many it
// has.
func (b *broker) shrinks(t *testing.T, topic string, partition int32, below int) (left int) {
	t.Helper()
	ctx := within(t)
	for {
		left = b.count(t, topic, partition)
		if left < below {
			return left
		}
		if ctx.Err() != nil {
			t.Fatalf("%d records are left, want fewer than %d", left, below)
		}
	}
}

// count returns how many records are in a partition, aborted ones included.
func (b *broker) count(t *testing.T, topic string, partition int32) int {
	t.Helper()
	end := b.end(t, topic, partition, 0)
	c, err := kgo.NewClient(kgo.SeedBrokers(b.plain), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	n := 0
	for at := int64(0); at < end; {
		fetches := c.PollFetches(within(t))
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		for _, r := range fetches.Records() {
			if !r.Attrs.IsControl() {
				n++
			}
			at = r.Offset + 1
		}
	}
	return n
}
