package syslog

import (
	"errors"
	"fmt"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// messages are a batch as it is sent. Their memory is used again.
type messages struct {
	text    []byte          // all, framed, one after the other
	ends    []int           // of each in text
	records []int           // of which each is the message, as indices of the batch
	refused sink.BatchError // records that no message could be made of
	scratch []byte
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

// list is all of them, without another copy.
func (m *messages) list() [][]byte {
	list := make([][]byte, m.len())
	for i := range list {
		list[i] = m.at(i)
	}
	return list
}

// part is the messages from one to before another, without another copy of them. It
// reports nothing.
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

// single is one message, which has its framing.
func single(text []byte) *messages { return &messages{text: text, ends: []int{len(text)}} }

// encode makes the messages of a batch.
func (m *messages) encode(batch []sink.Record, e *encoder, frame framing, most int) {
	m.text, m.ends, m.records, m.refused = m.text[:0], m.ends[:0], m.records[:0], nil
	for i := range batch {
		m.scratch = e.append(m.scratch[:0], &batch[i])
		if size := len(m.scratch); size > most {
			err := fmt.Errorf("message of %d bytes is larger than max_message_bytes (%d)", size, most)
			m.refused = append(m.refused, sink.RecordError{Index: i, Err: sink.Permanent(err)})
			continue
		}
		m.text = frame(m.text, m.scratch)
		m.ends = append(m.ends, len(m.text))
		m.records = append(m.records, i)
	}
}

var errBehind = errors.New("not sent, since a record before it was refused")

// report makes of how sending went what Publish returns: the first messages were
// taken, and err is why the next was not.
func (m *messages) report(taken int, err error) error {
	alone := sink.IsPermanent(err)
	if err != nil && taken == 0 && !alone {
		return err // The refused are refused again.
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
