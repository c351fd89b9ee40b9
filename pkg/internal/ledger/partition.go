package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
)

// view reads one partition.
type view struct {
	*remote
	client *kafkaclient.Client
	topic  string
	number int32
	most   int32 // bytes of an answer with records, default 8 MiB; a single larger batch is sent all the same
}

// open returns a view of the partition that holds the lane's position.
func (r *remote) open() (partition, error) {
	c, err := r.client()
	if err != nil {
		return nil, err
	}
	return &view{remote: r, client: c, topic: r.settings.Positions, number: r.index}, nil
}

func (v *view) close() { v.client.Close() }

// Isolation levels and timestamps of ListOffsets and Fetch, in Kafka's protocol guide.
const (
	readUncommitted = 0
	readCommitted   = 1
	latest          = -1
	earliest        = -2
)

func (v *view) highWatermark(ctx context.Context) (int64, error) {
	return v.offset(ctx, latest, readUncommitted)
}

func (v *view) lastStable(ctx context.Context) (int64, error) {
	return v.offset(ctx, latest, readCommitted)
}

func (v *view) abort(at int64) string {
	return fmt.Sprintf("kafka-transactions.sh %s abort --topic %s --partition %d --start-offset %d", v.bootstrap(), v.topic, v.number, at)
}

func (v *view) offset(ctx context.Context, timestamp int64, isolation int8) (int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.IsolationLevel = isolation
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = v.topic
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp = v.number, timestamp
	topic.Partitions = append(topic.Partitions, p)
	req.Topics = append(req.Topics, topic)
	resp, err := v.request(ctx, req)
	if err != nil {
		return 0, err
	}
	for _, t := range resp.(*kmsg.ListOffsetsResponse).Topics {
		for _, p := range t.Partitions {
			return p.Offset, v.askError(kerr.ErrorForCode(p.ErrorCode))
		}
	}
	return 0, v.askError(errors.New("the answer of the broker names no partition"))
}

// request gives up at once if the cluster refuses the client.
func (v *view) request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, takeTimeout)
	defer cancel()
	stop := refuse(v.client, cancel)
	defer stop()
	resp, err := v.client.Request(ctx, req)
	if trouble := v.client.Trouble(); err != nil && trouble != nil {
		err = fmt.Errorf("%w: %w", err, trouble)
	}
	return resp, v.askError(err)
}

func (v *view) askError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		err = fmt.Errorf("%w: %w", ErrNoTopic, err)
	}
	return v.explain(fmt.Errorf("asking about topic %s: %w", v.topic, err), v.topic)
}

func (v *view) newest(ctx context.Context, end int64) (value []byte, err error) {
	for r, err := range v.records(ctx, end) {
		if err != nil {
			return nil, err
		}
		if string(r.Key) == v.id {
			value = r.Value
		}
	}
	return value, nil
}

// records reads the committed records of the partition from its start to end. No
// transaction may be open below end. After an error the sequence ends.
func (v *view) records(ctx context.Context, end int64) iter.Seq2[*kgo.Record, error] {
	return v.newestRecords(ctx, end, end)
}

// newestRecords reads like records, but only so many offsets below end.
func (v *view) newestRecords(ctx context.Context, end, offsets int64) iter.Seq2[*kgo.Record, error] {
	return func(yield func(*kgo.Record, error) bool) {
		at, err := v.offset(ctx, earliest, readUncommitted)
		at = max(at, end-offsets)
		for err == nil && at < end {
			var fetched []*kgo.Record
			fetched, at, err = v.fetch(ctx, at, end)
			if err != nil {
				break
			}
			for _, r := range fetched {
				if r.Offset < end && !yield(r, nil) {
					return
				}
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// fetch returns committed records from an offset on, and the offset to fetch from next.
// The next offset is behind aborted records, control records and gaps of compaction. It
// is the same offset if the broker answered with nothing.
func (v *view) fetch(ctx context.Context, at, end int64) ([]*kgo.Record, int64, error) {
	resp, err := v.requestFetch(ctx, at)
	if err != nil {
		return nil, 0, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		if resp.ThrottleMillis > 0 { // a quota is used up: kgo delays the next request
			return nil, at, nil
		}
		return nil, 0, v.askError(errors.New("the answer of the broker names no partition"))
	}
	p := &resp.Topics[0].Partitions[0]
	opts := kgo.ProcessFetchPartitionOpts{
		Offset: at, IsolationLevel: kgo.ReadCommitted(),
		Topic: v.topic, Partition: v.number,
	}
	got, next := kgo.ProcessFetchPartition(opts, p, kgo.DefaultDecompressor(), nil)
	if got.Err == nil && len(p.RecordBatches) == 0 && p.LastStableOffset >= end {
		next = end // compaction removed all records up to end
	}
	return got.Records, next, v.askError(got.Err)
}

func (v *view) requestFetch(ctx context.Context, at int64) (*kmsg.FetchResponse, error) {
	leader, id, err := v.leader(ctx)
	if err != nil {
		return nil, err
	}
	answer := cmp.Or(v.most, 8<<20)
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 500, 1, answer
	req.IsolationLevel = readCommitted
	req.SessionEpoch = -1 // no session
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = v.topic, id
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = v.number, at, answer
	topic.Partitions = append(topic.Partitions, p)
	req.Topics = append(req.Topics, topic)
	ctx, cancel := context.WithTimeout(ctx, takeTimeout)
	defer cancel()
	resp, err := req.RequestWith(ctx, v.client.Broker(int(leader)))
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	return resp, v.askError(err)
}

// leader returns the broker that leads the partition, and the topic's id.
func (v *view) leader(ctx context.Context) (int32, [16]byte, error) {
	t, err := v.metadata(ctx, v.topic)
	if err != nil {
		return 0, [16]byte{}, err
	}
	for _, p := range t.Partitions {
		if p.Partition == v.number {
			return p.Leader, t.TopicID, v.askError(kerr.ErrorForCode(p.ErrorCode))
		}
	}
	return 0, [16]byte{}, v.askError(fmt.Errorf("partition %d: %w", v.number, kerr.UnknownTopicOrPartition))
}

func (v *view) metadata(ctx context.Context, topic string) (kmsg.MetadataResponseTopic, error) {
	req := kmsg.NewPtrMetadataRequest()
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = kmsg.StringPtr(topic)
	req.Topics = append(req.Topics, asked)
	resp, err := v.request(ctx, req)
	if err != nil {
		return kmsg.MetadataResponseTopic{}, err
	}
	described := resp.(*kmsg.MetadataResponse)
	v.brokers = described.Brokers
	for _, t := range described.Topics {
		return t, kerr.ErrorForCode(t.ErrorCode)
	}
	return kmsg.MetadataResponseTopic{}, fmt.Errorf("broker described no topic %s", topic)
}
