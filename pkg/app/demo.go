package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/sluice-siem/sluice/pkg/admin"
	"github.com/sluice-siem/sluice/pkg/admin/console"
	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/internal/memory"
	"github.com/sluice-siem/sluice/pkg/internal/stdio"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/stdout"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/prepare"
)

func (c *command) demo() *cobra.Command {
	var format string
	var events int
	var rate float64
	var hostile bool
	var listen string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole pipeline on an invented audit log",
		Long: `Show the whole pipeline on an invented audit log. A built-in server stands for
the API, records go to stdout, and nothing is written to disk.

The log starts with 20 events and grows by --rate. Runs until interrupted, or
with --events until that many records were shown, the first 20 included. With
--hostile, names in the log try to deceive a terminal or a parser.

The console is at --listen meanwhile, or at a free port if something else
listens there.`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.format(cmd, format)
			if err != nil {
				return err
			}
			live, to := c.liveLine(true)
			level := config.Log{Format: "auto", Level: zerolog.InfoLevel}
			log := logger(logLines(to, c.stderr, level), level)
			server := simulator.New(simulator.Config{Events: 20, Spacing: time.Minute, Rate: rate, Organization: "acme", Tame: !hostile})
			settings := planetscale.Defaults
			settings.Organization = "acme"
			settings.AccessToken = setting.NewSecret("demo-token")
			settings.PollInterval = setting.Duration(time.Second)
			settings.RequestsPerMinute = 0
			kind := planetscale.Type()
			catalogue, err := transform.ParseCatalogue(kind.Catalogue)
			if err != nil {
				return err
			}
			src, err := planetscale.New(settings, planetscale.Options{Log: log, Transport: server.Transport()})
			if err != nil {
				return err
			}
			ctx, done := context.WithCancel(cmd.Context())
			defer done()
			show := &show{done: done, most: int64(events)}
			screen := show.on(stdout.To(c.stdout))
			shown := config.Lane{
				Name: "acme/demo", Source: config.Source{Name: "acme", Type: kind, Catalogue: catalogue},
				Sink: config.Sink{Name: "demo", Format: f, Original: true, Settings: screen.Settings()},
			}
			lane, err := screenLane(shown, src, screen, log)
			if err != nil {
				return errors.Join(err, src.Close())
			}
			lane.SourceName, lane.SinkName = shown.Source.Name, shown.Sink.Name
			listener, err := demoListener(listen, cmd.Flags().Changed("listen"))
			if err != nil {
				return errors.Join(err, src.Close())
			}
			begin := fmt.Sprintf("showing an invented audit log as %s: 20 events, then %g a second; %s", f.Name, rate, demoEnd(events))
			fmt.Fprintf(c.stderr, "sluice: %s\n", wrap(begin, len("sluice: "), stdio.Columns(c.stderr)))
			lanes := show.set(lane)
			beside := []func(context.Context) error{func(ctx context.Context) error {
				return c.progress(ctx, log, live, lanes.Statuses)
			}}
			if listener != nil {
				beside = append(beside, demoConsole(listener, shown, lane, src, lanes, log)...)
				fmt.Fprintf(c.stderr, "sluice: console: http://%s/\n", listener.Addr())
			}
			err = runBeside(ctx, lanes.Run, beside...)
			fmt.Fprintf(c.stderr, "sluice: %d events delivered\n%s", show.shown.Load(), afterDemo)
			return errors.Join(err, show.err(), src.Close())
		},
	}
	c.screenFormatFlag(cmd, &format)
	cmd.Flags().IntVar(&events, "events", 0, "end after this many records; 0 means never")
	cmd.Flags().Float64Var(&rate, "rate", 2, "events appended each second")
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:9876", "host:port of the console; none for no console")
	cmd.Flags().BoolVar(&hostile, "hostile", false, "add names that try to deceive")
	return cmd
}

// demoListener listens for the console. If something else does at the default address, it
// listens at a free port. It returns nil if there is to be no console.
func demoListener(address string, chosen bool) (net.Listener, error) {
	if address == "none" {
		return nil, nil
	}
	listener, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) && !chosen {
		listener, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return nil, sink.Hint(fmt.Errorf("--listen: %w", err), "write another host:port, or --listen none for no console")
	}
	return listener, nil
}

// demoConsole returns what runs beside a demo to serve its console. It looks on at the lane.
func demoConsole(listener net.Listener, l config.Lane, lane *pipeline.Lane, src source.Source, lanes *pipeline.Set, log zerolog.Logger) []func(context.Context) error {
	activity, history := console.NewActivity(maxActivity), console.NewHistory(lanes.Statuses)
	lane.Observe = activity.Observer(l.Source.Name, l.Source.Catalogue)
	deps := admin.Deps{
		Lanes: lanes.Statuses, Sources: sources{l.Source.Name: src}.usage, Memory: memory.New(defaultMemory).Usage,
		Version: buildVersion(), Log: log,
	}
	shown := newShowing([]config.Lane{l}, &prepare.Stock{})
	deps.Console = consoleOf(deps, func() *showing { return shown }, private(config.Admin{}, listener), history, activity)
	return []func(context.Context) error{
		history.Run,
		func(ctx context.Context) error { return admin.Serve(ctx, listener, deps) },
	}
}

// afterDemo says how to go on.
const afterDemo = `sluice: next steps:
  sluice demo --format ecs    the same as a SIEM gets it: ecs, ocsf, cef, leef
  sluice simulate             the API for a configuration of your own to follow
  sluice check -c FILE        whether that configuration would work
`

// demoEnd describes when a demo ends.
func demoEnd(events int) string {
	if events > 0 {
		return fmt.Sprintf("ends after %d records", events)
	}
	return "Ctrl-C ends it"
}
