//go:build integration

package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// After an idle lane polls a new event, the event is soon in Kafka and committed, for 99
// of 100 events.
func TestLatency(t *testing.T) {
	for _, delivery := range []string{"exactly_once", "at_least_once"} {
		t.Run(delivery, func(t *testing.T) {
			t.Parallel()
			latency(t, delivery)
		})
	}
}

// afterPoll bounds the latency beyond the longest pause between two polls. It is about
// ten times what an idle machine needs.
const afterPoll = 500 * time.Millisecond

func latency(t *testing.T, delivery string) {
	t.Helper()
	const events = 300
	broker := startBroker(t)
	createTopic(t, broker, "audit")
	s := newSite(t, simulator.Config{Events: 1})
	s.kafkaSink(t, "1s", broker.address, delivery)
	cmd, stderr := s.command()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	arrivals := make(chan arrival, events)
	var reading sync.WaitGroup
	var failed error
	reading.Go(func() { failed = consume(ctx, broker.address, arrivals) })
	select {
	case <-arrivals: // This is the event from the start; from now on the lane is idle.
	case <-ctx.Done():
		t.Fatalf("nothing arrived: %s", stderr)
	}
	visible := appendAtRandom(s.api, events)
	var took []time.Duration
	for len(visible) > 0 && ctx.Err() == nil {
		select {
		case a := <-arrivals:
			if shown, ok := visible[a.id]; ok {
				took = append(took, a.at.Sub(shown))
				delete(visible, a.id)
			}
		case <-ctx.Done():
		}
	}
	cancel()
	reading.Wait()
	if err := errors.Join(failed, cmd.Process.Signal(os.Interrupt), cmd.Wait()); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	if len(took) < events {
		t.Fatalf("%d of %d events arrived: %s", len(took), events, stderr)
	}
	slices.Sort(took)
	p50, p99 := took[events/2], took[events*99/100]
	t.Logf("%s: event visible → record read from Kafka, %d events: p50 %s, p99 %s, most %s",
		delivery, events, p50.Round(time.Millisecond), p99.Round(time.Millisecond), took[events-1].Round(time.Millisecond))
	pause := longestPause(s.api.Requests())
	t.Logf("longest pause between two polls: %s", pause.Round(time.Millisecond))
	if p99 > pause+afterPoll {
		t.Errorf("got a p99 of %s, want at most %s more than the longest pause of %s", p99, afterPoll, pause)
	}
}

// longestPause is the longest pause between polls. It distinguishes a busy machine from a
// slow lane.
func longestPause(requests []simulator.Request) time.Duration {
	var longest time.Duration
	for i := 1; i < len(requests); i++ {
		longest = max(longest, requests[i].Time.Sub(requests[i-1].Time))
	}
	return longest
}

// appendAtRandom appends events at random moments, and returns when each became visible.
func appendAtRandom(api *simulator.Server, events int) map[string]time.Time {
	random := rand.New(rand.NewPCG(1, 2))
	visible := make(map[string]time.Time, events)
	for range events {
		<-time.After(time.Duration(random.IntN(150)) * time.Millisecond)
		now := time.Now()
		visible[api.Append(1)[0]] = now
	}
	return visible
}

// arrival is an event that a consumer of the topic has read.
type arrival struct {
	id string
	at time.Time
}

// consume sends committed records of the topic as they arrive, until ctx ends. It may use
// the writer's client, since the content is not under test.
func consume(ctx context.Context, broker string, arrivals chan<- arrival) error {
	c, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics("audit"), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		fetches := c.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err := fetches.Err(); err != nil {
			return err
		}
		now := time.Now()
		for _, r := range fetches.Records() {
			var record struct{ Event struct{ ID string } }
			if err := json.Unmarshal(r.Value, &record); err != nil {
				return err
			}
			select {
			case arrivals <- arrival{record.Event.ID, now}:
			case <-ctx.Done():
				return nil
			}
		}
	}
}
