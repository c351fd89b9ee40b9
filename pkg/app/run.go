package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-siem/sluice/pkg/admin"
	"github.com/sluice-siem/sluice/pkg/admin/console"
	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink/stdout"
)

func (c *command) run() *cobra.Command {
	var file string
	var how manner
	cmd := &cobra.Command{
		Use:   "run -c FILE",
		Short: "Deliver events until stopped",
		Long: `Deliver events until stopped.

SIGTERM and SIGINT finish the Publish under way, within shutdown_timeout, save
the position behind it and exit with 0. If it is killed in any other way,
nothing is lost either: it reads again what was not saved.

SIGHUP reloads the configuration, and with --watch a change of its files does.
Lanes that did not change notice nothing. The others end, resume, start. A
configuration with a problem is refused as a whole, and the former one stays in
force; so is one that changes a key about the process, such as state or admin.
sluice check --against-running says beforehand what a reload would do.

With --once it ends when all lanes have caught up. A lane that cannot continue
is a failure, reported when the others are done. With --timeout it ends after
that time, plus shutdown_timeout at most. If the time or a signal ends it before
all lanes are done, it names each that is not and the reason, and exits with 1.`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			surviving := survive() // Before all else, so that SIGHUP during a start ends nothing.
			defer surviving.stop()
			again := func() (*config.Config, *config.Footprint, error) { return config.LoadAgain(file, c.kinds) }
			cfg, trace, err := c.loadTraced(file)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("timeout") && (!how.once || how.limit <= 0) {
				return usageError{errors.New("--timeout needs --once and a time above 0"), cmd.CommandPath()}
			}
			if how.once && how.watch {
				return usageError{errors.New("--once and --watch exclude each other; write one of them"), cmd.CommandPath()}
			}
			return c.daemon(cmd.Context(), cfg, how, surviving, func(f *fleet) *reloader { return newReloader(again, trace, f) })
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().BoolVar(&how.once, "once", false, "end when all lanes have caught up")
	cmd.Flags().DurationVar(&how.limit, "timeout", 0, "with --once: end after this time, and fail if a lane is not done (default never)")
	cmd.Flags().BoolVar(&how.watch, "watch", false, "reload when the files of the configuration change")
	return cmd
}

// manner is how run runs.
type manner struct {
	once  bool
	limit time.Duration // with once; 0 is no limit
	watch bool
}

func configFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVarP(file, "config", "c", "", "configuration file (required)")
}

func (c *command) load(file string) (*config.Config, error) {
	cfg, _, err := c.loadTraced(file)
	return cfg, err
}

var errNoConfiguration = usageError{errors.New("no configuration: write -c FILE"), ""}

func (c *command) loadTraced(file string) (*config.Config, *config.Footprint, error) {
	if file == "" {
		return nil, nil, errNoConfiguration
	}
	cfg, trace, err := config.LoadTraced(file, c.kinds)
	if err != nil && !errors.As(err, new(config.Errors)) {
		err = usageError{err, ""}
	}
	return cfg, trace, err
}

