// Package app is the command: it wires sources, formats and sinks into lanes,
// and answers on the command line. Everything it can be asked is a file of this
// package named after the command.
//
// A custom build is a main function of one line:
//
//	func main() { app.Main(app.WithSink(acme.Type)) }
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sluice-siem/sluice/pkg/checkpoint"
	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/file"
	"github.com/sluice-siem/sluice/pkg/sink/kafka"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec"
	"github.com/sluice-siem/sluice/pkg/sink/stdout"
	"github.com/sluice-siem/sluice/pkg/sink/syslog"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/cef"
	"github.com/sluice-siem/sluice/pkg/transform/ecs"
	"github.com/sluice-siem/sluice/pkg/transform/leef"
	"github.com/sluice-siem/sluice/pkg/transform/ocsf"
	"github.com/sluice-siem/sluice/pkg/transform/raw"
)

// kinds are the sources, sinks and formats of Sluice. A new one is a package
// and a line here.
func kinds() config.Kinds {
	return config.Kinds{
		Sources:     []source.Type{planetscale.Type()},
		Sinks:       []sink.Type{stdout.Type, file.Type, kafka.Type, splunkhec.Type, syslog.Type},
		Formats:     []transform.Format{ecs.Format, cef.Format, leef.Format, ocsf.Format, raw.Format},
		SharedState: func() any { s := checkpoint.DefaultTopic; return &s },
	}
}

// Option adds to what a build can do.
type Option func(*config.Kinds)

// WithSink adds a type of sink that configurations can name.
func WithSink(t sink.Type) Option {
	return func(k *config.Kinds) { k.Sinks = append(k.Sinks, t) }
}

// WithFormat adds a format that configurations can name.
func WithFormat(f transform.Format) Option {
	return func(k *config.Kinds) { k.Formats = append(k.Formats, f) }
}

// Main is the whole command: it reads the arguments of the process, and ends it
// with 0 when done, 1 after a failure while running, and 2 where usage or
// configuration is wrong.
func Main(opts ...Option) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, opts...)
	stop()
	os.Exit(code)
}

// command is what the subcommands share.
type command struct {
	kinds          config.Kinds
	stdin          io.Reader
	stdout, stderr io.Writer
}

func execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, opts ...Option) int {
	c := &command{kinds: kinds(), stdin: stdin, stdout: stdout, stderr: stderr}
	for _, o := range opts {
		o(&c.kinds)
	}
	root := c.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	report(stderr, err)
	if errors.As(err, new(usageError)) || errors.As(err, new(config.Errors)) {
		return 2
	}
	return 1
}

func (c *command) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "sluice",
		Short:         "Follow the audit log of a PlanetScale organization and deliver every event to the SIEM",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          usage(cobra.NoArgs),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(c.stdin)
	root.SetOut(c.stdout)
	root.SetErr(c.stderr)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError{err, cmd.CommandPath()} })
	root.AddCommand(c.demo(), c.run(), c.check(), c.tail(), c.mapEvents(), c.checkpoint(),
		c.deadLetter(), c.simulate(), c.health(), c.version())
	return root
}

// usageError is about the arguments.
type usageError struct {
	error
	command string // whose help explains it; empty if none does
}

func (e usageError) Unwrap() error { return e.error }

func (e usageError) Hint() string {
	if e.command == "" {
		return ""
	}
	return fmt.Sprintf("see %s --help", e.command)
}

// usage marks the errors of a check of arguments.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{err, cmd.CommandPath()}
		}
		return nil
	}
}

// report prints an error, and what can be done about it.
func report(w io.Writer, err error) {
	var problems config.Errors
	if errors.As(err, &problems) {
		for _, p := range problems {
			fmt.Fprintf(w, "sluice: error: %s\n", printable(p.String()))
		}
		return
	}
	fmt.Fprintf(w, "sluice: error: %s\n", printable(err.Error()))
	if hint := hintOf(err); hint != "" {
		fmt.Fprintf(w, "sluice: hint: %s\n", printable(hint))
	}
}

func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}
