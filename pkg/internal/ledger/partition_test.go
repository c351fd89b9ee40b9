package ledger_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// An empty answer because of a quota does not mean that there are no records.
func TestThrottledRead(t *testing.T) {
	c := cluster(t)
	first := open(t, settings(c.ListenAddrs()))
	take(t, first, "")
	commit(t, first, `1`, "a")
	throttled := 0
	c.ControlKey(kmsg.Fetch.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if throttled == 3 {
			return nil, nil, false
		}
		throttled++
		resp := req.ResponseKind().(*kmsg.FetchResponse)
		resp.ThrottleMillis = 10
		return resp, nil, true
	})
	take(t, open(t, settings(c.ListenAddrs())), `1`)
	if throttled != 3 {
		t.Errorf("throttled %d times, want 3", throttled)
	}
}

// Compaction may remove all records at the end of a partition.
func TestNothingIsLeftAtTheEnd(t *testing.T) {
	c := cluster(t)
	first := open(t, settings(c.ListenAddrs()))
	take(t, first, "")
	commit(t, first, `1`, "a")
	const end, gone = 2, 7 // a record and its marker
	c.ControlKey(kmsg.ListOffsets.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		asked := req.(*kmsg.ListOffsetsRequest)
		if asked.Topics[0].Partitions[0].Timestamp != -1 {
			return nil, nil, false
		}
		return ends(asked, end+gone), nil, true
	})
	lagging := 3 // answers of a broker that lacks the last records
	c.ControlKey(kmsg.Fetch.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		asked := req.(*kmsg.FetchRequest)
		if at := asked.Topics[0].Partitions[0].FetchOffset; at < end && lagging == 0 {
			return nil, nil, false
		}
		if lagging > 0 {
			lagging--
			return nothing(asked, 0), nil, true
		}
		return nothing(asked, end+gone), nil, true
	})
	take(t, open(t, settings(c.ListenAddrs())), `1`)
}

func ends(req *kmsg.ListOffsetsRequest, at int64) *kmsg.ListOffsetsResponse {
	resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
	topic := kmsg.NewListOffsetsResponseTopic()
	topic.Topic = req.Topics[0].Topic
	p := kmsg.NewListOffsetsResponseTopicPartition()
	p.Partition, p.Offset = req.Topics[0].Partitions[0].Partition, at
	topic.Partitions = append(topic.Partitions, p)
	resp.Topics = append(resp.Topics, topic)
	return resp
}

// nothing is the answer of a broker that has records up to an offset, but none to return.
func nothing(req *kmsg.FetchRequest, upTo int64) *kmsg.FetchResponse {
	resp := req.ResponseKind().(*kmsg.FetchResponse)
	topic := kmsg.NewFetchResponseTopic()
	topic.Topic, topic.TopicID = req.Topics[0].Topic, req.Topics[0].TopicID
	p := kmsg.NewFetchResponseTopicPartition()
	p.Partition, p.HighWatermark, p.LastStableOffset = req.Topics[0].Partitions[0].Partition, upTo, upTo
	topic.Partitions = append(topic.Partitions, p)
	resp.Topics = append(resp.Topics, topic)
	return resp
}
