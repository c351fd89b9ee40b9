package ownlog_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

func cluster(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func topic(t testing.TB, brokers ...string) *ownlog.Topic {
	t.Helper()
	log := ownlog.NewTopic(&kafkaclient.Settings{Brokers: brokers}, ownlog.DefaultTopic, zerolog.Nop())
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	return log
}

func prepared(t testing.TB, brokers ...string) *ownlog.Topic {
	t.Helper()
	log := topic(t, brokers...)
	if err := log.Prepare(within(t)); err != nil {
		t.Fatal(err)
	}
	return log
}

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func admin(t testing.TB, brokers ...string) *kadm.Client {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return kadm.NewClient(c)
}

func TestTopic(t *testing.T) {
	brokers := cluster(t).ListenAddrs()
	sharesTheLog(t, func(t testing.TB) ownlog.Store { return prepared(t, brokers...) })
}

func TestTopicThatKafkaCut(t *testing.T) {
	brokers := cluster(t).ListenAddrs()
	log := prepared(t, brokers...)
	appendAll(t, log, 0, 10)
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: ownlog.DefaultTopic, At: 6})
	if _, err := admin(t, brokers...).DeleteRecords(within(t), offsets); err != nil {
		t.Fatal(err)
	}
	p, err := log.Read(within(t), 3, 1)
	if err != nil || !p.Gone || len(p.Lines) != 1 || p.Lines[0].Number != 6 {
		t.Errorf("got %+v, error %v, want line 6, and that lines before are gone", p, err)
	}
	if p, err = log.Read(within(t), 6, 1<<20); err != nil || p.Gone || len(p.Lines) != 4 {
		t.Errorf("got %+v, error %v, want four lines", p, err)
	}
}

// A broker without ids of topics cannot tell that a topic was created again: its lines do.
func TestATopicWithOtherLines(t *testing.T) {
	log := prepared(t, cluster(t).ListenAddrs()...)
	appendAll(t, log, 0, 3)
	src := ownlog.NewSource(log)
	pos, err := src.Start(within(t), source.Start{})
	if err != nil {
		t.Fatal(err)
	}
	next(t, src, &pos)
	appendAll(t, log, 3, 2)
	at := pos
	if p := next(t, src, &at); len(p.Events) != 2 {
		t.Errorf("got %d events, want 2", len(p.Events))
	}
	other := regexp.MustCompile(`"last":"[0-9a-f]{16}"`).ReplaceAll(pos, []byte(`"last":"0123456789abcdef"`))
	wantUnusable(t, src, other)
}

// An Append that was given up goes on in the client. Another one of the same line must not
// write it twice.
func TestALineIsGivenToKafkaOnce(t *testing.T) {
	c := cluster(t)
	log := prepared(t, c.ListenAddrs()...)
	ctx, cancel := context.WithCancel(t.Context())
	returned := make(chan struct{})
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cancel()
		<-returned
		return nil, nil, false
	})
	if err := log.Append(ctx, line(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want that of the context", err)
	}
	close(returned)
	for _, n := range []int{1, 2} {
		if err := log.Append(within(t), line(n)); err != nil {
			t.Fatal(err)
		}
	}
	wantLines(t, log, 0, 1, 2)
}

// A topic that takes no large messages refuses a line for good.
func TestALineThatIsTooLargeForTheTopic(t *testing.T) {
	c := cluster(t)
	log := prepared(t, c.ListenAddrs()...)
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: ownlog.DefaultTopic, Err: kerr.MessageTooLarge})
	if err := log.Append(within(t), line(1)); !errors.Is(err, ownlog.ErrUnfit) || !errors.Is(err, kerr.MessageTooLarge) {
		t.Errorf("got %v, want ErrUnfit", err)
	}
}

