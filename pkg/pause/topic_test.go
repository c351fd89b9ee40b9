package pause_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
	"github.com/sluice-siem/sluice/pkg/pause"
)

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// replicas returns two users of one topic, and its cluster.
func replicas(t *testing.T, namespaces ...string) (cluster *kfake.Cluster, all []*pause.Shared) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for _, namespace := range namespaces {
		s := &kafkaclient.Settings{Brokers: c.ListenAddrs(), ClientID: kafkaclient.DefaultClientID}
		topic := pause.NewTopic(s, namespace, "sluice.pauses", zerolog.Nop())
		t.Cleanup(topic.Close)
		all = append(all, topic)
	}
	return c, all
}

func TestReplicasFollowTheMarkers(t *testing.T) {
	_, all := replicas(t, "sluice", "sluice", "other")
	command, replica, other := all[0], all[1], all[2]
	ctx := within(t)
	if m, err := command.Look(ctx, marker.Lane); m != nil || err != nil {
		t.Errorf("without a topic: %+v, %v", m, err)
	}
	if m, err := replica.Known(ctx, marker.Lane, time.Now()); err == nil {
		t.Errorf("a replica did not notice that the topic is missing: %+v", m)
	}
	if missing, err := command.Check(ctx); missing != "topic sluice.pauses" || err != nil {
		t.Errorf("missing %q, %v", missing, err)
	}
	if err := command.Pause(ctx, marker); err != nil {
		t.Fatal(err)
	}
	if missing, err := command.Check(ctx); missing != "" || err != nil {
		t.Errorf("missing %q, %v", missing, err)
	}
	want := func(topic *pause.Shared, at time.Time, want *pause.Marker) {
		t.Helper()
		got, err := topic.Known(ctx, marker.Lane, at)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	before := time.Now()
	want(replica, before, &marker)
	want(other, before, nil) // of another installation
	if was, err := command.Resume(ctx, marker.Lane); !was || err != nil {
		t.Errorf("resumed: %t, %v", was, err)
	}
	want(replica, before, &marker) // It was read since.
	want(replica, time.Now(), nil)
	if was, err := command.Resume(ctx, marker.Lane); was || err != nil {
		t.Errorf("resumed again: %t, %v", was, err)
	}
}

func TestAMarkerInTheTopicThatCannotBeUsedStillPauses(t *testing.T) {
	c, all := replicas(t, "sluice")
	ctx := within(t)
	if err := all[0].Prepare(ctx); err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	err = client.ProduceSync(ctx, &kgo.Record{Topic: "sluice.pauses", Key: []byte("sluice/" + marker.Lane), Value: []byte("{}")}).FirstErr()
	if err != nil {
		t.Fatal(err)
	}
	m, err := all[0].Known(ctx, marker.Lane, time.Now())
	if err != nil || m == nil || m.Err == nil || !strings.Contains(m.Err.Error(), "it has version 0") {
		t.Errorf("got %+v, %v", m, err)
	}
}

// A read under way does not keep a lane from ending.
func TestALookEndsWithItsContext(t *testing.T) {
	c, all := replicas(t, "sluice")
	if err := all[0].Prepare(within(t)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if m, err := all[0].Known(ctx, marker.Lane, time.Now()); err == nil {
		t.Errorf("got %+v", m)
	}
}
