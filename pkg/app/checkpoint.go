package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/sluice-siem/sluice/pkg/checkpoint"
	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/internal/nearest"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

func (c *command) checkpoint() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "checkpoint",
		Short: "Show, set or rename the positions of lanes",
		Args:  usage(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.checkpointList(), c.checkpointSet(), c.checkpointRename())
	return cmd
}

func (c *command) checkpointList() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "list -c FILE",
		Short: "Show each lane's position; sluice may be running",
		Long: `Show each lane's position; sluice may be running.

NEWEST EVENT is the time of the newest event that was delivered. COMPLETE UNTIL
is the time until which everything listed was delivered, late events included.
It may be some minutes old on a lane that keeps up, since a source looks for
late events now and then only. SAVED is when the position was last saved; an
idle lane saves it once a minute. How far a lane lags behind its log is on the
console and in the metric sluice_lag_seconds.

IN is where the position is kept: the state's directory, topic or bucket, or the
sink.
EXPIRES is when the source begins to forget the events after the position, as
far as that is known. Paused lanes are named below the table.`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load(file)
			if err != nil {
				return err
			}
			return c.listCheckpoints(cmd.Context(), cfg)
		},
	}
	configFlag(cmd, &file)
	return cmd
}

func (c *command) listCheckpoints(ctx context.Context, cfg *config.Config) (err error) {
	positions, err := openPositionsAndOwners(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, positions.close()) }()
	opened, err := openSourcesAndOwn(ctx, cfg, false, zerolog.Nop())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.close()) }()
	store := openPauses(cfg)
	defer store.close()
	columns := []string{"LANE", "NEWEST EVENT", "COMPLETE UNTIL", "EXPIRES", "SAVED", "IN", "OWNER"}
	if positions.shared == nil { // One process runs all lanes.
		columns = columns[:len(columns)-1]
	}
	table := table{header: columns}
	row := func(cells ...string) { table.add(cells[:len(columns)]...) }
	var unusable []error
	var paused []string
	for _, l := range cfg.Lanes() {
		saved := positions.look(ctx, l)
		d, err := describe(opened[l.Source.Name], saved)
		m, failed := store.Look(ctx, l.Name)
		if unusable = append(unusable, failed); m != nil {
			paused = append(paused, fmt.Sprintf("%s is %s", l.Name, oneLine(pauseOf(m).String())))
			unusable = append(unusable, m.Err)
		}
		switch {
		case err != nil:
			unusable = append(unusable, err)
			row(l.Name, "unusable", "-", "-", ago(saved.Saved), positions.place(saved), positions.owner(l))
		case saved.Position == nil:
			row(l.Name, "-", "-", "-", "never", "-", positions.owner(l))
		default:
			row(l.Name, when(d.Event), completeUntil(d), when(d.Expires), ago(saved.Saved), positions.place(saved), positions.owner(l))
		}
	}
	former, err := positions.former(ctx, cfg)
	if err != nil {
		unusable = append(unusable, err)
	}
	for _, s := range former {
		row(s.Lane, "not in the configuration", "-", "-", ago(s.Saved), positions.place(s), "-")
	}
	unusable = append(unusable, table.print(c.stdout))
	for _, line := range paused {
		fmt.Fprintln(c.stdout, line)
	}
	return errors.Join(unusable...)
}

func describe(src source.Source, saved checkpoint.Checkpoint) (source.Description, error) {
	if saved.Err != nil || saved.Position == nil {
		return source.Description{}, saved.Err
	}
	if src == nil { // Only the own log is not there before it is written.
		return source.Description{}, fmt.Errorf("lane %s: %s: the own log that this position is in is gone: %w", saved.Lane, saved.Path, source.ErrUnusable)
	}
	d, err := meaning(src, saved.Position)
	if err != nil {
		err = fmt.Errorf("lane %s: %s: %w", saved.Lane, saved.Path, err)
	}
	return d, err
}

// completeUntil writes the time until which everything was delivered.
func completeUntil(d source.Description) string {
	if d.Event.IsZero() && d.Through.IsZero() {
		return "the beginning"
	}
	return when(d.Through)
}

