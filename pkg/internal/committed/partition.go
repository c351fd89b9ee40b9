package committed

import (
	"cmp"
	"fmt"
	"slices"
)

// partition calls each for what is committed in one partition, batch by batch.
type partition struct {
	number int
	each   func(Record) error
	open   map[int64]*transaction // by producer id
	queue  []waiting              // in the order of the log
}

// waiting holds the records of a batch until their transaction ends.
type waiting struct {
	records []Record
	of      *transaction // nil: not in a transaction
}

type transaction struct {
	Transaction
	outcome outcome
}

type outcome int

const (
	pending outcome = iota
	aborted
	committed
)

func newPartition(number int, each func(Record) error) *partition {
	return &partition{number: number, each: each, open: make(map[int64]*transaction)}
}

// add takes the next batch of the log, and hands on the records that it commits.
func (p *partition) add(b batch) error {
	if b.control {
		return p.end(b)
	}
	w := waiting{records: b.records}
	for i := range w.records {
		w.records[i].Partition = p.number
	}
	if b.transactional && len(b.records) > 0 {
		t, err := p.transaction(b)
		if err != nil {
			return err
		}
		t.Records += len(b.records)
		w.of = t
	}
	p.queue = append(p.queue, w)
	return p.handOn()
}

// transaction returns the transaction of a batch: the open one of its producer, or a new
// one. A higher epoch does not begin a new one. Kafka ends a transaction before its producer
// can write with a higher epoch. A broker may lose that end, since
// TransactionMarkerChannelManager skips partitions without a leader; then the next end
// counts for both transactions, for brokers and consumers alike.
func (p *partition) transaction(b batch) (*transaction, error) {
	t := p.open[b.producer]
	if t == nil {
		t = &transaction{Transaction: Transaction{
			Partition: p.number, Offset: b.records[0].Offset, Producer: b.producer,
		}}
		p.open[b.producer] = t
	}
	if b.epoch < t.Epoch {
		return nil, fmt.Errorf("batch at offset %d: producer %d writes with epoch %d into its transaction of epoch %d", b.base, b.producer, b.epoch, t.Epoch)
	}
	t.Epoch = b.epoch
	return t, nil
}

// end ends the transaction of a producer. There may be none: the producer wrote to other
// partitions only, or compaction removed its records. The epoch may be higher than that of
// the records: Kafka raises it to fence a producer, and at the end of each transaction.
func (p *partition) end(b batch) error {
	t := p.open[b.producer]
	if t == nil {
		return nil
	}
	if b.epoch < t.Epoch {
		return fmt.Errorf("batch at offset %d: a control record of epoch %d ends the transaction of epoch %d of producer %d", b.base, b.epoch, t.Epoch, b.producer)
	}
	delete(p.open, b.producer)
	t.outcome = b.outcome
	return p.handOn()
}

// handOn hands on what is committed below the first open transaction.
func (p *partition) handOn() error {
	n := 0
	for n < len(p.queue) && !p.queue[n].waits() {
		n++
	}
	err := p.give(p.queue[:n])
	p.queue = slices.Delete(p.queue, 0, n)
	return err
}

func (w *waiting) waits() bool { return w.of != nil && w.of.outcome == pending }

func (p *partition) give(ready []waiting) error {
	for _, w := range ready {
		if w.of != nil && w.of.outcome != committed {
			continue
		}
		for _, r := range w.records {
			if err := p.each(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish hands on what is committed behind open transactions.
func (p *partition) finish() error { return p.give(p.queue) }

// openTransactions returns the open transactions in the order of their offsets.
func (p *partition) openTransactions() []Transaction {
	var open []Transaction
	for _, t := range p.open {
		open = append(open, t.Transaction)
	}
	slices.SortFunc(open, func(a, b Transaction) int { return cmp.Compare(a.Offset, b.Offset) })
	return open
}
