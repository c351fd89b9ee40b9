// Package app is the command line. It wires sources, formats and sinks into lanes.
//
// A custom build is a main function of one line:
//
//	func main() { app.Main(app.WithSink(acme.Type)) }
//
// # Files
//
// The commands share the wiring, so they are in one package. Its files, in the order
// of reading:
//
//   - app.go: Main, the options, the list of sources, sinks and formats
//   - one file for each command, named after it: demo, run, check, tail, map,
//     checkpoint, deadletter, pause, replay, key, verify, simulate, assets, schema, health, version.
//     checkpoint_rename.go, deadletter_redrive.go, check_running.go and explain.go (map
//     --explain) hold a part of a command. So do replay_part.go (one source),
//     replay_range.go and replay_count.go (its range), replay_beside.go (the sluice that
//     runs meanwhile) and replay_alone.go (another replay). verify_sink.go reads back
//     what a sink delivered, verify_source.go lists what a source should have delivered.
//   - what check and run agree on: finding.go says what a finding is, preflight.go lists
//     those of this machine, check.go those of sources and destinations
//   - lanes: lane.go wires one lane of a configuration, builder.go builds each lane of
//     run when it starts, fleet.go is all of them and lets another configuration take the
//     place of theirs, reload.go decides when, screen.go makes the lanes of demo and tail,
//     memory_limit.go limits the heap to what the lanes need
//   - positions: state.go and replica.go store those of run, in files or in what replicas share (shared.go).
//     position.go reads and sets them for the other commands, former_lane.go lists
//     those of lanes that are not in the configuration, history.go finds traces of a
//     lane that lost its position
//   - evidence: evidence.go tells a lane who signs its log, verify_report.go writes what
//     verify found. evidence_bundle.go collects for an auditor, and evidence_zip.go
//     writes what it collected
//   - the own log: own_log.go opens it, and lets commands say who did what. lookout.go
//     and credential.go say what happens to a running process
//   - the process: log.go and backlog.go write the log, signal.go handles signals,
//     run_timeout.go ends run --once, environment.go brings the time zones, progress.go reports
//     a catch-up, text.go and layout.go format text for people
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sluice-siem/sluice/pkg/checkpoint"
	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/internal/stdio"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/azureblob"
	"github.com/sluice-siem/sluice/pkg/sink/elasticsearch"
	"github.com/sluice-siem/sluice/pkg/sink/file"
	"github.com/sluice-siem/sluice/pkg/sink/gcs"
	"github.com/sluice-siem/sluice/pkg/sink/httpsink"
	"github.com/sluice-siem/sluice/pkg/sink/kafka"
	"github.com/sluice-siem/sluice/pkg/sink/s3"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec"
	"github.com/sluice-siem/sluice/pkg/sink/stdout"
	"github.com/sluice-siem/sluice/pkg/sink/syslog"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/cef"
	"github.com/sluice-siem/sluice/pkg/transform/ecs"
	"github.com/sluice-siem/sluice/pkg/transform/leef"
	"github.com/sluice-siem/sluice/pkg/transform/ocsf"
	"github.com/sluice-siem/sluice/pkg/transform/raw"
	"github.com/sluice-siem/sluice/pkg/transform/text"
)

// kinds lists the sources, sinks and formats of Sluice. A new one is a package and a
// line here.
func kinds() config.Kinds {
	return config.Kinds{
		Sources: []source.Type{planetscale.Type()},
		Sinks: []sink.Type{
			stdout.Type, file.Type, kafka.Type, s3.Type, gcs.Type, azureblob.Type, splunkhec.Type, elasticsearch.Type, syslog.Type, httpsink.Type,
			httpsink.Datadog, httpsink.Sumo, httpsink.Panther, httpsink.Slack, httpsink.Teams, httpsink.PagerDuty,
		},
		Formats: []transform.Format{ecs.Format, cef.Format, leef.Format, ocsf.Format, raw.Format, text.Format},
		Own:     ownlog.Type(),
		SharedStates: []config.SharedState{
			{Name: "kafka", Settings: func() any { s := checkpoint.DefaultTopic; return &s }},
			{Name: "s3", Settings: func() any { s := checkpoint.DefaultBucket; return &s }},
		},
	}
}

// Option adds a source, sink or format to a build.
type Option func(*config.Kinds)

// WithSource adds a type of source that configurations can name.
func WithSource(t source.Type) Option {
	return func(k *config.Kinds) { k.Sources = append(k.Sources, t) }
}

// WithSink adds a type of sink that configurations can name.
func WithSink(t sink.Type) Option {
	return func(k *config.Kinds) { k.Sinks = append(k.Sinks, t) }
}

// WithFormat adds a format that configurations can name.
func WithFormat(f transform.Format) Option {
	return func(k *config.Kinds) { k.Formats = append(k.Formats, f) }
}

// Main runs the command that the arguments of the process name, and ends the process:
// with 0 when done, 1 after a failure while running, 2 if usage or configuration is
// wrong.
func Main(opts ...Option) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, opts...)
	stop()
	os.Exit(code)
}

// Documentation returns the command line of a build, and what its configuration may hold.
// Man pages are made of them.
func Documentation(opts ...Option) (*cobra.Command, config.Reference) {
	c := newCommand(nil, nil, nil, opts)
	return c.root(), config.Describe(c.kinds)
}

// command holds what the subcommands share.
type command struct {
	kinds          config.Kinds
	stdin          io.Reader
	stdout, stderr io.Writer
}

