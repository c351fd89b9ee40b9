package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink/stdout"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

func (c *command) demo() *cobra.Command {
	var format string
	var events int
	var rate float64
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole pipeline on an invented audit log",
		Long: `Show the whole pipeline on an invented audit log: a built-in server stands for the
API, records go to stdout, and nothing is written to disk. Runs until it is
interrupted.`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.format(cmd, format)
			if err != nil {
				return err
			}
			log := newLogger(c.stderr, config.Log{Format: "auto", Level: zerolog.InfoLevel})
			server := simulator.New(simulator.Config{Events: 20, Spacing: time.Minute, Rate: rate, Organization: "acme"})
			settings := planetscale.Defaults
			settings.Organization = "acme"
			settings.AccessToken = setting.NewSecret("demo")
			settings.PollInterval = setting.Duration(time.Second)
			settings.RequestsPerMinute = 0
			src, err := planetscale.New(settings, planetscale.Options{Log: log, Transport: server.Transport()})
			if err != nil {
				return err
			}
			ctx, done := context.WithCancel(cmd.Context())
			defer done()
			show := &show{done: done, most: int64(events)}
			lane, err := screenLane("acme/demo", src, config.Sink{Name: "demo", Format: f, Original: true}, show.on(stdout.To(c.stdout)), log)
			if err != nil {
				return errors.Join(err, src.Close())
			}
			fmt.Fprintf(c.stderr, "sluice: an invented audit log of 20 events and %g more a second follows as %s; end with Ctrl-C\n", rate, f.Name)
			lanes := []*pipeline.Lane{lane}
			err = runLanes(ctx, lanes, func(ctx context.Context) error {
				return c.progress(ctx, log, func() []pipeline.Status { return []pipeline.Status{lane.Status()} })
			})
			fmt.Fprintf(c.stderr, "sluice: %d events delivered\n", show.shown.Load())
			return errors.Join(err, show.err(), src.Close())
		},
	}
	formatFlag(cmd, &format)
	cmd.Flags().IntVar(&events, "events", 0, "end after so many; 0 is never")
	cmd.Flags().Float64Var(&rate, "rate", 2, "events a second")
	return cmd
}
