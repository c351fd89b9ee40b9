package kafka_test

import (
	"context"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/kafka"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/raw"
)

// nowhere stores nothing: a lane that delivers exactly once stores nothing itself.
type nowhere struct{ t *testing.T }

func (nowhere) Load(context.Context, string) (source.Position, error) { return nil, nil }

func (n nowhere) Save(_ context.Context, _ string, pos source.Position) error {
	n.t.Errorf("position %s was saved beside Kafka", pos)
	return nil
}

func (n nowhere) Put(_ context.Context, _ string, rejects []sink.Reject) error {
	n.t.Errorf("%d dead letters were kept beside Kafka", len(rejects))
	return nil
}

// rival is a second instance of a lane.
func rival(t *testing.T, c *kfake.Cluster, network *kfake.VirtualNetwork, log *simulator.Server) *pipeline.Lane {
	t.Helper()
	s := planetscale.Defaults
	s.Organization, s.AccessToken, s.RequestsPerMinute = "acme", setting.NewSecret("token"), 0
	src, err := planetscale.New(s, planetscale.Options{Transport: log.Transport()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	})
	format, err := raw.Format.New(transform.Options{})
	if err != nil {
		t.Fatal(err)
	}
	to := settings(c)
	to.Delivery, to.Compression = kafka.ExactlyOnce, "none" // see openIn
	return &pipeline.Lane{
		Name: "acme/siem", Source: src, Transformer: format, Positions: nowhere{t}, DeadLetters: nowhere{t},
		Open: func(context.Context) (sink.Sink, error) {
			return kafka.OpenOver(network.DialContext, sink.Env{Lane: "acme/siem", Log: zerolog.New(io.Discard)}, to)
		},
	}
}

// Two instances run one lane by mistake. Each event is committed once, and they take
// the lane from each other so rarely that one of them makes progress.
func TestTwoInstancesOfALane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lasting, still = 30 * time.Minute, 15 * time.Second
		var network kfake.VirtualNetwork
		c := start(t, kfake.ListenFn(network.Listen), kfake.Ports(9092))
		log := simulator.New(simulator.Config{Events: 10, Rate: 0.5, Tame: true})
		lanes := []*pipeline.Lane{rival(t, c, &network, log), rival(t, c, &network, log)}
		ctx, cancel := context.WithTimeout(t.Context(), lasting)
		defer cancel()
		var running sync.WaitGroup
		for _, l := range lanes {
			running.Go(func() {
				if err := l.Run(ctx); err != nil {
					t.Error(err)
				}
			})
			<-time.After(10 * time.Second)
		}
		var published [2]uint64
		var stalled time.Duration
		runner, changes := -1, 0
		grew := time.Now()
		for ctx.Err() == nil {
			<-time.After(time.Second)
			for i, l := range lanes {
				n := l.Status().Published
				if n == published[i] {
					continue
				}
				if published[i] = n; runner != i {
					runner, changes = i, changes+1
				}
				if pause := time.Since(grew); pause > still {
					stalled += pause
				}
				grew = time.Now()
			}
		}
		running.Wait()
		t.Logf("%d events, the lane changed hands %d times, no progress for %s of %s", published[0]+published[1], changes, stalled, lasting)
		if changes < 4 || changes > int(lasting/time.Minute) {
			t.Errorf("the lane changed hands %d times, want at least 4, and at most once a minute", changes)
		}
		if stalled > lasting/10 {
			t.Errorf("no progress for %s of %s, want a tenth at most", stalled, lasting)
		}
		wantOnce(t, c, &network, log, int(published[0]+published[1]))
	})
}

// wantOnce checks the committed records: the log without its newest events, each once,
// at least n.
func wantOnce(t *testing.T, c *kfake.Cluster, network *kfake.VirtualNetwork, log *simulator.Server, n int) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.Dialer(network.DialContext), kgo.ConsumeTopics(topic),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	times := map[string]int{}
	for ctx.Err() == nil {
		cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			id := string(r.Headers[0].Value)
			if times[id]++; times[id] > 1 {
				t.Errorf("event %s is committed %d times", id, times[id])
			}
		})
	}
	if len(times) < n {
		t.Errorf("%d events are committed, want %d", len(times), n)
	}
	left := len(times)
	for e := range log.Ever() {
		if left--; left >= 0 && times[e.ID] == 0 {
			t.Errorf("event %s is not committed, but newer ones are", e.ID)
		}
	}
}
