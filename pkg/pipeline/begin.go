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
	// Traces is like sink.History.Traces, for the store.
	Traces(ctx context.Context, lane string) (sink.Traces, error)
}

// begin resolves the position at which a lane without a checkpoint begins, and saves it.
// If the lane has delivered before, its position is lost. That is an error, because a new
// beginning would skip events or deliver them again.
func (r *resumption) begin(stop stopping) (pos source.Position, err error) {
	l := r.lane
	found, err := r.traces(stop.soft)
	if err != nil {
		return nil, err
	}
	if found.Proof {
		l.lost = &Lost{Lane: l.Name, Config: l.Config, Traces: found}
		return nil, l.lost
	}
	err = l.starting.until(stop.soft, func() (err error) {
		pos, err = l.Source.Start(stop.soft, l.Start)
		return err
	})
	if err != nil {
		return nil, err
	}
	l.tellBeginning(found)
	if r.dest.keepsPosition() {
		return pos, r.commit(stop, pos)
	}
	return pos, l.save(stop, pos, pos)
}

// stillLost returns the lane's error again unless somebody has set a position meanwhile.
// It does not take the lane, since that would fence the person who sets the position.
func (r *resumption) stillLost(ctx context.Context) error {
	if r.lane.lost == nil {
		return nil
	}
	pos, err := r.dest.lookUp(ctx)
	if err == nil && pos == nil {
		return r.lane.lost
	}
	r.lane.lost = nil
	return err
}

// tellBeginning logs a warning, unless positions do not outlive the process: then every
// run begins anew.
func (l *Lane) tellBeginning(found sink.Traces) {
	if _, kept := l.Positions.(History); !kept {
		return
	}
	line := l.log.Warn().Stringer("at", l.Start)
	if found.Found != "" {
		line = line.Str("found", found.Found).Str("hint", "if this lane ran before, stop sluice and choose where it resumes: "+
			setCommands(l.Config, l.Name, found.Newest)+"; if it was renamed: "+command(l.Config, "rename")+" OLD "+l.Name)
	}
	line.Msg("lane begins: it has no saved position")
}

// traces asks the sink and the store whether the lane has run before. One of them is
// enough as proof.
func (r *resumption) traces(ctx context.Context) (found sink.Traces, err error) {
	err = r.lane.starting.until(ctx, func() error {
		if err := r.dest.ready(ctx); err != nil {
			return err
		}
		found, err = r.tracesOnce(ctx)
		return err
	})
	return found, err
}

func (r *resumption) tracesOnce(ctx context.Context) (sink.Traces, error) {
	found, err := r.dest.traces(ctx)
	if err != nil || found.Proof {
		return found, err
	}
	if history, ok := r.lane.Positions.(History); ok {
		stored, err := history.Traces(ctx, r.lane.Name)
		if err != nil || stored.Proof || found.Found == "" {
			return stored, err
		}
	}
	return found, nil
}

// traces asks the sink once, if it implements sink.History.
func (d *destination) traces(ctx context.Context) (sink.Traces, error) {
	history, ok := d.sink.(sink.History)
	if !ok {
		return sink.Traces{}, nil
	}
	found := new(sink.Traces) // not shared with an attempt that was abandoned
	err := d.attempt(ctx, "looking for what the lane delivered before", func(ctx context.Context) (err error) {
		*found, err = history.Traces(ctx)
		return err
	})
	if err != nil {
		return sink.Traces{}, err
	}
	return *found, nil
}

// Lost is the error of a lane that has delivered before and has no position.
type Lost struct {
	Lane   string
	Config string // file of the configuration, for the hint; empty if not known
	sink.Traces
}

func (e *Lost) Error() string {
	return fmt.Sprintf("lane %s has no saved position, but it has delivered before: %s", e.Lane, e.Found)
}

func (e *Lost) ErrorClass() string { return "position" }

// ErrorHint returns what a person can do.
func (e *Lost) ErrorHint() string {
	return "restore the positions, or choose where the lane resumes: " + setCommands(e.Config, e.Lane, e.Newest)
}

// setCommands returns the commands that give a lane a position.
func setCommands(config, lane string, newest time.Time) string {
	set := command(config, "set")
	text := fmt.Sprintf("`%s --to beginning %s` delivers the whole log again; `%s --to now %s` skips what is in it", set, lane, set, lane)
	if !newest.IsZero() {
		text += fmt.Sprintf("; `%s --to %s %s` resumes at the newest record found", set, newest.UTC().Format(time.RFC3339Nano), lane)
	}
	return text
}

func command(config, name string) string {
	if config == "" {
		config = "FILE"
	}
	return "sluice checkpoint " + name + " -c " + config
}