// daemon runs the lanes of a configuration and the admin server.
func (c *command) daemon(ctx context.Context, cfg *config.Config, how manner, surviving survival, reloading func(*fleet) *reloader) (err error) {
	live, to := c.liveLine(slices.ContainsFunc(cfg.Sinks, func(s config.Sink) bool { return s.Type.Name == stdout.Type.Name }))
	log, flush := newDaemonLogger(to, c.stderr, cfg.Log)
	defer flush()
	if how.once && cfg.State.Type != "file" {
		return usageError{errors.New("--once needs state.type file: with one that replicas share, none of them knows when all lanes have caught up"), "sluice run"}
	}
	there := preflight(ctx, cfg)
	for _, f := range there {
		f.log(log)
	}
	if err := refusals(there); err != nil {
		return err
	}
	store, err := openState(cfg, log)
	if err != nil {
		return err
	}
	own, err := openOwnLog(cfg, log)
	if err != nil {
		return errors.Join(err, store.close())
	}
	defer func() { err = errors.Join(err, store.close(), own.close()) }()
	listener, err := net.Listen("tcp", cfg.Admin.Listen)
	if err != nil {
		return fmt.Errorf("admin.listen: %w", listenError{err})
	}
	b := newBuilder(ctx, cfg, store, log)
	b.once, b.own = how.once, own
	defer func() { err = errors.Join(err, b.close()) }()
	activity := b.remember()
	f := newFleet(b)
	lanes, reloads := f.set, reloading(f)
	log.Info().Str("version", buildVersion()).Stringer("admin", listener.Addr()).Int("lanes", len(lanes.Names())).
		Stringer("memory", setting.Size(b.memory.budget.Usage().Size)).Msg("sluice started")
	deps := admin.Deps{Lanes: lanes.Statuses, Sources: b.usage, Memory: b.memory.budget.Usage, Version: buildVersion(), Log: log}
	deps.Hosts, deps.Token, deps.TLS = adminHosts(cfg.Admin), cfg.Admin.Token, cfg.Admin.TLS
	if !how.once {
		deps.Configuration, deps.Reload = reloads.configuration, reloads.foresee
	}
	store.fillAdmin(&deps)
	look := b.lookout(deps.Lanes)
	reloads.say, b.say = look.Say, look.Say
	sayStarted(ctx, look, started(cfg, len(lanes.Names())))
	defer func() { sayStopped(look, reasonOf(ctx, err), log) }()
	history := console.NewHistory(deps.Lanes)
	deps.Console = consoleOf(deps, f.shown.Load, private(cfg.Admin, listener), history, activity)
	return runBeside(ctx, func(ctx context.Context) error {
		if !how.once {
			return f.run(ctx)
		}
		return endBy(ctx, how.limit, lanes, f.run)
	},
		func(ctx context.Context) error { return admin.Serve(ctx, listener, deps) },
		history.Run,
		look.Run,
		b.watchCredentials(look.Say),
		func(ctx context.Context) error { return c.progress(ctx, log, live, lanes.Statuses) },
		func(ctx context.Context) error {
			if how.once {
				return surviving.answer(ctx, log)
			}
			return reloads.run(ctx, surviving.hangUps, how.watch)
		},
		func(ctx context.Context) error { return supervise(ctx, cfg.Admin, listener.Addr().String(), log) },
		func(ctx context.Context) error { return watchMemory(ctx, b.leaveRoom) },
		func(ctx context.Context) error { return logFormerElsewhere(ctx, cfg, log) },
		func(ctx context.Context) error { return b.stock.Watch(ctx, log) })
}

// logFormerElsewhere logs what only a request can tell, which must not delay the lanes.
func logFormerElsewhere(ctx context.Context, cfg *config.Config, log zerolog.Logger) error {
	former := formerElsewhere(ctx, cfg)
	for _, f := range former {
		if ctx.Err() == nil {
			f.log(log)
		}
	}
	return nil
}

// listenError is the reason why the admin server cannot listen.
type listenError struct{ error }

func (e listenError) Unwrap() error { return e.error }

func (e listenError) ErrorHint() string {
	if errors.Is(e, syscall.EACCES) {
		return "a port below 1024 needs the capability CAP_NET_BIND_SERVICE; write a larger one under admin.listen"
	}
	if errors.Is(e, syscall.EADDRINUSE) {
		return "another process listens there, perhaps another sluice; write another host:port under admin.listen"
	}
	return "write a host:port of this machine under admin.listen"
}

// runBeside runs the lanes, and the side tasks until the lanes finish.
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

// adminHosts lists the names that the admin server answers to. The host it listens on
// is one of them.
func adminHosts(a config.Admin) []string {
	host, _, err := net.SplitHostPort(a.Listen)
	if err != nil {
		return a.Hosts // config has checked it
	}
	return append([]string{host}, a.Hosts...)
}
