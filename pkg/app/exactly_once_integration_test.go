//go:build integration

package app_test

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/internal/committed"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

var ordeal = flag.Bool("ordeal", false, "TestExactlyOnceIntoKafka with 100,000 events, 100 kills and 5 restarts of the broker; TestExactlyOnceIntoThreeBrokers with 50,000 events and 30 kills of either side; TestOpenSearchHasEachEventOnce with 100,000 events, 20 kills and 5 restarts of the node")

// The process and the broker are killed at random moments, and connections are cut, also
// after a request that is carried out but never answered. Two readers that share no code
// with the writer see each event once, in order for each key. The lane's position names
// the events that are there. In the last catch-up, connections are cut, too.
func TestExactlyOnceIntoKafka(t *testing.T) {
	events, kills, restarts := 6_000, 12, 1
	if *ordeal {
		events, kills, restarts = 100_000, 100, 5
	}
	b := startBroker(t)
	createTopic(t, b, "audit")
	v := newVictim(t, simulator.Config{Seed: 20261123, Events: events / 2, Spacing: 50 * time.Millisecond, Latency: 2 * time.Millisecond})
	v.kafkaSink(t, "100ms", b.far, "exactly_once")
	v.grown = func() bool { return b.grown("audit") }
	v.saved = func() bool { return b.grown("sluice.positions") }
	v.life = 2 * time.Second
	stop := cutAtRandom(t, b.proxy)
	began := time.Now()
	for i := range kills {
		v.listLate()
		v.api.Append(events/2*(i+1)/kills - events/2*i/kills)
		if every := kills / restarts; i%every == every/2 {
			v.killWithBroker(t, b)
		} else {
			v.killOnce(t)
		}
	}
	records, _ := readCommitted(t, b.address, "audit")
	if cmd, stderr := v.command("--once"); cmd.Run() != nil {
		t.Fatalf("catching up: %v: %s", cmd.ProcessState, stderr)
	}
	t.Logf("%d kills, %d restarts of the broker and %d cuts in %s; %d events were committed by the last kill",
		kills, restarts, stop(), time.Since(began).Round(time.Second), len(records))
	v.judgeExactlyOnce(t, b.address)
}

// cutAtRandom cuts all connections every few moments until it is stopped. Then it returns
// the number of cuts.
func cutAtRandom(t *testing.T, p *proxy) (stop func() int) {
	ctx, cancel := context.WithCancel(t.Context())
	random := rand.New(rand.NewPCG(1, 2))
	cuts := 0
	var cutting sync.WaitGroup
	cutting.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Duration(random.IntN(3000)) * time.Millisecond):
			}
			p.cut(time.Duration(random.IntN(50)) * time.Millisecond)
			cuts++
		}
	})
	return func() int {
		cancel()
		cutting.Wait()
		return cuts
	}
}

// killWithBroker kills the broker while the process writes. It kills the process while
// there is no broker, or after the process has found the broker again.
//
// The process is held for a moment first, so that the broker can write the markers of a
// transaction that it has promised to commit. A broker that is its own and only
// controller otherwise forgets them: when it starts, no partition has a leader for a
// moment, and its transaction coordinator (Kafka 4.3, TransactionMarkerChannelManager)
// takes the partitions for deleted.
func (v *victim) killWithBroker(t *testing.T, b *broker) {
	t.Helper()
	cmd, stderr := v.command()
	v.grown()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	await := func() {
		t.Helper()
		if !v.waitFor(v.grown, ended) {
			t.Fatalf("nothing was written within three minutes, or it ended: %s", stderr)
		}
	}
	await()
	<-time.After(time.Duration(v.random.IntN(30)) * time.Millisecond)
	v.signal(t, cmd, syscall.SIGSTOP)
	<-time.After(500 * time.Millisecond)
	b.kill(t)
	v.signal(t, cmd, syscall.SIGCONT)
	outlives := v.random.IntN(2) == 0
	if !outlives {
		v.kill(t, cmd, ended, stderr)
	}
	b.start(t)
	if outlives {
		v.grown()
		v.api.Append(1)
		await()
		v.kill(t, cmd, ended, stderr)
	}
}

