package checkpoint_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/sluice-siem/sluice/pkg/checkpoint"
	"github.com/sluice-siem/sluice/pkg/sink"
)

const kept = "acme/siem"

// newTopic returns a Topic with a cluster in this process. confirm confirms its lanes.
func newTopic(t *testing.T, brokers []string, confirm func(context.Context) error) *checkpoint.Topic {
	t.Helper()
	s := checkpoint.DefaultTopic
	s.Cluster.Brokers = brokers
	topic := checkpoint.NewTopic(s, func(string) func(context.Context) error { return confirm }, zerolog.Nop())
	t.Cleanup(topic.Close)
	return topic
}

// Whoever has positions under a namespace must be able to keep it.
func TestNamespaceIsAnyText(t *testing.T) {
	s := checkpoint.DefaultTopic
	s.Cluster.Brokers, s.Namespace = []string{"kafka:9092"}, "prod/eu Ä"
	if errs := s.Validate(); len(errs) > 0 {
		t.Errorf("got %v", errs)
	}
	s.Namespace = ""
	if errs := s.Validate(); len(errs) != 1 || !strings.HasPrefix(errs[0].Error(), "namespace: missing; ") {
		t.Errorf("got %v without a namespace", errs)
	}
}

func startCluster(t *testing.T) []string {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func wantLoaded(t *testing.T, topic *checkpoint.Topic, want string) {
	t.Helper()
	if pos, err := topic.Load(within(t), kept); err != nil || string(pos) != want {
		t.Fatalf("got position %s and %v, want %q", pos, err, want)
	}
}

func wantRejects(t *testing.T, topic *checkpoint.Topic, want ...sink.Reject) {
	t.Helper()
	var got []sink.Reject
	for r, err := range topic.Rejects(within(t), kept) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("dead letters (-want +got):\n%s", diff)
	}
}

func rejected(id string) sink.Reject {
	return sink.Reject{
		Record: sink.Record{ID: id, Organization: "acme", Action: "user.login", Body: []byte("{}")},
		Raw:    []byte(id), Reason: "it is bad", Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
	}
}

// Dead letters are in Kafka once Put has returned, together with the last saved or loaded
// position, and another replica finds both.
func TestTopicKeepsDeadLettersWithThePosition(t *testing.T) {
	brokers := startCluster(t)
	topic := newTopic(t, brokers, nil)
	wantLoaded(t, topic, "")
	if err := topic.Put(within(t), kept, []sink.Reject{rejected("a")}); err == nil {
		t.Error("got nil for a dead letter before there is a position")
	}
	if err := topic.Save(within(t), kept, []byte(`1`)); err != nil {
		t.Fatal(err)
	}
	if err := topic.Put(within(t), kept, []sink.Reject{rejected("a"), rejected("b")}); err != nil {
		t.Fatal(err)
	}
	if err := topic.Put(within(t), kept, nil); err != nil {
		t.Fatal(err)
	}
	wantRejects(t, topic, rejected("a"), rejected("b"))
	if err := topic.Save(within(t), kept, []byte(`2`)); err != nil {
		t.Fatal(err)
	}
	if err := topic.Put(within(t), kept, []sink.Reject{rejected("c")}); err != nil {
		t.Fatal(err)
	}
	next := newTopic(t, brokers, nil)
	wantLoaded(t, next, "2")
	if err := next.Put(within(t), kept, []sink.Reject{rejected("d")}); err != nil {
		t.Fatal(err)
	}
	wantRejects(t, next, rejected("a"), rejected("b"), rejected("c"), rejected("d"))
	wantLoaded(t, newTopic(t, brokers, nil), "2")
}

// A replica that has lost a lane can neither save nor bury anything for it.
func TestTopicOfALostLaneTakesNothing(t *testing.T) {
	brokers := startCluster(t)
	lost := errors.New("another owns the lane")
	var refusal error
	topic := newTopic(t, brokers, func(context.Context) error { return refusal })
	wantLoaded(t, topic, "")
	if err := topic.Save(within(t), kept, []byte(`1`)); err != nil {
		t.Fatal(err)
	}
	next := newTopic(t, brokers, nil)
	wantLoaded(t, next, "1")
	refusal = lost
	for _, take := range []func() error{
		func() error { return topic.Put(within(t), kept, []sink.Reject{rejected("a")}) },
		func() error { return topic.Save(within(t), kept, []byte(`2`)) },
	} {
		if err := take(); err == nil {
			t.Error("got nil from a lane that is another's")
		}
		if err := take(); !errors.Is(err, lost) {
			t.Errorf("asked again: got %v, want %v", err, lost)
		}
	}
	if _, err := topic.Load(within(t), kept); !errors.Is(err, lost) {
		t.Errorf("got %v, want %v", err, lost)
	}
	wantRejects(t, next)
	wantLoaded(t, next, "1")
}
