package committed

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// fetcher reads the batches of a topic.
type fetcher struct {
	topic     string
	transport *kafkago.Transport
	client    *kafkago.Client
}

// newFetcher makes a new transport. A used one caches metadata, and would not know a topic
// that was created meanwhile.
func newFetcher(c Cluster, topic string) *fetcher {
	t := &kafkago.Transport{ClientID: "sluice-committed", MetadataTopics: []string{topic}, TLS: c.TLS, SASL: c.SASL}
	return &fetcher{topic: topic, transport: t, client: &kafkago.Client{Addr: kafkago.TCP(c.Brokers...), Transport: t}}
}

func (f *fetcher) close() { f.transport.CloseIdleConnections() }

// bound is the range of offsets of a partition: from its first offset to its high watermark.
type bound struct {
	partition  int
	first, end int64
}

func (f *fetcher) bounds(ctx context.Context) ([]bound, error) {
	described, err := f.client.Metadata(ctx, &kafkago.MetadataRequest{Topics: []string{f.topic}})
	if err != nil {
		return nil, err
	}
	var ask []kafkago.OffsetRequest
	for _, t := range described.Topics {
		if t.Error != nil {
			return nil, t.Error
		}
		for _, p := range t.Partitions {
			if p.Error != nil {
				return nil, fmt.Errorf("partition %d: %w", p.ID, p.Error)
			}
			ask = append(ask, kafkago.FirstOffsetOf(p.ID), kafkago.LastOffsetOf(p.ID))
		}
	}
	listed, err := f.client.ListOffsets(ctx, &kafkago.ListOffsetsRequest{
		Topics: map[string][]kafkago.OffsetRequest{f.topic: ask},
	})
	if err != nil {
		return nil, err
	}
	var all []bound
	for _, p := range listed.Topics[f.topic] {
		if p.Error != nil {
			return nil, fmt.Errorf("partition %d: %w", p.Partition, p.Error)
		}
		all = append(all, bound{partition: p.Partition, first: p.FirstOffset, end: p.LastOffset})
	}
	if 2*len(all) != len(ask) {
		return nil, fmt.Errorf("broker answered about %d of %d partitions", len(all), len(ask)/2)
	}
	slices.SortFunc(all, func(a, b bound) int { return cmp.Compare(a.partition, b.partition) })
	return all, nil
}

// partition calls each for the batches of a partition, in the order of offsets.
func (f *fetcher) partition(ctx context.Context, bounds bound, each func(batch) error) error {
	for at := bounds.first; at < bounds.end; {
		data, err := f.fetch(ctx, bounds.partition, at)
		if err != nil {
			return fmt.Errorf("fetching from offset %d: %w", at, err)
		}
		next, err := batches(data, at, bounds.end, each)
		if err != nil {
			return err
		}
		at = next
	}
	return nil
}

// batches calls each for the batches of an answer that begin below end, and returns the
// offset to fetch from next. Kafka cuts off an answer at the requested size, but never inside
// its first batch.
func batches(data []byte, at, end int64, each func(batch) error) (next int64, err error) {
	next = at
	for len(data) > 0 && next < end {
		b, rest, err := parse(data)
		if errors.Is(err, errCut) && next > at {
			return next, nil
		}
		if err != nil {
			return 0, err
		}
		if b.next <= next {
			return 0, fmt.Errorf("batch of offsets %d to %d where offset %d was expected", b.base, b.next-1, next)
		}
		if b.base >= end {
			return end, nil
		}
		// The log may begin inside a batch. The records before its beginning are deleted.
		b.records = slices.DeleteFunc(b.records, func(r Record) bool { return r.Offset < next })
		if err := each(b); err != nil {
			return 0, err
		}
		next, data = b.next, rest
	}
	return next, nil
}

func (f *fetcher) fetch(ctx context.Context, partition int, at int64) ([]byte, error) {
	const answer = 8 << 20 // bytes; a single larger batch is sent all the same
	resp, err := f.transport.RoundTrip(ctx, f.client.Addr, &fetchRequest{fetch.Request{
		ReplicaID: -1, MaxWaitTime: 500, MinBytes: 1, MaxBytes: answer,
		SessionEpoch: -1, // no session
		Topics: []fetch.RequestTopic{{Topic: f.topic, Partitions: []fetch.RequestPartition{{
			Partition: int32(partition), FetchOffset: at, PartitionMaxBytes: answer,
			CurrentLeaderEpoch: -1, LogStartOffset: -1,
		}}}},
	}})
	if err != nil {
		return nil, err
	}
	return resp.(*fetchResponse).batches()
}

// fetchRequest is a Fetch request of kafka-go whose answer is kept unparsed. It reads
// uncommitted records: otherwise Kafka would hold back everything behind an open
// transaction.
type fetchRequest struct{ fetch.Request }

type fetchResponse struct{ data []byte }

func (*fetchResponse) ApiKey() protocol.ApiKey { return protocol.Fetch }

const (
	// fetchVersion is the last version without flexible fields; Kafka 2.3 introduced it.
	fetchVersion = 11
	maxAnswer    = 256 << 20 // bytes; Kafka's batches are far smaller
)

// Required makes kafka-go call RawExchange.
func (*fetchRequest) Required(map[protocol.ApiKey]int16) bool { return true }

// RawExchange sends the request and reads the answer. The connection is its own until it
// returns.
func (r *fetchRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	const correlation = 1
	if err := protocol.WriteRequest(rw, fetchVersion, correlation, "sluice-committed", &r.Request); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(rw, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxAnswer {
		return nil, fmt.Errorf("the answer has %d bytes, which is too many", n)
	}
	resp := &fetchResponse{data: make([]byte, n)}
	_, err := io.ReadFull(rw, resp.data)
	return resp, err
}

// batches returns the batches of the one partition that was requested.
func (r *fetchResponse) batches() ([]byte, error) {
	in := input{data: r.data}
	in.int32() // correlation id
	in.int32() // throttle time
	if code := in.int16(); code != 0 {
		return nil, kafkago.Error(code)
	}
	in.int32() // session id
	topics := in.int32()
	in.bytes(int64(in.int16())) // name
	partitions := in.int32()
	in.int32() // number of the partition
	code := in.int16()
	in.int64() // high watermark
	in.int64() // last stable offset
	in.int64() // first offset
	for n := in.int32(); n > 0 && in.err == nil; n-- {
		in.int64() // producer of an aborted transaction
		in.int64() // its first offset
	}
	in.int32() // replica to prefer
	data := in.bytes(int64(in.int32()))
	switch {
	case in.err != nil:
		return nil, fmt.Errorf("answer of %d bytes: %w", len(r.data), in.err)
	case code != 0:
		return nil, kafkago.Error(code)
	case topics != 1 || partitions != 1:
		return nil, fmt.Errorf("answer about %d topics and %d partitions", topics, partitions)
	}
	return data, nil
}
