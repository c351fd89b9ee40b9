package app_test

import (
	"context"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kafka runs a cluster for a script:
//
//	kafka start TOPIC      runs a cluster with that topic and sets $BROKER
//	kafka delete TOPIC     deletes a topic
//	kafka holds TOPIC N    requires so many committed records
func kafka(ts *testscript.TestScript, _ bool, args []string) {
	shared := ts.Value(scripted{}).(*scripted)
	switch args[0] {
	case "start":
		c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, args[1]))
		ts.Check(err)
		ts.Defer(c.Close)
		shared.kafka = c
		ts.Setenv("BROKER", c.ListenAddrs()[0])
	case "delete":
		client := kafkaClient(ts, shared.kafka)
		req := kmsg.NewPtrDeleteTopicsRequest()
		asked := kmsg.NewDeleteTopicsRequestTopic()
		asked.Topic = &args[1]
		req.Topics, req.TopicNames = append(req.Topics, asked), []string{args[1]}
		_, err := req.RequestWith(context.Background(), client)
		ts.Check(err)
	case "holds":
		want, err := strconv.Atoi(args[2])
		ts.Check(err)
		if got := countCommitted(ts, shared.kafka, args[1]); got != want {
			ts.Fatalf("topic %s holds %d records, want %d", args[1], got, want)
		}
	}
}

func kafkaClient(ts *testscript.TestScript, c *kfake.Cluster, opts ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(c.ListenAddrs()...))...)
	ts.Check(err)
	ts.Defer(client.Close)
	return client
}

// countCommitted writes a record to each partition of a topic, and counts the committed
// records before these.
func countCommitted(ts *testscript.TestScript, c *kfake.Cluster, topic string) (n int) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	const marker = "end of the count"
	client := kafkaClient(ts, c, kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	left := make(map[int32]int64)
	for _, p := range c.PartitionInfos(topic) {
		r, err := client.ProduceSync(ctx, &kgo.Record{Topic: topic, Partition: p.Partition, Key: []byte(marker)}).First()
		ts.Check(err)
		left[p.Partition] = r.Offset
	}
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		ts.Check(fetches.Err())
		for _, r := range fetches.Records() {
			if string(r.Key) != marker {
				n++
			}
			if r.Offset == left[r.Partition] {
				delete(left, r.Partition)
			}
		}
	}
	return n
}
