package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/sluice-siem/sluice/pkg/checkpoint"
	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/deadletter"
	"github.com/sluice-siem/sluice/pkg/pause"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

func (c *command) checkpointRename() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "rename -c FILE OLD NEW",
		Short: "Move a lane's position and dead letters to its new name",
		Long: `Move a lane's position and dead letters to its new name.

A lane is named after its source and its sink, such as acme/siem. If you rename
one of them in the configuration, the lane with the new name has no position and
would begin anew. OLD is the former name. NEW is the name in the configuration,
and must not have a position. Stop sluice first. If positions are in Kafka or a
bucket, an instance that still runs either lane is fenced.

A paused lane stays paused. Dead letters in files move after the position. If
the command was interrupted, run it again. If OLD has dead letters and no
position, only they move, and NEW may have a position. Dead letters in Kafka or
a bucket stay under the former name; sluice deadletter list shows them.`,
		Args: usage(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, names []string) error {
			cfg, err := c.load(file)
			if err != nil {
				return err
			}
			to, err := renaming(cfg, names[0], names[1])
			if err != nil {
				return usageError{err, cmd.CommandPath()}
			}
			return c.renameCheckpoint(cmd.Context(), cfg, names[0], to)
		},
	}
	configFlag(cmd, &file)
	return cmd
}

// renaming returns the lane that gets the position of another.
func renaming(cfg *config.Config, from, to string) (config.Lane, error) {
	lanes, err := pick(cfg, []string{to})
	if err != nil {
		return config.Lane{}, err
	}
	if _, err := pick(cfg, []string{from}); err == nil {
		return config.Lane{}, fmt.Errorf("lane %s is in the configuration, and needs its position", from)
	}
	if name, snk, ok := strings.Cut(from, "/"); !ok || name == "" || snk == "" {
		return config.Lane{}, fmt.Errorf("%q is not the name of a lane: write source/sink, such as acme/siem", from)
	}
	if name, _, _ := strings.Cut(from, "/"); (name == cfg.Own.Name) != cfg.IsOwn(lanes[0]) {
		return config.Lane{}, fmt.Errorf("one of %s and %s is a lane of Sluice's own log, so neither can use the position of the other", from, to)
	}
	return lanes[0], nil
}

func (c *command) renameCheckpoint(ctx context.Context, cfg *config.Config, from string, to config.Lane) (err error) {
	log := newLogger(c.stderr, cfg.Log)
	opened, err := openSourcesAndOwn(ctx, cfg, true, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.close()) }()
	positions, err := openPositionsAndOwners(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, positions.close()) }()
	// An interrupted rename in a directory leaves a foreign file. This rename finishes it.
	own := positions.look(ctx, to)
	if own.Err != nil && !errors.Is(own.Err, checkpoint.ErrForeign) {
		return own.Err
	}
	m := mover{cfg: cfg, log: log, from: from, to: to, source: opened[to.Source.Name]}
	buried, err := hasLettersInFiles(cfg, from)
	if err != nil {
		return err
	}
	switch {
	case own.Position == nil:
		if err := c.movePosition(ctx, m, positions); err != nil {
			return err
		}
		if err := c.tell(ctx, cfg, positionMoved(from, to)); err != nil {
			return fmt.Errorf("lane %s: the position is moved: %w", to.Name, err)
		}
		fmt.Fprintf(c.stdout, "%s: resumes where %s was\n", to.Name, from)
	case !buried && !m.hasPosition(ctx, positions):
		return sink.Hint(fmt.Errorf("lane %s already has a position, and %s has none", to.Name, from),
			fmt.Sprintf("see the names of the lanes with sluice checkpoint list -c %s; if the rename was done before, there is nothing left to do", quoted(cfg.Path)))
	case !buried || m.hasPosition(ctx, positions):
		return sink.Hint(fmt.Errorf("lane %s already has a position", to.Name),
			fmt.Sprintf("see it with sluice checkpoint list -c %s; move it with sluice checkpoint set", quoted(cfg.Path)))
	}
	if buried {
		if err := m.moveLetters(ctx); err != nil {
			return err
		}
		fmt.Fprintf(c.stdout, "%s: has the dead letters of %s\n", to.Name, from)
	}
	if where := sharedLetters(cfg, to); where != "" {
		fmt.Fprintf(c.stdout, "any dead letters of %s in %s stay under that name: sluice deadletter list -c %s %s\n", from, where, quoted(cfg.Path), from)
	}
	return nil
}

// positionMoved is the event of the own log about a lane that has a new name.
func positionMoved(from string, to config.Lane) ownlog.Event {
	e := ownlog.New(ownlog.PositionSet, ownlog.Party{Type: "lane", Name: to.Name}, fmt.Sprintf("Lane %s got the position of lane %s.", to.Name, from))
	e.Details = map[string]any{"renamed_from": from}
	return e
}

