package pipeline

import (
	"context"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/internal/cadence"
	"github.com/sluice-siem/sluice/pkg/internal/pool"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// encoding is the second stage of a lane.
type encoding struct {
	lane    *Lane
	encoder encoder
	told    cadence.Cadence
}

func newEncoding(l *Lane, next source.Number) *encoding {
	return &encoding{lane: l, encoder: encoder{count: l.Audit != nil, prepare: l.Prepare, transformer: l.Transformer, format: l.Format, body: firstBody, next: next}}
}

// run encodes pages until ctx ends or none waits.
func (e *encoding) run(ctx context.Context, in, out *queue) error {
	for {
		p, err := in.take(ctx)
		if p == nil {
			return err
		}
		if e.lane.Observe != nil && len(p.events) > 0 {
			e.lane.Observe(p.events, p.caughtUp)
		}
		encoded := e.encoder.encode(p, blank())
		e.lane.state.encoded(encoded)
		if encoded.unprepared > 0 && e.told.Due("unprepared") {
			e.lane.log.Warn().Err(encoded.why).Msg("event delivered unfiltered or unenriched: where or enrich failed")
		}
		if err := out.put(ctx, encoded); err != nil {
			return err
		}
		in.release(p)
	}
}

// firstBody is the assumed size of a body before there was one: an event of 700 bytes
// in ECS with its original.
const firstBody = 2 << 10

// encoder turns events into records. The bodies of a page share a buffer, which is
// borrowed until the page is settled. So a page costs a handful of allocations, and none
// of them is large.
type encoder struct {
	count       bool // count the events of pages for audits
	prepare     func(*source.Event) (*source.Event, error)
	transformer transform.Transformer
	format      string
	body        int           // average size of a body in the page before
	next        source.Number // of the next record; not given without evidence
	numbered    source.Event  // the event to encode, with its number
}

// room returns the size of the buffer for the bodies of so many events.
func (e *encoder) room(events int) int { return (e.body + e.body/8) * events }

// encode fills out, which is blank.
func (e *encoder) encode(p, out *page) *page {
	out.next, out.caughtUp, out.read, out.oldest, out.bare = p.next, p.caughtUp, p.read, p.oldest, p.bare
	out.part.records = slices.Grow(out.part.records, len(p.events))
	out.part.raws = slices.Grow(out.part.raws, len(p.events))
	out.bytes = p.bytes + (recordBytes-eventBytes)*int64(len(p.events))
	if e.next.Given() {
		out.leaves = make([]evidence.Leaf, 0, len(p.events))
		out.bytes += tlog.HashSize * int64(len(p.events))
	}
	var buf []byte
	total := 0
	out.outcome, out.saved = p.outcome, p.saved
	for i := range p.events {
		if e.count {
			p.events[i].Hash = p.events[i].Sum() // The format needs it, too.
			out.hours.Add(&p.events[i])
		}
		event := e.prepared(&p.events[i], out)
		if event == nil {
			continue
		}
		event = e.number(event, &p.events[i])
		if event.Reject {
			e.bind(event, false, out)
			out.rejects = append(out.rejects, notEncoded(event, e.format, event.Problem))
			continue
		}
		if cap(buf)-len(buf) < e.body {
			buf = pool.Get(e.room(len(p.events) - i))
			out.rooms = append(out.rooms, buf)
			out.bytes += int64(cap(buf))
		}
		room := buf[len(buf):]
		record, err := e.transformer.Transform(room, event)
		e.bind(event, record.Truncated, out)
		if err != nil {
			out.rejects = append(out.rejects, notEncoded(event, e.format, "transform: "+err.Error()))
			continue
		}
		if size := len(record.Body); size <= cap(room) {
			buf = buf[:len(buf)+size]
		} else {
			out.bytes += int64(cap(record.Body)) // The body did not fit into the buffer, so it has its own memory.
		}
		record.Body = slices.Clip(record.Body)
		total += len(record.Body)
		out.part.records = append(out.part.records, record)
		out.part.raws = append(out.part.raws, event.Raw)
	}
	if n := out.part.len(); n > 0 {
		e.body = total / n
	}
	return out
}

// prepared returns an event as the sink should get it, or nil if it is filtered.
func (e *encoder) prepared(event *source.Event, out *page) *source.Event {
	if e.prepare == nil {
		return event
	}
	prepared, err := e.prepare(event)
	if err != nil {
		out.unprepared++
		out.why = err
	}
	if prepared == nil {
		out.filtered++
		return nil
	}
	if unsafe.SliceData(prepared.Raw) != unsafe.SliceData(event.Raw) {
		out.bytes += int64(len(prepared.Raw)) // The event as it was read stays in memory, too.
	}
	return prepared
}

// number returns the event with the next number, and the hash of its raw bytes. Its own
// memory may belong to other lanes, too. read is the event before it was prepared: a hash
// that is known is of its bytes.
func (e *encoder) number(event, read *source.Event) *source.Event {
	if !e.next.Given() {
		return event
	}
	e.numbered = *event
	if unsafe.SliceData(event.Raw) != unsafe.SliceData(read.Raw) {
		e.numbered.Hash = [32]byte{}
	}
	e.numbered.Number, e.numbered.Hash = e.next, e.numbered.Sum()
	e.next.Sequence++
	return &e.numbered
}

// bind adds the leaf of an event that has a number.
func (e *encoder) bind(event *source.Event, shortened bool, out *page) {
	if !e.next.Given() {
		return
	}
	facts := evidence.FactsOf(event, shortened)
	out.leaves = append(out.leaves, facts.Leaf())
}

// notEncoded returns the reject of an event of which no record was made.
func notEncoded(event *source.Event, format, reason string) sink.Reject {
	return sink.Reject{
		Record: sink.Record{
			ID: event.ID, Organization: event.Organization, Action: event.Action,
			Format: format, Time: event.Time, Late: event.Late, Replayed: event.Replayed, OwnToken: event.OwnToken,
			Epoch: event.Number.Epoch, Sequence: event.Number.Sequence,
		},
		Raw:    event.Raw,
		Reason: reason,
		Time:   time.Now(),
	}
}
