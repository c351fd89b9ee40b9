package ledger

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
)

// view is a partition, as it is read.
type view struct {
	*remote
	client *kafkaclient.Client
	topic  string
	number int32
}

// open returns the lane's partition of the topic of positions.
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

// end is where the next record would be written, whatever is open: the high
// watermark.
func (v *view) end(ctx context.Context) (int64, error) {
	return v.offset(ctx, latest, readUncommitted)
}

// stable is where the first transaction that is open begins, or end if none is.
func (v *view) stable(ctx context.Context) (int64, error) {
	return v.offset(ctx, latest, readCommitted)
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
			return p.Offset, v.asking(kerr.ErrorForCode(p.ErrorCode))
		}
	}
	return 0, v.asking(errors.New("broker answered about no partition"))
}

// request asks, until it is clear that the cluster does not let us in.
func (v *view) request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, takeTimeout)
	defer cancel()
	stop := refuse(v.client, cancel)
	defer stop()
	resp, err := v.client.Request(ctx, req)
	if trouble := v.client.Trouble(); err != nil && trouble != nil {
		err = fmt.Errorf("%w: %w", err, trouble)
	}
	return resp, v.asking(err)
}

func (v *view) asking(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		err = fmt.Errorf("%w: %w", errNoTopic, err)
	}
	return v.explain(fmt.Errorf("asking about topic %s: %w", v.topic, err), v.topic)
}

// last is the lane's newest value below end.
func (v *view) last(ctx context.Context, end int64) (value []byte, err error) {
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

// records reads the partition from its start to end, committed records alone. All
// transactions below end have ended. An error is the last that it returns.
func (v *view) records(ctx context.Context, end int64) iter.Seq2[*kgo.Record, error] {
	return v.newest(ctx, end, end)
}

// newest is records, of the last offsets below end alone.
func (v *view) newest(ctx context.Context, end, offsets int64) iter.Seq2[*kgo.Record, error] {
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

// fetch returns what is committed from an offset on, and where to go on: records
// that were aborted, control records and what compaction removed are passed over.
// That is where it was if the broker gave nothing for once.
func (v *view) fetch(ctx context.Context, at, end int64) ([]*kgo.Record, int64, error) {
	resp, err := v.fetched(ctx, at)
	if err != nil {
		return nil, 0, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		if resp.ThrottleMillis > 0 { // a quota is used up: the next request waits as long
			return nil, at, nil
		}
		return nil, 0, v.asking(errors.New("broker answered about no partition"))
	}
	p := &resp.Topics[0].Partitions[0]
	opts := kgo.ProcessFetchPartitionOpts{
		Offset: at, IsolationLevel: kgo.ReadCommitted(),
		Topic: v.topic, Partition: v.number,
	}
	got, next := kgo.ProcessFetchPartition(opts, p, kgo.DefaultDecompressor(), nil)
	if got.Err == nil && len(p.RecordBatches) == 0 && p.LastStableOffset >= end {
		next = end // compaction removed what was there: the broker has all before end, and gives nothing
	}
	return got.Records, next, v.asking(got.Err)
}

func (v *view) fetched(ctx context.Context, at int64) (*kmsg.FetchResponse, error) {
	leader, id, err := v.leader(ctx)
	if err != nil {
		return nil, err
	}
	const answer = 8 << 20 // a batch that is larger comes all the same
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
	return resp, v.asking(err)
}

// leader is the broker that has the partition, and the id of the topic.
func (v *view) leader(ctx context.Context) (int32, [16]byte, error) {
	t, err := v.metadata(ctx, v.topic)
	if err != nil {
		return 0, [16]byte{}, err
	}
	for _, p := range t.Partitions {
		if p.Partition == v.number {
			return p.Leader, t.TopicID, v.asking(kerr.ErrorForCode(p.ErrorCode))
		}
	}
	return 0, [16]byte{}, v.asking(fmt.Errorf("partition %d: %w", v.number, kerr.UnknownTopicOrPartition))
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
	v.brokers = len(described.Brokers)
	for _, t := range described.Topics {
		return t, kerr.ErrorForCode(t.ErrorCode)
	}
	return kmsg.MetadataResponseTopic{}, fmt.Errorf("broker described no topic %s", topic)
}