// movePosition moves the position, and the marker of a pause around it: the lane is paused
// under its new name before it has the position, and under the former name until then.
func (c *command) movePosition(ctx context.Context, m mover, positions *positionReader) error {
	store := openPauses(m.cfg)
	defer store.close()
	marker, err := store.Look(ctx, m.from)
	if err == nil && marker != nil {
		carried := *marker
		carried.Lane = m.to.Name
		if carried.Err != nil {
			carried = pause.Marker{Lane: m.to.Name, Since: time.Now(), By: whoRuns(), Reason: "the marker of " + m.from + " could not be used"}
		}
		err = store.Pause(ctx, carried)
	}
	if err != nil {
		return err
	}
	if err := m.move(ctx, positions); err != nil {
		return m.explain(ctx, positions, err)
	}
	if marker == nil {
		return nil
	}
	fmt.Fprintf(c.stdout, "%s: is paused, as %s was\n", m.to.Name, m.from)
	_, err = store.Resume(ctx, m.from)
	return err
}

// mover gives the position of a former lane to another lane, within the sink or state
// that holds it, and then its dead letters. In this order an interrupted rename leaves no
// lane that seems to have lost its position.
type mover struct {
	cfg    *config.Config
	log    zerolog.Logger
	from   string
	to     config.Lane
	source source.Source
}

// former returns the lane under its former name, as far as a sink needs it.
func (m *mover) former() config.Lane {
	return named(m.to, m.from)
}

// named returns a lane under another name, as far as a sink needs it.
func named(l config.Lane, name string) config.Lane {
	l.Name = name
	l.Source.Name, _, _ = strings.Cut(name, "/")
	return l
}

// hasPosition reports whether the former lane has a position, or may have one that
// cannot be read.
func (m *mover) hasPosition(ctx context.Context, positions *positionReader) bool {
	former := positions.look(ctx, m.former())
	return former.Position != nil || former.Err != nil
}

func (m *mover) moveLetters(ctx context.Context) error {
	store, err := deadletter.Open(m.cfg.DeadLetters.Dir, m.cfg.DeadLetters.MaxBytes)
	if err != nil {
		return err
	}
	return errors.Join(store.Rename(ctx, m.from, m.to.Name), store.Close())
}

// explain adds the lanes that could be renamed to the error of one without a position.
func (m *mover) explain(ctx context.Context, positions *positionReader, err error) error {
	if !errors.Is(err, checkpoint.ErrNone) {
		return err
	}
	former, listing := positions.former(ctx, m.cfg)
	if listing != nil || len(former) == 0 {
		return sink.Hint(err, fmt.Sprintf("see the lanes that have a position with sluice checkpoint list -c %s", quoted(m.cfg.Path)))
	}
	var names []string
	for _, f := range former {
		names = append(names, f.Lane)
	}
	return sink.Hint(err, "these lanes have a position and are not in the configuration: "+strings.Join(names, ", "))
}

func (m *mover) move(ctx context.Context, positions *positionReader) error {
	done, err := m.inSink(ctx)
	if done || err != nil {
		return err
	}
	if positions.shared != nil {
		pos, _, err := positions.shared.Look(ctx, m.from)
		if err == nil {
			err = m.fits(pos)
		}
		if err != nil {
			return err
		}
		return positions.shared.Rename(ctx, m.from, m.to.Name)
	}
	return m.inDirectory(ctx, positions.saved)
}

// inSink moves a position that is in the sink. done is false if there is none.
func (m *mover) inSink(ctx context.Context) (done bool, err error) {
	former, err := openLedger(ctx, m.former(), m.log)
	if former == nil || err != nil {
		return false, err
	}
	pos, _, err := former.Look(ctx)
	if err = errors.Join(err, former.Close()); err != nil || pos == nil {
		return false, err
	}
	if err := m.fits(pos); err != nil {
		return false, err
	}
	ledger, err := openLedger(ctx, m.to, m.log)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	renamer, ok := ledger.(sink.Renamer)
	if !ok {
		return false, fmt.Errorf("sink %s holds the position, and cannot rename it", m.to.Sink.Name)
	}
	return true, renamer.Rename(ctx, m.from)
}

// inDirectory moves a position between files of the state directory.
func (m *mover) inDirectory(ctx context.Context, saved []checkpoint.Checkpoint) error {
	for _, s := range saved {
		if s.Lane == m.from {
			if s.Err != nil {
				return s.Err
			}
			if err := m.fits(s.Position); err != nil {
				return err
			}
		}
	}
	dir, err := checkpoint.Open(m.cfg.State.Dir)
	if err != nil {
		return err
	}
	return errors.Join(dir.Rename(ctx, m.from, m.to.Name), dir.Close())
}

// fits refuses a position that the source of the new lane does not accept.
func (m *mover) fits(pos source.Position) error {
	if pos == nil {
		return fmt.Errorf("lane %s: %w", m.from, checkpoint.ErrNone)
	}
	if _, err := meaning(m.source, pos); err != nil {
		return fmt.Errorf("lane %s cannot use the position of lane %s: %w", m.to.Name, m.from, err)
	}
	return nil
}