func TestTopicThatIsUnfit(t *testing.T) {
	brokers := cluster(t).ListenAddrs()
	log := topic(t, brokers...)
	if text, err := log.Check(within(t)); err != nil || !strings.Contains(text, "topic sluice.own-log, which is missing and will be created") {
		t.Errorf("Check returned %q, %v", text, err)
	}
	if _, err := log.Bounds(within(t)); !strings.Contains(failure.Hint(err), "kafka-topics.sh --bootstrap-server "+brokers[0]+" --create --topic sluice.own-log --partitions 1") {
		t.Errorf("without a topic: got %v with hint %q", err, failure.Hint(err))
	}
	compact := "compact"
	if _, err := admin(t, brokers...).CreateTopic(within(t), 1, 1, map[string]*string{"cleanup.policy": &compact}, ownlog.DefaultTopic); err != nil {
		t.Fatal(err)
	}
	_, checked := log.Check(within(t))
	for _, err := range []error{log.Prepare(within(t)), checked} {
		if err == nil || !strings.Contains(err.Error(), "cleanup.policy is compact") || !strings.Contains(failure.Hint(err), "--add-config 'cleanup.policy=delete'") {
			t.Errorf("got %v with hint %q", err, failure.Hint(err))
		}
	}
}

func TestTopicIsBounded(t *testing.T) {
	brokers := cluster(t).ListenAddrs()
	prepared(t, brokers...)
	described, err := admin(t, brokers...).DescribeTopicConfigs(within(t), ownlog.DefaultTopic)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range described[0].Configs {
		got[c.Key] = c.MaybeValue()
	}
	for key, want := range map[string]string{"cleanup.policy": "delete", "retention.ms": "2592000000", "retention.bytes": "67108864", "segment.bytes": "8388608"} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
}

// sharesTheLog opens a log twice, as two processes do.
func sharesTheLog(t *testing.T, open func(testing.TB) ownlog.Store) {
	a, b := open(t), open(t)
	if a.Log() == "" || a.Log() != b.Log() {
		t.Errorf("the log is called %q and %q", a.Log(), b.Log())
	}
	appendAll(t, a, 0, 3)
	wantLines(t, b, 0, 0, 1, 2)
	appendAll(t, b, 3, 2)
	appendAll(t, a, 5, 1)
	for _, store := range []ownlog.Store{a, b, open(t)} {
		wantLines(t, store, 0, 0, 1, 2, 3, 4, 5)
		wantLines(t, store, 4, 4, 5)
		wantLines(t, store, 6)
		if got, err := store.Bounds(within(t)); err != nil || got != (ownlog.Bounds{Log: a.Log(), First: 0, Next: 6}) {
			t.Errorf("got bounds %+v, error %v", got, err)
		}
	}
	if p, err := a.Read(within(t), 1, 1); err != nil || len(p.Lines) != 1 || p.Lines[0].Number != 1 {
		t.Errorf("got %+v, error %v, want one line, although it has more than a byte", p, err)
	}
	for _, bad := range []string{"no JSON", "{}\n{}", `"` + strings.Repeat("x", 64<<10) + `"`} {
		if err := a.Append(within(t), []byte(bad)); err == nil {
			t.Errorf("%.20q was appended", bad)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Append(ended, line(7)); !errors.Is(err, context.Canceled) {
		t.Errorf("Append after its context has ended: %v", err)
	}
	if err := a.Wait(ended, 6); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait after its context has ended: %v", err)
	}
	wantLines(t, b, 6)
}

func line(n int) []byte { return fmt.Appendf(nil, `{"id":"own:%d"}`, n) }

func appendAll(t testing.TB, store ownlog.Store, from, n int) {
	t.Helper()
	for i := range n {
		if err := store.Append(within(t), line(from+i)); err != nil {
			t.Fatal(err)
		}
	}
}

// wantLines reads to the end, and wants lines with these numbers of events.
func wantLines(t testing.TB, store ownlog.Store, from int64, want ...int) {
	t.Helper()
	var got []string
	for {
		p, err := store.Read(within(t), from, 20)
		if err != nil || p.Gone {
			t.Fatalf("reading from %d: gone %v, error %v", from, p.Gone, err)
		}
		if len(p.Lines) == 0 {
			break
		}
		for _, l := range p.Lines {
			got = append(got, string(l.Text))
			from = l.Number + 1
		}
	}
	var all []string
	for _, n := range want {
		all = append(all, string(line(n)))
	}
	if fmt.Sprint(got) != fmt.Sprint(all) {
		t.Errorf("got %v, want %v", got, all)
	}
}
