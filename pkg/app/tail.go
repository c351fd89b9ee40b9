package app

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/internal/stdio"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/stdout"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/prepare"
	"github.com/sluice-siem/sluice/pkg/transform/text"
)

func (c *command) tail() *cobra.Command {
	var file, format, name string
	cmd := &cobra.Command{
		Use:   "tail -c FILE",
		Short: "Show live events without touching a checkpoint",
		Long: `Show live events without touching a checkpoint.

With --sink, show what that sink gets: the events of its sources, filtered,
enriched and redacted by its settings, in its format. Events of Sluice's own log
are never shown.`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.format(cmd, format)
			if err != nil {
				return err
			}
			cfg, err := c.load(file)
			if err != nil {
				return err
			}
			watched := everything(cfg, f)
			if name != "" {
				if watched, err = sinkNamed(cfg, name); err != nil {
					return usageError{err, ""}
				}
				if watched.OwnEvents == config.OnlyOwnEvents {
					return usageError{sink.Hint(fmt.Errorf("sink %s gets only own events, and tail shows events of sources", name),
						"name another sink, or leave --sink out; docs/own-log.md says who gets own events"), cmd.CommandPath()}
				}
			}
			if cmd.Flags().Changed("format") {
				watched.Format, watched.FormatSettings = f, nil
			}
			return c.tailAll(cmd.Context(), cfg, watched)
		},
	}
	configFlag(cmd, &file)
	c.screenFormatFlag(cmd, &format)
	cmd.Flags().StringVar(&name, "sink", "", "show what this sink gets")
	return cmd
}

// everything returns a sink that gets all events as they are.
func everything(cfg *config.Config, f transform.Format) config.Sink {
	s := config.Sink{Name: "tail", Format: f, Original: true}
	for _, source := range cfg.Sources {
		s.Sources = append(s.Sources, source.Name)
	}
	return s
}

// sinkNamed finds a sink of a configuration.
func sinkNamed(cfg *config.Config, name string) (config.Sink, error) {
	var names []string
	for _, s := range cfg.Sinks {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return config.Sink{}, fmt.Errorf("unknown sink %q; known: %q", name, names)
}

func formatFlag(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVar(format, "format", "ecs", "format of the records")
}

// screenFormatFlag is formatFlag for a command whose records a person may watch.
func (c *command) screenFormatFlag(cmd *cobra.Command, format *string) {
	formatFlag(cmd, format)
	f := cmd.Flags().Lookup("format")
	f.Usage = "format of the records; on a terminal the default is text"
	if stdio.Terminal(c.stdout) {
		*format, f.DefValue = text.Format.Name, text.Format.Name
	}
}

// format finds a format by name.
func (c *command) format(cmd *cobra.Command, name string) (transform.Format, error) {
	var names []string
	for _, f := range c.kinds.Formats {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	return transform.Format{}, usageError{fmt.Errorf("unknown format %q; known: %q", name, names), cmd.CommandPath()}
}

// tailAll follows the sources of a sink from now on. Each has a lane of its own to
// stdout.
func (c *command) tailAll(ctx context.Context, cfg *config.Config, watched config.Sink) (err error) {
	log, flush := newDaemonLogger(c.stderr, c.stderr, cfg.Log)
	defer flush()
	opened, err := openSources(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.close()) }()
	ctx, done := context.WithCancel(ctx)
	defer done()
	show := &show{done: done}
	screen := show.on(stdout.To(c.stdout))
	var stock prepare.Stock
	var lanes []*pipeline.Lane
	for _, s := range cfg.Sources {
		if !slices.Contains(watched.Sources, s.Name) {
			continue
		}
		l := config.Lane{Name: s.Name + "/tail", Source: s, Sink: watched}
		lane, err := screenLane(l, opened[s.Name], screen, log)
		if err != nil {
			return err
		}
		if lane.Prepare, err = newPreparation(l, &stock); err != nil {
			return err
		}
		lane.Start = source.Start{Now: true}
		lanes = append(lanes, lane)
	}
	err = runBeside(ctx, show.set(lanes...).Run, func(ctx context.Context) error { return stock.Watch(ctx, log) })
	return errors.Join(err, show.err())
}
