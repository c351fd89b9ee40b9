package app

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/stdout"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/prepare"
)

func (c *command) mapEvents() *cobra.Command {
	var file, name, format, kind string
	var m mapping
	cmd := &cobra.Command{
		Use:   "map",
		Short: "Turn raw events on stdin into records on stdout",
		Long: `Turn raw events on stdin into records on stdout, one a line.

The input is one event a line, or responses of the API. An event that cannot be
decoded comes out raw and marked, as in a lane. The type of source is the one of
the configuration or, without one, of this build. If there are several,
--source-type names one; sluice is Sluice's own log.

With -c and --sink the records are what that sink gets: filtered, enriched and
redacted by its settings, in its format and with the configured catalogue. Only
the sink's limit on the size of a record is not applied.

With --explain each record is shown field by field, with the rule that made it.`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, organization, err := c.mappedFor(cmd, file, name, format, kind)
			if err != nil {
				return err
			}
			m.organization = cmp.Or(m.organization, organization)
			return c.mapFor(cmd, l, m)
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().Lookup("config").Usage = "configuration file, for --sink and the catalogue"
	cmd.Flags().StringVar(&name, "sink", "", "make the records that this sink gets")
	formatFlag(cmd, &format)
	cmd.Flags().StringVar(&kind, "source-type", "", "type of source that the events come from")
	cmd.Flags().StringVar(&m.organization, "organization", "", "organization that the records name (default that of the only source)")
	cmd.Flags().BoolVar(&m.explain, "explain", false, "show the rule that made each field")
	return cmd
}

// mappedFor returns the lane whose records map makes. Its sink is one of the
// configuration, or one that gets all events in a format. Its source may have nothing
// but a type. The organization is that of the source, if the events can be of no other.
func (c *command) mappedFor(cmd *cobra.Command, file, name, format, kind string) (l config.Lane, only string, err error) {
	f, err := c.format(cmd, format)
	switch {
	case err != nil:
		return l, "", err
	case name != "" && cmd.Flags().Changed("format"):
		return l, "", usageError{errors.New("--format and --sink exclude each other: the sink sets the format"), cmd.CommandPath()}
	case file == "" && name == "":
		src, err := c.sourceOf(cmd, nil, kind)
		return config.Lane{Source: src, Sink: config.Sink{Name: "map", Format: f, Original: true}}, "", err
	}
	cfg, err := c.load(file)
	if err != nil {
		return l, "", err
	}
	s := everything(cfg, f)
	if name != "" {
		if s, err = sinkNamed(cfg, name); err != nil {
			return l, "", usageError{err, ""}
		}
	}
	followed := slices.DeleteFunc(slices.Clone(cfg.Sources), func(src config.Source) bool { return !slices.Contains(s.Sources, src.Name) })
	if kind == ownlog.Name {
		s.Prepare = prepare.Settings{} // It is about events of sources.
	}
	src, err := c.sourceOf(cmd, followed, kind)
	if err == nil && oneOfType(followed, src.Type.Name) {
		only = organization(src)
	}
	return config.Lane{Source: src, Sink: s}, only, err
}

// oneOfType reports whether exactly one source has a type.
func oneOfType(sources []config.Source, kind string) bool {
	count := 0
	for _, s := range sources {
		if s.Type.Name == kind {
			count++
		}
	}
	return count == 1
}

// sourceOf returns the first source of a type. Without sources it returns one that has
// nothing but a type. If no type is named, there must be only one.
func (c *command) sourceOf(cmd *cobra.Command, sources []config.Source, kind string) (config.Source, error) {
	types := c.kinds.Sources
	if kind == ownlog.Name { // It is a source without being configured.
		sources, types = nil, []source.Type{ownlog.Type()}
	}
	if len(sources) == 0 {
		for _, t := range types {
			catalogue, err := transform.ParseCatalogue(t.Catalogue)
			if err != nil {
				return config.Source{}, fmt.Errorf("sources of type %s: catalogue: %w", t.Name, err)
			}
			sources = append(sources, config.Source{Type: t, Catalogue: catalogue})
		}
	}
	var names []string
	for _, s := range sources {
		if s.Type.Name == kind {
			return s, nil
		}
		if !slices.Contains(names, s.Type.Name) {
			names = append(names, s.Type.Name)
		}
	}
	switch {
	case kind != "":
		return config.Source{}, usageError{fmt.Errorf("unknown type of source %q; known: %q", kind, names), cmd.CommandPath()}
	case len(names) > 1:
		return config.Source{}, usageError{fmt.Errorf("the events may come from several types of source; name one with --source-type: %s", strings.Join(names, ", ")), cmd.CommandPath()}
	}
	return sources[0], nil
}

// mapping describes how map turns events into records.
type mapping struct {
	organization string
	explain      bool
	kind         source.Type
	*mapper
	publish func(context.Context, []sink.Record) error
}

func (c *command) mapFor(cmd *cobra.Command, l config.Lane, m mapping) (err error) {
	m.kind = l.Source.Type
	if m.mapper, err = newMapper(l, &prepare.Stock{}); err != nil {
		return err
	}
	if m.explain {
		if l.Sink.Format.Explain == nil {
			return usageError{fmt.Errorf("format %s cannot explain its records", l.Sink.Format.Name), ""}
		}
		m.publish = explainer{m.mapper, c.stdout}.publish
		return m.all(cmd.Context(), interruptible(cmd.Context(), c.stdin))
	}
	// Events must not control the terminal, so the sink stdout writes the records.
	screen := stdout.To(c.stdout)
	out, err := screen.Open(cmd.Context(), sink.Env{}, screen.Settings())
	if err != nil {
		return err
	}
	m.publish = out.Publish
	return errors.Join(m.all(cmd.Context(), interruptible(cmd.Context(), c.stdin)), out.Close())
}

// all maps the whole input.
func (m *mapping) all(ctx context.Context, in io.Reader) error {
	wrong := failures{what: "lines of the input are not events"}
	unprepared := failures{what: "events are unfiltered or unenriched"}
	err := inputs(in, func(line int, data []byte) error {
		events, err := m.kind.Parse(data, m.organization)
		if err != nil {
			wrong.add(fmt.Errorf("line %d of the input: %w", line, err))
			return nil
		}
		var records []sink.Record
		for i := range events {
			r, err := m.record(&events[i])
			if r.unprepared != nil {
				unprepared.add(fmt.Errorf("line %d of the input: event %s: %w", line, events[i].ID, r.unprepared))
			}
			if err != nil {
				return fmt.Errorf("line %d of the input: event %s: %w", line, events[i].ID, err)
			}
			if !r.filtered {
				records = append(records, r.Record)
			}
		}
		return m.publish(ctx, records)
	})
	if errors.Is(err, syscall.EPIPE) { // The reader has closed the pipe, as head does.
		err = nil
	}
	return errors.Join(err, wrong.err(), unprepared.err())
}

// failures counts errors that do not end the command.
type failures struct {
	what  string // in the plural, such as "lines of the input are not events"
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
		return fmt.Errorf("%d %s; the first: %w", f.count, f.what, f.first)
	}
	return f.first
}

// inputs calls each for every line. If the first line is not JSON but the whole input
// is, the input is one value over several lines.
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
