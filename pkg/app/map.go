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

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/stdout"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/transform"
)

func (c *command) mapEvents() *cobra.Command {
	var format, organization string
	cmd := &cobra.Command{
		Use:   "map",
		Short: "Turn raw events on stdin into records on stdout",
		Long: `Turn raw events on stdin into records on stdout, one a line.

The input is one event a line, or answers of the API. What cannot be decoded
comes out raw and marked, as it would in a lane.`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.format(cmd, format)
			if err != nil {
				return err
			}
			encoder, err := f.New(transform.Options{Original: true, Host: hostname(), Version: buildVersion()})
			if err != nil {
				return fmt.Errorf("format %s: %w", f.Name, err)
			}
			screen := stdout.To(c.stdout)
			out, err := screen.Open(cmd.Context(), sink.Env{}, screen.Settings())
			if err != nil {
				return err
			}
			return errors.Join(mapAll(cmd.Context(), c.stdin, out, organization, encoder), out.Close())
		},
	}
	formatFlag(cmd, &format)
	cmd.Flags().StringVar(&organization, "organization", "", "organization to name in the records")
	return cmd
}

// mapAll writes through the sink that stdout is elsewhere, since a terminal is to
// be no more at the mercy of what it shows here than there.
func mapAll(ctx context.Context, in io.Reader, out sink.Sink, organization string, encoder transform.Transformer) error {
	var wrong badLines
	err := inputs(in, func(line int, data []byte) error {
		events, err := planetscale.Parse(data, organization)
		if err != nil {
			wrong.add(line, err)
			return nil
		}
		records := make([]sink.Record, len(events))
		for i := range events {
			if records[i], err = encoder.Transform(nil, &events[i]); err != nil {
				return fmt.Errorf("line %d of the input: event %s: %w", line, events[i].ID, err)
			}
		}
		return out.Publish(ctx, records)
	})
	if errors.Is(err, syscall.EPIPE) { // Whoever reads has seen enough, as head has.
		err = nil
	}
	return errors.Join(err, wrong.err())
}

// badLines counts what is neither an event nor an answer. The lines around it
// are mapped all the same.
type badLines struct {
	count int
	first error
}

func (b *badLines) add(line int, err error) {
	if b.count++; b.first == nil {
		b.first = fmt.Errorf("line %d of the input: %w", line, err)
	}
}

func (b *badLines) err() error {
	if b.count > 1 {
		return fmt.Errorf("%d lines of the input are no events, the first of them: %w", b.count, b.first)
	}
	return b.first
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
