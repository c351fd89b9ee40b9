// Package committed reads what is committed in a topic of Kafka: what a consumer
// with isolation.level=read_committed would be given. It judges what Sluice wrote,
// so it must be wrong in no way that the writer is: it talks to Kafka through
// segmentio/kafka-go, never through the writer's client, and reads batches by code
// of its own. Only the decompressors below both clients are the same libraries.
//
// # Why batches are read here
//
// Kafka gives a consumer everything, records of aborted and of open transactions
// included, and a list of what was aborted; to leave that out is up to the client,
// and kafka-go does not. It also hides where a batch ends, so that one that
// compaction has emptied cannot be passed, and gives those records of a damaged
// batch that come before the damage, as if they were all. Here a batch is either
// read to its last byte or an error.
//
// # What is committed
//
// The list of what was aborted is not used: the log itself says it. Records of a
// transaction lie in batches that name their producer, and at its end Kafka writes a
// batch with a control record of the same producer, which commits them or aborts
// them. So batches wait until that of their producer comes. Records of no
// transaction are committed as soon as they are there.
//
// A consumer waits at the first transaction that is open; Read goes on behind it, up
// to the high watermark at the call, and reports it.
//
// # What it does not do
//
// Retry: an error of a broker that restarts is the caller's to wait out. Read the
// formats that Kafka wrote before version 0.11, which know no transactions. Tell
// times: nothing here depends on them.
package committed

import (
	"context"
	"fmt"
)

// Record is a record that is committed.
type Record struct {
	Partition int
	Offset    int64
	Key       []byte // nil: it has none
	Value     []byte // nil: it has none, which deletes the key of a compacted topic
	Headers   []Header
	Producer  int64 // producer id; -1: of one that is not idempotent
}

// Header is a header of a record. A key may occur more than once.
type Header struct {
	Key   string
	Value []byte
}

// Transaction is one that had not ended in a partition.
type Transaction struct {
	Partition int
	Offset    int64 // of its first record
	Producer  int64 // producer id
	Epoch     int16 // of its last record
	Records   int   // below the high watermark
}

// Read calls each for what is committed in a topic, one partition after the other,
// each in the order of its offsets, and returns what transactions were open. The
// record is each's to keep, and shares its memory with others of its batch. An error of
// each ends it, and is wrapped in that of Read.
func Read(ctx context.Context, brokers []string, topic string, each func(Record) error) ([]Transaction, error) {
	f := newFetcher(brokers, topic)
	defer f.close()
	bounds, err := f.bounds(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading topic %s: %w", topic, err)
	}
	var open []Transaction
	for _, b := range bounds {
		p := newPartition(b.partition, each)
		err := f.partition(ctx, b, p.add)
		if err == nil {
			err = p.finish()
		}
		if err != nil {
			return nil, fmt.Errorf("reading partition %d of topic %s: %w", b.partition, topic, err)
		}
		open = append(open, p.unfinished()...)
	}
	return open, nil
}

// Last returns the last record of each key that is committed in a topic, as
// compaction would leave it: a key whose last record has no value is not there, nor
// are records without a key. A key in several partitions is taken from the last of
// them. The transactions are those that were open, and may change the answer.
func Last(ctx context.Context, brokers []string, topic string) (map[string]Record, []Transaction, error) {
	last := make(map[string]Record)
	open, err := Read(ctx, brokers, topic, func(r Record) error {
		switch {
		case r.Key == nil:
		case r.Value == nil:
			delete(last, string(r.Key))
		default:
			last[string(r.Key)] = r
		}
		return nil
	})
	return last, open, err
}