func (c *command) checkpointSet() *cobra.Command {
	var file, to string
	cmd := &cobra.Command{
		Use:   "set -c FILE --to beginning|now|TIME LANE...",
		Short: "Set where lanes resume",
		Long: `Set where lanes resume: at the beginning of the log, after what is in it now, or
at a time such as 2026-01-31T00:00:00Z. Events between the old position and the
new one are delivered again, or skipped. The old checkpoint is replaced, even if
it is corrupt.

Prints "LANE: set" for each lane, and below it the old and the new position in
the words of sluice checkpoint list.

If the position is in Kafka or a bucket, sluice may be running: the lane resumes
from the new position when it next saves, at most a minute later. If the
position is in the state directory, stop sluice first.`,
		Args: usage(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			start, err := parseStart(to)
			if err != nil {
				return usageError{err, cmd.CommandPath()}
			}
			cfg, err := c.load(file)
			if err != nil {
				return err
			}
			lanes, err := pick(cfg, names)
			if err != nil {
				return usageError{err, cmd.CommandPath()}
			}
			return c.setCheckpoints(cmd.Context(), cfg, lanes, start)
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&to, "to", "", "beginning, now or an RFC 3339 time (required)")
	return cmd
}

func parseStart(text string) (source.Start, error) {
	switch text {
	case "beginning":
		return source.Start{}, nil
	case "now":
		return source.Start{Now: true}, nil
	}
	since, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return source.Start{}, fmt.Errorf("--to %q is not beginning, now or a time such as 2026-01-31T00:00:00Z", text)
	}
	return source.Start{Since: since}, nil
}

// pick finds lanes by name.
func pick(cfg *config.Config, names []string) ([]config.Lane, error) {
	var lanes []config.Lane
	var all []string
	for _, l := range cfg.Lanes() {
		all = append(all, l.Name)
		if slices.Contains(names, l.Name) {
			lanes = append(lanes, l)
		}
	}
	for _, name := range names {
		if !slices.Contains(all, name) {
			err := fmt.Errorf("unknown lane %q; known: %q", name, all)
			if near := nearest.Word(name, all); near != "" {
				err = fmt.Errorf("%w; perhaps you mean %s", err, near)
			}
			return nil, err
		}
	}
	return lanes, nil
}

func (c *command) setCheckpoints(ctx context.Context, cfg *config.Config, lanes []config.Lane, start source.Start) (err error) {
	log := newLogger(c.stderr, cfg.Log)
	opened, err := openSourcesAndOwn(ctx, cfg, true, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.close()) }()
	positions, err := openPositions(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, positions.close()) }()
	set := positionWriter{cfg: cfg, log: log}
	defer func() { err = errors.Join(err, set.close()) }()
	for _, l := range lanes {
		src, former := opened[l.Source.Name], positions.look(ctx, l)
		pos, err := src.Start(ctx, start)
		if err == nil {
			err = set.set(ctx, l, former.Position, pos, "position set to "+start.String()+" by "+whoRuns())
		}
		if err != nil {
			return fmt.Errorf("lane %s: %w", l.Name, err)
		}
		if err := c.tell(ctx, cfg, positionSet(l, start.String(), place(src, former), place(src, checkpoint.Checkpoint{Position: pos}))); err != nil {
			return fmt.Errorf("lane %s: the position is set: %w", l.Name, err)
		}
		fmt.Fprintf(c.stdout, "%s: set\n  old: %s\n  new: %s\n", l.Name, place(src, former), place(src, checkpoint.Checkpoint{Position: pos}))
	}
	return nil
}

// positionSet is the event of the own log about a position that somebody set.
func positionSet(l config.Lane, to, former, current string) ownlog.Event {
	e := ownlog.New(ownlog.PositionSet, ownlog.Party{Type: "lane", Name: l.Name}, fmt.Sprintf("The position of lane %s was set to %s.", l.Name, to))
	e.Details = map[string]any{"to": to, "old": former, "new": current}
	return e
}

// place describes a position in the words of checkpoint list.
func place(src source.Source, saved checkpoint.Checkpoint) string {
	d, err := describe(src, saved)
	switch {
	case err != nil:
		return "unusable"
	case saved.Position == nil:
		return "none"
	}
	text := fmt.Sprintf("newest event %s, complete until %s", when(d.Event), completeUntil(d))
	if !d.Awaits.IsZero() {
		text += fmt.Sprintf(", events since %s were listed and not delivered", when(d.Awaits))
	}
	if d.Gap != (source.Interval{}) {
		text += fmt.Sprintf(", events from %s to %s may be missing and no sluice.gap event reported it", when(d.Gap.From), when(d.Gap.To))
	}
	return text
}
