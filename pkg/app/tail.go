package app

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/stdout"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/prepare"
)

func (c *command) tail() *cobra.Command {
	var file, format, name string
	cmd := &cobra.Command{
		Use:   "tail -c FILE",
		Short: "Show live events, touching no checkpoint",
		Long: `Show live events, touching no checkpoint.

With --sink they are shown as that sink gets them: of its sources, those it does
not filter, enriched and redacted as for it, in its format.`,
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
			}
			if cmd.Flags().Changed("format") {
				watched.Format, watched.FormatSettings = f, nil
			}
			return c.tailAll(cmd.Context(), cfg, watched)
		},
	}
	configFlag(cmd, &file)
	formatFlag(cmd, &format)
	cmd.Flags().StringVar(&name, "sink", "", "show what this sink gets")
	return cmd
}

// everything stands for a sink that gets all events as they are.
func everything(cfg *config.Config, f transform.Format) config.Sink {
	s := config.Sink{Name: "tail", Format: f, Original: true, Catalogue: cfg.Sinks[0].Catalogue}
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
	return config.Sink{}, fmt.Errorf("unknown sink %q: there are %q", name, names)
}

func formatFlag(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVar(format, "format", "ecs", "what records look like")
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
	return transform.Format{}, usageError{fmt.Errorf("unknown format %q: there are %q", name, names), cmd.CommandPath()}
}

// tailAll follows the sources of a sink, each on a lane of its own to stdout, from
// now on.
func (c *command) tailAll(ctx context.Context, cfg *config.Config, watched config.Sink) (err error) {
	log := newLogger(c.stderr, cfg.Log)
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
	for _, name := range watched.Sources {
		lane, err := screenLane(name+"/tail", opened[name], watched, screen, log)
		if err != nil {
			return err
		}
		if lane.Prepare, err = newPreparation(watched, &stock); err != nil {
			return err
		}
		lane.Start = source.Start{Now: true}
		lanes = append(lanes, lane)
	}
	err = runLanes(ctx, lanes, func(ctx context.Context) error { return stock.Watch(ctx, log) })
	return errors.Join(err, show.err())
}

// screenLane is a lane to stdout that leaves nothing behind, with records as a
// sink gets them.
func screenLane(name string, src source.Source, s config.Sink, screen sink.Type, log zerolog.Logger) (*pipeline.Lane, error) {
	encoder, err := newTransformer(s, nil)
	if err != nil {
		return nil, err
	}
	return &pipeline.Lane{
		Name: name, SourceName: name, SinkName: "stdout", Format: s.Format.Name,
		Source: src, Transformer: encoder,
		Open: func(ctx context.Context) (sink.Sink, error) {
			return screen.Open(ctx, sink.Env{Lane: name, Log: log}, screen.Settings())
		},
		Positions: &memory{}, DeadLetters: toLog{log},
		Log: log,
	}, nil
}

// memory keeps the position of a lane that ends with the process.
type memory struct {
	mu  sync.Mutex
	pos source.Position
}

func (m *memory) Load(context.Context, string) (source.Position, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pos, nil
}

func (m *memory) Save(_ context.Context, _ string, pos source.Position) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pos = pos
	return nil
}

// toLog tells of records that could not be shown; a screen has no store.
type toLog struct{ log zerolog.Logger }

func (t toLog) Put(_ context.Context, lane string, rejects []sink.Reject) error {
	for _, r := range rejects {
		t.log.Warn().Str("lane", lane).Str("event", r.Record.ID).Str("reason", r.Reason).Msg("an event cannot be shown")
	}
	return nil
}
