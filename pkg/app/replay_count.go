package app

import (
	"context"
	"fmt"
	"time"

	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// counted is what a range holds.
type counted struct {
	source      string
	events      int
	wanted      int // events that the sink gets
	first, last time.Time
}

func (c counted) String() string {
	if c.events == 0 {
		return fmt.Sprintf("%s: no events in the range", c.source)
	}
	text := fmt.Sprintf("%s: %s from %s to %s", c.source, several(c.events, "event"),
		c.first.UTC().Format(time.RFC3339Nano), c.last.UTC().Format(time.RFC3339Nano))
	if c.wanted != c.events {
		text += fmt.Sprintf("; the sink gets %s of them", count(uint64(c.wanted)))
	}
	return text
}

func (c *counted) add(e *source.Event, wanted bool) {
	if c.events++; c.events == 1 || e.Time.Before(c.first) {
		c.first = e.Time
	}
	if e.Time.After(c.last) {
		c.last = e.Time
	}
	if wanted {
		c.wanted++
	}
}

// count reads the range and keeps nothing of it.
func (p *replayPart) count(ctx context.Context) error {
	prepare, err := p.prepare()
	if err != nil {
		return err
	}
	p.counted.source = p.lane.Source.Name
	lane := &pipeline.Lane{
		Transformer: p.encoder, Positions: &memoryPosition{}, DeadLetters: toLog{p.log},
		Prepare: func(e *source.Event) (*source.Event, error) {
			prepared := e
			if prepare != nil {
				prepared, _ = prepare(e) // An event that cannot be prepared is delivered as it is.
			}
			p.counted.add(e, prepared != nil)
			return nil, nil
		},
	}
	return p.through(ctx, lane, func(context.Context, func(error)) (sink.Sink, error) { return nothing{}, nil })
}

// nothing is the sink of a lane whose events all are filtered.
type nothing struct{}

func (nothing) Publish(context.Context, []sink.Record) error { return nil }
func (nothing) Close() error                                 { return nil }
