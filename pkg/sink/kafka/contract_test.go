package kafka_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/kafka"
	"github.com/sluice-siem/sluice/pkg/sink/sinktest"
)

func TestContract(t *testing.T) {
	sinktest.Run(t, func(t testing.TB) sinktest.Harness {
		c := start(t, kfake.SeedTopics(1, topic))
		d := &destination{c: c, met: make(chan struct{})}
		c.ControlKey(kmsg.Produce.Int16(), d.produce)
		s := settings(c)
		s.MaxRecordBytes = 1 << 16
		return sinktest.Harness{
			Open:     func(t testing.TB) sink.Sink { return open(t, s) },
			Received: func(t testing.TB) [][]byte { return values(t, c) },
			Refused:  func(testing.TB) sink.Record { return batch(0, 1, 1, 1<<17)[0] },
			Break:    func(testing.TB) { d.broken.Store(true) },
			Hang: func(testing.TB) <-chan struct{} {
				d.hanging.Store(true)
				return d.met
			},
			Repair: func(testing.TB) {
				d.broken.Store(false)
				d.hanging.Store(false)
			},
		}
	})
}

func TestLedgerContract(t *testing.T) {
	sinktest.RunLedger(t, func(t testing.TB) sinktest.Harness {
		c := start(t, kfake.SeedTopics(1, topic))
		d := &destination{c: c, met: make(chan struct{})}
		c.ControlKey(kmsg.Produce.Int16(), d.produce)
		s := settings(c)
		s.Delivery, s.MaxRecordBytes = kafka.ExactlyOnce, 1<<16
		return sinktest.Harness{
			Open:     func(t testing.TB) sink.Sink { return open(t, s) },
			Received: func(t testing.TB) [][]byte { return committed(t, c) },
			Refused:  func(testing.TB) sink.Record { return batch(0, 1, 1, 1<<17)[0] },
			Break:    func(testing.TB) { d.broken.Store(true) },
			Repair:   func(testing.TB) { d.broken.Store(false) },
			Patience: 20 * time.Second,
		}
	})
}

// committed returns the values that a consumer with read_committed sees before a
// record that is written now.
func committed(t testing.TB, c *kfake.Cluster) [][]byte {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics(topic),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	last, err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic}).First()
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for {
		fetches := client.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		for _, r := range fetches.Records() {
			if len(r.Value) > 0 {
				all = append(all, r.Value)
			}
			if r.Offset == last.Offset {
				return all
			}
		}
	}
}

func values(t testing.TB, c *kfake.Cluster) [][]byte {
	var all [][]byte
	for _, r := range read(t, c) {
		all = append(all, r.Value)
	}
	return all
}

// destination is a cluster that can fail in several ways.
type destination struct {
	c               *kfake.Cluster
	broken, hanging atomic.Bool
	met             chan struct{}
	told            bool
}

func (d *destination) produce(req kmsg.Request) (kmsg.Response, error, bool) {
	d.c.KeepControl()
	switch {
	case d.hanging.Load():
		if !d.told {
			d.told = true
			close(d.met)
		}
		return nil, nil, true
	case d.broken.Load():
		return refuse(req.(*kmsg.ProduceRequest), kerr.TopicAuthorizationFailed), nil, true
	}
	return nil, nil, false
}

// refuse answers a produce request with an error for each partition in it.
func refuse(req *kmsg.ProduceRequest, code *kerr.Error) *kmsg.ProduceResponse {
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range req.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p.Partition, code.Code
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}