func (v *victim) signal(t *testing.T, cmd *exec.Cmd, sig syscall.Signal) {
	t.Helper()
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// readCommitted returns the committed records of a topic, and the transactions that hang.
// Kafka answers a commit before it has written all markers. So an open transaction is
// read again for as long as a transaction may be open.
func readCommitted(t *testing.T, broker, topic string) (all []committed.Record, open []committed.Transaction) {
	t.Helper()
	const timeout = 45 * time.Second // a transaction may be open for 30 s, and Kafka checks every 10 s
	for began := time.Now(); ; time.Sleep(time.Second) {
		all = nil
		open, err := committed.Read(t.Context(), []string{broker}, topic, func(r committed.Record) error {
			all = append(all, r)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(open) == 0 || time.Since(began) > timeout {
			return all, open
		}
	}
}

func header(r committed.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

func (v *victim) judgeExactlyOnce(t *testing.T, broker string) {
	t.Helper()
	records, open := readCommitted(t, broker, "audit")
	if len(open) > 0 {
		t.Errorf("transactions are open: %+v", open)
	}
	var first []seen
	for _, r := range records {
		first = append(first, seen{r.Partition, r.Offset, printable([]byte(header(r, "sluice-event-id"))), printable(r.Key)})
	}
	second := console(t, broker, "audit")
	slices.SortStableFunc(second, func(x, y seen) int { return cmp.Compare(x.partition, y.partition) })
	if !slices.Equal(first, second) {
		t.Errorf("the two readers do not agree (-kafka-go, %d +console, %d):\n%.2000s", len(first), len(second),
			gocmp.Diff(first, second, gocmp.AllowUnexported(seen{})))
	}
	place := places(v.api)
	once(t, "kafka-go", first, place)
	once(t, "the console consumer", second, place)
	v.inOrder(t, records, place)
	v.positionNames(t, broker, records)
}

// once compares what a reader saw with the log.
func once(t *testing.T, judge string, all []seen, place map[string]int) {
	t.Helper()
	times := make(map[string]int)
	for _, s := range all {
		times[s.id]++
		if _, known := place[s.id]; !known {
			t.Errorf("%s: event %q was never in the log", judge, s.id)
		}
	}
	lost, repeated := 0, 0
	for id := range place {
		switch n := times[id]; {
		case n == 0:
			lost++
		case n > 1:
			repeated++
		}
	}
	t.Logf("%s: %d events, %d lost, %d repeated", judge, len(place), lost, repeated)
	if lost > 0 || repeated > 0 {
		t.Errorf("%s: of %d events %d are lost and %d repeated", judge, len(place), lost, repeated)
	}
}

// inOrder checks the order of each key, except for late events.
func (v *victim) inOrder(t *testing.T, records []committed.Record, place map[string]int) {
	t.Helper()
	newest, in := make(map[string]int), make(map[string]int)
	late, keys := 0, make(map[int]bool)
	for _, r := range records {
		keys[r.Partition] = true
		key := string(r.Key)
		if p, ok := in[key]; ok && p != r.Partition {
			t.Errorf("key %q is in partitions %d and %d", key, p, r.Partition)
		}
		in[key] = r.Partition
		id, isLate := v.read(t, r.Value)
		if isLate {
			late++
			continue
		}
		if before, ok := newest[key]; ok && place[id] < before {
			t.Errorf("event %s, number %d, came after number %d of its key", id, place[id], before)
		}
		newest[key] = place[id]
	}
	t.Logf("%d keys in %d partitions; %d events are late, %d were listed late", len(in), len(keys), late, len(v.late))
	if len(keys) != partitions {
		t.Errorf("records are in %d of %d partitions", len(keys), partitions)
	}
}

// positionNames compares the lane's position with the records. It must name those at or
// above its floor, and no others.
func (v *victim) positionNames(t *testing.T, broker string, records []committed.Record) {
	t.Helper()
	last, open, err := committed.Last(t.Context(), []string{broker}, "sluice.positions")
	if err != nil || len(open) > 0 {
		t.Fatalf("positions: got %+v open and %v", open, err)
	}
	var entry struct {
		Lane, Topic string
		Position    struct {
			Floor, Newest time.Time
			Named         map[string]int64
		}
	}
	if err := json.Unmarshal(last["sluice.acme.siem"].Value, &entry); err != nil {
		t.Fatalf("the lane's position, of %d that there are: %v", len(last), err)
	}
	if entry.Lane != "acme/siem" || entry.Topic != "audit" {
		t.Errorf("the position is of lane %q and topic %q", entry.Lane, entry.Topic)
	}
	want := make(map[string]int64)
	var newest time.Time
	for _, r := range records {
		at, err := time.Parse(time.RFC3339Nano, header(r, "sluice-event-time"))
		if err != nil {
			t.Fatal(err)
		}
		if newest.Before(at) {
			newest = at
		}
		if !at.Before(entry.Position.Floor) {
			want[header(r, "sluice-event-id")] = at.Sub(entry.Position.Floor).Milliseconds()
		}
	}
	if diff := gocmp.Diff(want, entry.Position.Named); diff != "" {
		t.Errorf("events named (-there +named):\n%.2000s", diff)
	}
	if len(want) == 0 || !newest.Equal(entry.Position.Newest) {
		t.Errorf("the position names %d events, the newest of %s, want that of %s", len(want), entry.Position.Newest, newest)
	}
	t.Logf("the position names %d events since %s", len(want), entry.Position.Floor)
}
