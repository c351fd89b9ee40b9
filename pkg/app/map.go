package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/stdout"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/prepare"
)

func (c *command) mapEvents() *cobra.Command {
	var file, name, format string
	var m mapping
	cmd := &cobra.Command{
		Use:   "map",
		Short: "Turn raw events on stdin into records on stdout",
		Long: `Turn raw events on stdin into records on stdout, one a line.

The input is one event a line, or answers of the API. What cannot be decoded
comes out raw and marked, as it would in a lane.

With -c and --sink records are what that sink gets: of the events that it does
not filter, enriched and redacted as for it, in its format and by the catalogue
of the configuration. Only the largest record of the sink is not applied.

With --explain each record is told field by field, with the rule that made it.`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := c.mappedFor(cmd, file, name, format)
			if err != nil {
				return err
			}
			return c.mapFor(cmd, s, m)
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().Lookup("config").Usage = "configuration file, for --sink and the catalogue"
	cmd.Flags().StringVar(&name, "sink", "", "make the records of this sink")
	formatFlag(cmd, &format)
	cmd.Flags().StringVar(&m.organization, "organization", "", "organization to name in the records")
	cmd.Flags().BoolVar(&m.explain, "explain", false, "tell of each field which rule made it")
	return cmd
}

// mappedFor is the sink whose records to make: one of the configuration, or one
// that gets everything in a format.
func (c *command) mappedFor(cmd *cobra.Command, file, name, format string) (config.Sink, error) {
	f, err := c.format(cmd, format)
	switch {
	case err != nil:
		return config.Sink{}, err
	case name != "" && cmd.Flags().Changed("format"):
		return config.Sink{}, usageError{errors.New("--format and --sink: a sink has a format of its own"), cmd.CommandPath()}
	case file == "" && name == "":
		return config.Sink{Name: "map", Format: f, Original: true}, nil
	}
	cfg, err := c.load(file)
	if err != nil {
		return config.Sink{}, err
	}
	if name == "" {
		return everything(cfg, f), nil
	}
	s, err := sinkNamed(cfg, name)
	if err != nil {
		return config.Sink{}, usageError{err, ""}
	}
	return s, nil
}

// mapping is what is done with each input.
type mapping struct {
	organization string
	explain      bool
	prepare      func(*source.Event) (*source.Event, error) // nil: events are taken as they are
	encoder      transform.Transformer
	publish      func(context.Context, []sink.Record) error
}

func (c *command) mapFor(cmd *cobra.Command, s config.Sink, m mapping) (err error) {
	if m.encoder, err = newTransformer(s, nil); err != nil {
		return err
	}
	var stock prepare.Stock
	if m.prepare, err = newPreparation(s, &stock); err != nil {
		return err
	}
	if m.explain {
		if s.Format.Explain == nil {
			return usageError{fmt.Errorf("format %s does not explain its records", s.Format.Name), ""}
		}
		m.publish = explainer{s, c.stdout}.publish
		return m.all(cmd.Context(), c.stdin)
	}
	// A terminal is to be no more at the mercy of what it shows here than elsewhere.
	screen := stdout.To(c.stdout)
	out, err := screen.Open(cmd.Context(), sink.Env{}, screen.Settings())
	if err != nil {
		return err
	}
	m.publish = out.Publish
	return errors.Join(m.all(cmd.Context(), c.stdin), out.Close())
}

// all maps the whole input.
func (m *mapping) all(ctx context.Context, in io.Reader) error {
	wrong := failures{what: "lines of the input are no events"}
	unprepared := failures{what: "events could not be prepared, and are mapped as they are"}
	err := inputs(in, func(line int, data []byte) error {
		events, err := planetscale.Parse(data, m.organization)
		if err != nil {
			wrong.add(fmt.Errorf("line %d of the input: %w", line, err))
			return nil
		}
		var records []sink.Record
		for i := range events {
			e := &events[i]
			if m.prepare != nil {
				if e, err = m.prepare(e); err != nil {
					unprepared.add(fmt.Errorf("line %d of the input: event %s: %w", line, events[i].ID, err))
				}
			}
			if e == nil {
				continue // The sink filters it.
			}
			r, err := m.encoder.Transform(nil, e)
			if err != nil {
				return fmt.Errorf("line %d of the input: event %s: %w", line, e.ID, err)
			}
			records = append(records, r)
		}
		return m.publish(ctx, records)
	})
	if errors.Is(err, syscall.EPIPE) { // Whoever reads has seen enough, as head has.
		err = nil
	}
	return errors.Join(err, wrong.err(), unprepared.err())
}

// failures counts what goes wrong without ending anything.
type failures struct {
	what  string // failed, where several did
	count int
	first error
}

func (f *failures) add(err error) {
	if f.count++; f.first == nil {
		f.first = err
	}
}

func (f *failures) err() error {
	if f.count > 1 {
		return fmt.Errorf("%d %s, the first of them: %w", f.count, f.what, f.first)
	}
	return f.first
}

// inputs hands out what stands on each line. Where the first line is not JSON
// by itself, but the whole input is, that is one pretty-printed value.
func inputs(in io.Reader, each func(line int, data []byte) error) error {
	r := bufio.NewReader(in)
	first, err := r.ReadBytes('\n')
	if err == nil && !json.Valid(first) {
		rest, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		whole := append(first, rest...)
		if json.Valid(whole) {
			return each(1, whole)
		}
		r.Reset(bytes.NewReader(whole))
		first, err = r.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return err
		}
	}
	for line := 1; ; line++ {
		if data := bytes.TrimSpace(first); len(data) > 0 {
			if err := each(line, data); err != nil {
				return err
			}
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("reading the input: %w", err)
		}
		if err == io.EOF {
			return nil
		}
		first, err = r.ReadBytes('\n')
	}
}
