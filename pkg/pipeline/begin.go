package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// History is Positions that outlive the process, and can tell whether a lane
// without a position has run before.
type History interface {
	// Traces is what sink.History says of it, about the store.
	Traces(ctx context.Context, lane string) (sink.Traces, error)
}

// begin resolves where a lane without a checkpoint begins, and saves that. Where
// the lane has delivered before, its position is lost: that is an error, since to
// begin anew would skip events or deliver them again.
func (l *Lane) begin(ctx, grace context.Context, dest *destination) (pos source.Position, err error) {
	found, err := l.traces(ctx, dest)
	if err != nil {
		return nil, err
	}
	if found.Proof {
		l.lost = &Lost{Lane: l.Name, Config: l.Config, Traces: found}
		return nil, l.lost
	}
	err = l.starting.until(ctx, func() (err error) {
		pos, err = l.Source.Start(ctx, l.Start)
		return err
	})
	if err != nil {
		return nil, err
	}
	l.tellBeginning(found)
	if _, ok := dest.sink.(sink.Ledger); ok {
		return pos, l.keep(ctx, grace, dest, pos)
	}
	return pos, l.save(ctx, grace, pos)
}

// stillLost looks whether a person has given the lane a position since it was
// refused. To take the lane for that would fence who is just doing so.
func (l *Lane) stillLost(ctx context.Context, dest *destination) error {
	if l.lost == nil {
		return nil
	}
	var pos source.Position
	err := l.taking.until(ctx, func() error {
		if err := dest.ready(ctx); err != nil {
			return err
		}
		ledger := dest.sink.(sink.Ledger)
		found := new(source.Position) // not shared with an attempt that was abandoned
		err := dest.attempt(ctx, "looking for a position", func(ctx context.Context) (err error) {
			*found, _, err = ledger.Look(ctx)
			return err
		})
		if err == nil {
			pos = *found
		}
		return err
	})
	if err == nil && pos == nil {
		return l.lost
	}
	l.lost = nil
	return err
}

// tellBeginning is calm where positions are not kept, and each run is a first one.
func (l *Lane) tellBeginning(found sink.Traces) {
	if _, kept := l.Positions.(History); !kept {
		return
	}
	line := l.log.Warn().Stringer("at", l.Start)
	if found.Found != "" {
		line = line.Str("found", found.Found).Str("hint", "if this lane ran before, stop sluice and say where it goes on: "+
			setCommands(l.Config, l.Name, found.Newest)+"; if it was renamed: "+command(l.Config, "rename")+" OLD "+l.Name)
	}
	line.Msg("lane begins: it has no saved position")
}

// traces asks the sink and the store whether the lane has run before. Proof from
// either counts.
func (l *Lane) traces(ctx context.Context, dest *destination) (found sink.Traces, err error) {
	err = l.starting.until(ctx, func() error {
		if err := dest.ready(ctx); err != nil {
			return err
		}
		found, err = l.tracesOnce(ctx, dest)
		return err
	})
	return found, err
}

func (l *Lane) tracesOnce(ctx context.Context, dest *destination) (found sink.Traces, err error) {
	if history, ok := dest.sink.(sink.History); ok {
		seen := new(sink.Traces) // not shared with an attempt that was abandoned
		err = dest.attempt(ctx, "looking for what the lane delivered before", func(ctx context.Context) (err error) {
			*seen, err = history.Traces(ctx)
			return err
		})
		if err != nil {
			return found, err
		}
		if seen.Proof {
			return *seen, nil
		}
		found = *seen
	}
	if history, ok := l.Positions.(History); ok {
		stored, err := history.Traces(ctx, l.Name)
		if err != nil || stored.Proof || found.Found == "" {
			return stored, err
		}
	}
	return found, nil
}

// Lost says that a lane has delivered before and has no position.
type Lost struct {
	Lane   string
	Config string // file of the configuration, for the hint; empty if not known
	sink.Traces
}

func (e *Lost) Error() string {
	return fmt.Sprintf("lane %s has no saved position, but it has delivered before: %s", e.Lane, e.Found)
}

// ErrorClass is the class of the error.
func (e *Lost) ErrorClass() string { return "position" }

// Hint is the ways out.
func (e *Lost) Hint() string {
	return "restore the positions, or say where the lane goes on: " + setCommands(e.Config, e.Lane, e.Newest)
}

// setCommands are the ways to give a lane a position.
func setCommands(config, lane string, newest time.Time) string {
	set := command(config, "set")
	text := fmt.Sprintf("`%s --to beginning %s` delivers the whole log again; `%s --to now %s` skips what is in it", set, lane, set, lane)
	if !newest.IsZero() {
		text += fmt.Sprintf("; `%s --to %s %s` goes on at the newest record that was found", set, newest.UTC().Format(time.RFC3339Nano), lane)
	}
	return text
}

func command(config, name string) string {
	if config == "" {
		config = "FILE"
	}
	return "sluice checkpoint " + name + " -c " + config
}
