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
)

func (c *command) tail() *cobra.Command {
	var file, format string
	cmd := &cobra.Command{
		Use:   "tail -c FILE",
		Short: "Show live events, touching no checkpoint",
		Args:  usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.format(cmd, format)
			if err != nil {
				return err
			}
			cfg, err := c.load(file)
			if err != nil {
				return err
			}
			return c.tailAll(cmd.Context(), cfg, f)
		},
	}
	configFlag(cmd, &file)
	formatFlag(cmd, &format)
	return cmd
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

// tailAll follows every source on a lane of its own to stdout, from now on.
func (c *command) tailAll(ctx context.Context, cfg *config.Config, f transform.Format) (err error) {
	log := newLogger(c.stderr, cfg.Log)
	opened, err := openSources(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.close()) }()
	ctx, done := context.WithCancel(ctx)
	defer done()
	screen := (&show{done: done}).on(stdout.To(c.stdout))
	var lanes []*pipeline.Lane
	for _, s := range cfg.Sources {
		lane, err := c.screenLane(s.Name+"/tail", opened[s.Name], f, screen, log)
		if err != nil {
			return err
		}
		lane.Start = source.Start{Now: true}
		lanes = append(lanes, lane)
	}
	return runLanes(ctx, lanes)
}

// screenLane is a lane to stdout that leaves nothing behind.
func (c *command) screenLane(name string, src source.Source, f transform.Format, screen sink.Type, log zerolog.Logger) (*pipeline.Lane, error) {
	encoder, err := f.New(transform.Options{Original: true, Host: hostname(), Version: buildVersion()})
	if err != nil {
		return nil, fmt.Errorf("format %s: %w", f.Name, err)
	}
	return &pipeline.Lane{
		Name: name, SourceName: name, SinkName: "stdout", Format: f.Name,
		Source: src, Transformer: encoder,
		Open: func(ctx context.Context) (sink.Sink, error) {
			return screen.Open(ctx, sink.Env{Lane: name, Log: log}, screen.Settings())
		},
		Positions: &memory{}, DeadLetters: toLog{log},
		ReadyAge: 3 * src.Usage().Interval, Log: log,
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
