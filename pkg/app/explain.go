package app

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// explainer tells the records of a sink field by field, each with the rule that
// made it.
type explainer struct {
	sink config.Sink
	out  io.Writer
}

// publish shows what people look at, so that it is no more at the mercy of who
// named things than a screen is elsewhere.
func (x explainer) publish(_ context.Context, records []sink.Record) error {
	for i := range records {
		text, err := x.explain(&records[i])
		if err != nil {
			return err
		}
		if _, err := io.WriteString(x.out, text); err != nil {
			return fmt.Errorf("writing the explanation: %w", err)
		}
	}
	return nil
}

func (x explainer) explain(r *sink.Record) (string, error) {
	fields, err := x.sink.Format.Explain(r.Body)
	if err != nil {
		return "", fmt.Errorf("explaining event %s: %w", r.ID, err)
	}
	a := x.sink.Catalogue.Lookup(r.Action)
	var text strings.Builder
	fmt.Fprintf(&text, "event      %s\naction     %s\ncatalogue  %s\nseverity   %d: %s\n\n", oneLine(r.ID), oneLine(r.Action), oneLine(a.Rule), a.Severity, oneLine(a.Reason))
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "FIELD\tVALUE\tRULE\n")
	for _, f := range fields {
		fmt.Fprintf(table, "%s\t%s\t%s\n", oneLine(f.Name), cell(f.Value), f.Rule)
	}
	if err := table.Flush(); err != nil {
		return "", err
	}
	return text.String() + "\n", nil
}

// cell shows the beginning of a text in a table.
func cell(text string) string {
	const longest = 60 // bytes
	if short := transform.Cut(text, longest); len(short) < len(text) {
		text = short + "…"
	}
	return oneLine(text)
}

func oneLine(text string) string { return strings.ReplaceAll(printable(text), "\n", "\uFFFD") }
