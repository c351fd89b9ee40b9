package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/sluice-siem/sluice/pkg/checkpoint"
	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/deadletter"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

func (c *command) checkpointRename() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "rename -c FILE OLD NEW",
		Short: "Give a lane's position to the lane of its new name",
		Long: `Give a lane's position to the lane of its new name.

A lane is named after its source and its sink, such as acme/siem. After one of
them was renamed in the configuration, the lane of the new name has no position,
and would begin anew. OLD is the former name, and NEW the one in the
configuration, which must have no position. Stop sluice first. Where positions
are in Kafka, whoever still runs either lane is fenced.

Dead letters stay where they are, under the former name.`,
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

// renaming is the lane that is to get the position of another.
func renaming(cfg *config.Config, from, to string) (config.Lane, error) {
	lanes, err := pick(cfg, []string{to})
	if err != nil {
		return config.Lane{}, err
	}
	if _, err := pick(cfg, []string{from}); err == nil {
		return config.Lane{}, fmt.Errorf("lane %s is in the configuration, and needs its position", from)
	}
	if name, snk, ok := strings.Cut(from, "/"); !ok || name == "" || snk == "" {
		return config.Lane{}, fmt.Errorf("%q is no lane: write its source and its sink, such as acme/siem", from)
	}
	return lanes[0], nil
}

func (c *command) renameCheckpoint(ctx context.Context, cfg *config.Config, from string, to config.Lane) (err error) {
	log := newLogger(c.stderr, cfg.Log)
	opened, err := openSources(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.close()) }()
	kept, err := lookUp(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.close()) }()
	// A rename in a directory that was interrupted leaves a foreign file, and is finished.
	own := kept.look(ctx, to)
	if own.Err != nil && !errors.Is(own.Err, checkpoint.ErrForeign) {
		return own.Err
	}
	if own.Position != nil {
		return sink.Hint(fmt.Errorf("lane %s has a position already", to.Name),
			fmt.Sprintf("see sluice checkpoint list -c %s; to say where it is to go on: sluice checkpoint set", quoted(cfg.Path)))
	}
	m := mover{cfg: cfg, log: log, from: from, to: to, source: opened[to.Source.Name]}
	if err := m.move(ctx, kept); err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "%s: goes on where %s was\n", to.Name, from)
	return c.nameLetters(cfg, from, to)
}

// nameLetters says where dead letters of the former name are.
func (c *command) nameLetters(cfg *config.Config, from string, to config.Lane) error {
	lanes, err := filed(cfg)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(lanes, func(l deadletter.Lane) bool { return l.Name == from }) {
		fmt.Fprintf(c.stdout, "dead letters of %s stay in %s: sluice deadletter list -c %s %s\n", from, cfg.DeadLetters.Dir, quoted(cfg.Path), from)
	}
	if where := lettersInKafka(cfg, to); where != "" {
		fmt.Fprintf(c.stdout, "dead letters of %s, if there are any, stay in %s, where their header sluice-lane names it\n", from, where)
	}
	return nil
}

// mover gives the position of a former lane to another, where it is kept.
type mover struct {
	cfg    *config.Config
	log    zerolog.Logger
	from   string
	to     config.Lane
	source source.Source
}

// former is the lane as it was, as far as a sink must know.
func (m *mover) former() config.Lane {
	l := m.to
	l.Name = m.from
	l.Source.Name, _, _ = strings.Cut(m.from, "/")
	return l
}

func (m *mover) move(ctx context.Context, kept *lookout) error {
	done, err := m.inSink(ctx)
	if done || err != nil {
		return err
	}
	if kept.topic != nil {
		pos, _, err := kept.topic.Look(ctx, m.from)
		if err == nil {
			err = m.fits(pos)
		}
		if err != nil {
			return err
		}
		return kept.topic.Rename(ctx, m.from, m.to.Name)
	}
	return m.inDirectory(ctx, kept.saved)
}

// inSink moves a position that the sink keeps.
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
		return false, fmt.Errorf("sink %s keeps the position, and cannot rename it", m.to.Sink.Name)
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

// fits refuses a position that the source of the new lane does not take.
func (m *mover) fits(pos source.Position) error {
	if pos == nil {
		return sink.Hint(fmt.Errorf("lane %s keeps no position", m.from), fmt.Sprintf("see sluice checkpoint list -c %s for the lanes that do", quoted(m.cfg.Path)))
	}
	if _, err := m.source.Describe(pos); err != nil {
		return fmt.Errorf("lane %s cannot have the position of lane %s: %w", m.to.Name, m.from, err)
	}
	return nil
}