func newCommand(stdin io.Reader, stdout, stderr io.Writer, opts []Option) *command {
	c := &command{kinds: kinds(), stdin: stdin, stdout: stdout, stderr: stderr}
	for _, o := range opts {
		o(&c.kinds)
	}
	return c
}

func execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, opts ...Option) int {
	c := newCommand(stdin, stdout, stderr, opts)
	err := validate(c.kinds)
	if err == nil {
		root := c.root()
		root.SetArgs(args)
		err = root.ExecuteContext(ctx)
	}
	if err == nil {
		return 0
	}
	if v := (verdictError{}); errors.As(err, &v) {
		return v.exitCode()
	}
	last := newBacklog(stderr)
	report(last, err, stderr)
	last.close()
	if errors.As(err, new(usageError)) || errors.As(err, new(config.Errors)) {
		return 2
	}
	return 1
}

// validate returns an error for a type that cannot work, and if two types of a build have
// one name: a configuration could only name the first.
func validate(k config.Kinds) error {
	names := map[string]bool{}
	var errs []error
	add := func(kind, name string) {
		if names[kind+name] {
			errs = append(errs, fmt.Errorf("this build has two %s named %q: rename one of them", kind, name))
		}
		names[kind+name] = true
	}
	for _, t := range k.Sources {
		add("types of source", t.Name)
		if err := t.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("the type of source %q cannot work: %w", t.Name, err))
		}
	}
	for _, t := range k.Sinks {
		add("types of sink", t.Name)
	}
	for _, f := range k.Formats {
		add("formats", f.Name)
	}
	return sink.Hint(errors.Join(errs...), "correct what main passes to app.Main")
}

func (c *command) root() *cobra.Command {
	var products []string
	for _, t := range c.kinds.Sources {
		products = append(products, t.Product.Name)
	}
	root := &cobra.Command{
		Use:           "sluice",
		Short:         fmt.Sprintf("Follow audit logs (%s) and deliver every event to the SIEM", strings.Join(products, ", ")),
		Version:       buildVersion(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          usage(cobra.NoArgs),
		// A command that sets a hook of its own replaces this one, so none may.
		PersistentPreRunE: checkFlags,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(c.stdin)
	root.SetOut(c.stdout)
	root.SetErr(c.stderr)
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), "FlagUsages", fmt.Sprintf("FlagUsagesWrapped %d", helpWidth)))
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError{err, cmd.CommandPath()} })
	root.AddCommand(c.demo(), c.run(), c.check(), c.tail(), c.mapEvents(), c.checkpoint(),
		c.deadLetter(), c.replay(), c.pause(), c.resume(), c.key(), c.verify(), c.evidence(), c.simulate(), c.initialize(), c.example(), c.assets(), c.schema(), c.health(), c.version())
	return root
}

// helpWidth is the width of help texts: that of the narrowest terminal in common use.
const helpWidth = 80

// checkFlags refuses a flag with an empty value, such as --sink "$SINK" without that
// variable: the command would run as if the flag were not there. It also refuses
// numbers and durations below zero, which no flag takes.
func checkFlags(cmd *cobra.Command, _ []string) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		text, kind := f.Value.String(), f.Value.Type()
		number := kind == "int" || kind == "float64" || kind == "duration"
		switch {
		case err != nil:
		case text == "" || text == "[]":
			err = fmt.Errorf("--%s is empty; write a value, or leave the flag out", f.Name)
		case number && strings.HasPrefix(text, "-"):
			err = fmt.Errorf("--%s is %s; write 0 or more", f.Name, text)
		case kind == "float64" && (text == "NaN" || text == "+Inf"):
			err = fmt.Errorf("--%s is %s; write a number", f.Name, text)
		}
	})
	if err != nil {
		return usageError{err, cmd.CommandPath()}
	}
	return nil
}

// usageError is an error in the arguments.
type usageError struct {
	error
	command string // whose help explains it; empty if none does
}

func (e usageError) Unwrap() error { return e.error }

func (e usageError) ErrorHint() string {
	if e.command == "" {
		return ""
	}
	return fmt.Sprintf("see %s --help", e.command)
}

// usage makes the errors of a check of arguments usage errors.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			if !cmd.HasSubCommands() && len(args) > 0 && cmd.Flags().Lookup("config") != nil {
				err = fmt.Errorf("%s takes no argument %q; if it is the configuration, write -c %s", cmd.CommandPath(), args[len(args)-1], quoted(args[len(args)-1]))
			}
			return usageError{err, cmd.CommandPath()}
		}
		return nil
	}
}

// report writes an error, and what can be done about it, as fits the screen where w leads.
func report(w io.Writer, err error, screen io.Writer) {
	var problems config.Errors
	if errors.As(err, &problems) {
		for _, p := range problems {
			reportOne(w, p.String(), "", screen)
		}
		return
	}
	var refused refusal
	if errors.As(err, &refused) {
		for _, f := range refused {
			reportOne(w, f.about+": "+f.text, f.hint, screen)
		}
		return
	}
	reportOne(w, err.Error(), failure.Hint(err), screen)
}

func reportOne(w io.Writer, text, hint string, screen io.Writer) {
	const name = "sluice: "
	width, color := stdio.Columns(screen), stdio.Color(screen)
	fmt.Fprintf(w, "%s%s\n", name, wrap(paint(color, failed, "error:")+" "+printable(text), len(name), width))
	if hint != "" {
		fmt.Fprintf(w, "%s%s\n", name, wrap(paint(color, note, "hint:")+" "+printable(hint), len(name), width))
	}
}
