package committed

import (
	"cmp"
	"fmt"
	"slices"
)

// partition tells what is committed in one, batch after batch.
type partition struct {
	number int
	each   func(Record) error
	open   map[int64]*transaction // by producer id
	queue  []waiting              // in the order of the log
}

// waiting is the records of a batch that were not handed on yet.
type waiting struct {
	records []Record
	of      *transaction // nil: of none
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

// add takes the next batch of the log, and hands on what is committed by it.
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

// transaction is the one that a batch belongs to: that of its producer that is
// open, or a new one. A higher epoch does not begin another: Kafka ends a transaction
// before its producer's epoch can write again, and where a broker has lost that end
// (TransactionMarkerChannelManager skips partitions that have no leader for a moment)
// the next one counts for both, for brokers and consumers alike.
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

// end ends the transaction of a producer. That there is none is ordinary: it wrote
// to other partitions only, or compaction has removed what it wrote. The epoch may
// be higher than that of the records: Kafka raises it to fence, and at each end.
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

// handOn hands on what is committed up to the first transaction that is open.
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

func (p *partition) give(settled []waiting) error {
	for _, w := range settled {
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

// finish hands on what is committed behind transactions that are open.
func (p *partition) finish() error { return p.give(p.queue) }

// unfinished are the transactions that are open, in the order of their offsets.
func (p *partition) unfinished() []Transaction {
	var open []Transaction
	for _, t := range p.open {
		open = append(open, t.Transaction)
	}
	slices.SortFunc(open, func(a, b Transaction) int { return cmp.Compare(a.Offset, b.Offset) })
	return open
}
