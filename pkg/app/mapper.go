package app

import (
	"fmt"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/prepare"
)

// mapper makes the records of a lane for people. It is for one goroutine.
type mapper struct {
	lane    config.Lane
	prepare func(*source.Event) (*source.Event, error) // nil: events stay as they are
	encoder transform.Transformer
}

// newMapper returns the mapper of a lane. It opens no sink, so the sink's limit on the size
// of a record is not applied.
func newMapper(l config.Lane, stock *prepare.Stock) (*mapper, error) {
	m := &mapper{lane: l}
	var err error
	if m.encoder, err = newTransformer(l, nil); err != nil {
		return nil, err
	}
	if m.prepare, err = newPreparation(l, stock); err != nil {
		return nil, err
	}
	return m, nil
}

// mapped is what becomes of an event.
type mapped struct {
	sink.Record
	filtered   bool  // the sink does not get the event, so there is no record
	unprepared error // why the record is unfiltered or unenriched
}

// record returns the record of an event. An error means that the event becomes a dead
// letter.
func (m *mapper) record(e *source.Event) (out mapped, err error) {
	if m.prepare != nil {
		if e, out.unprepared = m.prepare(e); e == nil {
			out.filtered = true
			return out, nil
		}
	}
	out.Record, err = m.encoder.Transform(nil, e)
	return out, err
}

// explain returns the fields of a record, with the rule of each. The format must be able to
// explain.
func (m *mapper) explain(r *sink.Record) ([]transform.Field, error) {
	fields, err := m.lane.Sink.Format.Explain(&m.lane.Source.Type.Product, r.Body)
	if err != nil {
		return nil, fmt.Errorf("explaining event %s: %w", r.ID, err)
	}
	return fields, nil
}
