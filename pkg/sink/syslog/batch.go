package syslog

import (
	"errors"
	"fmt"

	"github.com/sluice-siem/sluice/pkg/internal/pool"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// messages are the encoded messages of a batch.
type messages struct {
	text    []byte          // all messages with framing, one after the other
	ends    []int           // end of each message in text
	records []int           // index of each message's record in the batch
	refused sink.BatchError // records without a message
}

func (m *messages) len() int { return len(m.ends) }

// at returns a message with its framing.
func (m *messages) at(i int) []byte {
	begin := 0
	if i > 0 {
		begin = m.ends[i-1]
	}
	return m.text[begin:m.ends[i]:m.ends[i]]
}

// list returns all messages without copying them.
func (m *messages) list() [][]byte {
	list := make([][]byte, m.len())
	for i := range list {
		list[i] = m.at(i)
	}
	return list
}

// part returns the messages from up to, but without, to. It does not copy them, and
// cannot report.
func (m *messages) part(from, to int) *messages {
	p := &messages{ends: make([]int, 0, to-from)}
	begin := 0
	if from > 0 {
		begin = m.ends[from-1]
	}
	for _, end := range m.ends[from:to] {
		p.ends = append(p.ends, end-begin)
	}
	p.text = m.text[begin : begin+p.ends[to-from-1]]
	return p
}

// single returns one message that already has its framing.
func single(text []byte) *messages { return &messages{text: text, ends: []int{len(text)}} }

// encode encodes the messages of a batch. release gives their memory back.
func encode(batch []sink.Record, e *encoder, frame framing, most int) *messages {
	size := 0
	for i := range batch {
		size += len(batch[i].Body) + typicalHeader
	}
	m := &messages{text: pool.Get(size), ends: make([]int, 0, len(batch)), records: make([]int, 0, len(batch))}
	scratch := pool.Get(most)
	for i := range batch {
		scratch = e.append(scratch[:0], &batch[i])
		if size := len(scratch); size > most {
			err := fmt.Errorf("message of %d bytes is larger than max_message_bytes (%d)", size, most)
			m.refused = append(m.refused, sink.RecordError{Index: i, Err: sink.Permanent(err)})
			continue
		}
		m.text = frame(m.text, scratch)
		m.ends = append(m.ends, len(m.text))
		m.records = append(m.records, i)
	}
	pool.Put(scratch)
	return m
}

// typicalHeader is the length of a header with framing, in bytes.
const typicalHeader = 200

// release gives the memory of the messages back. Nobody may use them any more.
func (m *messages) release() { pool.Put(m.text) }

var errBehind = errors.New("not sent, because a record before it was refused")

// report turns the outcome into the result of Publish: the first messages were taken,
// and err is the reason for the next one.
func (m *messages) report(taken int, err error) error {
	alone := sink.IsPermanent(err)
	if err != nil && taken == 0 && !alone {
		return err // all are published again, and m.refused refused again
	}
	named := m.refused
	for _, record := range m.records[taken:] {
		named = append(named, sink.RecordError{Index: record, Err: err})
		if alone {
			err, alone = errBehind, false
		}
	}
	if len(named) == 0 {
		return nil
	}
	return named
}
