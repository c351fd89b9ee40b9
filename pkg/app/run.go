package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-siem/sluice/pkg/admin"
	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/pipeline"
)

func (c *command) run() *cobra.Command {
	var file string
	var once bool
	var limit time.Duration
	cmd := &cobra.Command{
		Use:   "run -c FILE",
		Short: "Deliver events until told to stop",
		Long: `Deliver events until told to stop.

SIGTERM and SIGINT finish the Publish under way, within shutdown_timeout, save
the position and exit with 0. SIGHUP neither ends nor reloads anything. Killed in
any other way, nothing is lost either: what was not saved is read again.

With --once it ends when all lanes have caught up. A lane that cannot go on is a
failure, told when the others are done. With --timeout it ends by then, and a
shutdown_timeout later at most: it names each lane that is not done, and why, and
exits with 1.`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load(file)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("timeout") && (!once || limit <= 0) {
				return usageError{errors.New("--timeout is a time above 0, and goes with --once"), cmd.CommandPath()}
			}
			return c.daemon(cmd.Context(), cfg, once, limit)
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().BoolVar(&once, "once", false, "end when all lanes have caught up")
	cmd.Flags().DurationVar(&limit, "timeout", 0, "with --once: end by then, and fail if a lane is not done; default never")
	return cmd
}

func configFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVarP(file, "config", "c", "", "configuration file (required)")
}

func (c *command) load(file string) (*config.Config, error) {
	if file == "" {
		return nil, usageError{errors.New("no configuration: write -c FILE"), ""}
	}
	cfg, err := config.Load(file, c.kinds)
	if err != nil && !errors.As(err, new(config.Errors)) {
		err = usageError{err, ""}
	}
	return cfg, err
}

// daemon runs the lanes of a configuration, with the admin server beside them.
func (c *command) daemon(ctx context.Context, cfg *config.Config, once bool, limit time.Duration) (err error) {
	surviving := survive()
	defer surviving.stop()
	log := newLogger(c.stderr, cfg.Log)
	if once && cfg.State.Type != "file" {
		return usageError{errors.New("--once goes with state.type file: among replicas nobody knows when all lanes have caught up"), "sluice run"}
	}
	kept, err := openState(cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.close()) }()
	listener, err := net.Listen("tcp", cfg.Admin.Listen)
	if err != nil {
		return fmt.Errorf("admin.listen: %w", listenError{err})
	}
	w := newWorks(ctx, cfg, kept, log)
	w.once = once
	defer func() { err = errors.Join(err, w.close()) }()
	lanes, names := w.lanes()
	log.Info().Str("version", buildVersion()).Stringer("admin", listener.Addr()).Int("lanes", len(names)).Msg("sluice started")
	deps := admin.Deps{Lanes: lanes.Statuses, Sources: w.usage, Version: buildVersion(), Log: log}
	deps.Hosts = adminHosts(cfg.Admin)
	kept.tell(&deps)
	return runBeside(ctx, func(ctx context.Context) error {
		return endBy(ctx, limit, lanes, func(ctx context.Context) error { return kept.run(ctx, lanes, names) })
	},
		func(ctx context.Context) error { return admin.Serve(ctx, listener, deps) },
		func(ctx context.Context) error { return c.progress(ctx, log, lanes.Statuses) },
		func(ctx context.Context) error { return surviving.answer(ctx, log) },
		func(ctx context.Context) error { tellFormer(ctx, cfg, log); return nil },
		func(ctx context.Context) error { return w.stock.Watch(ctx, log) })
}

// listenError is why nobody can be told how the lanes are.
type listenError struct{ error }

func (e listenError) Unwrap() error { return e.error }

func (e listenError) Hint() string {
	if errors.Is(e, syscall.EADDRINUSE) {
		return "another process listens there, perhaps another sluice; write another host:port under admin.listen"
	}
	return "write a host:port of this machine under admin.listen"
}

// runBeside runs the lanes until they are done, and what goes beside them as long.
func runBeside(ctx context.Context, lanes func(context.Context) error, beside ...func(context.Context) error) error {
	group, running := errgroup.WithContext(ctx)
	sides, stop := context.WithCancel(running)
	group.Go(func() error {
		defer stop()
		return lanes(running)
	})
	for _, side := range beside {
		group.Go(func() error { return side(sides) })
	}
	return group.Wait()
}

// runLanes runs all lanes until ctx ends or they are done. One that cannot go on
// ends them all.
func runLanes(ctx context.Context, lanes []*pipeline.Lane, beside ...func(context.Context) error) error {
	return runBeside(ctx, func(ctx context.Context) error { return runAll(ctx, lanes) }, beside...)
}

// adminHosts are the names that the admin server answers to: that which it listens
// on is one.
func adminHosts(a config.Admin) []string {
	host, _, err := net.SplitHostPort(a.Listen)
	if err != nil {
		return a.Hosts // config has checked it
	}
	return append([]string{host}, a.Hosts...)
}
