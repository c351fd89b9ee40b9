package app

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

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
			return mapAll(cmd.InOrStdin(), cmd.OutOrStdout(), organization, encoder)
		},
	}
	formatFlag(cmd, &format)
	cmd.Flags().StringVar(&organization, "organization", "", "organization to name in the records")
	return cmd
}

func mapAll(in io.Reader, out io.Writer, organization string, encoder transform.Transformer) error {
	w := bufio.NewWriter(out)
	var record []byte
	var wrong badLines
	err := inputs(in, func(line int, data []byte) error {
		events, err := planetscale.Parse(data, organization)
		if err != nil {
			wrong.add(line, err)
			return nil
		}
		for i := range events {
			r, err := encoder.Transform(record[:0], &events[i])
			if err != nil {
				return fmt.Errorf("line %d of the input: event %s: %w", line, events[i].ID, err)
			}
			record = append(r.Body, '\n')
			if _, err := w.Write(record); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, wrong.err(), w.Flush())
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
