package app

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/rs/zerolog"
	"golang.org/x/term"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/enrich"
	"github.com/sluice-siem/sluice/pkg/transform/prepare"
)

// sources are the opened sources of a configuration by name.
type sources map[string]source.Source

func openSources(ctx context.Context, cfg *config.Config, log zerolog.Logger) (sources, error) {
	opened := sources{}
	for _, s := range cfg.Sources {
		src, err := openSource(ctx, s, source.OpenEnv{Log: log})
		if err != nil {
			return nil, errors.Join(err, opened.close())
		}
		opened[s.Name] = src
	}
	return opened, nil
}

// openSource opens a source that the configuration lists. It sets the name in env.
func openSource(ctx context.Context, s config.Source, env source.OpenEnv) (source.Source, error) {
	env.Source = s.Name
	src, err := s.Type.Open(ctx, env, s.Settings)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", s.Name, err)
	}
	return src, nil
}

func (s sources) close() error {
	var errs []error
	for name, src := range s {
		if err := src.Close(); err != nil {
			errs = append(errs, fmt.Errorf("source %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

func (s sources) usage() map[string]source.Usage {
	usage := make(map[string]source.Usage, len(s))
	for name, src := range s {
		usage[name] = src.Usage()
	}
	return usage
}

// newLane wires a lane of the configuration. It opens the sink before the lane runs,
// because the format needs the sink's limit on a record. Opening contacts no
// destination. The lane uses this sink first, and opens another after it abandoned one.
func newLane(ctx context.Context, l config.Lane, src source.Source, confirm func(context.Context) error, stock *prepare.Stock, log zerolog.Logger) (*pipeline.Lane, error) {
	prepared, err := newPreparation(l, stock)
	if err != nil {
		return nil, err
	}
	env := sinkEnv(l, log)
	env.Confirm = confirm
	open := func(ctx context.Context) (sink.Sink, error) { return l.Sink.Type.Open(ctx, env, l.Sink.Settings) }
	first, err := open(ctx)
	if err != nil {
		return nil, fmt.Errorf("sink %s: %w", l.Sink.Name, err)
	}
	encoder, err := newTransformer(l, first)
	if err != nil {
		return nil, errors.Join(err, first.Close())
	}
	warnWithoutWindow(l, limitsOf(first), env.Log)
	return &pipeline.Lane{
		Name: l.Name, SourceName: l.Source.Name, SinkName: l.Sink.Name, Format: l.Sink.Format.Name,
		Source: src, Prepare: prepared, Transformer: encoder, Start: l.Sink.Start,
		Open: func(ctx context.Context) (sink.Sink, error) {
			if opened := first; opened != nil {
				first = nil
				return opened, nil
			}
			return open(ctx)
		},
		QueueBytes:     pipeline.QueueBytes(limitsOf(first)),
		PublishTimeout: l.Sink.PublishTimeout,
		MaxRejects:     l.Sink.MaxRejects,
		BuryOld:        buriesOld(l),
		Refused:        func() []pipeline.Trouble { return refusedCredentials(l) },
		Log:            log,
	}, nil
}

// refusedCredentials lists the changed credentials of a lane that are refused while the
// former ones still work.
func refusedCredentials(l config.Lane) (list []pipeline.Trouble) {
	for _, of := range []struct {
		operation, name string
		settings        any
	}{{"read", "source " + l.Source.Name, l.Source.Settings}, {"publish", "sink " + l.Sink.Name, l.Sink.Settings}} {
		r, ok := of.settings.(setting.Rotating)
		if !ok {
			continue
		}
		if t := r.Rotation().Trouble(); t != nil {
			list = append(list, pipeline.Trouble{
				Operation: of.operation, Err: "the changed credential of " + of.name + " is refused: " + t.Why,
				Since: t.Since, Next: t.Next, Attempts: t.Tries, Refused: true,
				Hint: "write the right one into its file; the former one is used as long as it works",
			})
		}
	}
	return list
}

// openSink opens the sink of a lane for a command.
func openSink(ctx context.Context, l config.Lane, env sink.Env) (sink.Sink, error) {
	opened, err := l.Sink.Type.Open(ctx, env, l.Sink.Settings)
	if err != nil {
		return nil, fmt.Errorf("sink %s: %w", l.Sink.Name, err)
	}
	return opened, nil
}

// newTransformer returns what makes the records of a lane. opened is the lane's sink;
// nil if records go to the standard output only.
func newTransformer(l config.Lane, opened sink.Sink) (transform.Transformer, error) {
	s := l.Sink
	o := transform.Options{
		Product: l.Source.Type.Product, Catalogue: l.Source.Catalogue, Settings: s.FormatSettings, Original: s.Original,
		MaxBytes: limitsOf(opened).RecordBytes, Width: columnsOf(opened), Host: hostname(), Version: buildVersion(),
	}
	if o.MaxBytes > 0 && o.MaxBytes < s.Format.Least {
		return nil, sink.Hint(
			fmt.Errorf("sink %s: format %s needs %d bytes for a record, but the sink allows %d", s.Name, s.Format.Name, s.Format.Least, o.MaxBytes),
			"raise the sink's limit, such as max_message_bytes or max_record_bytes, or choose a shorter format, such as leef")
	}
	if l.Evidence != nil && o.MaxBytes > 0 && o.MaxBytes < leastWithNotes {
		return nil, sink.Hint(
			fmt.Errorf("sink %s: a record that carries a note of evidence needs %d bytes, but the sink allows %d", s.Name, leastWithNotes, o.MaxBytes),
			"raise the sink's limit, such as max_message_bytes or max_record_bytes, or write evidence: false at the sink")
	}
	encoder, err := s.Format.New(o)
	if err != nil {
		return nil, fmt.Errorf("sink %s: format %s: %w", s.Name, s.Format.Name, err)
	}
	return encoder, nil
}

// leastWithNotes is what a record may have at least, in every format, if it has to carry the
// note of a few records (see evidence.Room). A numbered record fits, too: its hash is never
// left out.
const leastWithNotes = 4 << 10

// newPreparation returns the function that filters, enriches and redacts events for the
// lane's sink; nil if the sink asks for none of it.
func newPreparation(l config.Lane, stock *prepare.Stock) (func(*source.Event) (*source.Event, error), error) {
	s := l.Sink
	if !s.Prepare.IsSet() {
		return nil, nil
	}
	p, err := stock.New(s.Prepare, &l.Source.Type.Product, l.Source.Catalogue)
	if err != nil {
		if errors.As(err, new(*enrich.OpenError)) {
			err = fmt.Errorf("%s: %w", s.EnrichAt, err)
		}
		return nil, fmt.Errorf("sink %s: %w", s.Name, err)
	}
	return p.Prepare, nil
}

// columnsOf returns the width of the screen that a sink writes to; 0 if it is none. No sink
// stands for the standard output.
func columnsOf(opened sink.Sink) int {
	if screen, ok := opened.(sink.Screen); ok {
		return screen.Columns()
	}
	if width, _, err := term.GetSize(int(os.Stdout.Fd())); opened == nil && err == nil {
		return width
	}
	return 0
}

// limitsOf returns the limits that a sink declares.
func limitsOf(opened sink.Sink) sink.Limits {
	if limiter, ok := opened.(sink.Limiter); ok {
		return limiter.Limits()
	}
	return sink.Limits{}
}

// sinkEnv describes the lane to its sink.
func sinkEnv(l config.Lane, log zerolog.Logger) sink.Env {
	return sink.Env{
		Lane: l.Name, Source: l.Source.Name, Dataset: l.Source.Type.Product.Dataset,
		Log: log.With().Str("lane", l.Name).Logger(),
	}
}

// hostname names this machine in records; empty if the system does not know it.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}
