// Package committed reads what is committed in a topic of Kafka: the records that a
// consumer with isolation.level=read_committed gets. It judges what Sluice wrote, so it
// must not share a fault with the writer. It talks to Kafka through segmentio/kafka-go,
// never through the writer's client, and parses batches with its own code. Only the
// decompressors below the two clients are the same libraries.
//
// # Why batches are parsed here
//
// Kafka sends a consumer every record, also those of aborted and open transactions, and a
// list of aborted transactions. The client has to leave those records out, and kafka-go
// does not. kafka-go also hides where a batch ends, so nobody can get past a batch that
// compaction emptied. From a damaged batch it returns the records before the damage as if
// they were all. Here a batch is read to its last byte, or it is an error.
//
// # What is committed
//
// Read does not use the list of aborted transactions: the log itself has the same
// knowledge. Records of a transaction are in batches that name their producer. At its end
// Kafka writes a batch with a control record of the same producer, which commits or aborts
// them. Batches therefore wait for their producer's control record. Records outside of
// transactions are committed at once.
//
// A consumer stops at the first open transaction. Read goes on behind it, up to the high
// watermark at the time of the call, and reports the open transaction.
//
// # What it does not do
//
// It does not retry: the caller waits while a broker restarts. It does not read the formats
// of Kafka before version 0.11, which had no transactions. It reads no timestamps: nothing
// here depends on them.
package committed

import (
	"context"
	"crypto/tls"
	"fmt"

	"github.com/segmentio/kafka-go/sasl"
)

// Record is a committed record.
type Record struct {
	Partition int
	Offset    int64
	Key       []byte // nil: it has none
	Value     []byte // nil: it has none, which deletes the key of a compacted topic
	Headers   []Header
	Producer  int64 // producer id; -1: the producer is not idempotent
}

// Header is a header of a record. A key may occur more than once.
type Header struct {
	Key   string
	Value []byte
}

// Transaction is a transaction that has not ended in a partition.
type Transaction struct {
	Partition int
	Offset    int64 // of its first record
	Producer  int64 // producer id
	Epoch     int16 // of its last record
	Records   int   // below the high watermark
}

// Cluster is how to reach a cluster, and as whom.
type Cluster struct {
	Brokers []string       // as host:port
	TLS     *tls.Config    // nil: no TLS
	SASL    sasl.Mechanism // nil: none
}

// Read is Cluster.Read for a cluster without TLS and SASL.
func Read(ctx context.Context, brokers []string, topic string, each func(Record) error) ([]Transaction, error) {
	return Cluster{Brokers: brokers}.Read(ctx, topic, each)
}

// Read calls each for every committed record of a topic, one partition after the other, in
// the order of offsets. It returns the open transactions. each may keep the record, which
// shares its memory with the others of its batch. An error of each ends Read, which wraps
// it.
func (c Cluster) Read(ctx context.Context, topic string, each func(Record) error) ([]Transaction, error) {
	f := newFetcher(c, topic)
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
		open = append(open, p.openTransactions()...)
	}
	return open, nil
}

// Last returns the last committed record of each key of a topic, as compaction would: a key
// whose last record has no value is left out, and so are records without a key. For a key in
// several partitions the last partition counts. The transactions are those that were open;
// their end may change the answer.
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
