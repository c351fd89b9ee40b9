package pipeline

import (
	"context"
	"slices"
	"time"
	"unsafe"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// transform encodes pages until ctx ends or in is closed and empty.
func (l *Lane) transform(ctx context.Context, in, out *queue) error {
	defer close(out.pages)
	enc := encoder{prepare: l.Prepare, transformer: l.Transformer, format: l.Format, body: firstBody}
	var told cadence
	for {
		p, err := in.take(ctx)
		if p == nil {
			return err
		}
		encoded := enc.encode(p)
		l.state.encoded(encoded)
		if encoded.unprepared > 0 && told.due("unprepared") {
			l.log.Warn().Err(encoded.why).Msg("an event is delivered although where failed on it, or without what enrich would add")
		}
		if err := out.put(ctx, encoded); err != nil {
			return err
		}
		in.release(p)
	}
}

// firstBody is the size a body is taken to have before any was seen: an event
// of 700 bytes in ECS with its original.
const firstBody = 2 << 10

// encoder turns events into records. The bodies of a page share a buffer, so
// that a page costs a handful of allocations. Buffers are never used again: a
// Publish that was abandoned may still read them.
type encoder struct {
	prepare     func(*source.Event) (*source.Event, error)
	transformer transform.Transformer
	format      string
	body        int // average size of a body in the page before
}

func (e *encoder) encode(p *page) *page {
	out := &page{next: p.next, caughtUp: p.caughtUp, oldest: p.oldest}
	out.bytes = p.bytes + (recordBytes-eventBytes)*int64(len(p.events))
	out.part.records = make([]sink.Record, 0, len(p.events))
	out.part.raws = make([][]byte, 0, len(p.events))
	var buf []byte
	total := 0
	for i := range p.events {
		event := e.prepared(&p.events[i], out)
		if event == nil {
			continue
		}
		if cap(buf)-len(buf) < e.body {
			buf = make([]byte, 0, (e.body+e.body/8)*(len(p.events)-i))
			out.bytes += int64(cap(buf))
		}
		room := buf[len(buf):]
		record, err := e.transformer.Transform(room, event)
		if err != nil {
			out.rejects = append(out.rejects, e.reject(event, err))
			continue
		}
		if size := len(record.Body); size <= cap(room) {
			buf = buf[:len(buf)+size]
		} else {
			out.bytes += int64(cap(record.Body)) // It outgrew the room and has memory of its own.
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

// prepared is an event as the sink is to get it, nil if it is not to get it at all.
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

func (e *encoder) reject(event *source.Event, err error) sink.Reject {
	return sink.Reject{
		Record: sink.Record{
			ID: event.ID, Organization: event.Organization, Action: event.Action,
			Format: e.format, Time: event.Time, Late: event.Late,
		},
		Raw:    event.Raw,
		Reason: "transform: " + err.Error(),
		Time:   time.Now(),
	}
}
