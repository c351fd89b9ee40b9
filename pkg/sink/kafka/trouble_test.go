package kafka_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/kafka"
)

// virtual runs f in a synctest bubble, with a cluster and a function that opens sinks
// for it.
func virtual(t *testing.T, f func(t *testing.T, c *kfake.Cluster, open func(kafka.Settings) sink.Sink), opts ...kfake.Opt) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		c := start(t, append([]kfake.Opt{kfake.ListenFn(network.Listen), kfake.Ports(9092)}, opts...)...)
		f(t, c, func(s kafka.Settings) sink.Sink {
			return openIn(t, &network, s)
		})
	})
}

func openIn(t testing.TB, network *kfake.VirtualNetwork, s kafka.Settings, hooks ...kgo.Hook) sink.Sink {
	t.Helper()
	// Finalizers close zstd decoders, which is not allowed from outside of the bubble
	// that made them.
	s.Compression = "none"
	snk, err := kafka.OpenOver(network.DialContext, sink.Env{Log: zerolog.New(io.Discard)}, s, hooks...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := snk.Close(); err != nil {
			t.Error(err)
		}
	})
	return snk
}

// hint returns the hint of an error.
func hint(err error) string {
	return failure.Hint(err)
}

func class(err error) string {
	return failure.Class(err)
}

// expectDestination checks that an error is about the destination as a whole and has a
// hint.
func expectDestination(t *testing.T, err error, code error, advice string) {
	t.Helper()
	var partial sink.BatchError
	if errors.As(err, &partial) {
		t.Errorf("got a BatchError, want one error for all: %v", err)
	}
	if !errors.Is(err, code) {
		t.Errorf("got %v, want %v", err, code)
	}
	if got, want := class(err), "destination"; got != want {
		t.Errorf("class: got %q, want %q", got, want)
	}
	if got := hint(err); !strings.Contains(got, advice) {
		t.Errorf("hint: got %q, want one with %q", got, advice)
	}
}

func TestUnknownTopic(t *testing.T) {
	virtual(t, func(t *testing.T, c *kfake.Cluster, open func(kafka.Settings) sink.Sink) {
		s := settings(c)
		s.Topic = "missing"
		snk := open(s)
		began := time.Now()
		err := snk.Publish(within(t, time.Minute), batch(0, 10, 3, 50))
		expectDestination(t, err, kerr.UnknownTopicOrPartition, "--create --topic missing")
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %v to say so, want at most 10s", took)
		}

		if err := c.CreateTopic("missing", 3, nil); err != nil {
			t.Fatal(err)
		}
		if err := snk.Publish(within(t, time.Minute), batch(0, 10, 3, 50)); err != nil {
			t.Errorf("after the topic was created: %v", err)
		}
	})
}

func TestTopicDeletedAndCreatedAgain(t *testing.T) {
	virtual(t, func(t *testing.T, c *kfake.Cluster, open func(kafka.Settings) sink.Sink) {
		snk := open(settings(c))
		if err := snk.Publish(within(t, time.Minute), batch(0, 10, 3, 50)); err != nil {
			t.Fatal(err)
		}
		if err := c.DeleteTopic(topic); err != nil {
			t.Fatal(err)
		}
		err := snk.Publish(within(t, time.Minute), batch(10, 10, 3, 50))
		if got, want := class(err), "destination"; got != want {
			t.Errorf("class: got %q, want %q: %v", got, want, err)
		}
		if err := c.CreateTopic(topic, 3, nil); err != nil {
			t.Fatal(err)
		}
		if err := snk.Publish(within(t, time.Minute), batch(10, 10, 3, 50)); err != nil {
			t.Errorf("after the topic was created again: %v", err)
		}
	})
}

func TestBrokerGoneAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		listen := []kfake.Opt{kfake.ListenFn(network.Listen), kfake.Ports(9092)}
		c := start(t, listen...)
		snk := openIn(t, &network, settings(c))
		if err := snk.Publish(within(t, time.Minute), batch(0, 10, 3, 50)); err != nil {
			t.Fatal(err)
		}

		c.Close()
		err := snk.Publish(within(t, time.Minute), batch(10, 10, 3, 50))
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "connecting to broker localhost:9092") {
			t.Errorf("while the broker was gone: got %v, want the end of the context and why", err)
		}

		c = start(t, listen...)
		if err := snk.Publish(within(t, time.Minute), batch(10, 10, 3, 50)); err != nil {
			t.Errorf("after the broker came back: %v", err)
		}
		if got := len(read(t, c, kgo.Dialer(network.DialContext))); got != 10 {
			t.Errorf("got %d records, want 10", got)
		}
	})
}

func TestBrokerBackWithinAPublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		listen := []kfake.Opt{kfake.ListenFn(network.Listen), kfake.Ports(9092)}
		c := start(t, listen...)
		snk := openIn(t, &network, settings(c))
		c.Close()
		time.AfterFunc(20*time.Second, func() { c = start(t, listen...) })
		if err := snk.Publish(within(t, time.Minute), batch(0, 10, 3, 50)); err != nil {
			t.Errorf("got %v, want nil", err)
		}
	})
}

func TestTooFewReplicas(t *testing.T) {
	virtual(t, func(t *testing.T, c *kfake.Cluster, open func(kafka.Settings) sink.Sink) {
		snk := open(settings(c))
		fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: -1})
		err := snk.Publish(within(t, time.Minute), batch(0, 10, 3, 50))
		if !errors.Is(err, kerr.NotEnoughReplicas) || !strings.Contains(hint(err), "min.insync.replicas") {
			t.Errorf("got %v with hint %q, want the broker's answer and a hint", err, hint(err))
		}
		fault.Remove()
		if err := snk.Publish(within(t, time.Minute), batch(0, 10, 3, 50)); err != nil {
			t.Errorf("after the replicas came back: %v", err)
		}
	})
}

func TestContextEndsWhileTheBrokerHangs(t *testing.T) {
	virtual(t, func(t *testing.T, c *kfake.Cluster, open func(kafka.Settings) sink.Sink) {
		snk := open(settings(c))
		hanging := true
		c.ControlKey(kmsg.Produce.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			return nil, nil, hanging
		})
		began := time.Now()
		err := snk.Publish(within(t, 7*time.Second), batch(0, 10, 3, 50))
		if !errors.Is(err, context.DeadlineExceeded) || sink.IsPermanent(err) || hint(err) == "" {
			t.Errorf("got %v with hint %q, want the end of the context and a hint", err, hint(err))
		}
		if got, want := time.Since(began), 7*time.Second; got != want {
			t.Errorf("Publish returned after %v, want %v", got, want)
		}
		synctest.Wait()
		hanging = false
		if err := snk.Publish(within(t, time.Minute), batch(0, 10, 3, 50)); err != nil {
			t.Errorf("after the broker answers again: %v", err)
		}
	})
}

func TestProducerStateLost(t *testing.T) {
	for _, code := range []*kerr.Error{kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID, kerr.InvalidProducerEpoch} {
		t.Run(code.Message, func(t *testing.T) {
			virtual(t, func(t *testing.T, c *kfake.Cluster, open func(kafka.Settings) sink.Sink) {
				snk := open(settings(c))
				if err := snk.Publish(within(t, time.Minute), batch(0, 10, 1, 50)); err != nil {
					t.Fatal(err)
				}
				c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: code})
				for i := range 3 {
					if err := snk.Publish(within(t, time.Minute), batch(10+10*i, 10, 1, 50)); err != nil {
						t.Errorf("Publish %d after the broker lost the producer: %v", i+1, err)
					}
				}
			})
		})
	}
}

func TestProducerRefusedOnce(t *testing.T) {
	virtual(t, func(t *testing.T, c *kfake.Cluster, open func(kafka.Settings) sink.Sink) {
		snk := open(settings(c))
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.ClusterAuthorizationFailed})
		err := snk.Publish(within(t, time.Minute), batch(0, 10, 3, 50))
		expectDestination(t, err, kerr.ClusterAuthorizationFailed, "--operation Write")
		if err := snk.Publish(within(t, time.Minute), batch(0, 10, 3, 50)); err != nil {
			t.Errorf("after it was allowed: %v", err)
		}
	})
}
