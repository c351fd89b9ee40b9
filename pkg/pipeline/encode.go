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
		encoded := enc.encode(p, out.blank())
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

// encoder turns events into records. The bodies of a page share a buffer, and a
// page that was settled leaves its own to those to come, so that a page costs a
// handful of allocations, and none of them is large.
type encoder struct {
	prepare     func(*source.Event) (*source.Event, error)
	transformer transform.Transformer
	format      string
	body        int // average size of a body in the page before
}

// room is how much memory the bodies of so many events are given.
func (e *encoder) room(events int) int { return (e.body + e.body/8) * events }

// encode fills out, which is blank.
func (e *encoder) encode(p, out *page) *page {
	out.next, out.caughtUp, out.oldest = p.next, p.caughtUp, p.oldest
	out.part.records = slices.Grow(out.part.records, len(p.events))
	out.part.raws = slices.Grow(out.part.raws, len(p.events))
	buf := out.room
	if cap(buf) > 2*e.room(len(p.events)) {
		buf = nil // It counts as a whole, and would take the place of other pages.
	}
	out.bytes = p.bytes + (recordBytes-eventBytes)*int64(len(p.events)) + int64(cap(buf))
	total := 0
	for i := range p.events {
		event := e.prepared(&p.events[i], out)
		if event == nil {
			continue
		}
		if event.Reject {
			out.rejects = append(out.rejects, e.reject(event, event.Problem))
			continue
		}
		if cap(buf)-len(buf) < e.body {
			buf = make([]byte, 0, e.room(len(p.events)-i))
			out.bytes += int64(cap(buf))
		}
		room := buf[len(buf):]
		record, err := e.transformer.Transform(room, event)
		if err != nil {
			out.rejects = append(out.rejects, e.reject(event, "transform: "+err.Error()))
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
	out.room = buf[:0]
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

func (e *encoder) reject(event *source.Event, reason string) sink.Reject {
	return sink.Reject{
		Record: sink.Record{
			ID: event.ID, Organization: event.Organization, Action: event.Action,
			Format: e.format, Time: event.Time, Late: event.Late,
		},
		Raw:    event.Raw,
		Reason: reason,
		Time:   time.Now(),
	}
}
